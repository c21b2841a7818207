"""Named columns over the same rows.

Owns nothing but the names: what a name means (a field, a fact) is the caller's. Any hashable is a
name; `export` writes the words of a tuple with dots between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from blaster.core.column import Column
from blaster.model.fields import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from blaster.core.codes import Hasher
    from blaster.rules.dictionary import Dictionary


class Table:
    """Columns that grow together; a column added later has as many rows as the others."""

    __slots__ = ("_columns", "_rows")

    def __init__(self, row_count: int = 0) -> None:
        if row_count < 0:
            raise ValueError(f"a table of {row_count} rows")
        self._columns: dict[Hashable, Column] = {}
        self._rows = row_count

    @property
    def rows(self) -> int:
        """Rows of every column."""
        return self._rows

    @property
    def batches(self) -> int:
        """Batches of every column."""
        return -(-self._rows // BATCH_ROWS)

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The columns' names, in the order they were added."""
        return tuple(self._columns)

    @property
    def nbytes(self) -> int:
        """Memory in use by all columns."""
        return sum(column.nbytes for column in self._columns.values())

    def add(
        self,
        name: Hashable,
        kind: int,
        *,
        dictionary: Dictionary | None = None,
        default: Any = None,
        never_missing: bool = False,
        rare: bool = False,
    ) -> Column:
        """A new column, all rows missing; ValueError if the name is taken."""
        if name in self._columns:
            raise ValueError(f"there is a column {name!r} already")
        column = Column(
            kind, dictionary=dictionary, default=default, never_missing=never_missing, rare=rare
        )
        column.grow(self._rows)
        self._columns[name] = column
        return column

    def adopt(self, name: Hashable, column: Column) -> None:
        """A column that has its rows; ValueError if the name is taken or the rows are not these."""
        if name in self._columns or column.rows != self._rows:
            raise ValueError(f"{column.rows} rows of {name!r} in a table of {self._rows}")
        self._columns[name] = column

    def drop(self, name: Hashable) -> None:
        """Forget a column; KeyError if there is none of this name."""
        del self._columns[name]

    def column(self, name: Hashable) -> Column:
        """The column of this name; KeyError if there is none."""
        return self._columns[name]

    def has(self, name: Hashable) -> bool:
        """Whether there is a column of this name."""
        return name in self._columns

    def grow(self, rows: int) -> None:
        """More rows, missing in every column; ValueError if it were fewer."""
        if rows < self._rows:
            raise ValueError(f"a table of {self._rows} rows cannot shrink to {rows}")
        for column in self._columns.values():
            column.grow(rows)
        self._rows = rows

    def export(self, batch: int, names: Iterable[Hashable] | None = None) -> pa.RecordBatch:
        """One batch of these columns (default: all), pinned while it or a slice of it lives."""
        chosen = self.names if names is None else tuple(names)
        return pa.RecordBatch.from_arrays(
            [self._columns[name].export(batch) for name in chosen],
            names=[_written(name) for name in chosen],
        )

    def digest_into(self, hasher: Hasher) -> None:
        """Feed a digest names and logical values, whatever order the columns were added in."""
        for written, column in sorted(
            ((_written(name), column) for name, column in self._columns.items()),
            key=lambda pair: pair[0],
        ):
            hasher.update(f"{written}\0".encode())
            column.digest_into(hasher)


def _written(name: Hashable) -> str:
    return ".".join(map(str, name)) if isinstance(name, tuple) else str(name)
