"""Value expressions over whole columns, by NumPy.

Owns what a value node means: arithmetic, calendars, local dates. Everything here is an array over
all rows of one evaluation together with a validity; a missing part makes the whole missing.

Laws
1. Integers are exact; what does not fit 64 bits is missing. So is division by zero, and a float
   that is no number or not finite.
2. A scaled integer means `value / 10**scale`. Sums align the scales exactly; with a float it
   becomes the float nearest to what it means.
3. A month added keeps the day of the month, cut to the month's end; for an instant it also keeps
   the clock time, in the contact's zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.eventlists import EventLists
from blaster.rules.facts import Fact
from blaster.rules.textkernels import text_lengths
from blaster.rules.vector import Vector
from blaster.rules.vectors import lists, plain, texts, validity
from blaster.rules.zones import DAY_S, Zones

Bools = npt.NDArray[np.bool_]
INT64_MAX = 2**63 - 1
REAL_EXACT_MAX = 2**53
"""Up to here every whole number is a float."""
INSTANTS = (Kind.INSTANT, Kind.TIME)
TEXTS = (Kind.TEXT, Kind.CODE)
TABLES_FOLDED_MAX = 256
"""Look-up tables kept as dictionaries; without it, tables that were replaced would add up."""
BUCKET_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Of the splitmix64 finisher; `bucket` must never change, so neither may these."""


class Column(NamedTuple):
    """Values and which of them are set; texts and lists are Python lists, the rest arrays."""

    values: Any
    valid: Bools


class Evaluation:
    """One evaluation's vectors and instant, and what was computed from them so far.

    In `vectors` an empty column stands for an EVENTS fact; only `lists` gives what it holds.
    """

    __slots__ = (
        "_columns", "_lists", "_today", "length", "now", "slots", "vectors", "zone", "zones",
    )  # fmt: skip

    def __init__(
        self,
        slots: Mapping[Fact, int],
        vectors: Sequence[Vector | EventLists],
        length: int,
        now: int,
        zones: Zones,
    ) -> None:
        self.slots = slots
        self._lists: dict[int, EventLists] = {}
        self.vectors: list[Vector] = []
        for slot, one in enumerate(vectors):
            if isinstance(one, EventLists):
                self._lists[slot] = one
                one = Vector.missing(Kind.BOOL, length)
            self.vectors.append(one)
        self.length = length
        self.now = now
        self.zones = zones
        place = slots.get(tree.ZONE_FACT)
        self.zone = None if place is None else self.vectors[place]
        self._columns: dict[tree.Value, Column] = {}
        self._today: npt.NDArray[np.int32] | None = None

    def vector(self, ref: tree.FactRef) -> Vector:
        """The vector of a fact."""
        return self.vectors[self.slots[ref.fact]]

    def lists(self, ref: tree.FactRef) -> EventLists:
        """The happenings of an EVENTS fact."""
        return self._lists[self.slots[ref.fact]]

    @property
    def today(self) -> npt.NDArray[np.int32]:
        """The date of `now` in each row's zone."""
        if self._today is None:
            self._today = self.zones.today(self.now, self.length, self.zone)
        return self._today

    def all_valid(self) -> Bools:
        return np.ones(self.length, dtype=bool)

    def column(self, value: tree.Value) -> Column:
        """A value node's column, computed once."""
        found = self._columns.get(value)
        if found is None:
            found = self._columns[value] = _compute(self, value)
        return found

    def days(self, value: tree.Value) -> Column:
        """A DATE as it is, an instant by its date in the row's zone."""
        column = self.column(value)
        if tree.kind_of(value) == Kind.DATE:
            return column
        seconds = np.where(column.valid, column.values, 0)
        return Column(self.zones.local_day(seconds, self.zone), column.valid)

    def shifted(self, value: tree.Value, length: tree.Duration, sign: int) -> Column:
        """A DATE or instant value moved by a duration."""
        return self.shift(self.column(value), tree.kind_of(value) == Kind.DATE, length, sign)

    def shift(self, column: Column, is_date: bool, length: tree.Duration, sign: int) -> Column:
        """A column of dates or instants moved by a duration."""
        values = np.where(column.valid, column.values, 0).astype(np.int64)
        if is_date:
            days = values + sign * length.days
            if length.months:
                days = months_later(days, sign * length.months)
            fits = np.abs(days) < 2**31
            return Column(np.where(fits, days, 0).astype(np.int32), column.valid & fits)
        valid = column.valid
        if length.months:
            day = months_later(self.zones.local_day(values, self.zone), sign * length.months)
            clock = self.zones.local_seconds(values, self.zone)
            values = self.zones.instant(day, clock, self.zone)
        seconds = np.int64(sign * (length.seconds + DAY_S * length.days))
        return _checked(values + seconds, valid & ~_sum_overflows(values, seconds))


def months_later(days: npt.NDArray[Any], months: int) -> npt.NDArray[np.int64]:
    """Day numbers `months` later, cut to the month's end."""
    date = np.asarray(days, dtype=np.int64).astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    of_month = (date - month.astype("datetime64[D]")).astype(np.int64)
    target = month + np.timedelta64(months, "M")
    first = target.astype("datetime64[D]")
    size = ((target + np.timedelta64(1, "M")).astype("datetime64[D]") - first).astype(np.int64)
    later: npt.NDArray[np.int64] = first.astype(np.int64) + np.minimum(of_month, size - 1)
    return later


def bucket_of(numbers: npt.NDArray[np.uint64], n: int) -> npt.NDArray[np.int64]:
    """`bucket(n)` of contact numbers; the same for ever and on every machine."""
    mixed = numbers.astype(np.uint64)
    first, second = (np.uint64(factor) for factor in BUCKET_MULTIPLIERS)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * first
    mixed = (mixed ^ (mixed >> np.uint64(27))) * second
    mixed ^= mixed >> np.uint64(31)
    return (mixed % np.uint64(n)).astype(np.int64)


def as_real(values: npt.NDArray[Any], scale: int) -> npt.NDArray[np.float64]:
    """A scaled integer (or a float, scale 0) as the nearest floats."""
    real = values.astype(np.float64)
    if not scale:
        return real
    real /= np.float64(10**scale)
    # Beyond 2**53 the integer itself is rounded already; Python's division rounds once.
    large = (values > REAL_EXACT_MAX) | (values < -REAL_EXACT_MAX)
    if large.any():
        real[large] = [int(item) / 10**scale for item in values[large]]
    return real


def aligned(
    left: Column, left_scale: int, right: Column, right_scale: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Two integer columns at one scale, exactly: as int64, or as Python ints if they do not fit."""
    out: list[npt.NDArray[Any]] = []
    target = max(left_scale, right_scale)
    for column, scale in ((left, left_scale), (right, right_scale)):
        factor = 10 ** (target - scale)
        values = np.where(column.valid, column.values, 0)
        if factor != 1 and not _within(values, INT64_MAX // factor):
            values = values.astype(object)
        out.append(values * factor if factor <= INT64_MAX else values.astype(object) * factor)
    return out[0], out[1]


def _within(values: npt.NDArray[Any], limit: int) -> bool:
    return len(values) == 0 or (int(values.max()) <= limit and int(values.min()) >= -limit)


def _checked(values: npt.NDArray[Any], valid: Bools) -> Column:
    return Column(np.where(valid, values, 0), valid)


def _sum_overflows(left: npt.NDArray[np.int64], right: Any) -> Bools:
    total = left + right
    overflow: Bools = ((left ^ total) & (right ^ total)) < 0
    return overflow


def _compute(ev: Evaluation, value: tree.Value) -> Column:
    match value:
        case tree.FactRef():
            return _fact(ev.vector(value))
        case tree.Literal():
            return _literal(ev, value)
        case tree.Arithmetic():
            return _arithmetic(ev, value)
        case tree.Shift(value=inner, duration=duration, sign=sign):
            return ev.shifted(inner, duration, sign)
        case tree.DateOf(value=inner):
            return ev.days(inner)
        case tree.AtClock(value=inner, second_of_day=second):
            days = ev.days(inner)
            return Column(ev.zones.instant(days.values, second, ev.zone), days.valid)
        case tree.Least(values=values):
            return _extreme(ev, value, values, np.minimum)
        case tree.Greatest(values=values):
            return _extreme(ev, value, values, np.maximum)
        case tree.Now():
            return Column(np.full(ev.length, ev.now, dtype=np.int64), ev.all_valid())
        case tree.Today():
            return Column(ev.today, ev.all_valid())
        case tree.Part(part=part, value=inner):
            return _part(ev, part, inner)
        case tree.Bucket(n=n, contact=contact):
            number = ev.column(contact)
            return Column(bucket_of(number.values, n), number.valid)
        case tree.Lower(value=inner):
            column = ev.column(inner)
            return Column([text.lower() for text in column.values], column.valid)
        case tree.Length(value=inner):
            return _length(ev, inner)
        case tree.Lookup():
            return _lookup(ev, value)
        case tree.Known(values=values):
            return _known(ev, values)
        case tree.When() | tree.Answer():
            return _conditional(ev, value)
        case tree.Aggregate():
            from blaster.rules.aggregates import aggregate  # it asks for columns itself

            return aggregate(ev, value)


def _fact(vector: Vector) -> Column:
    valid = validity(vector)
    if vector.kind in TEXTS:
        return Column(texts(vector), valid)
    if vector.kind == Kind.LIST:
        return Column(lists(vector), valid)
    values = plain(vector)
    if vector.kind == Kind.TIME:
        values = values.astype(np.int64)
    return Column(values, valid)


def _literal(ev: Evaluation, value: tree.Literal) -> Column:
    valid = ev.all_valid()
    if value.kind in TEXTS:
        return Column([value.value] * ev.length, valid)
    dtype: type[np.generic] = np.int64
    if value.kind == Kind.BOOL:
        dtype = np.bool_
    elif value.kind == Kind.NUMBER:
        dtype = np.float64
    if dtype is np.int64 and abs(int(value.value)) > INT64_MAX:
        return Column(np.full(ev.length, int(value.value), dtype=object), valid)
    return Column(np.full(ev.length, value.value, dtype=dtype), valid)


def _arithmetic(ev: Evaluation, value: tree.Arithmetic) -> Column:
    left, right = ev.column(value.left), ev.column(value.right)
    valid = left.valid & right.valid
    scales = (tree.scale_of(value.left), tree.scale_of(value.right))
    if tree.kind_of(value) == Kind.NUMBER:
        return _real(value.op, as_real(left.values, scales[0]), as_real(right.values, scales[1]),
                     valid)  # fmt: skip
    if value.op == "*":
        return _exact(np.multiply, left, right, valid)
    a, b = aligned(left, scales[0], right, scales[1])
    return _exact(np.add if value.op == "+" else np.subtract, Column(a, valid), Column(b, valid),
                  valid)  # fmt: skip


_REAL = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}


def _real(op: str, a: npt.NDArray[Any], b: npt.NDArray[Any], valid: Bools) -> Column:
    with np.errstate(all="ignore"):
        out = _REAL[op](a, b)
    return _checked(out, valid & np.isfinite(out))


def _exact(ufunc: Any, left: Column, right: Column, valid: Bools) -> Column:
    """Integer arithmetic in which what does not fit is missing."""
    a = np.where(valid, left.values, 0)
    b = np.where(valid, right.values, 0)
    with np.errstate(all="ignore"):
        near = ufunc(a.astype(np.float64), b.astype(np.float64))
    # Far from the edge the 64-bit result is exact; near it, ask Python's integers.
    if object not in (a.dtype, b.dtype) and np.all(np.abs(near) < 2.0**62):
        return _checked(ufunc(a.astype(np.int64), b.astype(np.int64)), valid)
    exact = ufunc(a.astype(object), b.astype(object))
    fits = np.array([abs(item) <= INT64_MAX for item in exact], dtype=bool)
    return _checked(np.where(fits, exact, 0).astype(np.int64), valid & fits)


def _extreme(
    ev: Evaluation, value: tree.Value, values: tuple[tree.Value, ...], ufunc: Any
) -> Column:
    kind = tree.kind_of(value)
    scale = tree.scale_of(value)
    out: Column | None = None
    for item in values:
        column = ev.days(item) if kind == Kind.DATE else ev.column(item)
        item_scale = tree.scale_of(item)
        if kind == Kind.NUMBER:
            column = Column(as_real(column.values, item_scale), column.valid)
        elif item_scale != scale:
            factor = np.full(ev.length, 10 ** (scale - item_scale), dtype=np.int64)
            column = _exact(np.multiply, column, Column(factor, column.valid), column.valid)
        if out is None:
            out = column
        else:
            out = Column(ufunc(out.values, column.values), out.valid & column.valid)
    assert out is not None
    return out


def _part(ev: Evaluation, part: str, value: tree.Value) -> Column:
    if part == "hour":
        column = ev.column(value)
        seconds = np.where(column.valid, column.values, 0)
        hours = ev.zones.local_seconds(seconds, ev.zone) // 3600
        return Column(hours.astype(np.int64), column.valid)
    days = ev.days(value)
    number = days.values.astype(np.int64)
    if part == "weekday":
        return Column((number + 3) % 7 + 1, days.valid)
    date = number.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    if part == "day":
        out = (date - month.astype("datetime64[D]")).astype(np.int64) + 1
    elif part == "month":
        out = month.astype(np.int64) % 12 + 1
    else:
        out = month.astype(np.int64) // 12 + 1970
    return Column(out, days.valid)


def _length(ev: Evaluation, value: tree.Value) -> Column:
    if isinstance(value, tree.FactRef) and value.fact.kind == Kind.TEXT:
        vector = ev.vector(value)
        return Column(text_lengths(vector), validity(vector))
    column = ev.column(value)
    sizes = np.array([len(item) for item in column.values], dtype=np.int64)
    return Column(sizes, column.valid)


@lru_cache(maxsize=TABLES_FOLDED_MAX)
def _pairs(table: tree.Table) -> dict[str, str]:
    return dict(zip(table.keys, table.values, strict=True))


def _lookup(ev: Evaluation, value: tree.Lookup) -> Column:
    pairs = _pairs(value.table)
    key = ev.column(value.key)
    found = {text: pairs.get(text.casefold()) for text in set(key.values)}
    texts = [found[text] for text in key.values]
    there = np.array([text is not None for text in texts], dtype=bool)
    return Column([text or "" for text in texts], key.valid & there)


def _known(ev: Evaluation, values: tuple[tree.Value, ...]) -> Column:
    out = np.zeros(ev.length, dtype=np.int64)
    valid = np.zeros(ev.length, dtype=bool)
    for item in values:
        column = ev.column(item)
        out = np.where(valid, out, np.where(column.valid, column.values, 0))
        valid = valid | column.valid
    return Column(out.astype(np.int64), valid)


def _conditional(ev: Evaluation, value: tree.When | tree.Answer) -> Column:
    from blaster.rules.leaves import node_truths  # leaves compare values

    true, false = node_truths(ev, value.condition)
    if isinstance(value, tree.Answer):
        return Column(true, true | false)
    column = ev.column(value.value)
    return Column(column.values, column.valid & true)
