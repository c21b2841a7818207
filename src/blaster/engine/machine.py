"""The engine without threads: state and log together, one call at a time.

Law: what is applied is in the log. An input is appended, then applied; a tick applies its decisions
as it takes them and is appended right after, so a failed append leaves memory ahead of the log and
the machine must be thrown away: `sound` says whether it is still good.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from blaster.core import (
    Handover,
    Replay,
    SendStep,
    State,
    apply_entry,
    has_work,
    orders_of,
    tick,
)
from blaster.engine.letterbook import Letterbook
from blaster.errors import Busy, LogError
from blaster.log import Log
from blaster.model.records import (
    Array,
    Entry,
    Operation,
    Outcomes,
    Postponed,
    Revoked,
    Withheld,
)

APPEND_TIMEOUT_S = 60.0
"""How long a tick's record waits for a slow or full disk before the engine gives up."""


class Machine:
    """`state` is for reading; `accept` and `tick` are the only ways to change it.

    `watch` is told of each input when it has its sequence, before it is applied; `decided` of each
    send that is finally not made before that is applied, when it has none yet. `threads` is how
    many a tick may have. `sound` is false from the moment state and
    log may differ, until they agree again: an error that leaves it false is the machine's end,
    after any other it is as it was before the call.
    """

    def __init__(self, log: Log, state: State | None = None) -> None:
        """`state` is what the entries of the log give (default: it has none yet)."""
        self.log = log
        self.state = State() if state is None else state
        self.sound = True
        self.watch: Callable[[int, Entry], None] | None = None
        self.decided: Callable[[Withheld | Revoked], None] | None = None
        self.threads = 1
        self._letterbook: Letterbook | None = None

    @property
    def letterbook(self) -> Letterbook:
        """The letters of the definitions in force."""
        plan = self.state.plan
        assert plan is not None
        if self._letterbook is None or self._letterbook.plan is not plan:
            self._letterbook = Letterbook(plan)
        return self._letterbook

    def unanswered(self) -> Array:
        """The orders that the transport had, without those whose answer is in the log (uint64[]).

        An answer is an input: durable before a tick takes it, and after a crash in between it is
        still to be taken. Such an order must not be handed over again.
        """
        given = self.state.orders.with_transport()
        answers = [
            queued.operation.orders
            for queued in self.state.inbox
            if isinstance(queued.operation, Outcomes | Postponed)
        ]
        return np.setdiff1d(given, np.concatenate(answers)) if answers else given

    def in_flight(self, channel: str) -> tuple[Array, Array]:
        """The orders that the transport had of a channel (uint64[]), and whether each may repeat.

        An order may leave a second time unless its message says `repeat: never`.
        """
        state = self.state
        numbers = self.unanswered()
        found = state.orders.find(numbers)
        mine, repeats = np.zeros(len(numbers), bool), np.zeros(len(numbers), bool)
        pairs = np.stack([found["version"], found["step"]], axis=1)
        for version, index in np.unique(pairs, axis=0).tolist():
            step = state.sender_at(version).plan.steps[index]
            assert isinstance(step, SendStep)
            if step.outgoing.channel == channel:
                here = (pairs == (version, index)).all(axis=1)
                mine |= here
                repeats[here] = self.letterbook.repeats(channel, step.outgoing.name)
        return numbers[mine], repeats[mine]

    @classmethod
    def recover(cls, log: Log) -> Machine:
        """The machine whose entries these are, all of them; see `recovery` for snapshots.

        Raises LogCorrupt, LogVersionError or LogError.
        """
        machine = cls(log)
        replay = Replay(machine.state)
        for entry in log.read_streaks():
            replay.apply(entry)
        replay.finish()
        machine.state.rebuild_caches()
        return machine

    def accept(
        self,
        now: int,
        operations: Sequence[Operation],
        timeout_s: float = 0.0,
        *,
        owed: bool = False,
    ) -> int:
        """Takes validated inputs, together or not at all; answers with their sequence.

        `owed`: they follow from what was taken, and may use the log's reserve. Raises Busy when too
        much waits for the disk, after `timeout_s`; then nothing was accepted.
        """
        entry = Entry(max(now, self.state.now), tuple(operations))
        sequence = self.log.append(entry, timeout_s, owed=owed)
        self.sound = False
        if self.watch is not None:
            self.watch(sequence, entry)
        apply_entry(self.state, entry)
        self.sound = True
        return sequence

    def has_work(self, now: int, room: Mapping[str, int]) -> bool:
        """Whether `tick` would do anything."""
        return has_work(self.state, now, room)

    def tick(
        self, now: int, room: Mapping[str, int], limit: int
    ) -> tuple[int, Entry, list[Handover]]:
        """One slice: its sequence, what it decided, and the orders that may leave once durable."""
        now = max(now, self.state.now)
        self.sound = False
        entry = tick(self.state, now, room, limit, self.decided, self.threads)
        self.state.now = now
        sequence = self._append_decided(entry) if entry.operations else self.log.last
        self.sound = True
        return sequence, entry, orders_of(self.state, entry)

    def _append_decided(self, entry: Entry) -> int:
        """Waits for room, since the decisions cannot be undone. Raises LogError in the end."""
        deadline = time.monotonic() + APPEND_TIMEOUT_S
        while True:
            left = deadline - time.monotonic()
            try:
                return self.log.append(entry, max(0.0, left), owed=True)
            except Busy as busy:  # at once when the disk is full, after `left` when it is slow
                if left <= 0:
                    raise LogError(f"no room for a decision in {APPEND_TIMEOUT_S:g} s") from busy
                threading.Event().wait(min(left, busy.retry_after_s))
