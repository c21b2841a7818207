"""A small seeded world on the engine thread, over a folder on a disk that may fail or lose power.

People join, buy, change, consent and opt out, in bursts that are not waited for; journeys and a
campaign send to them; the post delivers, refuses, postpones or keeps silent, as dice say; the wall
clock jumps and is set right; snapshots are written all the time. What was acknowledged and what had
left is noted as it happens, so that it can be asked of whatever opens the folder afterwards.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.clock import Clock
from blaster.core import ledger_of
from blaster.engine import Machine
from blaster.engine.archiving import Archiver
from blaster.engine.engineclock import EngineClock
from blaster.engine.intake import attributes
from blaster.engine.recovery import Recovered, recover
from blaster.engine.snapshotting import Snapshotter
from blaster.engine.sweeping import Sweeper
from blaster.engine.thread import EngineThread
from blaster.errors import BlasterError
from blaster.limits import CLOCK_LOOK_S
from blaster.log import Disk, EmbeddedLog, Log, Snapshots, encode_entry
from blaster.model import records
from blaster.model.definitions import Workspace
from blaster.model.fields import NEVER
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import IN_DOUBT, OutcomeCode
from blaster.transport import Transport
from blaster.transport.ring import Ring
from blaster.transport.rings import Rings
from tests.engine.machines import ScriptedSystem
from tests.engine.support import TEXT, WAIT_S, people, published
from tests.log.support import HastyDisk
from tests.sim.test_ledgers import look

DAY = 86_400
BOOTS = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
ONCE = "---\ncategory: operational\nfrom: club\nsubject: Once\nrepeat: never\n---\n<p>Once</p>\n"
AD = "---\ncategory: marketing\nfrom: club\nsubject: Ad\n---\n<p>Ad</p>\n"
CAMPAIGN = "spring"
LOG, SNAPSHOTS, CLOCK = "data/log", "data/snapshots", "data/clock"
HISTORY = "data/history"
FILES = {
    "messages/once.email.html": ONCE,
    "messages/ad.email.html": AD,
    "campaigns/spring.yaml": (
        'campaign: spring\naudience: list("club")\nsend: email ad\nrate: 1/s\n'
    ),
    "journeys/birthday.yaml": (
        "journey: birthday\nenter: {on: date born, late: within 6h, again: each time}\nsteps:\n"
        "  - id: greet\n    send: email bill\n"
    ),
    "messages/pay.sms.txt": TEXT,
    "journeys/welcome.yaml": (
        'journey: welcome\nenter:\n  on: list "club"\n  again: each time\nsteps:\n'
        "  - id: bill\n    send: email bill\n  - id: rest\n    wait: 1d\n"
        "  - id: pay\n    send: sms pay\n"
    ),
    "journeys/bought.yaml": (
        'journey: bought\nenter:\n  on: event "purchase"\n  again: each time\nsteps:\n'
        "  - id: once\n    send: email once\n"
    ),
}
MOST = 60
"""Contacts that a world comes to have."""


class Post(Transport):
    """Delivers, refuses, postpones or says nothing: `left` are the numbers of e-mails that leave.

    What is postponed was not taken, and has not left. Any other channel is a stub's: nothing of it
    leaves, and everything is accepted at once.
    """

    def __init__(self, folder: Path, boot: str, dice: random.Random, silent: float = 0.2) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rings = Rings(folder, Ring, boot, places=16)
        self.left: list[int] = []
        self.dice = dice
        self.silent = silent
        self._tell: Callable[[OutcomeBatch], None] = lambda batch: None

    def reclaim(self, numbers: Any, repeats: Any) -> OutcomeBatch:
        return self.rings.reclaim(numbers, repeats)

    def room(self) -> dict[str, int]:
        return {}

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        self.rings.create()
        self._tell = outcomes

    def hand_over(self, batch: OrderBatch) -> None:
        by_mail = batch.channel == "email"
        silent = self.silent if by_mail else 0.0
        answered = np.array([self.dice.random() >= silent for _ in batch.numbers], bool)
        codes = np.array([self._code(by_mail) for _ in batch.numbers], np.uint8)
        if by_mail:
            later = answered & (codes == OutcomeCode.DEFERRED)
            self.left += batch.numbers[~later].tolist()
        if answered.any():
            numbers = batch.numbers[answered]
            self._tell(OutcomeBatch(numbers, codes[answered], ("said",) * len(numbers)))

    def _code(self, by_mail: bool) -> OutcomeCode:
        draw = self.dice.random()
        if draw < 0.2:
            return OutcomeCode.FAILED
        return OutcomeCode.DEFERRED if by_mail and draw < 0.3 else OutcomeCode.ACCEPTED

    def settled(self, numbers: Any) -> None:
        self.rings.settle(numbers)

    def close(self) -> None:
        self.rings.close()


@dataclass
class Told:
    """What had been promised by some instant: newest acknowledged sequence, orders that left.

    `snapshot` is the newest one, `true` the time, `clock` what stood in that file.
    """

    acknowledged: int
    left: int
    durable: int
    snapshot: int
    true: float
    clock: bytes


class RememberingLog(EmbeddedLog):
    """Remembers every frame by its number, also of what is trimmed."""

    def remember(self, frames: dict[int, bytes]) -> None:
        self.frames = frames

    def append(self, entry: records.Entry, timeout_s: float = 0.0, *, owed: bool = False) -> int:
        sequence = super().append(entry, timeout_s, owed=owed)
        self.frames[sequence] = encode_entry(entry)
        return sequence


class World:
    """One engine over a disk. Use `open`; `act` does something, `run` lets time go by.

    With `history` its log is moved there and trimmed, and `sweeper` sweeps when it is asked to;
    `frames` are those of the whole log all the same.
    """

    def __init__(
        self,
        folder: Path,
        space: Workspace,
        seed: int,
        disk: Disk,
        *,
        file_bytes: int = 12_000,
        history: bool = False,
    ) -> None:
        self.folder = folder
        self.history = history
        self.frames: dict[int, bytes] = {}
        self.archiver: Archiver | None = None
        self.dice = random.Random(seed)
        self.disk = disk
        self.file_bytes = file_bytes
        self.system = ScriptedSystem()
        self.acknowledged = 0
        self.futures: list[Future[int]] = []
        self.post = Post(folder.with_name(f"{folder.name}-post"), BOOTS[0], self.dice)
        self.space = space
        self.log: EmbeddedLog | None = None
        self.thread: EngineThread | None = None
        self.snapshotter: Snapshotter | None = None

    def told(self) -> Told:
        durable = self.log.durable if self.log is not None else 0
        number = self.snapshotter.status.number if self.snapshotter is not None else 0
        clock = self.folder / CLOCK
        kept = clock.read_bytes() if clock.exists() else b""
        left = len(self.post.left)
        return Told(self.acknowledged, left, durable, number, self.system.true, kept)

    def open(self) -> None:
        """Raises what opening raises; then nothing is open."""
        log = RememberingLog.open(
            self.folder / LOG, disk=self.disk, file_bytes_max=self.file_bytes, group_ms=0,
            free_bytes_min=0,
        )  # fmt: skip
        assert isinstance(log, RememberingLog)
        log.remember(self.frames)
        try:
            snapshots = Snapshots(self.folder / SNAPSHOTS, disk=self.disk)
            recovered = recover(log, snapshots)
            assert recovered.said == []  # nothing that a crash leaves is damage
            machine = recovered.machine
            clock = EngineClock(self.system, machine.state.now, self.folder)
            if self.history:
                self._open_history(snapshots, recovered, log, clock)
            else:
                snapshots.prune()
                self.snapshotter = Snapshotter(snapshots, recovered, log, clock)
            self.thread = EngineThread(machine, clock, self.post, self.snapshotter, self.archiver)
            self.clock = clock
            self.log = log
            self.thread.prepare()
        except BaseException:
            log.close()
            raise
        self.thread.start()

    def _open_history(
        self, snapshots: Snapshots, recovered: Recovered, log: EmbeddedLog, clock: Clock
    ) -> None:
        """As the engine does."""
        archiver = Archiver(self.folder / HISTORY, snapshots, log, clock, self.disk)
        assert archiver.status.warning == ""
        snapshots.prune(*archiver.needed())
        snapshotter = Snapshotter(snapshots, recovered, log, clock, archiver.needed)
        self.sweeper = Sweeper(self.folder, snapshots, snapshotter, log, clock, archiver, self.disk)
        self.archiver, self.snapshotter, snapshotter.sweeper = archiver, snapshotter, self.sweeper

    def close(self) -> None:
        if self.thread is not None:
            self.thread.close()

    # --- what happens -----------------------------------------------------------------------------

    def command(self, make: Callable[[Machine], tuple[records.Operation, ...]]) -> None:
        assert self.thread is not None
        future = self.thread.run(lambda machine, now: machine.accept(now, make(machine)))
        future.add_done_callback(self._answered)
        self.futures.append(future)

    def _answered(self, future: Future[int]) -> None:
        if future.exception() is None:
            self.acknowledged = max(self.acknowledged, future.result())

    def begin(self) -> None:
        agreed = np.arange(8, dtype=np.int64)
        self.command(
            lambda machine: (
                published(self.space),
                people(0, 8),
                records.Consented(agreed, "email", (), True, {}),
                records.Joined("club", agreed[:4], False, "sim"),
                records.Steered(CAMPAIGN, "start", ""),
            )
        )
        self.wait()

    def act(self) -> None:
        """One input, not waited for."""
        draw = self.dice.random()
        if draw < 0.15:
            self._act_aside()
            return
        draw = (draw - 0.15) / 0.85
        share, pick = self.dice.random(), self.dice.choice
        reason, more = pick(["law", "asked"]), pick([1, 3])

        def make(machine: Machine) -> tuple[records.Operation, ...]:
            rows = machine.state.contacts.rows
            who = np.arange(int(share * rows), min(rows, int(share * rows) + 4), dtype=np.int64)
            if draw < 0.35:
                return (records.Joined("club", who, False, "sim"),)
            if draw < 0.6:
                data = attributes([{"total": n} for n in who.tolist()])
                return (records.Happened("event", "purchase", who, data),)
            if draw < 0.75 and rows < MOST:
                return (people(rows, more),)
            if draw < 0.9:
                return (records.Suppressed(who[:1], "email", "all", reason),)
            return (records.Joined("club", who, True, "sim"),)

        self.command(make)

    def _act_aside(self) -> None:
        """Somebody steers the campaign, has another birthday, or sets the clock."""
        pick = self.dice.choice
        verb = pick(["start", "start", "pause", "resume", "resume", "retry"])
        days, jump = pick([-1, 0, 0, 1]), pick([0, 0, 3600, -3600])
        what, contact = self.dice.randrange(3), self.dice.randrange(8)
        if what == 2:
            self.system.jump(jump) if jump else self.system.repair()
            return

        def make(machine: Machine) -> tuple[records.Operation, ...]:
            if what:
                return (records.Steered(CAMPAIGN, verb, f"{days}"),)
            born = machine.state.now // DAY + days
            column = pa.array([born], pa.int32()).cast(pa.date32())
            return (records.FieldsSet(
                np.array([contact], np.int64), pa.RecordBatch.from_arrays([column], ["born"])
            ),)  # fmt: skip

        self.command(make)

    def wait(self) -> None:
        """For every answer that is still to come. Raises what the first bad one says."""
        waiting, self.futures = self.futures, []
        for future in waiting:
            future.result(WAIT_S)

    def rest(self) -> int:
        """Until nothing is left to do now; the next instant at which there is."""
        assert self.thread is not None
        return self.thread.rest().result(WAIT_S)

    def play(self, turns: int) -> None:
        """So many bursts, some of them waited for, a few hours between them."""
        for _ in range(turns):
            for _ in range(self.dice.randint(1, 5)):
                self.act()
            if self.dice.random() < 0.5:
                self.wait()
            self.run(self.dice.choice([0, 600, DAY // 4]))
        self.wait()
        self.rest()

    def archive(self) -> None:
        """A snapshot, none being under way, and all up to it history; then the log is trimmed."""
        thread, snapshotter, archiver = self.thread, self.snapshotter, self.archiver
        assert thread is not None
        assert snapshotter is not None
        assert archiver is not None
        before = snapshotter.status.number
        thread.run(lambda machine, now: snapshotter.begin(machine)).result(WAIT_S)
        snapshotter.wait()
        assert snapshotter.status.number > before
        while archiver.status.sequence < snapshotter.status.sequence:
            assert archiver.status.warning == ""
            thread.run(lambda machine, now: None).result(WAIT_S)
        archiver.wait()

    def run(self, seconds: float) -> None:
        """So much time goes by."""
        self.system.run(seconds)

    def failed(self) -> BaseException | None:
        assert self.thread is not None
        return self.thread.failure


def settle(world: World, days: int = 60) -> None:
    """Lets time run, with a clock that is in order, until nothing is left to do."""
    world.system.repair()
    world.run(CLOCK_LOOK_S)
    end = world.system.true + days * DAY
    while (due := world.rest()) < NEVER and world.system.true < end:
        world.run(max(0.0, due - world.clock.now()) + world.clock.status().stands_s)


def frames_of(log: EmbeddedLog) -> list[bytes]:
    return [encode_entry(entry) for _, entry in log.read()]


def sound(machine: Machine) -> None:
    """Every ledger balances, and each order is in one state."""
    look(SimpleNamespace(state=machine.state, now=machine.state.now))
    assert all(line.balanced for line in ledger_of(machine.state, CAMPAIGN))


def recovered(folder: Path, log: EmbeddedLog, snapshot: int = 0) -> Machine:
    """The machine of a snapshot no older than that and of the log behind it.

    Nothing in the folder is damaged, and the whole log comes to the same.
    """
    found = recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
    assert found.said == []
    assert (found.manifest.number if found.manifest is not None else 0) >= snapshot
    assert found.machine.state.digest() == Machine.recover(log).state.digest()
    sound(found.machine)
    return found.machine


def doubted(log: Log) -> Counter[int]:
    """How often the log says of an order that nobody knows whether it was taken."""
    found: Counter[int] = Counter()
    for _, entry in log.read():
        for operation in entry.operations:
            if isinstance(operation, records.Outcomes | records.Postponed):
                pairs = zip(operation.orders.tolist(), operation.reasons, strict=False)
                found.update(number for number, reason in pairs if reason.startswith(IN_DOUBT))
    return found


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def quietly(call: Callable[[], Any]) -> BaseException | None:
    """What it raised of ours, if anything."""
    try:
        call()
    except (BlasterError, OSError) as error:
        return error
    return None
