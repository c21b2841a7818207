"""Text to typed values: what `set`, defaults and replies write into a field.

A value that does not fit, or is larger than TEXT_BYTES_MAX, is None; nothing here raises for bad
text. Numbers with a scale are integers of the smallest unit; enum values keep the spelling of their
declaration.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.limits import TEXT_BYTES_MAX
from blaster.model.fields import Field, Kind

Array = np.ndarray[Any, Any]
Fitted = int | float | bool | str | list[str]

ARROW_TYPES = {
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.DATE: pa.int32(),
    Kind.INSTANT: pa.int64(),
    Kind.TEXT: pa.string(),
    Kind.CODE: pa.string(),
    Kind.LIST: pa.list_(pa.string()),
}
"""The Arrow type that fitted values of each kind make a column of."""

_TRUE = frozenset({"true", "yes", "1", "כן"})
_FALSE = frozenset({"false", "no", "0", "לא"})
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_INT64_MAX = 2**63 - 1
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)


def fit(field: Field, text: str) -> Fitted | None:
    """The value that `text` is in this field, in the form its column stores; None: does not fit."""
    value = _fit(field, text.strip())
    if len(text) * 5 <= TEXT_BYTES_MAX or not isinstance(value, str | list):
        return value  # a character has 4 bytes at most, and a list no more words than characters
    return value if are_short(pa.array([value], ARROW_TYPES[field.kind])) else None


def value_bytes(values: pa.Array) -> Array:
    """int64[]: what each text (pa.string), or list of texts, counts against TEXT_BYTES_MAX."""
    if pa.types.is_string(values.type):
        return _lengths(values)
    words = _lengths(values.flatten())
    ends = np.concatenate([[0], np.cumsum(words + 4)])
    sizes = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    stops = np.cumsum(sizes)
    counted: Array = ends[stops] - ends[stops - sizes]
    return counted


def _lengths(texts: pa.Array) -> Array:
    lengths: Array = pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False)
    return lengths.astype(np.int64)


def are_short(values: pa.Array) -> bool:
    """Whether surely none of these texts or lists has more than TEXT_BYTES_MAX."""
    if len(values) == 0 or values.get_total_buffer_size() <= TEXT_BYTES_MAX:
        return True
    return int(value_bytes(values).max()) <= TEXT_BYTES_MAX


def bounded(values: pa.Array) -> pa.Array:
    """Texts or lists of texts; null where one has more than TEXT_BYTES_MAX."""
    if are_short(values):
        return values
    short = pa.array(value_bytes(values) <= TEXT_BYTES_MAX)
    return pc.if_else(short, values, pa.scalar(None, values.type))


def _fit(field: Field, text: str) -> Fitted | None:
    if field.type in ("text", "enum"):
        return _fit_word(field, text)
    if field.type == "list":
        return [item.strip() for item in text.split(",") if item.strip()]
    if field.kind is Kind.BOOL:
        folded = text.casefold()
        return True if folded in _TRUE else False if folded in _FALSE else None
    if field.kind is Kind.DATE:
        return _fit_date(text)
    if field.kind is Kind.INSTANT:
        return _fit_instant(text)
    return _fit_number(field, text)


def fit_attribute(kind: Kind, values: pa.Array) -> pa.Array:
    """An event's attribute in the kind that rules compare it in; what does not fit is null."""
    return fit_column(_FIELDS.get(kind, Field("")), values)


def fit_column(field: Field, values: pa.Array) -> pa.Array:
    """Values of any plain type in the form that this field stores; what does not fit is null.

    Each different text is fitted once; numbers are read by Arrow.
    """
    kind, wanted = field.kind, ARROW_TYPES[field.kind]
    if pa.types.is_nested(values.type):
        same = pa.types.is_list(values.type) and pa.types.is_string(values.type.value_type)
        if not same or kind is not Kind.LIST:
            return pa.nulls(len(values), wanted)
        return bounded(values.cast(wanted))
    whole = pa.types.is_integer(values.type)
    if whole and (kind is Kind.NUMBER or (kind is Kind.INT and not field.scale)):
        return values.cast(wanted, safe=False)
    if pa.types.is_floating(values.type) and kind is Kind.NUMBER:
        numbers = values.cast(wanted)
        return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, wanted))
    texts = values.cast(pa.string())
    if field.type == "text":
        return bounded(texts)
    if kind is Kind.NUMBER and len(texts) > FEW:
        return _read_numbers(texts)
    words = texts.dictionary_encode()
    fitted = [fit(field, word) for word in words.dictionary.to_pylist()]
    return pa.array(fitted, wanted).take(words.indices)


FEW = 64
"""Texts up to this many are read one by one: fewer calls than Arrow needs."""


def _read_numbers(texts: pa.Array) -> pa.Array:
    """What `fit` makes of each for a number field, by Arrow's own reader."""
    trimmed = pc.utf8_trim_whitespace(texts)
    good = pc.match_substring_regex(
        trimmed, r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
    )
    plain = pc.if_else(good, pc.utf8_ltrim(trimmed, "+"), pa.scalar(None, pa.string()))
    numbers = plain.cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


_FIELDS: dict[Kind, Field] = {
    Kind.BOOL: Field("", "boolean"),
    Kind.INT: Field("", "integer"),
    Kind.NUMBER: Field("", "number"),
    Kind.DATE: Field("", "date"),
    Kind.INSTANT: Field("", "instant"),
}


def _fit_word(field: Field, text: str) -> str | None:
    if field.type == "text":
        return text
    folded = text.casefold()
    for value in field.values:
        if value.casefold() == folded:
            return value
    return field.other if field.other in field.values else None


def _fit_number(field: Field, text: str) -> int | float | None:
    if not _NUMBER.match(text):
        return None
    if field.kind is Kind.NUMBER:
        value = float(text)
        return value if abs(value) != float("inf") else None
    try:
        scaled = Decimal(text).scaleb(field.scale or 0)
    except DecimalException:
        return None
    if scaled != scaled.to_integral_value() or abs(scaled) > _INT64_MAX:
        return None
    return int(scaled)


def refit(field: Field, number: float, scale: int) -> int | float | None:
    """A computed number, `number / 10**scale`, in the form that this number field stores.

    It is rounded to the field's scale; a field of whole numbers takes only a whole one.
    """
    if field.kind is Kind.NUMBER:
        return number / 10**scale if scale else float(number)
    meant = Decimal(repr(number)).scaleb(-scale)
    scaled = meant.scaleb(field.scale or 0)
    nearest = scaled.to_integral_value()
    if abs(nearest) > _INT64_MAX or (not field.scale and scaled != nearest):
        return None
    return int(nearest)


def _fit_date(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None


def _fit_instant(text: str) -> int | None:
    """ISO 8601 with an offset; without one it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return int(instant.timestamp() // 1)
