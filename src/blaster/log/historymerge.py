"""Many sorted files of history as one: row group by row group, never a whole file in memory.

Law: what comes out are the rows of all of them, sorted; the rows of one operation stood in one
file, and keep their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from blaster.errors import LogError
from blaster.limits import HISTORY_COLUMNS_MAX
from blaster.log.historyfile import GROUPS_AT_ONCE, HistoryReader
from blaster.log.historyrows import in_order


class _Stream:
    """The rows of one file that were read and not yet taken."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader
        self._next = 0
        self._rows = reader.schema.empty_table()

    @property
    def is_over(self) -> bool:
        return self._next == self._reader.count

    @property
    def last(self) -> int:
        """A contact that nothing read is above, and nothing else below."""
        return self._reader.last_of(self._next - 1)

    def fill(self, past: int | None) -> None:
        """Reads on where nothing is left, or nothing beyond that contact is known."""
        while not self.is_over and (not len(self._rows) or self.last == past):
            end = min(self._next + GROUPS_AT_ONCE, self._reader.count)
            more = self._reader.read(range(self._next, end))
            self._rows = pa.concat_tables([self._rows, more])
            self._next = end

    def take(self, before: int | None) -> pa.Table:
        """The rows of contacts before that one; None: all of them."""
        count = len(self._rows)
        if before is not None:
            contacts = self._rows.column("contact").to_numpy()
            count = int(np.searchsorted(contacts, before))
        taken, self._rows = self._rows.slice(0, count), self._rows.slice(count)
        return taken


def merged_schema(readers: Sequence[HistoryReader]) -> pa.Schema | None:
    """The columns of all of them; None: they are too many for one file."""
    schema = pa.unify_schemas([reader.schema for reader in readers])
    return schema if len(schema) <= HISTORY_COLUMNS_MAX else None


def merged(readers: Sequence[HistoryReader]) -> Iterator[pa.Table]:
    """The rows of all files, sorted. Raises LogCorrupt."""
    streams = [_Stream(reader) for reader in readers]
    stuck: int | None = None
    while True:
        for stream in streams:
            stream.fill(stuck)
        bound = min((stream.last for stream in streams if not stream.is_over), default=None)
        tables = [stream.take(bound) for stream in streams]
        rows = sum(map(len, tables))
        if rows:
            yield in_order(pa.concat_tables(tables, promote_options="default"))
        if bound is None:
            return
        if not rows and stuck == bound:
            raise LogError("a file of history is not sorted")
        stuck = None if rows else bound
