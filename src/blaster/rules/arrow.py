"""Arrow columns as vectors, without a copy where the layouts agree.

Owns what an Arrow type means to a rule, and the way from an array to a vector. Laws

1. A slice costs nothing: values are viewed where they lie. A bitmap that does not begin with a
   byte is shifted into a new one; nothing else depends on the offset.
2. An instant in a finer unit counts by the second that it lies in; one without a zone is UTC.
3. What is no number (NaN) is missing, as in every other column of the engine. Of the engine's own
   instants NEVER is missing; a column of them that has a bitmap holds NEVER only where that says
   so, as the engine writes it, and is not searched for more.
4. Words keep their code as long as one `Words` lives, whatever dictionaries the chunks bring.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blaster.errors import InputError
from blaster.model.fields import NEVER, Field, FieldType, Kind
from blaster.rules.bitmap import from_bools
from blaster.rules.dictionary import Dictionary
from blaster.rules.kernels import present
from blaster.rules.lent import Lent, Lying, LyingCodes, LyingTexts
from blaster.rules.scope import Narrow, Untyped
from blaster.rules.vector import Vector

INSTANT_MARK = {b"blaster": b"instant"}
"""Metadata of a uint32 column that holds the engine's own instants."""
DIGITS_MAX = 18
"""Decimals of so many digits fit 64 bits."""
DICTIONARIES_KEPT_MAX = 16
"""Arrow dictionaries whose translation one column remembers, each with its memory."""
ABSENT_ROWS_MAX = 1 << 20
"""What stands for a column that is not there is kept up to so many rows."""
WORDS_MAX = 1 << 20
"""A column whose dictionaries brought more words begins a new dictionary, or they would add up."""

Shape = tuple[Kind, int]  # with the scale of an INT
Maker = Callable[[Lent], Vector]
Place = tuple[tuple[int, ...], int, int]  # the addresses of some texts, their offset and count

_FORMS: dict[pa.DataType, tuple[type[np.generic], str]] = {
    pa.int8(): (np.int8, "i8"),
    pa.int16(): (np.int16, "i16"),
    pa.int32(): (np.int32, "i32"),
    pa.int64(): (np.int64, ""),
    pa.uint8(): (np.uint8, "u8"),
    pa.uint16(): (np.uint16, "u16"),
    pa.uint32(): (np.uint32, "u32"),
    pa.uint64(): (np.uint64, "u64"),
    pa.float32(): (np.float32, "f32"),
    pa.float64(): (np.float64, ""),
    pa.date32(): (np.int32, ""),
}
"""How a plain Arrow type lies in memory, and the form of a vector that reads it as it is."""
_CODE_FORMS: dict[type[np.generic], str] = {np.int8: "i8", np.int16: "i16", np.int32: ""}
_TEXT_FORMS = {pa.string(): "o32", pa.large_string(): "o64", pa.string_view(): ""}
_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}


# ------------------------------------------------------------------------------------- types


def shape_of(field: pa.Field) -> Shape | None:
    """The kind and scale of a column, None when rules do not read its type."""
    kind = field.type
    if field.metadata and INSTANT_MARK.items() <= field.metadata.items():
        return (Kind.TIME, 0) if kind == pa.uint32() else None
    if pa.types.is_boolean(kind):
        return Kind.BOOL, 0
    if pa.types.is_decimal(kind):
        fits = kind.bit_width <= 128 and kind.precision <= DIGITS_MAX and kind.scale >= 0
        return (Kind.INT, kind.scale) if fits else None
    if kind in _FORMS and kind != pa.uint64():
        if pa.types.is_integer(kind):
            return Kind.INT, 0
        return (Kind.NUMBER if pa.types.is_floating(kind) else Kind.DATE), 0
    if pa.types.is_timestamp(kind):
        return Kind.INSTANT, 0
    if is_text(kind) or pa.types.is_null(kind):
        return Kind.TEXT, 0
    if pa.types.is_dictionary(kind):
        return (Kind.CODE, 0) if is_text(kind.value_type) else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type
        words = inner.value_type if pa.types.is_dictionary(inner) else inner
        return (Kind.LIST, 0) if is_text(words) or pa.types.is_null(words) else None
    return None


def is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


class _Time(Field, frozen=True):
    """A column of the engine's own instants."""

    @property
    def kind(self) -> Kind:
        return Kind.TIME


def declared(name: str, field: pa.Field) -> Field | None:
    """A column as a field of a rule's scope; None when rules do not read its type."""
    shape = shape_of(field)
    if shape is None:
        return None
    kind, scale = shape
    if pa.types.is_null(field.type):
        return Untyped(name)
    if kind == Kind.TIME:
        return _Time(name, "instant")
    if kind == Kind.INT:
        return Field(name, "number", scale=scale) if scale else Field(name, "integer")
    if field.type == pa.float32():
        return Narrow(name, "number")
    words: dict[Kind, FieldType] = {
        Kind.BOOL: "boolean", Kind.NUMBER: "number", Kind.DATE: "date", Kind.INSTANT: "instant",
        Kind.LIST: "list",
    }  # fmt: skip
    return Field(name, words.get(kind, "text"), repeats=kind == Kind.CODE)


_TURNED = {
    (Kind.TEXT, Kind.CODE), (Kind.CODE, Kind.TEXT), (Kind.INSTANT, Kind.TIME),
    (Kind.TIME, Kind.INSTANT),
}  # fmt: skip
"""(wanted, there): kinds that say the same in another layout."""


def fits(kind: Kind, scale: int, field: pa.Field) -> bool:
    """Whether a column can be read as this kind and scale."""
    if pa.types.is_null(field.type):
        return True
    if kind == Kind.ID:
        return bool(pa.types.is_integer(field.type))
    shape = shape_of(field)
    return shape is not None and (shape == (kind, scale) or (kind, shape[0]) in _TURNED)


# ------------------------------------------------------------------------------------- words


class Words:
    """The words of one column, and what the dictionaries met so far translate to."""

    def __init__(self) -> None:
        self.dictionary = Dictionary()
        self._met: OrderedDict[Place, tuple[pa.Array, Dictionary, npt.NDArray[np.int32] | None]]
        self._met = OrderedDict()

    def translation(self, words: pa.Array) -> tuple[Dictionary, npt.NDArray[np.int32] | None]:
        """The dictionary, and the code in it of each word (-1: none); None: its own place."""
        # The key is where the words lie; what is kept holds them there.
        addresses = tuple(part.address for part in words.buffers() if part is not None)
        key = (addresses, words.offset, len(words))
        kept = self._met.get(key)
        if kept is None:
            kept = self._met[key] = (words, *self._translated(words))
            if len(self._met) > DICTIONARIES_KEPT_MAX:
                self._met.popitem(last=False)
        else:
            self._met.move_to_end(key)
        return kept[1], kept[2]

    def _translated(self, words: pa.Array) -> tuple[Dictionary, npt.NDArray[np.int32] | None]:
        if len(self.dictionary) + len(words) > max(WORDS_MAX, len(words)):
            self.dictionary = Dictionary()
            self._met.clear()
        add = self.dictionary.add
        codes = np.array(
            [-1 if word is None else add(word) for word in words.to_pylist()], dtype=np.int32
        )
        same = np.array_equal(codes, np.arange(len(codes), dtype=np.int32))
        return self.dictionary, None if same and len(codes) else codes


# ------------------------------------------------------------------------------------ buffers


def bits(buffer: pa.Buffer, offset: int, length: int) -> Any:
    """A bitmap's bits from `offset` on, in bytes that begin with the first of them."""
    start, shift = offset >> 3, offset & 7
    count = (shift + length + 7) >> 3
    if not shift:
        return memoryview(buffer)[start : start + count]
    source = np.frombuffer(buffer, np.uint8, count=count, offset=start)
    out = source >> shift
    out[:-1] |= source[1:] << (8 - shift)
    return out[: (length + 7) >> 3]


def valid_of(array: pa.Array) -> Any:
    """The validity bitmap of an array, None when nothing is missing."""
    buffer = array.buffers()[0]
    if buffer is None or not array.null_count:
        return None
    return bits(buffer, array.offset, len(array))


def bools_of(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows are set."""
    return _bools(valid_of(array), len(array))


def _bools(valid: Any, rows: int) -> npt.NDArray[np.bool_]:
    if valid is None:
        return np.ones(rows, dtype=bool)
    packed = np.asarray(valid).view(np.uint8)
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def values_of(
    array: pa.Array, dtype: type[np.generic], part: int = 1, more: int = 0
) -> npt.NDArray[Any]:
    """The values as they lie, garbage where missing; `more` of them behind the last row."""
    buffer = array.buffers()[part]
    width = np.dtype(dtype).itemsize
    if buffer is None or buffer.size == 0:
        return np.zeros(len(array) + more, dtype=dtype)
    found = np.frombuffer(buffer, dtype, len(array) + more, array.offset * width)
    return found if found.flags.aligned else found.copy()


# ------------------------------------------------------------------------------------ vectors


def maker(there: pa.DataType, place: int, kind: Kind, words: Words, by_range: bool) -> Maker:
    """What makes vectors of a kind of the column at `place`, of a type that fits it.

    `by_range`: nothing is asked but whether values are in a range, so that those which say missing
    (NaN, NEVER) need not be looked for. What it makes raises InputError for a column that cannot be
    one.
    """
    if pa.types.is_null(there):
        return Absent(kind)
    form = _lying_form(there, kind, by_range)
    if form is not None:
        return Lying(place, kind, form)
    of_array = _MAKERS[kind]

    def make(array: pa.Array) -> Vector:
        return of_array(array, words)

    if kind == Kind.TEXT and there in _TEXT_FORMS:
        return LyingTexts(place, _TEXT_FORMS[there], make)
    if kind == Kind.CODE and pa.types.is_dictionary(there):
        dtype = _FORMS[there.index_type][0]
        if dtype in _CODE_FORMS:
            return LyingCodes(place, _CODE_FORMS[dtype], words.translation, make)
    return lambda found: make(found.array(place))


def _lying_form(there: pa.DataType, kind: Kind, by_range: bool) -> str | None:
    """The form of a column whose values need not be looked at; None for another."""
    if kind == Kind.BOOL:
        return ""
    if kind == Kind.INSTANT:
        return "" if pa.types.is_timestamp(there) and there.unit == "s" else None
    if kind in (Kind.INT, Kind.DATE) or (by_range and kind in (Kind.NUMBER, Kind.TIME)):
        found = _FORMS.get(there)
        if found is not None:
            return found[1]
    return "" if kind == Kind.TIME and not pa.types.is_timestamp(there) else None


class Absent:
    """Makes vectors of a column that is not there; batches of one size share one."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._last = Vector.missing(kind, 0)

    def __call__(self, found: Lent) -> Vector:
        if self._last.length == found.rows:
            return self._last
        made = Vector.missing(self._kind, found.rows)
        if found.rows <= ABSENT_ROWS_MAX:
            self._last = made
        return made


def _plain(kind: Kind, values: npt.NDArray[Any], valid: Any, form: str) -> Vector:
    """A vector of plain values as they lie."""
    return Vector(kind, len(values), values, valid, form=form)


def _decimal(array: pa.Array, words: Words) -> Vector:
    if array.type.bit_width == 32:
        return _plain(Kind.INT, values_of(array, np.int32), valid_of(array), "i32")
    if array.type.bit_width == 64:
        return _plain(Kind.INT, values_of(array, np.int64), valid_of(array), "")
    # 18 digits stand in the lower half of the 16 bytes.
    pairs = values_of(array, np.complex128).view(np.int64)
    return _plain(Kind.INT, np.ascontiguousarray(pairs[::2]), valid_of(array), "")


def _number(array: pa.Array, words: Words) -> Vector:
    dtype, form = _FORMS[array.type]
    values = values_of(array, dtype)
    return _plain(Kind.NUMBER, values, present(values, valid_of(array)), form)


def _seconds(array: pa.Array) -> npt.NDArray[np.int64]:
    values = values_of(array, np.int64)
    unit = _PER_SECOND[array.type.unit]
    return values if unit == 1 else values // unit


def _instant(array: pa.Array, words: Words) -> Vector:
    if not pa.types.is_timestamp(array.type):
        values = values_of(array, np.uint32)
        valid = from_bools(bools_of(array) & (values != NEVER))
        return _plain(Kind.INSTANT, values.astype(np.int64), valid, "")
    return _plain(Kind.INSTANT, _seconds(array), valid_of(array), "")


def _time(array: pa.Array, words: Words) -> Vector:
    seconds = _seconds(array)
    outside = ((seconds < 0) | (seconds >= NEVER)) & bools_of(array)
    if outside.any():
        moment = np.datetime64(int(seconds[outside][0]), "s")
        raise InputError(f"{moment} is outside the engine's time, 1970 to 2106")
    values = np.where(bools_of(array), seconds, NEVER).astype(np.uint32)
    return Vector(Kind.TIME, len(array), values)


def _id(array: pa.Array, words: Words) -> Vector:
    dtype, _ = _FORMS[array.type]
    values = values_of(array, dtype)
    if array.null_count:
        values = np.where(bools_of(array), values, 0)
    return Vector(Kind.ID, len(array), values.astype(np.uint64, copy=False))


def _text(array: pa.Array, words: Words) -> Vector:
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_string_view(array.type) and len(array.buffers()) > 3:
        array = array.cast(pa.large_string())  # a vector has one arena
    form = _TEXT_FORMS[array.type]
    rows, valid = len(array), valid_of(array)
    parts = array.buffers()[2:]
    arena = parts[0] if parts and parts[0] is not None else b""
    if not form:
        views = values_of(array, np.complex128)
        return Vector(Kind.TEXT, rows, views.view(np.uint8), valid, arena=arena)
    dtype = np.int32 if form == "o32" else np.int64
    return Vector(Kind.TEXT, rows, values_of(array, dtype, more=1), valid, arena=arena, form=form)


def _code(array: pa.Array, words: Words) -> Vector:
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    codes, valid, dictionary = _codes(array, words)
    if codes is None:
        return Vector.missing(Kind.CODE, len(array))
    form = _CODE_FORMS.get(codes.dtype.type)
    if form is None:
        codes, form = codes.astype(np.int32), ""
    return Vector(Kind.CODE, len(array), codes, valid, dictionary=dictionary, form=form)


def _codes(array: pa.DictionaryArray, words: Words) -> tuple[Any, Any, Dictionary]:
    """Codes (None: all are missing), which are set, and the dictionary they belong to."""
    dictionary, translation = words.translation(array.dictionary)
    indices = array.indices
    codes = values_of(indices, _FORMS[indices.type][0])
    valid = valid_of(indices)
    if translation is None:
        return codes, valid, dictionary
    if not len(translation):
        return None, None, dictionary
    if valid is not None:
        codes = np.where(bools_of(indices), codes, 0)
    try:
        codes = translation[codes]
    except IndexError:
        raise InputError("a code of a dictionary column has no word") from None
    if (translation < 0).any():
        valid = from_bools(bools_of(indices) & (codes >= 0))
    return codes, valid, dictionary


def _list(array: pa.Array, words: Words) -> Vector:
    rows = len(array)
    if not rows:
        return Vector.missing(Kind.LIST, 0)
    large = pa.types.is_large_list(array.type)
    offsets = values_of(array, np.int64 if large else np.int32, more=1).astype(np.int64)
    entries = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    offsets -= offsets[0]
    if pa.types.is_null(entries.type):
        entries = entries.cast(pa.string())
    if not pa.types.is_dictionary(entries.type):
        entries = pc.dictionary_encode(entries)
    codes, valid, dictionary = _codes(entries, words)
    codes = np.full(len(entries), -1, np.int32) if codes is None else codes.astype(np.int32)
    codes = np.where(_bools(valid, len(codes)), codes, -1)
    there = codes >= 0
    if not there.all():  # a missing entry is none
        offsets = np.concatenate([[0], np.cumsum(there)])[offsets]
        codes = codes[there]
    if len(codes) >= 2**31:
        raise InputError("more entries in the lists of one batch than 32 bits count")
    sizes = np.diff(offsets).astype(np.int32)
    starts = offsets[:-1].astype(np.int32)
    return Vector(Kind.LIST, rows, starts, valid_of(array), sizes, codes, dictionary)


_MAKERS: dict[Kind, Callable[[pa.Array, Words], Vector]] = {
    Kind.INT: _decimal,
    Kind.NUMBER: _number,
    Kind.INSTANT: _instant,
    Kind.TEXT: _text,
    Kind.CODE: _code,
    Kind.LIST: _list,
    Kind.TIME: _time,
    Kind.ID: _id,
}
