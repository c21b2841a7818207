"""Value expressions: exact numbers, calendars, zones, missing parts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import Fact, Value, ValueResult, Zones, vector_of
from blaster.rules import tree as t
from blaster.rules.values import bucket_of, months_later

ZONES = Zones("Asia/Jerusalem")
NOW = int(datetime(2026, 6, 15, 22, 30, tzinfo=UTC).timestamp())  # 01:30 on the 16th


def ref(kind: Kind, name: str = "x", scale: int = 0) -> t.FactRef:
    return t.FactRef(Fact("contact", kind, ("field", name)), scale)


def ask(node: t.Value, *columns: list[Any]) -> list[Any]:
    """The rows' values, None where missing; the zone, when read, is missing."""
    value = Value("", node)
    rows = len(columns[0]) if columns else 1
    given = iter(columns)
    vectors = [
        vector_of(f.kind, [None] * rows if f == t.ZONE_FACT else next(given)) for f in value.facts
    ]
    found = value.evaluate(vectors, rows, NOW, ZONES)
    if not isinstance(found, ValueResult):
        return list(found)
    assert found.kind == value.kind
    return [v if ok else None for v, ok in zip(found.values.tolist(), found.valid, strict=True)]


def day(year: int, month: int, number: int) -> int:
    return (date(year, month, number) - date(1970, 1, 1)).days


X, Y = ref(Kind.INT), ref(Kind.INT, "y", 2)
REAL = ref(Kind.NUMBER, "r")
BIG = 2**63 - 1


def test_integers_are_exact_and_overflow_is_missing() -> None:
    """Nothing wraps around."""
    add = t.Arithmetic("+", X, ref(Kind.INT, "z"))
    assert ask(add, [1, BIG, BIG, None], [2, 1, -1, 1]) == [3, None, BIG - 1, None]
    times = t.Arithmetic("*", X, ref(Kind.INT, "z"))
    assert ask(times, [3, 2**40, 2**31], [-4, 2**40, 2**31]) == [-12, None, 2**62]
    minus = t.Arithmetic("-", X, ref(Kind.INT, "z"))
    assert ask(minus, [-BIG, 5], [BIG, 7]) == [None, -2]


def test_scales_are_aligned() -> None:
    """3 + 1.50 is 4.50; a product adds the scales."""
    assert ask(t.Arithmetic("+", X, Y), [3, BIG], [150, 1]) == [450, None]
    product = t.Arithmetic("*", Y, Y)
    assert (t.scale_of(product), ask(product, [150])) == (4, [22_500])
    assert ask(t.Greatest((X, Y)), [3, 1, BIG], [150, 150, 0]) == [300, 150, None]
    assert ask(t.Least((X, Y)), [3, 1, None], [150, 150, 1]) == [150, 100, None]


def test_floats() -> None:
    """Division gives a float; by zero, or out of range, it is missing."""
    assert ask(t.Arithmetic("/", X, Y), [3, 3, 0], [150, 0, 0]) == [2.0, None, None]
    times = t.Arithmetic("*", REAL, REAL)
    assert ask(times, [1e200, 0.5, None]) == [None, 0.25, None]
    assert ask(t.Arithmetic("+", REAL, Y), [0.5], [150]) == [2.0]
    assert ask(t.Arithmetic("-", REAL, X), [0.5], [1]) == [-0.5]
    assert ask(t.Least((REAL, X)), [0.5, 2.5], [1, 1]) == [0.5, 1.0]


def test_a_large_scaled_number_is_rounded_once() -> None:
    """The float nearest to what it means: int, then quotient, would round twice."""
    vip = ref(Kind.INT, scale=6)
    units = [9_007_199_254_740_993, -9_007_199_254_740_993, BIG, -BIG, 1_500_000]
    want = [unit / 10**6 for unit in units]
    assert want[0] == 9_007_199_254.740993 != float(units[0]) / 10**6
    assert ask(t.Arithmetic("*", vip, t.Literal(Kind.NUMBER, 1.0)), units) == want


def test_dates_and_instants_move() -> None:
    """Days for dates, 24 hours for instants, months by the calendar."""
    born, arrival = ref(Kind.DATE), ref(Kind.INSTANT)
    jan = day(2026, 1, 31)
    assert ask(t.Shift(born, t.Duration(days=3), -1), [jan, None]) == [jan - 3, None]
    assert ask(t.Shift(born, t.Duration(months=1)), [jan]) == [day(2026, 2, 28)]
    assert ask(t.Shift(born, t.Duration(months=25), -1), [jan]) == [day(2023, 12, 31)]
    assert ask(t.Shift(born, t.Duration(days=2**31)), [jan]) == [None]
    assert ask(t.Shift(arrival, t.Duration(seconds=5, days=1)), [0, 2**63 - 2]) == [86_405, None]
    # 27 March 2026 00:30 UTC is 03:30 summer time; a month earlier the same clock is winter time.
    spring = int(datetime(2026, 3, 27, 0, 30, tzinfo=UTC).timestamp())
    back = int(datetime(2026, 2, 27, 1, 30, tzinfo=UTC).timestamp())
    assert ask(t.Shift(arrival, t.Duration(months=1), -1), [spring]) == [back]
    assert ask(t.Arithmetic("-", born, ref(Kind.DATE, "y")), [jan], [jan - 9]) == [9]
    dates = t.Greatest((born, t.Today()))
    assert ask(dates, [jan, 99_999, None]) == [day(2026, 6, 16), 99_999, None]
    assert ask(t.Least((ref(Kind.TIME), t.Now())), [5, None]) == [5, None]


def test_clock_times() -> None:
    """`at` sets the clock on the local date; a skipped time is the first instant after it."""
    gap = t.AtClock(ref(Kind.DATE), 9000)
    after = int(datetime(2026, 3, 27, 0, 0, tzinfo=UTC).timestamp())
    assert ask(gap, [day(2026, 3, 27), None]) == [after, None]
    late = t.AtClock(ref(Kind.INSTANT), 36_000)
    assert ask(late, [NOW]) == [int(datetime(2026, 6, 16, 7, tzinfo=UTC).timestamp())]


def test_the_date_of_an_instant() -> None:
    """In the row's zone, where it is a day later already."""
    assert ask(t.DateOf(ref(Kind.INSTANT)), [NOW, None]) == [day(2026, 6, 16), None]
    assert ask(t.Part("day", t.DateOf(t.Now()))) == [16]


def test_days_before_a_clock_time_are_those_of_the_calendar() -> None:
    """Two days before half past midnight, across a day of 23 hours, is still two dates back."""
    arrival = int(datetime(2026, 3, 27, 21, 30, tzinfo=UTC).timestamp())  # 00:30 on the 28th
    two_days = t.Shift(t.DateOf(ref(Kind.INSTANT)), t.Duration(days=2), -1)
    assert ask(t.AtClock(two_days, 36_000), [arrival]) == [
        int(datetime(2026, 3, 26, 8, tzinfo=UTC).timestamp())
    ]


@pytest.mark.parametrize(
    ("part", "want"), [("year", 2026), ("month", 6), ("day", 16), ("weekday", 2), ("hour", 1)]
)
def test_parts(part: Any, want: int) -> None:
    """Parts are local; Monday is 1."""
    assert ask(t.Part(part, t.Now())) == [want]
    if part != "hour":
        assert ask(t.Part(part, ref(Kind.DATE)), [day(2026, 6, 16), None]) == [want, None]


def test_texts() -> None:
    """Lower case, lengths of texts and lists."""
    name, city, tags = ref(Kind.TEXT), ref(Kind.CODE), ref(Kind.LIST)
    assert ask(name, ["Aé", None]) == ["Aé", None]
    assert ask(t.Lower(name), ["AÉ", None]) == ["aé", None]
    assert ask(t.Length(name), ["שלום", "", None]) == [4, 0, None]
    assert ask(t.Length(city), ["ab", None]) == [2, None]
    assert ask(t.Length(tags), [["a", "b"], [], None]) == [2, 0, None]
    assert ask(t.Literal(Kind.TEXT, "x")) == ["x"]
    assert Value("", city).kind == Kind.TEXT


def test_plain_values() -> None:
    """Facts and literals of every other kind, and the clock."""
    assert ask(ref(Kind.BOOL), [True, False, None]) == [True, False, None]
    assert ask(ref(Kind.TIME), [7, None]) == [7, None]
    assert ask(ref(Kind.LIST), [["a"], None]) == [("a",), None]
    assert ask(t.Literal(Kind.BOOL, True)) == [True]
    assert ask(t.Literal(Kind.NUMBER, 1.5)) == [1.5]
    assert ask(t.Now()) == [NOW]
    assert ask(t.Today()) == [day(2026, 6, 16)]
    value = Value("now", t.Now())
    assert value.time_dependent
    assert Value.from_json(value.to_json()).tree == value.tree
    assert repr(value) == "Value('now')"


def test_buckets_are_stable() -> None:
    """These numbers are written down: a contact never changes its bucket."""
    number = t.FactRef(Fact("contact", Kind.ID, ("number",)))
    assert ask(t.Bucket(100, number), [1, 2, 3, 2**63, None]) == [89, 30, 56, 50, None]
    spread = np.bincount(bucket_of(np.arange(1, 100_001, dtype=np.uint64), 10))
    assert spread.min() > 9_700
    assert spread.max() < 10_300


def test_months_later_against_the_calendar() -> None:
    """Day by day through leap years and a century."""
    days = np.arange(day(2096, 1, 1), day(2104, 12, 31), 5)
    for months in (-14, -1, 0, 1, 12, 13):
        for number, found in zip(days.tolist(), months_later(days, months).tolist(), strict=True):
            start = date.fromordinal(number + 719_163)
            total = start.year * 12 + start.month - 1 + months
            year, month = divmod(total, 12)
            of_month = start.day
            while True:
                try:
                    want = date(year, month + 1, of_month)
                    break
                except ValueError:
                    of_month -= 1
            assert found == (want - date(1970, 1, 1)).days
