"""Amounts and values over happenings, for whole columns: what `tree.Aggregate` means.

Theory of operation: the filter is a rule of its own over all happenings of all rows at once; facts
of the row that it reads are repeated per happening. What it lets through is cut (`of last 5`, a
window) and folded row by row with cumulative sums and `reduceat`. Laws

1. Whole numbers are summed exactly; a sum that does not fit 64 bits is missing. Floats are added
   oldest first, in float64, so that a sum is the same everywhere.
2. A happening counts only where the filter is surely true.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.bitmap import to_bools
from blaster.rules.facts import Fact
from blaster.rules.lower import lower
from blaster.rules.plan import Plan
from blaster.rules.values import INT64_MAX, Bools, Column, Evaluation, as_real
from blaster.rules.vector import Vector
from blaster.rules.vectors import gather, plain

_Ints = npt.NDArray[np.int64]
COMPILED_MAX = 1024
"""Filters kept ready to run; without it, those of rules long gone would add up."""
_HALF = np.int64(32)
_LOW = np.int64(0xFFFFFFFF)


class Compiled(NamedTuple):
    """An aggregate ready to run: what its happenings need, in slot order, and its filter."""

    facts: tuple[Fact, ...]
    slots: dict[Fact, int]
    plan: Plan | None


@lru_cache(maxsize=COMPILED_MAX)
def _compiled(value: tree.Aggregate) -> Compiled:
    parts: tuple[tree.Node | tree.Value | None, ...] = (value.where, value.of, value.when)
    facts = dict.fromkeys(
        fact for part in parts if part is not None for fact in tree.inner_facts(part)
    )
    if tree.needs_zone(value):
        facts[tree.ZONE_FACT] = None
    known = tuple(facts)
    plan = None if value.where is None else lower(value.where, known)
    return Compiled(known, {fact: slot for slot, fact in enumerate(known)}, plan)


class Happenings:
    """The happenings of one aggregate in one evaluation of its rule.

    `rows` says whose each one is, `hit` whether it counts (windows of time left aside), `at` when
    it was; `inner` evaluates over happenings.
    """

    __slots__ = ("at", "hit", "inner", "offsets", "rows", "value")

    def __init__(self, ev: Evaluation, value: tree.Aggregate) -> None:
        lists = ev.lists(value.events)
        compiled = _compiled(value)
        self.value = value
        self.offsets = lists.offsets
        self.rows: _Ints = np.repeat(np.arange(ev.length, dtype=np.int64), np.diff(self.offsets))
        items = value.events.fact.items
        vectors: list[Vector] = []
        for fact in compiled.facts:
            if fact.space != tree.ITEM_SPACE:
                vectors.append(gather(ev.vectors[ev.slots[fact]], self.rows))
            elif fact.key == tree.AT_KEY:
                vectors.append(lists.at)
            else:
                place = next(
                    place
                    for place, item in enumerate(items)
                    if (item.name, item.kind) == (fact.key[1], fact.kind)
                )
                vectors.append(lists.items[place])
        total = len(self.rows)
        self.inner = Evaluation(compiled.slots, vectors, total, ev.now, ev.zones)
        self.hit: Bools = np.ones(total, dtype=bool)
        if compiled.plan is not None:
            self.hit = to_bools(compiled.plan.run(self.inner)[0], total)
        if value.newest is not None:
            self.hit &= self._newest(value.newest)
        self.at: _Ints = plain(lists.at).astype(np.int64)
        if value.when is not None:
            when = self.inner.column(value.when)
            self.at = when.values.astype(np.int64)
            self.hit &= when.valid

    def _newest(self, count: int) -> Bools:
        """Those that are followed by less than `count` hits of the same row."""
        seen = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.hit, dtype=np.int64)])
        of_row = seen[self.offsets[1:]][self.rows]
        newest: Bools = of_row - seen[1:] < count
        return newest

    def ends(self) -> Column:
        """When each one leaves the window of time."""
        assert self.value.span is not None
        return self.inner.shift(Column(self.at, self.hit), False, self.value.span, 1)

    def chosen(self) -> _Ints:
        """The places of those that count, windows included."""
        hit = self.hit
        if self.value.span is not None:
            ends = self.ends()
            now = self.inner.now
            hit = hit & ends.valid & (self.at <= now) & (now < ends.values)
        return np.flatnonzero(hit).astype(np.int64)


def aggregate(ev: Evaluation, value: tree.Aggregate) -> Column:
    """The amount or value of every row."""
    found = Happenings(ev, value)
    places = found.chosen()
    if value.what in ("count", "first", "last"):
        groups = Groups(found.rows[places], ev.length)
        if value.what == "count":
            return Column(groups.sizes, ev.all_valid())
        ufunc = np.minimum if value.what == "first" else np.maximum
        return groups.extreme(ufunc, found.at[places])
    assert value.of is not None
    column = found.inner.column(value.of)
    if value.what == "value":
        return _newest_value(Groups(found.rows[places], ev.length), places, column)
    places = places[column.valid[places]]
    groups = Groups(found.rows[places], ev.length)
    values = column.values[places]
    if value.what in ("min", "max"):
        return groups.extreme(np.minimum if value.what == "min" else np.maximum, values)
    is_real = tree.kind_of(value.of) == Kind.NUMBER
    total = groups.real_sum(values) if is_real else groups.exact_sum(values)
    if value.what == "sum":
        return total
    real = as_real(total.values, 0 if is_real else tree.scale_of(value.of))
    some = groups.sizes > 0
    mean = np.divide(real, groups.sizes, out=np.zeros(ev.length), where=some)
    return Column(mean, total.valid & some)


class Groups:
    """Chosen happenings, row by row: `sizes` per row; those of a row lie together."""

    __slots__ = ("ends", "rows", "sizes")

    def __init__(self, rows: _Ints, length: int) -> None:
        self.rows = rows
        self.sizes: _Ints = np.bincount(rows, minlength=length).astype(np.int64)
        self.ends: _Ints = np.cumsum(self.sizes, dtype=np.int64)

    def extreme(self, ufunc: Any, values: npt.NDArray[Any]) -> Column:
        """The least or greatest of each row, missing of none."""
        some = self.sizes > 0
        out = np.zeros(len(self.sizes), dtype=values.dtype)
        if len(values):
            out[some] = ufunc.reduceat(values, (self.ends - self.sizes)[some])
        return Column(out, some)

    def real_sum(self, values: npt.NDArray[np.float64]) -> Column:
        """One after the other, from 0.0; missing where it is not finite."""
        with np.errstate(all="ignore"):
            out = np.bincount(self.rows, weights=values, minlength=len(self.sizes))
        finite = np.isfinite(out)
        return Column(np.where(finite, out, 0.0), finite)

    def exact_sum(self, values: _Ints) -> Column:
        """The exact sum, in two halves that cannot overflow; missing where it does not fit."""
        high = self._sums(values >> _HALF)
        low = self._sums(values & _LOW)
        high += low >> _HALF
        fits = (high >= -(2**31)) & (high < 2**31)
        total = (np.where(fits, high, 0) << _HALF) | (low & _LOW)
        fits &= total >= -INT64_MAX
        return Column(np.where(fits, total, 0), fits)

    def _sums(self, values: _Ints) -> _Ints:
        seen = np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])
        sums: _Ints = seen[self.ends] - seen[self.ends - self.sizes]
        return sums


def _newest_value(groups: Groups, places: _Ints, column: Column) -> Column:
    """The value of the newest of each row, missing where that one has none."""
    some = groups.sizes > 0
    newest = places[groups.ends[some] - 1]
    valid = np.zeros(len(some), dtype=bool)
    valid[some] = column.valid[newest]
    if isinstance(column.values, list):
        texts = iter(newest.tolist())
        empty: Any = [] if column.values and isinstance(column.values[0], list) else ""
        return Column([column.values[next(texts)] if one else empty for one in some], valid)
    out = np.zeros(len(some), dtype=column.values.dtype)
    out[some] = column.values[newest]
    return Column(out, valid)
