"""The engine without threads: state and log together, one call at a time.

Law: what is applied is in the log. An input is appended, then applied; a tick applies its decisions
as it takes them and is appended right after, so a failed append leaves memory ahead of the log and
the machine must be thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from blaster.core import State, apply_entry, has_work, orders_of, tick
from blaster.log import Log
from blaster.model.orders import OrderBatch
from blaster.model.records import Entry, Operation

APPEND_TIMEOUT_S = 60.0
"""How long a tick's record waits for a slow disk before the engine gives up."""


class Machine:
    """`state` is for reading; `accept` and `tick` are the only ways to change it.

    `watch` is told of each input when it has its sequence, before it is applied.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.state = State()
        self.watch: Callable[[int, Entry], None] | None = None

    @classmethod
    def recover(cls, log: Log) -> Machine:
        """The machine whose records these are. Raises LogCorrupt, LogVersionError or LogError."""
        machine = cls(log)
        for _, entry in log.read():
            apply_entry(machine.state, entry)
        machine.state.rebuild_caches()
        return machine

    def accept(self, now: int, operations: Sequence[Operation]) -> int:
        """Takes validated inputs, together or not at all; answers with their sequence.

        Raises Busy when too much waits for the disk; then nothing was accepted.
        """
        entry = Entry(max(now, self.state.now), tuple(operations))
        sequence = self.log.append(entry)
        if self.watch is not None:
            self.watch(sequence, entry)
        apply_entry(self.state, entry)
        return sequence

    def has_work(self, now: int, room: Mapping[str, int]) -> bool:
        """Whether `tick` would do anything."""
        return has_work(self.state, now, room)

    def tick(
        self, now: int, room: Mapping[str, int], limit: int
    ) -> tuple[int, Entry, list[OrderBatch]]:
        """One slice: its sequence, what it decided, and the orders that may leave once durable."""
        now = max(now, self.state.now)
        entry = tick(self.state, now, room, limit)
        self.state.now = now
        if not entry.operations:
            return self.log.last, entry, []
        sequence = self.log.append(entry, APPEND_TIMEOUT_S)
        return sequence, entry, orders_of(self.state, entry)
