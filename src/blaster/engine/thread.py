"""The engine thread: the one thread that touches an engine's state.

Commands (inputs and short reads) and ticks take turns, in slices of about SLICE_S; `limit`, the
rows of a slice, follows what the last slices cost. An answer is given when the log's durable
sequence has reached what it rests on, and orders leave under the same rule. Bounded: at most
COMMANDS_MAX commands wait; a further one is refused with Busy.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from blaster.clock import Clock
from blaster.core import orders_in_flight
from blaster.engine.machine import Machine
from blaster.engine.notices import Notice, notices_of
from blaster.errors import BlasterError, Busy, EngineClosed
from blaster.limits import COMMANDS_MAX, ORDERS_IN_FLIGHT_MAX
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.records import Entry, Outcomes
from blaster.transport import Transport

SLICE_S = 0.02
LIMIT_MIN, LIMIT_FIRST, LIMIT_MAX = 256, 20_000, 2_000_000
IDLE_S = 0.1
"""How long an idle engine sleeps at most: the tick of the documentation."""

Command = Callable[[Machine, int], Any]
Listener = Callable[[list[Notice]], None]


class EngineThread:
    """Runs one machine. `run` may be called from any thread; the rest belongs to the engine."""

    def __init__(self, machine: Machine, clock: Clock, transport: Transport) -> None:
        self._machine = machine
        self._clock = clock
        self._transport = transport
        self._mutex = threading.Lock()
        self._news = threading.Condition(self._mutex)
        self._commands: deque[tuple[Command, Future[Any]]] = deque()
        self._taken: deque[tuple[Command, Future[Any]]] = deque()
        self._answers: deque[tuple[int, Future[Any], Any]] = deque()
        self._orders: deque[tuple[int, OrderBatch]] = deque()
        self._outcomes: deque[OutcomeBatch] = deque()
        self._listeners: list[Listener] = []
        self._told: deque[tuple[int, list[Notice]]] = deque()
        self._telling = False
        self._resting: list[Future[int]] = []
        self._limit = LIMIT_FIRST
        self._closing = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="blaster-engine", daemon=True)

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
                raise EngineClosed("the engine is closed") from self._failure
            if len(self._commands) >= COMMANDS_MAX:
                raise Busy(f"{COMMANDS_MAX} commands wait already; try again")
            self._commands.append((command, future))
            self._news.notify()
        return future

    def rest(self) -> Future[int]:
        """Answers, when nothing is left to do now and all of it is durable, what is due next.

        The answer is an instant, or NEVER. Raises EngineClosed after the end.
        """
        future: Future[int] = Future()
        with self._news:
            if self._closing or self._failure is not None:
                raise EngineClosed("the engine is closed") from self._failure
            self._resting.append(future)
            self._news.notify()
        return future

    def listen(self, listener: Listener) -> None:
        """Tells `listener` of notices when they are durable, on whichever thread that is."""
        self._listeners.append(listener)
        self._machine.watch = self._watch

    def close(self) -> None:
        """Finishes the commands that wait, stops, and closes transport and log."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread.ident is not None:
            self._thread.join()
        self._transport.close()
        self._machine.log.close()
        self._fail_rest()

    @property
    def failure(self) -> BaseException | None:
        """Why the engine stopped by itself."""
        return self._failure

    # --- from other threads ---------------------------------------------------------------------

    def _on_outcomes(self, batch: OutcomeBatch) -> None:
        with self._news:
            self._outcomes.append(batch)
            self._news.notify()

    def _on_durable(self, durable: int) -> None:
        ready = []
        with self._mutex:
            while self._answers and self._answers[0][0] <= durable:
                ready.append(self._answers.popleft())
            self._news.notify()
        for _, future, answer in ready:
            future.set_result(answer)
        self._tell()

    def _watch(self, sequence: int, entry: Entry) -> None:
        notices = notices_of(self._machine.state, sequence, entry.at, entry.operations)
        if notices:
            with self._mutex:
                self._told.append((sequence, notices))
            # The entry may have become durable before its notices stood here.
            self._tell()

    def _tell(self) -> None:
        """Tells the listeners what is durable, in order; one thread at a time does it."""
        while True:
            with self._news:
                told: list[Notice] = []
                durable = self._machine.log.durable
                while not self._telling and self._told and self._told[0][0] <= durable:
                    told.extend(self._told.popleft()[1])
                if not told:
                    self._news.notify()
                    return
                self._telling = True
            for listener in self._listeners:
                listener(told)
            with self._mutex:
                self._telling = False

    # --- on the engine thread -------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._again_in_flight()
            while self._step():
                pass
        except BaseException as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            # Memory may be ahead of the log: nothing may be answered from it any more.
            with self._mutex:
                self._failure = error
            self._fail_rest()

    def _fail_rest(self) -> None:
        with self._mutex:
            # A command that brought the engine down is taken, and has no answer yet.
            futures = [f for _, f in (*self._taken, *self._commands)]
            futures += [f for _, f, _ in self._answers] + self._resting
            self._taken.clear()
            self._commands.clear()
            self._answers.clear()
            self._resting.clear()
            failure = self._failure
        for future in futures:
            if not future.done():
                error = EngineClosed("the engine is closed")
                error.__cause__ = failure
                future.set_exception(error)

    def _again_in_flight(self) -> None:
        """Orders without an outcome at the last stop go to the transport again, same numbers."""
        for batch in orders_in_flight(self._machine.state):
            self._transport.hand_over(batch)

    def _step(self) -> bool:
        """Waits for something to do, then does one round of it; False at the end."""
        with self._news:
            rested = []
            if not self._pending():
                if self._resting and self._is_at_rest():
                    rested, self._resting = self._resting, []
                else:
                    self._news.wait(self._idle_s())
            for _ in range(min(64, len(self._commands))):
                self._taken.append(self._commands.popleft())
            outcomes = list(self._outcomes)
            self._outcomes.clear()
            if self._closing and not self._taken and not outcomes and not self._answers:
                self._resting += rested
                return False
        for future in rested:
            if future.set_running_or_notify_cancel():
                future.set_result(self._machine.state.next_due())
        if self._machine.log.failed is not None:
            raise self._machine.log.failed
        now = int(self._clock.now())
        for batch in outcomes:
            operation = Outcomes(batch.numbers, batch.codes, batch.reasons)
            self._machine.accept(now, (operation,))
        if self._taken:
            self._drain(now)
        while self._taken:
            self._run(*self._taken[0], now)
            self._taken.popleft()
        self._slice(now)
        self._hand_over()
        return True

    def _pending(self) -> bool:
        now = int(self._clock.now())
        return bool(
            self._commands
            or self._outcomes
            or (self._orders and self._orders[0][0] <= self._machine.log.durable)
            or self._machine.has_work(now, self._room())
        )

    def _is_at_rest(self) -> bool:
        """Nothing waits for the disk, for a listener, or to be handed over."""
        waits = self._orders or self._answers or self._told or self._telling
        return not waits and self._machine.log.durable == self._machine.log.last

    def _idle_s(self) -> float:
        due = self._machine.state.next_due()
        return max(0.001, min(IDLE_S, due - self._clock.now()))

    def _room(self) -> dict[str, int]:
        room = dict(self._transport.room())
        left = max(0, ORDERS_IN_FLIGHT_MAX - self._machine.state.orders.in_flight)
        return {
            channel: min(left, room.get(channel, left))
            for channel in {"email", "sms", "crm", "webhook", *room}
        }

    def _run(self, command: Command, future: Future[Any], now: int) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            answer = command(self._machine, now)
        except BlasterError as error:
            future.set_exception(error)
            return
        self._drain(now)
        self._answer(self._machine.log.last, future, answer)

    def _answer(self, sequence: int, future: Future[Any], answer: Any) -> None:
        with self._mutex:
            if sequence > self._machine.log.durable:
                self._answers.append((sequence, future, answer))
                return
        future.set_result(answer)

    def _drain(self, now: int) -> None:
        """Takes every queued input, so that the next command sees what this one changed."""
        while self._machine.state.inbox:
            self._slice(now)

    def _slice(self, now: int) -> None:
        room = self._room()
        if not self._machine.has_work(now, room):
            return
        began = self._clock.monotonic()
        sequence, _, orders = self._machine.tick(now, room, self._limit)
        spent = self._clock.monotonic() - began
        if spent > SLICE_S:
            self._limit = max(LIMIT_MIN, self._limit // 2)
        elif spent < SLICE_S / 4:
            self._limit = min(LIMIT_MAX, self._limit * 2)
        self._orders.extend((sequence, batch) for batch in orders)

    def _hand_over(self) -> None:
        durable = self._machine.log.durable
        while self._orders and self._orders[0][0] <= durable:
            self._transport.hand_over(self._orders.popleft()[1])
