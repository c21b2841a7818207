"""Everything that the log ever said: history up to where it reaches, and the log behind it.

Law: what is read is as it was in the log, entry by entry, narrowed to the contacts it is asked for
where it comes from history; a view of history is held until the reader is through, so that nothing
of what it reads is removed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from blaster.limits import HISTORY_SLICE_ROWS
from blaster.log import History, Log, Skipped, Told
from blaster.model.records import INPUTS, Entry

MOST = (1 << 63) - 2
"""The greatest contact that can be asked for."""


def numbered(entries: Iterable[tuple[int, Entry]], inputs: int = 0) -> Iterator[Told]:
    """The operations of log entries that came after so many inputs."""
    for sequence, entry in entries:
        for place, operation in enumerate(entry.operations):
            if isinstance(operation, Skipped):
                inputs += operation.is_input
                continue
            is_input = isinstance(operation, INPUTS)
            inputs += is_input
            yield Told(sequence, place, entry.at, inputs if is_input else 0, operation)


class Past:
    """What there is of one engine's log. Any thread."""

    def __init__(self, log: Log, history: History | None = None) -> None:
        self._log = log
        self._history = history

    def of(self, contact: int) -> Iterator[Told]:
        """The operations that concern a contact among others, narrowed to him or not, in order.

        Raises LogError, LogCorrupt or LogVersionError.
        """
        if self._history is None:
            yield from numbered(self._log.read(1, contact))
            return
        with self._history.view() as view:
            yield from view.operations(contact, contact)
            yield from numbered(self._log.read(view.sequence + 1, contact), view.inputs)

    def size(self, kinds: frozenset[int]) -> tuple[int, int]:
        """How many rows of these kinds are history, and the bytes of their files."""
        files = self._history.files if self._history is not None else ()
        found = [file for file in files if file.kind in kinds]
        return sum(file.rows for file in found), sum(file.nbytes for file in found)

    def between(self, kinds: frozenset[int], low: int, high: int) -> Iterator[Told]:
        """The operations of these kinds, in order.

        Those of history narrowed to these contacts (both ends in), those of the log behind it
        whole, and of all kinds. Raises as `of`.
        """
        if self._history is None:
            yield from numbered(self._log.read())
            return
        with self._history.view() as view:
            yield from view.operations(low, high, kinds)
            yield from numbered(self._log.read(view.sequence + 1), view.inputs)

    def slices(
        self, kinds: frozenset[int], named: Callable[[str], bool] | None
    ) -> Iterator[tuple[tuple[int, int] | None, Iterator[Told]]]:
        """The operations of these kinds, some contacts at a time; None: of all of them at once.

        Of those of a journey only the `named` come from history, and the log behind it comes whole,
        each time. Raises as `of`.
        """
        if self._history is None:
            yield None, numbered(self._log.read())
            return
        with self._history.view() as view:
            chosen = [file for file in view.files if file.kind in kinds]
            count = max(1, -(-sum(file.rows for file in chosen) // HISTORY_SLICE_ROWS))
            highest = max((file.high for file in chosen), default=0)
            size = max(1, -(-(highest + 1) // count))  # 0 where all of it is of nobody
            for low in range(0, count * size, size):
                high = low + size - 1 if low + size < count * size else MOST

                def told(low: int = low, high: int = high) -> Iterator[Told]:
                    yield from view.operations(low, high, kinds, named)
                    yield from numbered(self._log.read(view.sequence + 1), view.inputs)

                yield None if count == 1 else (low, high), told()
