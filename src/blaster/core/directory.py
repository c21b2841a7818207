"""Who is who: contacts found by id, e-mail and phone, and the next contact number.

Owns the three indexes; the keys themselves stand in the contacts' text columns. Laws:

1. `resolve` changes nothing: asked again it answers the same. What it answered is recorded, and
   `insert` and `move` are called when the record applies, after the columns were written.
2. Keys are normalised before they come here. Ids and phones are compared byte by byte, e-mail
   addresses without regard to the case of ASCII letters: `Dana@x.org` and `dana@x.org` are one box.
3. One key has one owner. A row whose keys belong to two contacts is a conflict, and nobody's.
4. Numbers are rows: dense from 0, issued once, in the order of the rows that need them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.column import Column
from blaster.core.index import Index, KeyReader
from blaster.core.keys import string_array
from blaster.core.overlay import settle
from blaster.core.readers import ColumnReader

_Rows = np.ndarray[Any, np.dtype[np.int64]]
_Flags = np.ndarray[Any, np.dtype[np.bool_]]
Values: TypeAlias = pa.Array | pa.ChunkedArray | Sequence[str | None] | None
"""Keys, row by row, null where a row has none; None: no row has one."""

FOLDS = (False, True, False)
"""Which of id, e-mail and phone are compared without regard to ASCII case."""


class Directory:
    """The three indexes over the id, e-mail and phone column, and `next`, the next number."""

    __slots__ = ("_seed", "indexes", "next")

    def __init__(
        self, ids: Column | KeyReader, emails: Column | KeyReader, phones: Column | KeyReader,
        *, seed: int = 0,
    ) -> None:  # fmt: skip
        readers = (
            keys if isinstance(keys, KeyReader) else ColumnReader(keys)
            for keys in (ids, emails, phones)
        )
        self.indexes = tuple(
            Index(reader, seed, fold) for reader, fold in zip(readers, FOLDS, strict=True)
        )
        self.next = 0
        self._seed = seed

    @property
    def nbytes(self) -> int:
        """Bytes of the three tables."""
        return sum(index.nbytes for index in self.indexes)

    def resolve(
        self, ids: Values, emails: Values, phones: Values, *, next_row: int | None = None
    ) -> tuple[_Rows, _Flags, _Flags]:
        """(rows int64[], created bool[], conflict bool[]) for each row, in order.

        A row is the contact that its id names, else its e-mail, else its phone; if none of them
        names anybody, a new contact numbered from `next_row` (default: `next`), `created`. A key
        that an earlier row of the batch brought names that row's contact. Keys that name two
        contacts make a conflict: row -1, and its keys bring nothing. A row without keys is new.
        A contact's key that an earlier row replaces still names it until the batch is applied.
        """
        keys = _columns(ids, emails, phones)
        found = [index.find(values) for index, values in zip(self.indexes, keys, strict=True)]
        first = self.next if next_row is None else next_row
        return settle(keys, found, first, self._seed, FOLDS)

    def insert(self, rows: _Rows, ids: Values, emails: Values, phones: Values) -> None:
        """These contacts have these keys from now on; `next` passes the highest row."""
        keys = _columns(ids, emails, phones)
        for index, values in zip(self.indexes, keys, strict=True):
            index.insert(values, rows)
        if len(rows):
            self.next = max(self.next, int(np.max(rows)) + 1)

    def remove(self, rows: _Rows, ids: Values, emails: Values, phones: Values) -> None:
        """These contacts have these keys no more."""
        keys = _columns(ids, emails, phones)
        for index, values in zip(self.indexes, keys, strict=True):
            index.remove(values, rows)

    def move(
        self,
        rows: _Rows,
        old: tuple[Values, Values, Values],
        new: tuple[Values, Values, Values],
    ) -> None:
        """These contacts' keys were `old` (id, e-mail, phone) and are `new`; null is none.

        A row stands here once, with what it had before and has after the whole record.
        """
        before, after = _columns(*old), _columns(*new)
        for index, was, became in zip(self.indexes, before, after, strict=True):
            changed = pc.fill_null(pc.not_equal(was, became), True)
            chosen = rows[changed.to_numpy(zero_copy_only=False)]
            index.remove(was.filter(changed), chosen)
            index.insert(became.filter(changed), chosen)


def _columns(ids: Values, emails: Values, phones: Values) -> tuple[pa.StringArray, ...]:
    given = [None if values is None else string_array(values) for values in (ids, emails, phones)]
    lengths = {len(values) for values in given if values is not None}
    if len(lengths) != 1:
        raise ValueError(f"ids, e-mails and phones of {sorted(lengths)} rows")
    none = pa.nulls(lengths.pop(), pa.string())
    return tuple(none if values is None else values for values in given)
