"""A column as a plain Python list, and how to read what the real one gives out."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np

from blaster.core.column import Column
from blaster.model.fields import BATCH_ROWS, NEVER, Kind

WORDS = (
    "",
    "a",
    "חיפה",
    "twelve bytes",
    "thirteen byte",
    "a longer text, longer than a view",
    "ש" * 20,
)
VALUES: dict[Kind, tuple[Any, ...]] = {
    Kind.BOOL: (True, False),
    Kind.INT: (0, 1, -1, 2**63 - 1, -(2**63)),
    Kind.NUMBER: (0.0, 1.5, -2.25, float("inf")),
    Kind.DATE: (0, -1, 20_000, 2**31 - 1),
    Kind.INSTANT: (0, -5_000_000_000, 1_700_000_000),
    Kind.TEXT: WORDS,
    Kind.CODE: WORDS,
    Kind.LIST: ([], ["a"], ["b", "a", "b"], ["חיפה", "c", "d", "e"]),
    Kind.TIME: (0, 1, 1_700_000_000, NEVER - 1),
    Kind.ID: (1, 2**64 - 1, 77),
}
DTYPES = {
    Kind.BOOL: np.bool_,
    Kind.INT: np.int64,
    Kind.NUMBER: np.float64,
    Kind.DATE: np.int32,
    Kind.INSTANT: np.int64,
    Kind.CODE: np.int32,
    Kind.TIME: np.uint32,
    Kind.ID: np.uint64,
}
EMPTY = {Kind.TIME: NEVER, Kind.CODE: -1}


def rows_of(*rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(rows, np.int64)


def put(column: Column, rows: Any, values: list[Any]) -> None:
    """Put plain values, None where missing, as the kind wants them."""
    kind = column.kind
    if kind in (Kind.TEXT, Kind.LIST):
        column.put(rows, values)
        return
    if kind == Kind.CODE:
        assert column.dictionary is not None
        values = [None if value is None else column.dictionary.add(value) for value in values]
    empty = EMPTY.get(kind, 0)
    array: np.ndarray[Any, Any] = np.array(
        [empty if value is None else value for value in values], DTYPES[kind]
    )
    if kind in (Kind.TIME, Kind.ID, Kind.CODE):
        column.put(rows, array)
    else:
        column.put(rows, array, np.array([value is not None for value in values], np.bool_))


def take(column: Column, rows: Any) -> list[Any]:
    """Plain values, None where missing."""
    values = list(column.take(rows))
    if column.kind in (Kind.TEXT, Kind.LIST):
        return values
    if column.kind == Kind.CODE:
        assert column.dictionary is not None
        words = column.dictionary.values
        return [None if code < 0 else words[code] for code in values]
    valid = column.take_valid(rows)
    return [value.item() if there else None for value, there in zip(values, valid, strict=True)]


def bits(words: Any, length: int) -> list[bool]:
    flags = np.unpackbits(np.frombuffer(words, np.uint8), bitorder="little").astype(bool)
    assert not flags[length:].any()
    return list(flags[:length].tolist())


def read_vector(vector: Any) -> list[Any]:
    """Plain values of a rules.Vector, None where missing."""
    kind, length = Kind(vector.kind), vector.length
    data, valid, sizes, arena = vector.buffers
    if kind == Kind.BOOL:
        values: list[Any] = bits(data, length)
    elif kind == Kind.TEXT:
        values = [_text(bytes(data[16 * i : 16 * i + 16]), arena) for i in range(length)]
    elif kind == Kind.LIST:
        starts = np.frombuffer(data, np.int32, length)
        counts = np.frombuffer(sizes, np.int32, length)
        codes = np.frombuffer(arena, np.int32) if arena.nbytes else np.empty(0, np.int32)
        words = vector.dictionary.values
        values = [
            [words[code] for code in codes[start : start + count]]
            for start, count in zip(starts, counts, strict=True)
        ]
    else:
        values = np.frombuffer(data, DTYPES[kind], length).tolist()
    if kind in (Kind.TIME, Kind.ID):
        return [None if value == EMPTY.get(kind, 0) else value for value in values]
    if kind == Kind.CODE:
        there = [True] * length if valid is None else bits(valid, length)
        words = vector.dictionary.values
        return [words[v] if ok else None for v, ok in zip(values, there, strict=True)]
    if valid is None:
        return values
    return [v if ok else None for v, ok in zip(values, bits(valid, length), strict=True)]


def _text(view: bytes, arena: Any) -> str:
    (length,) = struct.unpack_from("<i", view)
    if length <= 12:
        assert view[4 + length :] == bytes(12 - length)
        return view[4 : 4 + length].decode()
    buffer, offset = struct.unpack_from("<ii", view, 8)
    assert buffer == 0
    text = bytes(arena[offset : offset + length])
    assert text[:4] == view[4:8]
    return text.decode()


def read_export(kind: Kind, array: Any) -> list[Any]:
    """Plain values of an exported Arrow array, None where missing."""
    array.validate(full=True)
    if kind in (Kind.TIME, Kind.INSTANT):
        array = array.cast("int64")
    elif kind == Kind.DATE:
        array = array.cast("int32")
    return list(array.to_pylist())


class Model:
    """What a column should hold: one plain value a row."""

    def __init__(self, kind: Kind, rows: int) -> None:
        self.kind = kind
        self.values: dict[int, Any] = {}
        self.rows = rows

    def put(self, rows: list[int], values: list[Any]) -> None:
        for row, value in zip(rows, values, strict=True):
            self.values[row] = value

    def take(self, rows: list[int]) -> list[Any]:
        return [self.values.get(row) for row in rows]

    def batch(self, batch: int) -> list[Any]:
        first = batch * BATCH_ROWS
        return self.take(list(range(first, min(first + BATCH_ROWS, self.rows))))


def some_values(kind: Kind, count: int, chance: random.Random) -> list[Any]:
    return [None if chance.random() < 0.25 else chance.choice(VALUES[kind]) for _ in range(count)]
