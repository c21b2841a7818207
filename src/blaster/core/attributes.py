"""The attributes of one event's happenings: a column each, in the smallest form that holds them.

A declared attribute is stored in its own kind; what does not fit it is missing (of one declared
later what came before is filled in, see `filling`). Of one that nobody declared the first values
decide: whole numbers, numbers, or texts that repeat. Values that do not fit that make the column
wider, never lossy: whole numbers become numbers, numbers texts, and texts of more than WORDS_MAX
different words plain ones. Rules read an attribute in the kind of an `Item`.
Bounds: EVENT_ATTRIBUTES_MAX undeclared names, the first to come (of others there is no value), and
EVENT_TEXT_BYTES_MAX bytes of a text (a longer one is missing).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.codes import Hasher
from blaster.core.column import Column
from blaster.core.fitting import ARROW_TYPES, fit_column
from blaster.core.table import Table
from blaster.limits import EVENT_ATTRIBUTES_MAX, EVENT_TEXT_BYTES_MAX
from blaster.model.fields import BATCH_ROWS, Field, Kind
from blaster.rules import Dictionary, Vector
from blaster.rules.facts import Item

Array = np.ndarray[Any, Any]

WORDS_MAX = 4_096
"""Different texts of an undeclared attribute; with more, codes would cost more than the texts."""
EXACT_MAX = 2**53
"""Whole numbers up to this are numbers exactly; larger ones (of orders, say) are texts."""
_NUMBERS = (Kind.INT, Kind.NUMBER)


class Attributes:
    """The columns (WORD, NAME) of a table; the caller has made room for the rows."""

    def __init__(self, table: Table, word: str = "attribute") -> None:
        self._table = table
        self._word = word
        self.fields: dict[str, Field | None] = {}

    def append(self, rows: Array, columns: pa.RecordBatch, declared: Mapping[str, Field]) -> None:
        """Writes what came with these rows; a null is missing."""
        for name in self._in_order(columns, declared):
            values, field = columns.column(name), declared.get(name)
            if values.null_count == len(values):
                continue
            if pa.types.is_nested(values.type) and (field is None or field.kind is not Kind.LIST):
                continue
            column = self._column_for(name, values, field)
            if column is not None:
                fitted = _stored(column.kind, self.fields[name], values)
                column.put_arrow(rows, fitted, keep_null=True)
                self._plain_when_many(name, column)

    def _in_order(self, columns: pa.RecordBatch, declared: Mapping[str, Field]) -> list[str]:
        """The names; where not all may have a column, by the first row that has a value.

        So it is the same names that have one whether rows come together or one by one.
        """
        names: list[str] = columns.schema.names
        fresh = sum(name not in self.fields and name not in declared for name in names)
        if not fresh or len(self.fields) + fresh <= EVENT_ATTRIBUTES_MAX:
            return names
        return sorted(
            names, key=lambda name: pc.index(columns.column(name).is_valid(), True).as_py()
        )

    def take(self, rows: Array, item: Item) -> Vector:
        """The values of these rows in the kind of an item; what does not fit is missing."""
        if item.name not in self.fields:
            return Vector.missing(item.kind, len(rows))
        column, field = self._column(item.name), self.fields[item.name]
        scale = (field.scale or 0) if field is not None else 0
        if column.kind is item.kind and (item.kind is not Kind.INT or scale == item.scale):
            return column.gather(rows)
        if column.kind in _NUMBERS and item.kind in _NUMBERS:
            values, valid = column.take(rows), column.take_valid(rows)
            return _vector_of(item.kind, *_renumbered(values, valid, scale, item))
        wanted = _field_of(item)
        if column.kind is Kind.CODE and column.dictionary is not None:
            # Each word is read once, then looked up.
            words = fit_column(wanted, pa.array(column.dictionary.values, pa.string()))
            codes = column.take(rows)
            return _from_arrow(item.kind, words.take(pa.array(codes, mask=codes < 0)))
        return _from_arrow(item.kind, fit_column(wanted, _texts(column, field, rows)))

    def texts(self, name: str, rows: Array) -> pa.Array | None:
        """The values as text (pa.string), null where missing; None if none was ever given."""
        if name not in self.fields:
            return None
        return _texts(self._column(name), self.fields[name], rows)

    def drop(self, name: str) -> None:
        """As if it had never been given."""
        if self.fields.pop(name, self) is not self:
            self._table.drop((self._word, name))

    def take_over(self, name: str, other: Attributes, field: Field) -> None:
        """The other's column of this name, of the same table, is the one here from now on.

        If only erased contacts had one it is empty, but there: it counts among the names.
        """
        known = name in self.fields
        self.drop(name)
        if name in other.fields:
            column, read_as = other._column(name), other.fields[name]
            other.drop(name)
            self._table.adopt((self._word, name), column)
            self.fields[name] = read_as
        elif known:
            self._add(name, field.kind, field)

    def digest_into(self, hasher: Hasher) -> None:
        """How the columns are read; the table digests the columns."""
        hasher.update(repr(sorted(self.fields.items())).encode())

    # --- which form -------------------------------------------------------------------------------

    def _column(self, name: str) -> Column:
        return self._table.column((self._word, name))

    def _add(self, name: str, kind: Kind, field: Field | None) -> Column:
        words = field.values if field is not None else ()
        dictionary = Dictionary(words) if kind in (Kind.CODE, Kind.LIST) else None
        self.fields[name] = field
        return self._table.add((self._word, name), kind, dictionary=dictionary)

    def _column_for(self, name: str, values: pa.Array, field: Field | None) -> Column | None:
        """The column, made or widened so that it holds these values; None: one name too many."""
        if name not in self.fields:
            if field is None and len(self.fields) >= EVENT_ATTRIBUTES_MAX:
                return None
            return self._add(name, field.kind if field is not None else _natural(values), field)
        column, known = self._column(name), self.fields[name]
        if known is not None:
            if field is not None and (field.kind, field.scale) == (known.kind, known.scale):
                self.fields[name] = field
                return column
            # Declared otherwise now: what stands there is kept as if nobody had declared it.
            return self._rewritten(name, Kind.CODE)
        natural = _natural(values)
        if column.kind is natural or column.kind in (Kind.CODE, Kind.TEXT):
            return column
        if Kind.CODE not in (column.kind, natural):
            return column if column.kind is Kind.NUMBER else self._rewritten(name, Kind.NUMBER)
        return self._rewritten(name, Kind.CODE)

    def _plain_when_many(self, name: str, column: Column) -> None:
        if (
            column.kind is Kind.CODE
            and self.fields[name] is None
            and column.dictionary is not None
            and len(column.dictionary) > WORDS_MAX
        ):
            self._rewritten(name, Kind.TEXT)

    def _rewritten(self, name: str, kind: Kind) -> Column:
        """The same values in another kind, undeclared."""
        old, field = self._column(name), self.fields[name]
        self._table.drop((self._word, name))
        new = self._add(name, kind, None)
        for first in range(0, old.rows, BATCH_ROWS):
            rows = np.arange(first, min(first + BATCH_ROWS, old.rows), dtype=np.int64)
            if kind is Kind.NUMBER:
                values, valid = old.take(rows), old.take_valid(rows)
                new.put(rows, values.astype(np.float64), valid)
            else:
                new.put_arrow(rows, _texts(old, field, rows), keep_null=True)
        return new


def _natural(values: pa.Array) -> Kind:
    """The kind that undeclared values ask for."""
    if pa.types.is_floating(values.type):
        return Kind.NUMBER
    if not pa.types.is_integer(values.type):
        return Kind.CODE
    whole = values.drop_null().to_numpy()  # integers of Arrow: a view, whatever their width
    return Kind.INT if max(-int(whole.min()), int(whole.max())) <= EXACT_MAX else Kind.CODE


def _stored(kind: Kind, field: Field | None, values: pa.Array) -> pa.Array:
    if field is not None:
        return _bounded(fit_column(field, values))
    if kind in _NUMBERS:
        return values.cast(ARROW_TYPES[kind], safe=False)
    return _bounded(values.cast(pa.string()))


def _bounded(values: pa.Array) -> pa.Array:
    """Too long a text is missing: its body stays in the log."""
    if not pa.types.is_string(values.type) or values.nbytes <= EVENT_TEXT_BYTES_MAX:
        return values
    short = pc.less_equal(pc.binary_length(values), EVENT_TEXT_BYTES_MAX)
    return pc.if_else(short, values, pa.scalar(None, pa.string()))


# --- in another kind ------------------------------------------------------------------------------


def _field_of(item: Item) -> Field:
    if item.kind is Kind.INT and item.scale:
        return Field(item.name, "number", scale=item.scale)
    return _FIELDS[item.kind]


_FIELDS = {
    Kind.BOOL: Field("", "boolean"),
    Kind.INT: Field("", "integer"),
    Kind.NUMBER: Field("", "number"),
    Kind.DATE: Field("", "date"),
    Kind.INSTANT: Field("", "instant"),
    Kind.TIME: Field("", "instant"),
    Kind.LIST: Field("", "list"),
    Kind.TEXT: Field(""),
    Kind.CODE: Field(""),
}


def _texts(column: Column, field: Field | None, rows: Array) -> pa.Array:
    """Values as people write them, null where missing."""
    values, valid = column.take(rows), column.take_valid(rows)
    if column.kind is Kind.TEXT:
        return pa.array(values, pa.string())
    if column.kind is Kind.LIST:
        joined = [None if words is None else ",".join(words) for words in values]
        return pa.array(joined, pa.string())
    if column.kind is Kind.CODE:
        assert column.dictionary is not None
        words = pa.array(column.dictionary.values, pa.string())
        return words.take(pa.array(values, mask=~valid))
    if column.kind is Kind.INT and field is not None and field.scale:
        whole = pa.array(values, pa.int64(), mask=~valid).cast(pa.decimal128(19, 0))
        exact = pa.decimal128(19, field.scale)
        return pa.Array.from_buffers(exact, len(whole), whole.buffers()).cast(pa.string())
    if column.kind is Kind.DATE:
        return pa.array(values, pa.int32(), mask=~valid).cast(pa.date32()).cast(pa.string())
    if column.kind is Kind.INSTANT:
        seconds = pa.array(values, pa.int64(), mask=~valid)
        return seconds.cast(pa.timestamp("s")).cast(pa.string())
    return pa.array(values, ARROW_TYPES[column.kind], mask=~valid).cast(pa.string())


def _renumbered(values: Array, valid: Array, scale: int, item: Item) -> tuple[Array, Array]:
    """Numbers of `scale` decimals (whole ones, or plain) as the item has them."""
    if item.kind is Kind.NUMBER:
        return values / 10.0**scale, valid
    shifted = values.astype(np.float64) * 10.0 ** (item.scale - scale)
    whole = np.rint(shifted)
    fits = np.isfinite(shifted) & (np.abs(whole) < 2.0**63)
    whole = np.where(fits, whole, 0.0)
    same = whole / 10.0 ** (item.scale - scale) == values
    return whole.astype(np.int64), valid & fits & same


def _vector_of(kind: Kind, values: Array, valid: Array) -> Vector:
    column = Column(kind)
    rows = np.arange(len(values), dtype=np.int64)
    column.grow(len(values))
    column.put(rows, np.ascontiguousarray(values), valid)
    return column.gather(rows)


def _from_arrow(kind: Kind, values: pa.Array) -> Vector:
    column = Column(kind)
    rows = np.arange(len(values), dtype=np.int64)
    column.grow(len(values))
    column.put_arrow(rows, values, keep_null=False)
    return column.gather(rows)
