"""An open engine: one account's folder, its state and log, its thread; what a host embeds.

No globals, no signal handlers, no logging set up; runs beside the host's own event loop. Several
engines live in one process, one per folder.

Long because it is the one list of what an engine can be asked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from blaster.clock import Clock
from blaster.content import read_token
from blaster.core import (
    Late,
    Oldest,
    OldestLook,
    addresses_of,
    filling_of,
    is_filling,
    ledger_of,
    unfilled,
)
from blaster.definitions import check, to_json
from blaster.engine.accounts import Contacts, Lists, patiently
from blaster.engine.archiving import Archiver, HistoryStatus
from blaster.engine.campaigning import Campaigns
from blaster.engine.engineclock import EngineClock, TimeStatus
from blaster.engine.erasures import Pending
from blaster.engine.events import Events
from blaster.engine.filling import Preparing, Task, fill, task_of
from blaster.engine.finding import find_contact
from blaster.engine.gathering import Arrival, Gathering
from blaster.engine.letterbook import Sample
from blaster.engine.machine import Machine
from blaster.engine.notices import Notice
from blaster.engine.past import Past
from blaster.engine.preview import Preview, preview_of
from blaster.engine.publishing import refuse, try_out
from blaster.engine.recovery import Recovered, recover
from blaster.engine.reporting import Reports
from blaster.engine.requests import Journeys, Recipients, check_ledger, send
from blaster.engine.secret import SECRET_BYTES, account_secret
from blaster.engine.snapshotting import SnapshotStatus, Snapshotter
from blaster.engine.subscription import Subscription
from blaster.engine.sweeping import Sweeper
from blaster.engine.system import System
from blaster.engine.thread import EngineThread
from blaster.engine.timeline import TimelineItem, timeline
from blaster.errors import DefinitionError, EngineClosed, InputError, LogError
from blaster.limits import TICK_THREADS, TICK_THREADS_MAX, WORKERS_MAX
from blaster.log import EmbeddedLog, Log, Snapshots
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import NEVER
from blaster.model.ledger import StepLedger
from blaster.model.sites import SiteStatus
from blaster.transport import (
    NoMail,
    SmtpTransport,
    StubTransport,
    Switchboard,
    Transport,
    workers_of,
)

LOG_FOLDER = "data/log"
SNAPSHOT_FOLDER = "data/snapshots"
HISTORY_FOLDER = "data/history"
CHANNELS = ("email", "sms", "crm", "webhook")
Answer = TypeVar("Answer")


class Engine:
    """One account. Use `async with blaster.open(folder) as engine`."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        transport: Transport | None = None,
        log: Log | None = None,
        workers: int | None = None,
        threads: int | None = None,
        deliver: bool = True,
    ) -> None:
        if workers is not None and not 1 <= workers <= WORKERS_MAX:
            raise InputError(f"there are 1 to {WORKERS_MAX} workers, not {workers}")
        if threads is not None and not 1 <= threads <= TICK_THREADS_MAX:
            raise InputError(f"a tick has 1 to {TICK_THREADS_MAX} threads, not {threads}")
        self.folder = folder
        self._workers = workers
        self._threads = threads or min(len(os.sched_getaffinity(0)), TICK_THREADS)
        self._deliver = deliver
        self._secret: bytes | None = None
        self._given_clock = clock
        self._waited = ""
        self._given_transport = transport
        self._given_log = log
        self._thread: EngineThread | None = None
        self._gathering: Gathering | None = None
        self._snapshotter: Snapshotter | None = None
        self._sweeper: Sweeper | None = None
        self._archiver: Archiver | None = None
        self._closed: EngineThread | None = None
        self._opening = False
        self._publishing = asyncio.Lock()
        self._preparing: Preparing | None = None
        self._subscriptions: list[Subscription] = []
        self.contacts = Contacts(self._run, self._bring)
        self.lists = Lists(self._run)
        self.events = Events(self._run, self._bring)
        self.journeys = Journeys(self._run)
        self.campaigns = Campaigns(self._run)
        self.reports = Reports(self._run, self._past)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Opens the log, rebuilds the state from it, and begins to run.

        Raises FolderInUse when another engine owns the folder, LogError when its log cannot be
        read, and what the transport raises; then nothing is open.
        """
        if self._opening or self._thread is not None:
            raise InputError("the engine is open already")
        self._opening = True
        try:
            thread = await _whole(self._open, EngineThread.close)
            try:
                thread.start()  # on the host's loop, which a transport may want
            except BaseException:
                await _whole(thread.close)
                raise
            self._thread, self._gathering = thread, Gathering(thread)
        finally:
            self._opening = False

    def _open(self) -> EngineThread:
        """Everything but running; what fails half way lets go of the folder."""
        machine, snapshotter = self._recover()
        machine.threads = self._threads
        try:
            self._secret = account_secret(self.folder) if self.folder.is_dir() else None
            self._transport = self._given_transport or self._transport_of(machine)
            thread = EngineThread(
                machine, self._clock, self._transport, snapshotter, self._archiver
            )
            self._snapshotter = snapshotter
            thread.prepare(deliver=self._deliver)
        except BaseException:
            machine.log.close()
            raise
        thread.telling.listen(self._notify, self._stopped)
        return thread

    def _clock_of(self, machine: Machine) -> Clock:
        """Kept in the folder where this engine owns it, which is what its own log locks."""
        folder = self.folder if self._given_log is None else None
        return self._given_clock or EngineClock(System(), machine.state.now, folder)

    def _recover(self) -> tuple[Machine, Snapshotter | None]:
        if self._given_log is not None:
            machine = Machine.recover(self._given_log)
            self._clock = self._clock_of(machine)
            return machine, None
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder; `blaster init {self.folder}` makes one")
        log = EmbeddedLog.open(self.folder / LOG_FOLDER)
        self._waited = log.lock.waited
        try:
            snapshots = Snapshots(self.folder / SNAPSHOT_FOLDER)
            recovered = recover(log, snapshots)
            self._clock = self._clock_of(recovered.machine)
            return recovered.machine, self._snapshotter_of(snapshots, recovered, log)
        except OSError as error:
            log.close()
            raise LogError(f"{self.folder}: {error}") from error
        except BaseException:
            log.close()
            raise

    def _snapshotter_of(
        self, snapshots: Snapshots, recovered: Recovered, log: EmbeddedLog
    ) -> Snapshotter:
        archiver = Archiver(self.folder / HISTORY_FOLDER, snapshots, log, self._clock)
        snapshots.prune(*archiver.needed())
        snapshotter = Snapshotter(snapshots, recovered, log, self._clock, archiver.needed)
        sweeper = Sweeper(self.folder, snapshots, snapshotter, log, self._clock, archiver)
        self._archiver, self._sweeper, snapshotter.sweeper = archiver, sweeper, sweeper
        return snapshotter

    def _past(self) -> Past:
        """What the log ever said. Raises LogCorrupt when the history is damaged."""
        if self._thread is None:
            raise EngineClosed("the engine is not open")
        archiver = self._archiver
        return Past(self._thread.log, archiver.history if archiver is not None else None)

    def _transport_of(self, machine: Machine) -> Transport:
        """What blaster.toml says; or, for an engine that is not to deliver, one that takes nothing.

        Orders an earlier owner left in flight then stay for the next one who delivers. With a log
        of the caller's there is no folder that workers could hold, and only stubs deliver.
        """
        if not self._deliver:
            return StubTransport(closed_channels=CHANNELS)
        log, secret = machine.log, self._secret
        if secret is None or not isinstance(log, EmbeddedLog):
            return Switchboard(NoMail)
        return Switchboard(
            lambda: SmtpTransport(
                self.folder,
                secret=secret,
                workers=self._workers,
                hold=log.lock.fileno(),
                clock=self._clock,
            )
        )

    async def close(self) -> None:
        """Finishes what was accepted, makes it durable, and lets go of the folder.

        Cancelled, it still does all of it first.
        """
        thread, self._thread = self._thread, None
        self._gathering = None
        try:
            if thread is not None:
                self._closed = thread
                await _whole(thread.close)
        finally:
            for subscription in list(self._subscriptions):
                subscription.end()

    @property
    def failure(self) -> BaseException | None:
        """Why the engine stopped by itself, and answers EngineClosed; None while all is well."""
        thread = self._thread or self._closed
        return thread.failure if thread is not None else None

    @property
    def fault(self) -> str:
        """Why delivery ended by itself, until the engine is opened again; "" while it has not."""
        return self._transport.fault() if self._thread is not None else ""

    async def _run(self, command: Callable[[Machine, int], Any]) -> Any:
        if self._thread is None:
            raise EngineClosed("the engine is not open")
        return await asyncio.wrap_future(self._thread.run(command))

    def _bring(self, arrival: Arrival) -> Awaitable[None]:
        if self._gathering is None:
            raise EngineClosed("the engine is not open")
        return self._gathering.bring(arrival)

    # --- definitions --------------------------------------------------------------------------

    async def publish(
        self,
        workspace: model.Workspace | None = None,
        *,
        progress: Callable[[Preparing], None] | None = None,
    ) -> int:
        """Publishes the folder's definitions, or the given ones; answers with how many journeys.

        Unchanged journeys go on as they are; runs inside a changed one stay on their version.
        Raises DefinitionError with every finding, InputError for a field that would change its
        type, a name that was another kind's, a launched campaign that is another one now, and for
        what the transport cannot use, such as a key; then nothing changes.

        Events that came before an attribute of theirs was declared as it is here are read again
        first, out of history and log; until that is done all goes on as before, `preparing` says
        how far it is, and `progress` hears of it. Raises LogError when they cannot be read.
        """
        if workspace is None:
            checked = await asyncio.to_thread(check, self.folder)
            errors = tuple(f for f in checked.findings if f.severity == "error")
            if checked.workspace is None or errors:
                raise DefinitionError(errors)
            workspace = checked.workspace
        operation = records.Published(to_json(workspace))
        made = workspace
        await asyncio.to_thread(try_out, operation)
        if self._thread is not None:
            await asyncio.to_thread(self._transport.check, made)

        def command(machine: Machine, now: int, filled: bool = False) -> Task | None:
            refuse(machine, made)
            wanted = unfilled(machine.state, made)
            if not wanted or (filled and is_filling(machine.state, wanted)):
                machine.accept(now, (operation,))
                return None
            machine.accept(now, (filling_of(wanted),))
            return task_of(machine, wanted)

        async with self._publishing:
            task: Task | None = await self._run(command)
            try:
                while task is not None:  # again, if meanwhile something came that asks for more
                    tell = partial(self._prepare, progress)
                    await fill(partial(patiently, self._run), self._past(), task, tell)
                    task = await patiently(self._run, partial(command, filled=True))
            finally:
                self._preparing = None
        return len(made.journeys)

    def _prepare(self, progress: Callable[[Preparing], None] | None, preparing: Preparing) -> None:
        self._preparing = preparing
        if progress is not None:
            progress(preparing)

    @property
    def preparing(self) -> Preparing | None:
        """The publication that waits until what it declares is filled, and how far that is."""
        return self._preparing

    # --- sending ------------------------------------------------------------------------------

    async def send(
        self,
        channel: model.Channel,
        message: str,
        to: Recipients,
        *,
        data: Mapping[str, object] | None = None,
        key: str | None = None,
    ) -> tuple[int, ...]:
        """Requests one send of a published message to each contact; answers with their numbers.

        `to` is one contact or several: number, id, e-mail address or phone number. An operational
        message to an address that nobody has makes a contact; one of marketing or sales is refused,
        and permission, caps and suppression hold as in a journey. `data` is what `event.NAME` reads
        in the message. With a `key` the same request may be made twice: to one contact a key sends
        this message once, ever, and notices of it name the key. Shown by `audit`, `explain` and
        `counts` as the journey `send CHANNEL NAME`. Raises InputError; then nothing is sent.
        """
        return await send(self._run, channel, message, to, data, key)

    async def unsubscribe(self, token: str) -> int:
        """Opts out whoever a message's opt-out link was made for; answers with his number.

        `token` is the last part of the link. Marketing and sales e-mail to him stops at once.
        Raises InputError for what is no token of this account.
        """
        if self._secret is None:
            raise InputError("tokens need the account's folder")
        found = read_token(self._secret, token)
        if found.kind != "unsubscribe":
            raise InputError("this token is of another kind of link")
        await self.contacts.suppress(found.contact, "email", "opt-out link")
        return found.contact

    # --- looking ------------------------------------------------------------------------------

    async def preview(self, channel: model.Channel, message: str, contact: str | int) -> Preview:
        """What one contact would get of a message now, outside of any journey; nothing is sent.

        Raises InputError for a message or contact that there is not.
        """
        secret = self._secret or bytes(SECRET_BYTES)

        def command(machine: Machine, now: int) -> tuple[Sample, int, str, int]:
            state = machine.state
            if state.plan is None:
                raise InputError("nothing is published yet")
            row = find_contact(state, contact)
            sample = machine.letterbook.row(state, channel, message, row, now)
            address = addresses_of(state, channel, np.array([row], np.int64))[0].as_py()
            return sample, row, address or "", now

        sample, row, address, now = await self._run(command)
        return preview_of(sample, secret, row, address, now)

    async def ledger(self, journey: str) -> list[StepLedger]:
        """For each step that sends what became of everybody who came to it.

        A campaign has one line. Single sends are in the journey `send CHANNEL MESSAGE`: [] before
        the first. Raises InputError for a journey, campaign or message that there is not.
        """

        def command(machine: Machine, now: int) -> list[StepLedger]:
            steps = ledger_of(machine.state, journey)
            if not steps:
                check_ledger(machine.state, journey)
            return steps

        return list(await self._run(command))

    def sites(self) -> list[SiteStatus]:
        """How each site is doing, as the transport said last; never waits."""
        return self._transport.sites() if self._thread is not None else []

    async def workers(self) -> int:
        """How many processes deliver e-mail, by the definitions in force; 0: it is not by SMTP."""

        def command(machine: Machine, now: int) -> int:
            plan = machine.state.plan
            account = plan.workspace.account if plan is not None else model.Account()
            smtp = account.transports.get("email", {}).get("kind") == "smtp"
            delivers = self._deliver and self._given_transport is None
            return workers_of(account, self._workers) if smtp and delivers else 0

        return int(await self._run(command))

    def cpu_s(self) -> float:
        """CPU seconds that the delivering processes have used so far; never waits."""
        return self._transport.cpu_s() if self._thread is not None else 0.0

    @property
    def late(self) -> list[Late]:
        """What should have been done while nobody ran the account, as it was at the opening."""
        return list(self._thread.late) if self._thread is not None else []

    @property
    def warning(self) -> str:
        """What is wrong without stopping the engine, such as a key that does not load, or workers
        that cannot be had; or "".
        """
        if self._thread is None:
            return ""
        thread = self._thread
        sweeping = self._sweeper.warning if self._sweeper is not None else ""
        warnings = (
            self._transport.warning(), thread.warning, thread.overdue, self.snapshot.warning,
            self.history.warning, sweeping, self._waited,
        )  # fmt: skip
        return "; ".join(filter(None, warnings))

    @property
    def erasures(self) -> tuple[Pending, ...]:
        """The erasures of which files may still hold values, the oldest first."""
        return self._sweeper.pending if self._sweeper is not None else ()

    async def sweep(self) -> None:
        """Has the values of erased contacts removed from all files now, and waits until they are.

        By itself the engine does it later, for many together, and within `erase_within`. All that
        is kept is written anew. Raises LogError when the disk refuses, or when somebody reads the
        past for longer than SWEEP_READERS_S: then it is done when he is through.
        """
        sweeper, done = self._sweeper, Future[None]()
        if sweeper is not None:
            await self._run(lambda machine, now: sweeper.want(done))
            await asyncio.wrap_future(done)

    @property
    def snapshot(self) -> SnapshotStatus:
        """The newest snapshot, and what keeps the engine from writing another one."""
        return self._snapshotter.status if self._snapshotter is not None else SnapshotStatus()

    @property
    def history(self) -> HistoryStatus:
        """How far the log has become history, and what keeps it from going on."""
        return self._archiver.status if self._archiver is not None else HistoryStatus()

    @property
    def time(self) -> TimeStatus | None:
        """Engine time, and whether the wall clock agrees with it; None with a clock of the host's.

        While its `alarm` stands, marketing and sales wait, and engine time goes on by itself.
        """
        clock = self._clock if self._thread is not None else None
        return clock.status() if isinstance(clock, EngineClock) else None

    async def confirm_time(self) -> float:
        """Says that the wall clock is right as it is now: engine time follows it, and sends go on.

        Answers by how many seconds engine time leapt; below 0, for how many it stands until the
        wall clock has come up. What became due by a leap is late by as much, and `late:` decides.
        Raises InputError for an engine with a clock of its host's.
        """
        thread = self._thread
        if thread is None:
            raise EngineClosed("the engine is not open")
        return float(await self._run(lambda machine, now: thread.time.confirm()))

    async def oldest_orders(self) -> list[Oldest]:
        """By state (waiting, in flight) and category how many sends there are, and the oldest.

        The oldest are looked for in slices, between other work: it costs a look at every run.
        """
        look = await self._run(lambda machine, now: OldestLook(machine.state))
        while (found := await self._run(lambda machine, now: look.go_on(now))) is None:
            pass
        return list(found)

    async def explain(self, contact: str | int) -> list[TimelineItem]:
        """What happened to a contact and what was decided, each with its facts as they were.

        Of the number of an erased contact: what happened and when, and nothing of what it was.
        """

        def command(machine: Machine, now: int) -> tuple[int, bool]:
            number = find_contact(machine.state, contact, erased=True)
            return number, bool(machine.state.erased(np.array([number], np.int64))[0])

        number, erased = await self._run(command)
        past = self._past().of(number)
        return await asyncio.to_thread(timeline, past, number, erased=erased)

    async def audit(self, journey: str) -> dict[str, int]:
        """A journey's entries, and where they are: the first is the sum of the next four.

        `entered` = `running` + `finished` + `exited` + `failed` (a send that was not made ended
        the run); `dropped` were not let in. `explain` gives the reason of each.
        """

        def command(machine: Machine, now: int) -> dict[str, int]:
            counts = machine.state.counts
            running = sum(
                version.running
                for version in machine.state.versions
                if version.plan.name == journey
            )
            return {
                "entered": counts["journey", journey, "entered"],
                "running": running,
                "finished": counts["journey", journey, "finished"],
                "exited": counts["journey", journey, "exited"],
                "failed": counts["journey", journey, "failed"],
                "dropped": counts["journey", journey, "dropped"],
            }

        return dict(await self._run(command))

    async def counts(self, channel: str, message: str) -> dict[str, int]:
        """What became of a message's sendings: sent, opened, ..., and `not_sent:REASON`."""

        def command(machine: Machine, now: int) -> dict[str, int]:
            return {
                ":".join(key[3:]): count
                for key, count in machine.state.counts.items()
                if key[:3] == ("message", channel, message) and count
            }

        return dict(await self._run(command))

    async def digest(self) -> str:
        """A hash of the state's logical values: equal states give equal digests."""
        return str(await self._run(lambda machine, now: machine.state.digest()))

    async def quiet(self) -> int | None:
        """Waits until nothing is left to do at this instant, and all that was done is durable.

        Answers with the next instant at which something is due by time (None: nothing is). Orders
        that the transport has not answered are not waited for. Whoever moves a clock of his own
        goes from instant to instant with it: `blaster.testing.run_until` does.
        """
        return await self._rest(settled=False, rates=False)

    async def settled(self, *, rates: bool = False) -> int | None:
        """As `quiet`, and waits until the transport has answered every order it was given.

        Also no send waits for room then: what is left waits for its instant. While a site is down
        its orders wait for theirs too. With `rates` it also waits until the rate of each running
        campaign has let everybody through who waits for nothing else; without, the next instant is
        when it lets somebody. Raises InputError for an engine that does not deliver.
        """
        if not self._deliver:
            raise InputError("this engine was opened with deliver=False: it never settles")
        return await self._rest(settled=True, rates=rates)

    async def _rest(self, *, settled: bool, rates: bool) -> int | None:
        if self._thread is None:
            raise EngineClosed("the engine is not open")
        due = await asyncio.wrap_future(self._thread.rest(settled=settled, rates=rates))
        return None if due == NEVER else due

    # --- being told ---------------------------------------------------------------------------

    def subscribe(self) -> Subscription:
        """An async iterator of notices from now on; ends when the engine is closed.

        At most NOTICES_MAX wait: a subscriber that lags further gets Busy, and no more. When the
        engine stops by itself it gets EngineClosed.
        """
        thread = self._thread
        if thread is None:
            raise EngineClosed("the engine is not open")
        subscription = Subscription(asyncio.get_running_loop(), self._subscriptions.remove)
        self._subscriptions.append(subscription)
        if thread.failure is not None:  # it may have told the others just before this one came
            subscription.end(thread.failure)
        return subscription

    def _notify(self, notices: list[Notice]) -> None:
        for subscription in list(self._subscriptions):
            subscription.offer(notices)

    def _stopped(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.end(self._thread.failure if self._thread is not None else None)


async def _whole(
    work: Callable[[], Answer], undo: Callable[[Answer], object] | None = None
) -> Answer:
    """`work` on a thread of its own, to its end even when cancelled; then its result is undone."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except BaseException:  # noqa: BLE001 - the task holds it, and gives it below
            break
    if not cancelled:
        return task.result()
    if task.exception() is None and undo is not None:
        await asyncio.to_thread(undo, task.result())
    raise asyncio.CancelledError


def open_engine(
    folder: str | Path,
    *,
    clock: Clock | None = None,
    transport: Transport | None = None,
    log: Log | None = None,
    workers: int | None = None,
    threads: int | None = None,
    deliver: bool = True,
) -> Engine:
    """An engine over an account's folder, to be entered with `async with`.

    `transport` takes the orders (default: what blaster.toml says), `clock` tells the time, `log`
    keeps the records (default: in the folder's data/log). `workers` is how many processes deliver
    e-mail (default: what blaster.toml says, else one per processor), `threads` how many threads a
    tick may use (default: one per processor, 4 at most); what is decided is the same for any. With
    `deliver` false nothing leaves: orders wait for an engine that delivers. Raises InputError.
    """
    return Engine(
        Path(folder),
        clock=clock,
        transport=transport,
        log=log,
        workers=workers,
        threads=threads,
        deliver=deliver,
    )
