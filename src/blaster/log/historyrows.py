"""Operations as rows of history, and back: a row is one contact's part of one operation.

A kind and version of operation has one layout: `contact` (int64, NOBODY: of nobody in particular),
`sequence` and `part` (the entry and the place in it), `at`, of inputs `input` (which they were,
counted over everybody), and a column for each field of the struct:

    arrays                     row by row, with their dtypes (`contacts` are the contacts)
    keys, texts, reasons,      a text each; null: the operation has none
    classes
    str, int, bool, bytes      the same in each row of the operation
    topics, evidence           the same, as JSON
    columns                    `schema`, and for each of its fields a column "NAME:TYPE", null where
                               the operation has no such field

Laws: the rows of one operation stand together, in their order, where rows are sorted by contact,
sequence and part; `operations_of` makes of one contact's rows what the operation was for him,
exactly: values, dtypes, Arrow types.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import pyarrow as pa

from blaster.log.codec import DTYPES, PLANS
from blaster.log.historytaking import pieces, taken
from blaster.model.records import INPUTS, Array, Operation

NOBODY = -1
PER_ROW = frozenset({"keys", "texts", "reasons", "classes"})
ORDER = ("contact", "sequence", "part")
"""What rows are sorted by."""
_EMPTY = pa.RecordBatch.from_arrays([], names=[])


class Part(NamedTuple):
    """One operation of the log: where it stands, and whose each of its rows is.

    `contacts` int64[]: row by row, or of an operation without rows whom it concerns. `input` is
    which input it is, 0 for any other.
    """

    sequence: int
    part: int
    at: int
    input: int
    contacts: Array
    operation: Operation


class Told(NamedTuple):
    """An operation that history gives back."""

    sequence: int
    part: int
    at: int
    input: int
    operation: Operation


class Layout(NamedTuple):
    """The fields of a kind, by how they stand in rows."""

    make: type[Operation]
    arrays: tuple[str, ...]
    texts: tuple[str, ...]
    same: dict[str, Any]
    jsons: tuple[str, ...]
    has_columns: bool

    @property
    def is_input(self) -> bool:
        return issubclass(self.make, INPUTS)


@cache
def layout_of(kind: int) -> Layout:
    make = PLANS[kind].make
    arrays, texts, same, jsons, columns = [], [], {}, [], False
    for name, hint in get_type_hints(make).items():
        if name not in make.__struct_fields__ or name == "contacts":
            continue
        if hint == Array:
            arrays.append(name)
        elif hint is pa.RecordBatch:
            columns = True
        elif name in PER_ROW:
            texts.append(name)
        elif hint in _SAME:
            same[name] = _SAME[hint]
        else:
            jsons.append(name)
    return Layout(make, tuple(arrays), tuple(texts), same, tuple(jsons), columns)


_WORD = pa.dictionary(pa.int32(), pa.string())
_SAME: dict[Any, pa.DataType] = {
    str: _WORD, int: pa.int64(), bool: pa.bool_(), bytes: pa.binary(),
}  # fmt: skip
_SCHEMA = pa.dictionary(pa.int32(), pa.binary())


# --- to rows --------------------------------------------------------------------------------------


def table_of(kind: int, parts: Sequence[Part]) -> pa.Table:
    """The rows of operations of one kind, sorted."""
    layout = layout_of(kind)
    if not layout.has_columns:
        return in_order(pa.table(_columns(layout, parts)))
    by_schema: dict[bytes, list[Part]] = {}
    for part in parts:
        schema = part.operation.columns.schema  # type: ignore[attr-defined]
        by_schema.setdefault(schema.serialize().to_pybytes(), []).append(part)
    tables = []
    for schema_bytes, alike in by_schema.items():
        columns = _columns(layout, alike)
        columns["schema"] = _repeated([schema_bytes] * len(alike), _lengths(alike), _SCHEMA)
        columns |= _attributes(alike)
        tables.append(pa.table(columns))
    return in_order(pa.concat_tables(tables, promote_options="default"))


def in_order(table: pa.Table) -> pa.Table:
    """Sorted by contact, sequence and part; what is equal in these stays as it is."""
    keys = [table.column(name).to_numpy() for name in reversed(ORDER)]
    table = table.unify_dictionaries()
    return taken(table, np.lexsort(keys)) if len(table) else table


def in_log_order(table: pa.Table) -> pa.Table:
    """Sorted by sequence and part; what is equal in these stays as it is."""
    keys = [table.column(name).to_numpy() for name in ("part", "sequence")]
    return taken(table, np.lexsort(keys)) if len(table) else table


def names_of(operation: Operation) -> list[str]:
    """The columns of its own that it brings."""
    names: list[str] = getattr(operation, "columns", _EMPTY).schema.names
    return names


def _lengths(parts: Sequence[Part]) -> Array:
    return np.array([len(part.contacts) for part in parts], np.int64)


def _columns(layout: Layout, parts: Sequence[Part]) -> dict[str, Any]:
    lengths = _lengths(parts)

    def spread(values: Sequence[int], dtype: Any = np.int64) -> Array:
        return np.repeat(np.array(values, dtype), lengths)

    found: dict[str, Any] = {
        "contact": np.concatenate([part.contacts for part in parts]),
        "sequence": spread([part.sequence for part in parts]),
        "part": spread([part.part for part in parts], np.int32),
        "at": spread([part.at for part in parts]),
    }
    if layout.is_input:
        found["input"] = spread([part.input for part in parts])
    operations = [part.operation for part in parts]
    ones = np.zeros(len(parts), np.uint8)
    for place, name in enumerate(layout.arrays):
        found[name] = _array(name, operations, lengths, ones, 1 << place)
    if layout.arrays:
        found["ones"] = np.repeat(ones, lengths)
    for name in layout.texts:
        found[name] = _texts([getattr(each, name) for each in operations], lengths)
    for name, kind in layout.same.items():
        found[name] = _repeated([getattr(each, name) for each in operations], lengths, kind)
    for name in layout.jsons:
        values = [json.dumps(getattr(each, name), ensure_ascii=False) for each in operations]
        found[name] = _repeated(values, lengths, _WORD)
    return found


def _array(name: str, operations: list[Operation], lengths: Array, ones: Array, bit: int) -> Array:
    """An array field, row by row; `ones` notes where one value holds for all rows."""
    values = [getattr(each, name) for each in operations]
    for place, (array, length) in enumerate(zip(values, lengths.tolist(), strict=True)):
        if len(array) != length:
            values[place] = np.broadcast_to(array, length)
            ones[place] |= bit
    return np.concatenate(values, dtype=DTYPES[name])


def _texts(values: list[tuple[str, ...]], lengths: Array) -> pa.Array:
    texts: list[str | None] = []
    for each, length in zip(values, lengths.tolist(), strict=True):
        texts += each or [None] * length
    return pa.array(texts, pa.string())


def _repeated(values: list[Any], lengths: Array, kind: pa.DataType) -> pa.Array:
    """Each value as often as its operation has rows."""
    if not pa.types.is_dictionary(kind):
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), lengths)))
    codes: dict[Any, int] = {}
    of_each = np.array([codes.setdefault(value, len(codes)) for value in values], np.int32)
    words = pa.array(list(codes), kind.value_type)
    return pa.DictionaryArray.from_arrays(pa.array(np.repeat(of_each, lengths)), words)


def _attributes(parts: list[Part]) -> dict[str, Any]:
    """The columns of operations with one schema, laid end to end."""
    batches = [part.operation.columns for part in parts]  # type: ignore[attr-defined]
    if not batches[0].num_columns:
        return {}
    table = pa.Table.from_batches(batches)
    return {
        f"{field.name}:{field.type}": _stored(column, _storable(field.type))
        for field, column in zip(table.schema, table.columns, strict=True)
    }


def _storable(kind: pa.DataType) -> pa.DataType:
    """What Parquet gives back as it was; the rest is cast to it, and back."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(_storable(kind.value_type))
    if kind in (pa.string_view(), pa.large_string()):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return kind


def _stored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return column if column.type == kind else column.cast(kind)


def _restored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind):
        return column.dictionary_encode()
    if pa.types.is_list(kind):
        items = _restored(column.values, kind.value_type)
        return pa.ListArray.from_arrays(column.offsets, items, mask=column.is_null())
    return column.cast(kind)


# --- and back -------------------------------------------------------------------------------------


def operations_of(kind: int, table: pa.Table) -> Iterator[Told]:
    """The operations whose rows these are, in the order of the table.

    Rows of one operation must stand together; it gets as many as there are.
    """
    layout = layout_of(kind)
    for piece in pieces(table, _starts(table)):
        yield from _told(layout, piece)


def _starts(table: pa.Table) -> Array:
    """Where each operation begins (int64[])."""
    sequence, part = (table.column(name).to_numpy() for name in ("sequence", "part"))
    fresh = np.ones(len(table), bool)
    fresh[1:] = np.diff(sequence) | np.diff(part) != 0
    return np.flatnonzero(fresh)


def _told(layout: Layout, table: pa.Table) -> Iterator[Told]:
    base = {name: table.column(name).to_numpy() for name in (*ORDER, "at")}
    starts = _starts(table)
    fields = _Fields(layout, table, starts)
    inputs = fields.first("input") if layout.is_input else None
    ends = [*starts.tolist()[1:], len(table)]
    for number, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        operation = layout.make(**fields.of(number, start, end, base["contact"]))
        yield Told(
            int(base["sequence"][start]), int(base["part"][start]), int(base["at"][start]),
            int(inputs[number]) if inputs is not None else 0, operation,
        )  # fmt: skip


class _Fields:
    """The columns of a table of rows, as the fields of its operations."""

    def __init__(self, layout: Layout, table: pa.Table, starts: Array) -> None:
        self._layout = layout
        self._table = table
        self._starts = pa.array(starts)
        self._same = {name: self.first(name) for name in layout.same}
        self._same |= {name: _from_json(self.first(name)) for name in layout.jsons}
        self._arrays = {name: table.column(name).to_numpy() for name in layout.arrays}
        self._ones = self.first("ones") if layout.arrays else []
        self._texts = {name: table.column(name).combine_chunks() for name in layout.texts}
        self._schemas = self.first("schema") if layout.has_columns else []
        self._batches = {each: self._batch(each) for each in set(self._schemas)}

    def first(self, name: str) -> list[Any]:
        """A column's value for each operation."""
        values: list[Any] = self._table.column(name).take(self._starts).to_pylist()
        return values

    def _batch(self, schema_bytes: bytes) -> pa.RecordBatch:
        schema = pa.ipc.read_schema(pa.py_buffer(schema_bytes))
        columns = []
        for field in schema:
            column = self._table.column(f"{field.name}:{field.type}").combine_chunks()
            columns.append(_restored(column, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def of(self, number: int, start: int, end: int, contacts: Array) -> dict[str, Any]:
        layout = self._layout
        found = {name: values[number] for name, values in self._same.items()}
        if "contacts" in layout.make.__struct_fields__:
            found["contacts"] = contacts[start:end]
        for place, name in enumerate(layout.arrays):
            one = self._ones[number] >> place & 1
            found[name] = self._arrays[name][start : start + 1 if one else end]
        for name, column in self._texts.items():
            has = column[start].is_valid
            found[name] = tuple(column.slice(start, end - start).to_pylist()) if has else ()
        if layout.has_columns:
            batch = self._batches[self._schemas[number]]
            found["columns"] = batch.slice(start, end - start) if batch.num_columns else batch
        return found


def _from_json(texts: list[str]) -> list[Any]:
    known = {text: json.loads(text) for text in set(texts)}
    values = [known[text] for text in texts]
    return [tuple(value) if isinstance(value, list) else value for value in values]
