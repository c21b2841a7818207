"""One column of an imported file to the values of its field.

Owns what a cell may hold for each type of field. Never rejects a row: it says which cells do not
fit, and why; their value is null. Values come out as `core` columns take them: TEXT and CODE as
string, INT as int64 (times 10**scale), NUMBER float64, DATE date32, INSTANT timestamp[s] in UTC,
BOOL bool, LIST list<string>. An empty cell is null: nothing is said about the field. A text or list
of more than TEXT_BYTES_MAX does not fit.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core import are_short, value_bytes
from blaster.core.normalise import normalise_emails, normalise_phones
from blaster.engine import cells
from blaster.errors import InputError
from blaster.limits import TEXT_BYTES_MAX
from blaster.model.fields import Field, Kind

LIST_SEPARATOR = ";"
"""Between the values of one cell of a list field."""

EXACT_SCALE_MAX, EXACT_MAX = 4, 1e10
"""Doubles of more decimals, or as large, go by their text: Arrow may write it with an exponent."""

_Array = np.ndarray[Any, Any]
_BAD, _LONG, _LOCAL = 2, 3, 4


class Place(msgspec.Struct, frozen=True):
    """Whose phone numbers and clock times are meant: a country and a time zone."""

    country: str
    zone: str


class Converted(msgspec.Struct, frozen=True):
    """Values of a column, which cells did not fit, and why: one reason, or one per row."""

    values: pa.Array
    bad: _Array
    reasons: str | pa.StringArray = ""

    def reason(self, row: int) -> str:
        """Why this row's cell did not fit."""
        return self.reasons if isinstance(self.reasons, str) else str(self.reasons[row])


def convert(array: pa.Array, field: Field, place: Place) -> Converted:
    """The values of `array` (any Arrow type) for `field`; InputError if the type has no cells."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if field.name in ("email", "phone"):
        return _address(_text(array, field), field.name, place)
    if field.kind == Kind.LIST:
        return _without_long(_list(array, field))
    natural = _natural(array, field, place)
    if natural is not None:
        return natural
    found = _from_text(_text(array, field), field, place)
    return _without_long(found) if field.kind in (Kind.TEXT, Kind.CODE) else found


def _without_long(found: Converted) -> Converted:
    """Texts or lists, of which those that are too long do not fit."""
    if are_short(found.values):
        return found
    sizes = value_bytes(found.values)
    long = sizes > TEXT_BYTES_MAX
    reasons = [
        f"{size} bytes; {TEXT_BYTES_MAX} may be" if too_long else found.reason(row)
        for row, (size, too_long) in enumerate(zip(sizes.tolist(), long.tolist(), strict=True))
    ]
    values = pc.if_else(pa.array(long), pa.scalar(None, found.values.type), found.values)
    return Converted(values, found.bad | long, pa.array(reasons, pa.string()))


def _good(values: pa.Array) -> Converted:
    return Converted(values, np.zeros(len(values), np.bool_))


def _from_states(
    values: _Array, states: _Array, kind: pa.DataType, reason: str
) -> Converted:  # fmt: skip
    missing = (states == 0) | (states == _BAD)
    return Converted(pa.array(values, mask=missing).cast(kind), states == _BAD, reason)


# --- typed columns (Parquet) ------------------------------------------------------------------


def _natural(array: pa.Array, field: Field, place: Place) -> Converted | None:
    """A column whose Arrow type is the field's own; None: go by its text."""
    kind, given = field.kind, array.type
    if pa.types.is_null(given):
        return _good(pa.nulls(len(array), _ARROW_TYPES[kind]))
    if kind == Kind.BOOL and pa.types.is_boolean(given):
        return _good(array)
    if kind == Kind.INT and not field.scale and pa.types.is_signed_integer(given):
        return _good(array.cast(pa.int64()))
    if kind == Kind.NUMBER and (pa.types.is_integer(given) or pa.types.is_floating(given)):
        numbers = array.cast(pa.float64(), safe=False)
        kept = pc.if_else(pc.is_nan(numbers), None, numbers)  # NaN is how pandas writes missing
        infinite = pc.is_inf(numbers).fill_null(False).to_numpy(zero_copy_only=False)
        return Converted(pc.if_else(pa.array(infinite), None, kept), infinite, "not a number")
    if kind == Kind.INT and field.scale and pa.types.is_float64(given):
        return _scaled(array, field.scale)
    if pa.types.is_date(given) or pa.types.is_timestamp(given):
        return _from_time(array, field, place)
    return None


def _scaled(array: pa.Array, scale: int) -> Converted | None:
    """Doubles as whole numbers of 10**-scale, where each is written with so many decimals at most.

    A double that a decimal of at most 15 digits rounds to is that decimal, and no other so short,
    in its shortest form too: the answer is that of the text. None: go by that.
    """
    if scale > EXACT_SCALE_MAX:
        return None
    given = array.fill_null(0.0).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.rint(given * 10**scale)
        exact = (np.abs(given) < EXACT_MAX) & (whole / 10**scale == given)
    if not exact.all():
        return None
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return _good(pa.array(whole.astype(np.int64), mask=missing))


def _from_time(array: pa.Array, field: Field, place: Place) -> Converted | None:
    if field.kind == Kind.DATE:
        return _good(array.cast(pa.date32(), safe=False))
    if field.kind != Kind.INSTANT:
        return None
    seconds = array.cast(
        pa.timestamp("s", getattr(array.type, "tz", None)), safe=False
    )  # a fraction of a second is cut off
    if seconds.type.tz is None:
        seconds = _in_zone(seconds, place.zone)
    return _good(seconds.cast(pa.timestamp("s")))


def _in_zone(local: pa.Array, zone: str) -> pa.Array:
    """Clock times to UTC: of a double time the first, of a skipped one the end of the gap."""
    known = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")
    return known.cast(pa.timestamp("s"))


# --- text cells -------------------------------------------------------------------------------


def _text(array: pa.Array, field: Field) -> pa.StringArray:
    if pa.types.is_floating(array.type) and field.kind in (Kind.TEXT, Kind.CODE):
        array = _whole_numbers(array)
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise InputError(f'column "{field.name}": {error}') from error
    except (pa.ArrowNotImplementedError, NotImplementedError) as error:
        raise InputError(
            f'column "{field.name}" of type {array.type} cannot fill a field of type {field.type}'
        ) from error


def _whole_numbers(array: pa.Array) -> pa.Array:
    """Ids and phones that became floats because some were missing: 7.0 is 7, NaN is missing."""
    array = pc.if_else(pc.is_nan(array), None, array)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


def _from_text(array: pa.StringArray, field: Field, place: Place) -> Converted:
    kind = field.kind
    if field.type == "enum":
        return _enum(array, field)
    if kind in (Kind.TEXT, Kind.CODE):
        return _good(_trimmed(array))
    if kind == Kind.INT:
        scale = field.scale or 0
        values, states = cells.integers(array, scale)
        what = "not a whole number" if scale == 0 else f"not a number with {scale} decimals"
        return _from_states(values, states, pa.int64(), what)
    if kind == Kind.NUMBER:
        return _number(array)
    if kind == Kind.DATE:
        days, states = cells.dates(array)
        return _from_states(days, states, pa.date32(), "not a date")
    if kind == Kind.BOOL:
        flags, states = cells.booleans(array)
        return _from_states(flags, states, pa.bool_(), "not true or false")
    return _instant(array, place)


def _trimmed(array: pa.StringArray) -> pa.StringArray:
    if cells.are_trimmed(array):
        return array
    trimmed = pc.utf8_trim_whitespace(array)
    blank = pc.equal(trimmed, "")
    return pc.if_else(blank, None, trimmed) if pc.any(blank).as_py() else trimmed


def _number(array: pa.StringArray) -> Converted:
    values, states = cells.numbers(array)
    for row in np.flatnonzero(states == _LONG).tolist():
        try:
            values[row] = float(array[row].as_py().replace(",", ""))
        except ValueError:
            values[row] = np.inf
        if not np.isfinite(values[row]):
            states[row] = _BAD
    return _from_states(values, states, pa.float64(), "not a number")


def _instant(array: pa.StringArray, place: Place) -> Converted:
    seconds, states = cells.instants(array)
    local = states == _LOCAL
    if local.any():
        clock = pa.array(seconds[local]).cast(pa.timestamp("s"))
        seconds[local] = _in_zone(clock, place.zone).cast(pa.int64()).to_numpy()
    return _from_states(seconds, states, pa.timestamp("s"), "not a date and time")


def _address(array: pa.StringArray, name: str, place: Place) -> Converted:
    if name == "email":
        values, reasons = normalise_emails(array)
    else:
        values, reasons = normalise_phones(array, place.country)
    if reasons.null_count == len(reasons):
        return _good(values)
    bad = pc.not_equal(reasons, "empty").fill_null(False)  # blanks say nothing about the field
    return Converted(values, bad.to_numpy(zero_copy_only=False), reasons)


def _enum(array: pa.StringArray, field: Field) -> Converted:
    values = _trimmed(array)
    outside = pc.and_(
        pc.invert(pc.is_in(values, value_set=pa.array(field.values, pa.string()))),
        values.is_valid(),
    )
    if field.other is not None and field.other in field.values:
        return _good(pc.if_else(outside, field.other, values))
    bad = outside.to_numpy(zero_copy_only=False)
    reason = f"not one of {', '.join(field.values)}"
    return Converted(pc.if_else(outside, None, values), bad, reason)


def _list(array: pa.Array, field: Field) -> Converted:
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        if not pa.types.is_null(array.type):
            array = pc.split_pattern(_text(array, field), LIST_SEPARATOR)
        else:
            array = array.cast(pa.list_(pa.string()))
    missing = array.is_null().to_numpy(zero_copy_only=False)
    sizes = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(array)), sizes)
    words = _trimmed(_text(array.flatten(), field))
    kept = words.is_valid().to_numpy(zero_copy_only=False)
    words, owners = words.drop_null(), owners[kept]
    bad = np.zeros(len(array), np.bool_)
    if field.values:
        inside = pc.is_in(words, value_set=pa.array(field.values, pa.string()))
        bad[owners[~inside.to_numpy(zero_copy_only=False)]] = True
    missing |= bad | (np.bincount(owners, minlength=len(array)) == 0)
    words = words.filter(pa.array(~missing[owners]))
    ends = np.zeros(len(array) + 1, np.int32)
    np.cumsum(np.bincount(owners[~missing[owners]], minlength=len(array)), out=ends[1:])
    values = pa.ListArray.from_arrays(pa.array(ends), words, mask=pa.array(missing))
    return Converted(values, bad, f"not all of {', '.join(field.values)}" if field.values else "")


_ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.BOOL: pa.bool_(), Kind.INT: pa.int64(), Kind.NUMBER: pa.float64(), Kind.DATE: pa.date32(),
    Kind.INSTANT: pa.timestamp("s"), Kind.TEXT: pa.string(), Kind.CODE: pa.string(),
    Kind.LIST: pa.list_(pa.string()),
}  # fmt: skip
