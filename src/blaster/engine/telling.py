"""Who is told of notices, and when: once the entry that they stand in is durable, in its order.

Law: all of it on the engine thread; a listener is quick, and hands over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from blaster.clock import Clock
from blaster.engine.machine import Machine
from blaster.engine.notices import Notice, notices_of
from blaster.model.records import Entry, Revoked, Withheld

Listener = Callable[[list[Notice]], None]


class Telling:
    """Of one machine, whose `decided` it is; `took` is told of each input by its `watch`."""

    def __init__(self, machine: Machine, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock
        self._listeners: list[tuple[Listener, Callable[[], None]]] = []
        self._told: deque[tuple[int, list[Notice]]] = deque()
        self._deciding: list[Notice] = []
        machine.decided = self._decided

    @property
    def waits(self) -> bool:
        """Whether there are notices that nobody was told of yet."""
        return bool(self._told)

    def listen(self, listener: Listener, stopped: Callable[[], None]) -> None:
        """From now on `listener` is told; `stopped` is called when the engine ends by itself."""
        self._listeners.append((listener, stopped))

    def took(self, sequence: int, entry: Entry) -> None:
        """An input that is not applied yet."""
        notices = notices_of(self._machine.state, sequence, entry.at, entry.operations)
        if notices:
            self._told.append((sequence, notices))

    def sliced(self, sequence: int) -> None:
        """A slice is over: what was decided in it has this sequence."""
        if self._deciding:
            decided, self._deciding = self._deciding, []
            replace = msgspec.structs.replace
            self._told.append((sequence, [replace(each, sequence=sequence) for each in decided]))

    def tell(self) -> None:
        """Tells of everything that is durable."""
        durable = self._machine.log.durable
        while self._told and self._told[0][0] <= durable:
            _, notices = self._told.popleft()
            for listener, _ in self._listeners:
                listener(notices)

    def stopped(self) -> None:
        """The engine ended by itself."""
        for _, stopped in self._listeners:
            stopped()

    def _decided(self, operation: Revoked | Withheld) -> None:
        now = max(int(self._clock.now()), self._machine.state.now)
        self._deciding += notices_of(self._machine.state, 0, now, (operation,))
