"""From the columns of the engine to the texts of a letter's slots, and who cannot be written to.

Laws: a slot is filled for many rows at once, and each different value is formatted once; instants
are shown by the clock of each row's zone; a value that cannot be shown is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blaster.content.values import Raw, format_value
from blaster.model.fields import Kind
from blaster.model.letters import Choose, Fill, Letter, Piece, Slot
from blaster.rules import Vector, Zones

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a clock on the wall, already in its zone
_DAYS = (date.min.toordinal() - _EPOCH_DAY, date.max.toordinal() - _EPOCH_DAY)


class RawColumn(NamedTuple):
    """The values of an expression, row by row, as `blaster.rules.Value.evaluate` gives them.

    TEXT (and CODE): `values` is a sequence of texts, None where missing; LIST: of tuples of texts;
    `valid` is None for both. Other kinds: `values` is an array (BOOL bool, NUMBER float64, DATE
    int32 days, INSTANT and TIME seconds since 1970 UTC, INT int64 times 10**scale, ID uint64) and
    `valid` a bool array of the rows that are there (None: all).
    """

    kind: Kind
    values: Any
    valid: npt.NDArray[np.bool_] | None = None
    scale: int = 0


def fill(
    slot: Slot, column: RawColumn, zones: Zones, zone: Vector | None = None, language: str = "en"
) -> tuple[str | None, ...]:
    """The texts of a slot, None where missing.

    `zone` holds the rows' zone names (a CODE vector; None: all in the default zone of `zones`).
    `language` ("he" or "en") is that of month names and of yes and no.
    """

    def show(value: Raw) -> str | None:
        return format_value(value, slot.filters, language)

    if column.kind in (Kind.TEXT, Kind.CODE, Kind.LIST):
        known = {value: show(value) for value in set(column.values)}
        return tuple([known[value] for value in column.values])
    values = np.asarray(column.values)
    if column.kind in (Kind.INSTANT, Kind.TIME):
        values = values.astype(np.int64)
        values = values + zones.offsets(values, zone)
    different, places = np.unique(values, return_inverse=True)
    make = _maker(column)
    texts = [show(make(value)) for value in different.tolist()]
    shown = [texts[place] for place in places.tolist()]
    if column.valid is None or column.valid.all():
        return tuple(shown)
    missing = show(None)
    there = column.valid.tolist()
    return tuple([text if ok else missing for text, ok in zip(shown, there, strict=True)])


def _maker(column: RawColumn) -> Callable[[Any], Raw]:
    """What makes a Python value of one element; None for what no calendar holds."""
    match column.kind:
        case Kind.DATE:
            return _day
        case Kind.INSTANT | Kind.TIME:
            return _moment
        case Kind.INT if column.scale:
            return lambda value: Decimal(value).scaleb(-column.scale)
        case _:
            return lambda value: value


def _day(days: int) -> Raw:
    low, high = _DAYS
    return date.fromordinal(days + _EPOCH_DAY) if low <= days <= high else None


def _moment(seconds: int) -> Raw:
    low, high = _DAYS
    return _EPOCH + timedelta(seconds=seconds) if low <= seconds // 86_400 <= high else None


def missing(
    letter: Letter,
    slots: Sequence[Sequence[str | None]],
    flags: Sequence[Sequence[bool]],
    count: int | None = None,
) -> npt.NDArray[np.bool_]:
    """bool[]: the rows that reach a missing slot, along the branches they take.

    `slots` are the filled columns of the letter's slots, `flags` those of its rules. A letter that
    has neither needs the `count` of rows.
    """
    columns: tuple[Sequence[Any], ...] = (*slots, *flags)
    if count is None:
        if not columns:
            raise ValueError("a letter without slots and rules needs the count of rows")
        count = len(columns[0])
    if len(slots) != len(letter.slots) or len(flags) != len(letter.rules):
        raise ValueError("there is one column per slot and per rule")
    if any(len(column) != count for column in columns):
        raise ValueError(f"every column has {count} rows")
    absent = [np.array([text is None for text in column], dtype=bool) for column in slots]
    truth = [np.asarray(column, dtype=bool) for column in flags]
    found = np.zeros(count, dtype=bool)
    everyone = np.ones(count, dtype=bool)
    if any(column.any() for column in absent):
        for pieces in (letter.subject, letter.html, letter.text):
            _mark(pieces, everyone, absent, truth, found)
    return found


_Bools = npt.NDArray[np.bool_]


def _mark(
    pieces: tuple[Piece, ...],
    rows: _Bools,
    absent: list[_Bools],
    truth: list[_Bools],
    found: _Bools,
) -> None:
    """Adds to `found` those of `rows` for whom a slot of these pieces is missing."""
    for piece in pieces:
        if isinstance(piece, Fill):
            found |= rows & absent[piece.slot]
        elif isinstance(piece, Choose):
            rest = rows
            for rule, inner in piece.cases:
                _mark(inner, rest & truth[rule], absent, truth, found)
                rest = rest & ~truth[rule]
            _mark(piece.otherwise, rest, absent, truth, found)
