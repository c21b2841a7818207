"""The engine thread: the one thread that touches an engine's state.

Commands (inputs and short reads) and ticks take turns, in slices of about SLICE_S; `limit`, the
rows of a slice, follows what the last slices cost. An answer is given when the log's durable
sequence has reached what it rests on, and orders leave under the same rule. What the transport may
not send (opt-outs, hard bounces) is told to it before the answer. Bounded: at most COMMANDS_MAX
commands wait to be run or for the disk; a further one is refused with Busy. While the disk is slow
or full nothing is decided that only time or room calls for.

Long because everything in it takes its turn on one thread, in one order.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.clock import Clock
from blaster.core import (
    EVERYTHING,
    Handover,
    Late,
    addresses_of,
    lateness_of,
    scopes_of,
    suppressed_contacts,
    topics_of,
    touched,
    waits_for_rate,
    waits_for_room,
)
from blaster.engine.aboard import MAIL, Aboard, readdressed
from blaster.engine.answers import records_of
from blaster.engine.archiving import Archiver
from blaster.engine.batches import NO_LIMIT, checked, gate_of, union
from blaster.engine.commands import Command, Growing
from blaster.engine.inherited import Inherited
from blaster.engine.machine import APPEND_TIMEOUT_S, Machine
from blaster.engine.snapshotting import Snapshotter
from blaster.engine.telling import Telling
from blaster.engine.timekeeping import Timekeeping
from blaster.errors import Busy, EngineClosed, InputError
from blaster.limits import COMMANDS_MAX, ORDERS_IN_FLIGHT_MAX, UNDER_WAY_S_MAX
from blaster.log import Log
from blaster.model.fields import BATCH_ROWS
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.records import Array, Entry
from blaster.transport import Transport

SLICE_S = 0.02
LIMIT_MIN, LIMIT_FIRST, LIMIT_MAX = 256, 20_000, 2_000_000
SEND_S = 0.04
"""Sends that wait for room are decided no oftener: room comes back order by order, and a slice for
each would cost more than the message. Who waits for the engine to rest does not wait for this."""
NO_ROOM = {"email": 0, "sms": 0, "crm": 0, "webhook": 0}
IDLE_S = 0.1
"""How long an idle engine sleeps at most: the tick of the documentation."""
COMMANDS_PER_STEP = 64
"""Commands between two slices; without it a stream of them would hold back what is due."""
LOW_S = 1.0
"""How long the engine rests before it asks again whether the log has room."""
WATCH_S = 60.0
"""How often the watchdog looks at what is under way, and at what an earlier owner left."""


class EngineThread:
    """Runs one machine. `run` may be called from any thread; the rest belongs to the engine."""

    def __init__(
        self,
        machine: Machine,
        clock: Clock,
        transport: Transport,
        snapshotter: Snapshotter | None = None,
        archiver: Archiver | None = None,
    ) -> None:
        self._machine = machine
        self._snapshotter = snapshotter
        self._archiver = archiver
        self._clock = clock
        self._transport = transport
        self._mutex = threading.Lock()
        self._news = threading.Condition(self._mutex)
        # Under the mutex: what other threads bring, and what the log thread takes.
        self._woken = False
        self._commands: deque[tuple[Command, Future[Any]]] = deque()
        self._answers: deque[tuple[int, Future[Any], Any]] = deque()
        self._outcomes: deque[OutcomeBatch] = deque()
        self._grown = 0  # the entry that the last growing command rests on
        self._joined = 0  # what was added to commands that are not answered yet
        self._resting: list[tuple[Future[int], bool, bool]] = []
        self._closing = False
        self._failure: BaseException | None = None
        # The engine thread's own.
        self._orders: deque[tuple[int, OrderBatch]] = deque()
        self._again = Inherited(machine.state)
        self._aboard = Aboard()
        self._moved: list[Array] = []
        self._watched_at = float("-inf")
        self._settling: deque[tuple[int, Array]] = deque()
        self._touched: list[Array] = []
        self._plan = machine.state.plan
        self._topics = topics_of(machine.state)
        self.late: list[Late] = []
        self.time = Timekeeping(machine, clock)
        self._warning = ""
        self.overdue = ""
        self.telling = Telling(machine, clock)
        self._limit = LIMIT_FIRST
        self._rest_s = 0.0
        self._sent_at = float("-inf")
        self._transport_runs = self._transport_open = True
        machine.watch = self._watch
        self._thread = threading.Thread(target=self._main, name="blaster-engine", daemon=True)

    def prepare(self, *, deliver: bool = True) -> None:
        """Before `start`, on any thread: tells the transport what is in force, and hears of orders
        that an earlier owner left in flight. Raises what the transport raises.

        Without `deliver` those orders stay as they are: what became of them is for an owner to say
        who can ask the transport that had them.
        """
        state = self._machine.state
        self.time.look()
        now = max(int(self._clock.now()), state.now)
        if state.plan is not None:
            self._transport.configure(state.plan.workspace)
        self._suppress(suppressed_contacts(state, MAIL))
        self.late = lateness_of(state, now)
        if not deliver:
            return
        numbers, repeats = self._machine.in_flight(MAIL)
        known = self._transport.reclaim(numbers, repeats)
        if len(known.numbers):
            self._outcomes.append(checked(known))
        left = np.setdiff1d(self._machine.unanswered(), known.numbers, assume_unique=True)
        self._outcomes.extend(self._again.adopt(left))

    def start(self) -> None:
        """Begins to run; orders that an earlier owner left in flight are handed over again."""
        self._machine.log.on_durable(self._on_durable)
        self._transport.start(self._on_outcomes)
        self._thread.start()

    def run(self, command: Command) -> Future[Any]:
        """Has the engine thread run `command(machine, now)`; the answer comes when it is durable.

        Raises Busy when too many commands wait, EngineClosed after the end.
        """
        future: Future[Any] = Future()
        with self._news:
            if self._closing or self._failure is not None:
                raise _closed(self._failure) from self._failure
            if self._calls() >= COMMANDS_MAX:
                raise Busy(f"{COMMANDS_MAX} commands wait already; try again")
            self._commands.append((command, future))
            if not self._grows():
                self._wake()
        return future

    def extend(self, command: Growing, item: Any) -> bool:
        """Adds to a command that is the last to wait; False when it is not, or has enough.

        Raises Busy as `run` does.
        """
        with self._mutex:
            if not self._commands or self._commands[-1][0] is not command:
                return False
            if command.is_full:
                return False
            if self._calls() >= COMMANDS_MAX:
                raise Busy(f"{COMMANDS_MAX} commands wait already; try again")
            if len(command.items) == 1:
                self._commands[-1][1].add_done_callback(lambda _: self._leave(command))
            waited = self._grows()
            command.add(item)
            self._joined += 1
            if waited and not self._grows():
                self._wake()
        return True

    def _grows(self) -> bool:
        """Under the mutex: the next command may take more while the answers of one like it wait.

        To run it at once would cost another tick and commit for the few that came meanwhile, and
        the log's thread its turns at the interpreter. Beside other work it is not made to wait.
        """
        if len(self._commands) != 1 or self._closing or self._machine.log.durable >= self._grown:
            return False
        command = self._commands[0][0]
        return isinstance(command, Growing) and command.may_wait

    def _leave(self, command: Growing) -> None:
        with self._mutex:
            self._joined -= len(command.items) - 1

    def _calls(self) -> int:
        return len(self._commands) + len(self._answers) + self._joined

    def rest(self, *, settled: bool = False, rates: bool = False) -> Future[int]:
        """Answers, once nothing is left to do now and all of it is durable, what is due next.

        With `settled` also no order is with the transport and no send waits for room; with `rates`
        none for the rate of its campaign, either. The answer is an instant, or NEVER. Raises
        EngineClosed after the end.
        """
        future: Future[int] = Future()
        with self._news:
            if self._closing or self._failure is not None:
                raise _closed(self._failure) from self._failure
            self._resting.append((future, settled, rates))
            self._wake()
        return future

    def close(self) -> None:
        """Finishes the commands that wait, stops, and closes log and transport.

        The transport last: what came of its orders is durable then, and it need keep none of them.
        """
        with self._news:
            self._closing = True
            self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            self._stop_transport()
        finally:
            try:
                self.time.close()
                if self._archiver is not None:
                    self._archiver.close()
                if self._snapshotter is not None:
                    sound = self._failure is None and self._machine.sound
                    self._snapshotter.close(self._machine if sound else None)
                self._machine.log.close()
                self._settle(self._machine.log.durable)
            finally:
                self._let_go()
        self.telling.tell()

    @property
    def log(self) -> Log:
        """For reading."""
        return self._machine.log

    @property
    def failure(self) -> BaseException | None:
        """Why the engine stopped by itself."""
        return self._failure

    @property
    def warning(self) -> str:
        """What is wrong without stopping the engine; or ""."""
        return "; ".join(part for part in (self._warning, self.time.warning) if part)

    # --- from other threads ---------------------------------------------------------------------

    def _wake(self) -> None:
        """Under the mutex. The flag is for news that come while the engine thread is at work."""
        self._woken = True
        self._news.notify()

    def _on_outcomes(self, batch: OutcomeBatch) -> None:
        """Refuses a malformed batch here, where the transport sees it: the log would keep it."""
        sound = checked(batch)
        with self._news:
            if self._failure is None:
                self._outcomes.append(sound)
                self._wake()

    def _on_durable(self, durable: int) -> None:
        ready = []
        with self._news:
            while self._answers and self._answers[0][0] <= durable:
                ready.append(self._answers.popleft())
            if self._waits_for_log():
                self._wake()
        for _, future, answer in ready:
            future.set_result(answer)

    def _waits_for_log(self) -> bool:
        """Whether the engine thread has anything to do because more is durable, or nothing will be.

        What it puts here it looks at itself after that, so none of it is overlooked by both.
        """
        return bool(
            self._closing
            or self._commands
            or self._orders
            or self._settling
            or self.telling.waits
            or self._resting
            or self._rest_s
            or self._machine.log.failed is not None
        )

    # --- on the engine thread -------------------------------------------------------------------

    def _main(self) -> None:
        try:
            while self._step():
                pass
            self._stop_transport()
            self._take_outcomes(int(self._clock.now()))
        except BaseException as error:  # noqa: BLE001 - the thread ends, and `failure` says why
            self._fail(error)
            self._fail_rest()
            with contextlib.suppress(Exception):  # the first failure is the one that counts
                self._stop_transport()
            self.telling.tell()
            self.telling.stopped()

    def _stop_transport(self) -> None:
        runs, self._transport_runs = self._transport_runs, False
        if runs:
            self._transport.stop()

    def _let_go(self) -> None:
        """Of the transport, once, and of whoever waits for what will not come."""
        self._fail_rest()
        is_open, self._transport_open = self._transport_open, False
        if is_open:
            self._transport.close()

    def _fail(self, error: BaseException) -> None:
        """Before anybody is told. Memory may be ahead of the log: nothing is answered from it."""
        with self._mutex:
            self._failure = error

    def _fail_rest(self) -> None:
        with self._mutex:
            waiting = [future for _, future in self._commands]
            waiting += [future for future, *_ in self._resting]
            running = [future for _, future, _ in self._answers]
            self._commands.clear()
            self._resting.clear()
            self._answers.clear()
            self._outcomes.clear()
        running += [future for future in waiting if future.set_running_or_notify_cancel()]
        for future in running:
            self._refuse(future, self._failure)

    @staticmethod
    def _refuse(future: Future[Any], failure: BaseException | None) -> None:
        error = _closed(failure)
        error.__cause__ = failure
        future.set_exception(error)

    def _step(self) -> bool:
        """Waits for something to do, then does one round of it; False at the end."""
        # Asked outside the mutex: a transport may hold its own lock while it brings outcomes.
        has_work, idle_s = self._has_work(), self._idle_s()
        with self._news:
            commands = bool(self._commands) and (has_work or not self._grows())
            if self._rest_s and not commands:
                self._news.wait(self._rest_s)
            elif not (has_work or self._woken or commands or self._outcomes):
                self._news.wait(idle_s)
            self._woken = False
            self._resting = [each for each in self._resting if not each[0].cancelled()]
            if self._closing and not (self._commands or self._outcomes or self._answers):
                return False
        if self._machine.log.failed is not None:
            raise self._machine.log.failed
        self.time.look()
        now = int(self._clock.now())
        self._take_outcomes(now)
        for _ in range(COMMANDS_PER_STEP):
            with self._mutex:
                if not self._commands or (self._grows() and not has_work):
                    break
                command, future = self._commands.popleft()
            now = max(now, int(self._clock.now()))  # who asks now is answered of now
            self._run(command, future, now)
            self._machine.log.hurry()  # what comes behind it is company for the next group
        if not self._rest_s:
            self._slice(now)
            self._machine.log.hurry()
        self._look_after(now)
        durable = self._machine.log.durable  # one for both, so that each try is settled before
        self._settle(durable)  # the next one of its order is handed over
        self._hand_over(durable)
        self.telling.tell()
        if self._snapshotter is not None:
            self._snapshotter.look(self._machine)
            if self._archiver is not None:
                self._archiver.look(self._snapshotter.status.sequence)
        if self._resting and not self._has_work():
            self._answer_resting()
        return True

    def _answer_resting(self) -> None:
        """Unless something waits for a command, an outcome, the disk, or to be handed over."""
        state, log = self._machine.state, self._machine.log
        unsettled = bool(state.orders.in_flight) or waits_for_room(state)
        paced = waits_for_rate(state)
        with self._mutex:
            waits = (
                self._commands
                or self._outcomes
                or self._answers
                or self._orders
                or self.telling.waits
            )
            if waits or log.durable != log.last:
                return
            resting = [
                future
                for future, settled, rates in self._resting
                if not ((settled and unsettled) or (rates and paced))
            ]
            self._resting = [each for each in self._resting if each[0] not in resting]
        for future in resting:
            if future.set_running_or_notify_cancel():
                future.set_result(state.next_due())

    def _may_send(self) -> bool:
        """Whether it is time to look at what waits for room; with an input it always is."""
        if self._resting or self._machine.state.inbox:
            return True
        return time.monotonic() - self._sent_at >= SEND_S

    def _has_work(self) -> bool:
        if self._again and self._again.fits(self._gates()):
            return True
        room = self._room() if self._may_send() else NO_ROOM
        return self._machine.has_work(int(self._clock.now()), room)

    def _idle_s(self) -> float:
        due = self._machine.state.next_due()
        most = IDLE_S if self._may_send() else SEND_S
        return max(0.001, min(most, due - self._clock.now()))

    def _gates(self) -> dict[str, int]:
        """What the transport takes, but nothing of what is held while the clock is in doubt."""
        return {**self._transport.room(), **self.time.held}

    def _room(self) -> dict[str, int]:
        """What may be decided: what the gates take, less what was and is not yet handed over."""
        room = self._gates()
        left = max(0, ORDERS_IN_FLIGHT_MAX - self._machine.state.orders.in_flight)
        promised = self._promised(room) + self._again.promised(room)
        return {
            key: max(0, min(left, room.get(key, NO_LIMIT) - promised[key]))
            for key in {*NO_ROOM, *room}
        }

    def _promised(self, room: Mapping[str, int]) -> Counter[str]:
        promised: Counter[str] = Counter()
        for _, batch in self._orders:
            promised[gate_of(room, batch)] += len(batch.numbers)
        return promised

    def _take_outcomes(self, now: int) -> None:
        """All that came, as one input; while the log is full they wait, and nothing is decided."""
        with self._mutex:
            batches = list(self._outcomes)
        self._rest_s = 0.0
        if not batches:
            return
        self._drain(now)
        numbers, operations = records_of(self._machine.state, self._aboard, batches, now)
        try:
            # At the end they may use the reserve: whoever comes next would know less of them.
            timeout_s = APPEND_TIMEOUT_S if self._closing else 0.0
            sequence = self._machine.accept(now, operations, timeout_s, owed=self._closing)
        except Busy as busy:
            if self._closing:
                raise
            self._rest_s = max(0.001, busy.retry_after_s)
            return
        self._settling.append((sequence, numbers))
        self._reopen(numbers)
        with self._mutex:
            for _ in batches:
                self._outcomes.popleft()

    def _run(self, command: Command, future: Future[Any], now: int) -> None:
        """A command that fails is its caller's business, unless state and log may differ now.

        What fails in a slice is the engine's end, whoever it ran for: orders and opt-outs of that
        slice may not have reached the transport, and do when the engine opens again.
        """
        if not future.set_running_or_notify_cancel():
            return
        try:
            self._drain(now)
            try:
                answer = command(self._machine, now)
            except Exception as error:
                if not self._machine.sound or self._machine.log.failed is not None:
                    raise
                future.set_exception(error)
                return
            self._drain(now)
        except BaseException as error:
            self._fail(error)
            self._refuse(future, error)
            raise
        last = self._machine.log.last
        if isinstance(command, Growing):
            self._grown = last
        self._answer(last, future, answer)

    def _answer(self, sequence: int, future: Future[Any], answer: Any) -> None:
        with self._mutex:
            if sequence > self._machine.log.durable:
                self._answers.append((sequence, future, answer))
                return
        future.set_result(answer)

    def _drain(self, now: int) -> None:
        """Takes every queued input, so that the next command sees what this one changed."""
        while inbox := self._machine.state.inbox:
            # Little of what is due beside it: a command must not cost a slice of everybody's.
            self._slice(now, sum(len(queued.rounds) for queued in inbox) + LIMIT_MIN)

    def _slice(self, now: int, limit: int | None = None) -> None:
        """One slice. What only time or room calls for rests while there is no room in the log.

        Without `limit` it has as many rows as a slice of SLICE_S.
        """
        if self._machine.log.low and not self._machine.state.inbox:
            self._rest_s = LOW_S
            return
        may_send = self._may_send()
        room = self._room() if may_send else NO_ROOM
        if not self._machine.has_work(now, room):
            return
        if may_send:
            self._sent_at = time.monotonic()
        began = self._clock.monotonic()
        most = self._limit if limit is None else min(limit, self._limit)
        sequence, entry, handovers = self._machine.tick(now, room, most)
        spent = self._clock.monotonic() - began
        self.telling.sliced(sequence)
        self._touched.append(touched(self._machine.state, MAIL, entry.operations))
        self._moved += readdressed(entry.operations)
        if not self._machine.state.inbox:
            self._tell_transport()
        batches = self._batches(handovers, now)
        self._orders.extend((sequence, batch) for batch in batches)
        if limit is not None:
            return  # a command's slice costs by the command
        if spent > SLICE_S:
            self._limit = max(LIMIT_MIN, self._limit // 2)
        elif spent < SLICE_S / 4 and self._machine.has_work(now, self._room()):
            # Only a slice that the limit cut short says what a larger one would cost.
            self._limit = min(LIMIT_MAX, self._limit * 2)

    def _batches(self, handovers: list[Handover], now: int) -> list[OrderBatch]:
        """What the transport gets; orders that cannot be written have their outcome at once."""
        batches = []
        for handover in handovers:
            batch, refused = self._machine.letterbook.batch(self._machine.state, handover, now)
            if batch is not None:
                batches.append(batch)
                self._aboard.add(self._machine.state, batch, now)
            if refused is not None:
                self._bring(refused)
        return batches

    def _tell_transport(self) -> None:
        """Definitions that changed, and whom it may not send to any more."""
        state = self._machine.state
        left: list[OutcomeBatch] = []
        if state.plan is not self._plan and state.plan is not None:
            self._plan = state.plan
            left = self._again.refile()
            try:
                self._transport.configure(state.plan.workspace)
                self._warning = ""
            except InputError as error:  # what was in force before goes on
                self._warning = f"the transport goes on as before: {error}"
            topics = topics_of(state)
            if topics != self._topics:
                self._topics = topics
                self._touched.append(suppressed_contacts(state, MAIL))
        contacts, self._touched = union(self._touched), []
        moved, self._moved = union(self._moved), []
        closed = self._aboard.close(state, moved) if len(moved) else []
        for outcomes in [*left, *(self._again.refile(moved) if len(moved) else [])]:
            self._bring(outcomes)
        if closed:
            everything = np.full(len(closed), EVERYTHING, np.uint64)
            self._transport.suppress(pa.array(closed, pa.string()), everything)
        self._suppress(contacts)

    def _suppress(self, contacts: Array) -> None:
        state = self._machine.state
        for first in range(0, len(contacts), BATCH_ROWS):
            rows = contacts[first : first + BATCH_ROWS]
            addresses = addresses_of(state, MAIL, rows)
            known = addresses.is_valid().to_numpy(zero_copy_only=False)
            addresses = addresses.drop_null()
            scopes = self._aboard.scopes(addresses, scopes_of(state, MAIL, rows[known]))
            self._transport.suppress(addresses, scopes)

    def _reopen(self, numbers: Array) -> None:
        """Orders were answered: addresses that were closed for them alone are as they should be."""
        opened = self._aboard.open(numbers.tolist())
        if not opened:
            return
        state = self._machine.state
        addresses = pa.array(opened, pa.string())
        rows = state.directory.indexes[1].find(addresses)
        held = rows >= 0
        free = addresses.filter(pa.array(~held))
        self._transport.suppress(free, np.zeros(len(free), np.uint64))
        self._suppress(rows[held])

    def _look_after(self, now: int) -> None:
        """The watchdog: what an earlier owner left expires, and what is under way for long is told.

        Asked of the engine's own time, so that a machine that slept does not raise an alarm.
        """
        if now - self._watched_at < WATCH_S:
            return
        self._watched_at = now
        state = self._machine.state
        for batch in self._again.expire(now):
            self._bring(batch)
        oldest = self._aboard.oldest(state)
        age = 0 if oldest is None else now - oldest
        hours = f"an order is under way for over {age // 3600} h"
        self.overdue = hours if age > UNDER_WAY_S_MAX else ""

    def _bring(self, batch: OutcomeBatch) -> None:
        """An outcome that no transport has to say."""
        with self._news:
            self._outcomes.append(batch)
            self._woken = True

    def _hand_over(self, durable: int) -> None:
        while self._orders and self._orders[0][0] <= durable:
            self._transport.hand_over(self._orders.popleft()[1])
        if self._again:
            self._hand_over_again()

    def _hand_over_again(self) -> None:
        """Of the orders of an earlier owner."""
        now = max(int(self._clock.now()), self._machine.state.now)
        room = self._gates()
        for key, count in self._promised(room).items():
            room[key] = room.get(key, NO_LIMIT) - count
        for handovers, refused in self._again.leave(room):
            for outcomes in refused:
                self._bring(outcomes)
            for batch in self._batches(handovers, now):
                self._transport.hand_over(batch)

    def _settle(self, durable: int) -> None:
        """Outcomes that are durable: the transport need not keep them any more."""
        while self._settling and self._settling[0][0] <= durable:
            self._transport.settled(self._settling.popleft()[1])

    def _watch(self, sequence: int, entry: Entry) -> None:
        self.telling.took(sequence, entry)
        self._touched.append(touched(self._machine.state, MAIL, entry.operations))
        self._moved += readdressed(entry.operations)


def _closed(failure: BaseException | None) -> EngineClosed:
    return EngineClosed(
        "the engine is closed" if failure is None else f"the engine stopped: {failure}"
    )
