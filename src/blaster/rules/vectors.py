"""Vectors from and to Python values, for tests and for explaining one row; and chosen rows of one.

Only `gather` is for many rows.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from blaster.model.fields import NEVER, Kind
from blaster.rules.bitmap import from_bools
from blaster.rules.dictionary import Dictionary
from blaster.rules.vector import Vector

DTYPES: dict[int, type[np.generic]] = {
    Kind.INT: np.int64,
    Kind.NUMBER: np.float64,
    Kind.DATE: np.int32,
    Kind.INSTANT: np.int64,
    Kind.CODE: np.int32,
    Kind.TIME: np.uint32,
    Kind.ID: np.uint64,
}
"""How the plain kinds lie in memory unless a form says otherwise."""

FORM_DTYPES: dict[str, type[np.generic]] = {
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "f32": np.float32,
    "f64": np.float64,
    "o32": np.int32,
    "o64": np.int64,
    "list": np.int32,
}

TEXT_INLINE_BYTES_MAX = 12


def vector_of(kind: Kind, values: Sequence[Any], dictionary: Dictionary | None = None) -> Vector:
    """A vector of Python values, None where missing; CODE and LIST words join `dictionary`."""
    rows = len(values)
    valid = from_bools(np.array([value is not None for value in values], dtype=bool))
    if kind == Kind.BOOL:
        return Vector(kind, rows, from_bools(np.array([bool(v) for v in values])), valid)
    if kind in (Kind.TIME, Kind.ID):
        empty = NEVER if kind == Kind.TIME else 0
        plain = [empty if value is None else value for value in values]
        return Vector(kind, rows, np.array(plain, dtype=DTYPES[kind]))
    if kind == Kind.TEXT:
        views, arena = _text(values)
        return Vector(kind, rows, views, valid, arena=arena)
    words = Dictionary() if dictionary is None else dictionary
    if kind == Kind.LIST:
        lists = [[words.add(text) for text in value or ()] for value in values]
        sizes = np.array([len(codes) for codes in lists], dtype=np.int32)
        offsets = (np.cumsum(sizes) - sizes).astype(np.int32)
        codes = np.array([code for one in lists for code in one], dtype=np.int32)
        return Vector(kind, rows, offsets, valid, sizes, codes, words)
    if kind == Kind.CODE:
        plain = [-1 if value is None else words.add(value) for value in values]
        return Vector(kind, rows, np.array(plain, dtype=np.int32), valid, dictionary=words)
    plain = [0 if value is None else value for value in values]
    return Vector(kind, rows, np.array(plain, dtype=DTYPES[kind]), valid)


def _text(values: Sequence[str | None]) -> tuple[bytes, bytes]:
    views = bytearray()
    arena = bytearray()
    for value in values:
        data = b"" if value is None else value.encode()
        if len(data) <= TEXT_INLINE_BYTES_MAX:
            views += struct.pack("<i12s", len(data), data)
        else:
            views += struct.pack("<i4sii", len(data), data[:4], 0, len(arena))
            arena += data
    return bytes(views), bytes(arena)


def plain(vector: Vector) -> npt.NDArray[Any]:
    """The values of a plain kind as a read-only array, garbage where missing; BOOL as booleans.

    Whatever the form, they come in the kind's own type.
    """
    if vector.kind == Kind.BOOL:
        return bits_of(vector.buffers[0], vector.length)
    found = np.frombuffer(
        vector.buffers[0], dtype=FORM_DTYPES[vector.form], count=vector.length
    ).astype(DTYPES[vector.kind], copy=False)
    found.flags.writeable = False
    return found


def bits_of(buffer: memoryview, rows: int) -> npt.NDArray[np.bool_]:
    """The first `rows` bits of a bitmap that need not be padded."""
    packed = np.frombuffer(buffer, dtype=np.uint8, count=(rows + 7) // 8)
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def validity(vector: Vector) -> npt.NDArray[np.bool_]:
    """Which rows are set."""
    if vector.buffers[1] is not None:
        return bits_of(vector.buffers[1], vector.length)
    if vector.kind == Kind.TIME:
        return np.asarray(plain(vector) != NEVER)
    if vector.kind == Kind.ID:
        return np.asarray(plain(vector) != 0)
    return np.ones(vector.length, dtype=bool)


def texts(vector: Vector) -> list[str]:
    """The texts of a TEXT or CODE vector, "" where missing."""
    valid = validity(vector)
    if vector.kind == Kind.CODE:
        assert vector.dictionary is not None
        words = vector.dictionary.values
        return [words[c] if v else "" for c, v in zip(plain(vector), valid, strict=True)]
    arena = memoryview(vector.buffers[3] or b"").cast("B")
    if vector.form != "view":
        ends = np.frombuffer(vector.buffers[0], FORM_DTYPES[vector.form], vector.length + 1)
        spans = zip(ends[:-1].tolist(), ends[1:].tolist(), valid, strict=True)
        return [bytes(arena[low:high]).decode() if v else "" for low, high, v in spans]
    views = memoryview(vector.buffers[0]).cast("B")
    out: list[str] = []
    for row in range(vector.length):
        if not valid[row]:
            out.append("")
            continue
        size, offset = struct.unpack_from("<i8xi", views, 16 * row)
        if size <= TEXT_INLINE_BYTES_MAX:
            out.append(bytes(views[16 * row + 4 : 16 * row + 4 + size]).decode())
        else:
            out.append(bytes(arena[offset : offset + size]).decode())
    return out


def lists(vector: Vector) -> list[list[str]]:
    """The entries of a LIST vector, [] where missing."""
    assert vector.dictionary is not None
    words = vector.dictionary.values
    offsets = np.frombuffer(vector.buffers[0], dtype=np.int32, count=vector.length)
    sizes = np.frombuffer(vector.buffers[2] or b"", dtype=np.int32, count=vector.length)
    codes = np.frombuffer(vector.buffers[3] or b"", dtype=np.int32)
    return [
        [words[c] for c in codes[o : o + s]] if v else []
        for o, s, v in zip(offsets, sizes, validity(vector), strict=True)
    ]


def to_list(vector: Vector) -> list[Any]:
    """Every row as a Python value, None where missing."""
    values: Sequence[Any]
    if vector.kind in (Kind.TEXT, Kind.CODE):
        values = texts(vector)
    elif vector.kind == Kind.LIST:
        values = lists(vector)
    else:
        values = plain(vector).tolist()
    valid = validity(vector)
    return [value if ok else None for value, ok in zip(values, valid, strict=True)]


def row_of(vector: Vector, row: int) -> Vector:
    """One row as a vector of length 1."""
    return gather(vector, np.array([row], dtype=np.int64))


def gather(vector: Vector, rows: npt.NDArray[np.int64]) -> Vector:
    """The vector whose row i is row `rows[i]` of this one, in memory of its own.

    Views and entries of lists stay in the arena of the old one, which it keeps alive; texts between
    offsets are copied. It takes time by its own rows only.
    """
    kind, form = Kind(vector.kind), vector.form
    data, bits, sizes, arena = vector.buffers
    valid = None if bits is None else from_bools(_bits_at(bits, rows))
    if kind == Kind.BOOL:
        return Vector(kind, len(rows), from_bools(_bits_at(data, rows)), valid)
    if form in ("o32", "o64"):
        ends, own = _texts_at(vector, rows)
        return Vector(kind, len(rows), ends, valid, arena=own, form=form)
    dtype = _VIEW if form == "view" else FORM_DTYPES[form]
    taken = np.frombuffer(data, dtype, vector.length)[rows]
    lengths = None if sizes is None else np.frombuffer(sizes, np.int32, vector.length)[rows]
    held = taken.tobytes() if form == "view" else taken
    return Vector(kind, len(rows), held, valid, lengths, arena, vector.dictionary, form)


_VIEW = np.dtype("V16")
"""An Arrow string view."""


def _bits_at(buffer: memoryview, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Chosen bits of a bitmap."""
    packed = np.frombuffer(buffer, dtype=np.uint8)
    found: npt.NDArray[np.bool_] = (packed[rows >> 3] >> (rows & 7).astype(np.uint8) & 1) == 1
    return found


def _texts_at(
    vector: Vector, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Offsets and bytes of chosen texts that lie between offsets."""
    ends = np.frombuffer(vector.buffers[0], FORM_DTYPES[vector.form], vector.length + 1)
    starts = ends[rows].astype(np.int64)
    sizes = ends[rows + 1] - starts
    out = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(sizes, out=out[1:])
    places = np.repeat(starts - out[:-1], sizes) + np.arange(out[-1])
    arena = np.frombuffer(vector.buffers[3] or b"", dtype=np.uint8)
    return out.astype(ends.dtype), arena[places]
