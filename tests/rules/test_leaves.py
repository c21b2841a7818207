"""What the leaves mean, in plain dates and times; each is asked of the compiled rule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import Fact, Rule, Zones, to_bools, vector_of
from blaster.rules import tree as t
from blaster.rules.leaves import next_anniversary

ZONES = Zones("Asia/Jerusalem")


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def day(year: int, month: int, number: int) -> int:
    return (date(year, month, number) - date(1970, 1, 1)).days


NOW = utc(2026, 6, 15, 9)  # noon in Jerusalem
TODAY = day(2026, 6, 15)
BORN = t.FactRef(Fact("contact", Kind.DATE, ("field", "born")))
ARRIVAL = t.FactRef(Fact("contact", Kind.INSTANT, ("field", "arrival")))
LAST = t.FactRef(Fact("contact", Kind.TIME, ("event", "visit", "last")))
TAGS = t.FactRef(Fact("contact", Kind.LIST, ("field", "tags")))
D = t.Duration


def ask(
    node: t.Node, values: list[Any], now: int = NOW, zone: str | None = None
) -> list[bool | None]:
    """True, False or None (unknown) per value of the one fact that the node reads."""
    rule = Rule("", node)
    vectors = [
        vector_of(f.kind, [zone] * len(values) if f == t.ZONE_FACT else values) for f in rule.facts
    ]
    size = len(values)
    true = to_bools(rule.evaluate(vectors, size, now, ZONES), size).tolist()
    false = to_bools(rule.negated().evaluate(vectors, size, now, ZONES), size).tolist()
    return [True if a else False if b else None for a, b in zip(true, false, strict=True)]


def test_windows_of_instants_are_half_open() -> None:
    """An age of 0 up to, not including, 30 days; older is 30 days or more."""
    size = 30 * 86_400
    values = [NOW - size, NOW - size + 1, NOW, NOW + 1, None]
    in_last = t.DateTest("in_last", ARRIVAL, D(days=30))
    assert ask(in_last, values) == [False, True, True, False, None]
    older = t.DateTest("older_than", ARRIVAL, D(days=30))
    assert ask(older, values) == [True, False, False, False, None]
    in_next = t.DateTest("in_next", ARRIVAL, D(seconds=3600))
    assert ask(in_next, [NOW - 1, NOW, NOW + 3599, NOW + 3600]) == [False, True, True, False]
    never = t.DateTest("in_last", LAST, D(days=30), missing_false=True)
    assert ask(never, values) == [False, True, True, False, False]


def test_windows_of_dates_are_calendar_days() -> None:
    """In the next 7 days is today and the six after it."""
    around = [TODAY - 7, TODAY - 6, TODAY - 1, TODAY, TODAY + 6, TODAY + 7, None]
    in_next = t.DateTest("in_next", BORN, D(days=7))
    assert ask(in_next, around) == [False, False, False, True, True, False, None]
    in_last = t.DateTest("in_last", BORN, D(days=7))
    assert ask(in_last, around) == [False, True, True, True, False, False, None]
    older = t.DateTest("older_than", BORN, D(days=7))
    assert ask(older, around) == [True, False, False, False, False, False, None]
    within = t.DateTest("within", BORN, D(days=7), t.Today())
    assert ask(within, [TODAY - 8, *around[:-1], TODAY + 8]) == [False, *[True] * 6, False]


def test_months_are_cut_to_the_end_of_the_month() -> None:
    """31 January plus one month is 28 February."""
    older = t.DateTest("older_than", BORN, D(months=1))
    end = utc(2026, 2, 28, 9)
    assert ask(older, [day(2026, 1, 31), day(2026, 1, 28), day(2026, 1, 29)], end) == [True] * 3
    assert ask(older, [day(2026, 1, 31)], utc(2026, 2, 27, 9)) == [False]
    moment = t.DateTest("older_than", ARRIVAL, D(months=1))
    values = [utc(2026, 5, 15, 9), utc(2026, 5, 15, 9) + 1]
    assert ask(moment, values) == [True, False]
    ahead = t.DateTest("in_next", ARRIVAL, D(months=1))
    assert ask(ahead, [utc(2026, 7, 15, 9) - 1, utc(2026, 7, 15, 9)]) == [True, False]


def test_today_is_the_contacts_own() -> None:
    """At 23:00 in Jerusalem it is already tomorrow in Kiritimati."""
    late = utc(2026, 6, 15, 20)
    node = t.DateTest("today", BORN)
    assert ask(node, [TODAY, TODAY + 1], late) == [True, False]
    assert ask(node, [TODAY, TODAY + 1], late, "Pacific/Kiritimati") == [False, True]
    instants = [utc(2026, 6, 14, 21) - 1, utc(2026, 6, 14, 21), utc(2026, 6, 15, 21), None]
    assert ask(t.DateTest("today", ARRIVAL), instants) == [False, True, False, None]


def test_instants_meet_dates_by_their_local_date() -> None:
    """`on`, before and after compare dates when one side is one."""
    literal = t.Literal(Kind.DATE, TODAY)
    values = [utc(2026, 6, 14, 20, 59), utc(2026, 6, 14, 21), utc(2026, 6, 15, 21)]
    assert ask(t.DateTest("on", ARRIVAL, None, literal), values) == [False, True, False]
    assert ask(t.Compare("<", ARRIVAL, literal), values) == [True, False, False]
    assert ask(t.Compare("<", literal, ARRIVAL), values) == [False, False, True]
    assert ask(t.Between(ARRIVAL, literal, literal), values) == [False, True, False]
    tomorrow = t.Shift(literal, D(days=1))
    assert ask(t.DateTest("within", ARRIVAL, D(days=1), tomorrow), values) == [False, True, True]


def test_within_includes_both_ends() -> None:
    """Against an instant three days are 72 hours to the second."""
    node = t.DateTest("within", ARRIVAL, D(days=3), t.Literal(Kind.INSTANT, NOW))
    size = 3 * 86_400
    values = [NOW - size - 1, NOW - size, NOW + size, NOW + size + 1, None]
    assert ask(node, values) == [False, True, True, False, None]


def test_anniversaries() -> None:
    """29 February is kept on 28 February in common years."""
    node = t.DateTest("anniversary_today", BORN)
    values = [day(1984, 2, 29), day(1984, 2, 28), day(1984, 3, 1), None]
    assert ask(node, values, utc(2026, 2, 28, 9)) == [True, True, False, None]
    assert ask(node, values, utc(2028, 2, 28, 9)) == [False, True, False, None]
    assert ask(node, values, utc(2028, 2, 29, 9)) == [True, False, False, None]
    soon = t.DateTest("anniversary_in_next", BORN, D(days=7))
    turn = utc(2026, 12, 30, 9)
    values = [day(1990, 12, 30), day(1990, 1, 5), day(1990, 1, 6), day(1990, 12, 29)]
    assert ask(soon, values, turn) == [True, True, False, False]
    month = t.DateTest("anniversary_in_next", ARRIVAL, D(months=1))
    assert ask(month, [utc(2001, 7, 14, 12), utc(2001, 7, 15, 12)]) == [True, False]


def test_anniversaries_against_the_calendar() -> None:
    """The next anniversary of every birthday, asked on days of four years and a century."""

    def kept(born: date, year: int) -> date:
        leap = born.month == 2 and born.day == 29
        return born.replace(year=year, day=28) if leap and (
            year % 4 or (year % 100 == 0 and year % 400)
        ) else born.replace(year=year)  # fmt: skip

    for number in range(day(1899, 12, 20), day(1904, 3, 10), 3):
        born = date(1970, 1, 1).fromordinal(number + date(1970, 1, 1).toordinal())
        for today in (day(2026, 2, 28), day(2028, 2, 29), day(2100, 2, 28), day(2099, 12, 31)):
            now = date.fromordinal(today + date(1970, 1, 1).toordinal())
            want = kept(born, now.year)
            want = want if want >= now else kept(born, now.year + 1)
            found = next_anniversary(np.array([number]), np.array([today]))
            assert int(found[0]) == (want - date(1970, 1, 1)).days


@pytest.mark.parametrize("window", [D(days=2), D(seconds=172_800)])
def test_engagement(window: t.Duration) -> None:
    """Undecided until it happened, time ran out, or it was finally not sent."""
    opened = t.FactRef(Fact("run", Kind.TIME, ("o",)))
    sent = t.FactRef(Fact("run", Kind.TIME, ("s",)))
    failed = t.FactRef(Fact("run", Kind.TIME, ("f",)))
    size = 172_800
    cases: list[tuple[int | None, int | None, int | None, bool | None]] = [
        (NOW - 1, NOW - 9, None, True),
        (None, NOW - 9, None, None),
        (None, NOW - size, None, False),
        (None, NOW - size + 1, None, None),
        (NOW, NOW - size, None, False),
        (NOW - 1, NOW - size, None, True),
        (None, None, NOW - 5, False),
        (None, None, None, None),
        (None, NOW - 9, NOW - 5, False),
    ]
    for not_sent in (failed, None):
        rule = Rule("", t.Engaged(opened, sent, not_sent, window))
        columns = list(zip(*cases, strict=True))
        places: list[tuple[str, ...]] = [("o",), ("s",), ("f",)]
        vectors = [vector_of(f.kind, columns[places.index(f.key)]) for f in rule.facts]
        size_rows = len(cases)
        true = to_bools(rule.evaluate(vectors, size_rows, NOW, ZONES), size_rows)
        false = to_bools(rule.negated().evaluate(vectors, size_rows, NOW, ZONES), size_rows)
        for row, (_, was_sent, refused, want) in enumerate(cases):
            expected = want
            if not_sent is None and refused is not None:
                expected = None if was_sent is None or was_sent + 172_800 > NOW else want
            assert (bool(true[row]), bool(false[row])) == (expected is True, expected is False)


@pytest.mark.parametrize("window", [D(days=2), D(months=1)])
def test_what_happened_before_the_entry_is_not_within(window: t.Duration) -> None:
    """Who joined before may join again: undecided until the time is over, then false."""
    joined = t.FactRef(Fact("contact", Kind.TIME, ("list", "vip", "joined")))
    entered = t.FactRef(Fact("run", Kind.TIME, ("entered",)))
    rule = Rule("", t.Engaged(joined, entered, None, window))
    rows: list[tuple[int, bool | None]] = [(NOW - 1, None), (NOW, True), (NOW + 1, True)]
    columns = [vector_of(f.kind, [NOW if f.key == ("entered",) else v for v, _ in rows])
               if f != t.ZONE_FACT else vector_of(f.kind, [None] * 3)
               for f in rule.facts]  # fmt: skip
    for later, undecided in ((2, None), (40 * 86_400, False)):
        for asked, want in ((rule, True), (rule.negated(), False)):
            words = asked.evaluate(columns, 3, NOW + later, ZONES)
            expected = [(undecided if one is None else one) is want for _, one in rows]
            assert to_bools(words, 3).tolist() == expected


def test_happened_and_so_far() -> None:
    """What has not happened is open; `so far` is a look at this instant."""
    node = t.Happened(LAST)
    assert ask(node, [NOW, None]) == [True, None]
    assert ask(t.SoFar(node), [NOW, None]) == [True, False]
    assert ask(t.Not(t.SoFar(node)), [NOW, None]) == [False, True]


def test_list_tests() -> None:
    """Any, all and none; a missing list is unknown, an empty one is not."""
    values = [["A", "b"], ["a"], [], None]
    words = ("a", "B")
    assert ask(t.ListTest("any", TAGS, words), values) == [True, True, False, None]
    assert ask(t.ListTest("all", TAGS, words), values) == [True, False, False, None]
    assert ask(t.ListTest("none", TAGS, words), values) == [False, False, True, None]
    assert ask(t.ListTest("any", TAGS, words, exact=True), values) == [False, True, False, None]


def test_numbers_meet_exactly() -> None:
    """Scaled numbers, decimals and floats compare by what they mean."""
    price = t.FactRef(Fact("contact", Kind.INT, ("field", "price")), scale=2)
    third = t.Literal(Kind.INT, 3555, scale=3)
    assert ask(t.Compare("<", price, third), [355, 356, None]) == [True, False, None]
    assert ask(t.Compare("==", price, third), [355, 356]) == [False, False]
    assert ask(t.Compare("!=", price, third), [355, None]) == [True, None]
    assert ask(t.Compare(">=", third, price), [355, 356]) == [True, False]
    assert ask(t.Compare("==", price, t.Literal(Kind.INT, 3)), [300, 301]) == [True, False]
    ratio = t.FactRef(Fact("contact", Kind.NUMBER, ("field", "ratio")))
    large = t.Literal(Kind.INT, 9_007_199_254_740_993, scale=6)
    assert ask(t.Compare("==", ratio, large), [9_007_199_254.740993]) == [True]
    values = [0.0, -0.0, 1e-300, None]
    zero = t.Literal(Kind.NUMBER, 0.0)
    assert ask(t.Compare("<=", ratio, zero), values) == [True, True, False, None]
    assert ask(t.Compare("<", ratio, zero), values) == [False, False, False, None]
    assert ask(t.Compare(">", ratio, zero), values) == [False, False, True, None]
