"""When to look again: never after the answer has changed."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from blaster.model.fields import NEVER, Kind
from blaster.rules import Fact, Rule, Zones, to_bools, vector_of
from blaster.rules import tree as t
from tests.volume import TRACED, cases

ZONES = Zones("Asia/Jerusalem")


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


NOW = utc(2026, 3, 26, 20, 15)
DAY = NOW // 86_400
BORN = t.FactRef(Fact("contact", Kind.DATE, ("field", "born")))
ARRIVAL = t.FactRef(Fact("contact", Kind.INSTANT, ("field", "arrival")))
SENT = t.FactRef(Fact("run", Kind.TIME, ("message", "email", "bill", "sent")))
OPENED = t.FactRef(Fact("run", Kind.TIME, ("message", "email", "bill", "opened")))
FAILED = t.FactRef(Fact("run", Kind.TIME, ("message", "email", "bill", "not_sent")))
DAYS_3 = t.Duration(days=3)
HOURS_30 = t.Duration(seconds=30 * 3600)
MONTH = t.Duration(months=1)
SECOND = t.Duration(seconds=1)
TEN = t.Literal(Kind.INT, 10)

NODES: list[t.Node] = [
    *(t.DateTest(op, s) for op in ("today", "anniversary_today") for s in (BORN, ARRIVAL)),
    *(
        t.DateTest(op, s, span)
        for op in ("in_next", "in_last", "older_than")
        for s, span in ((BORN, DAYS_3), (BORN, MONTH), (ARRIVAL, HOURS_30), (ARRIVAL, MONTH))
    ),
    t.DateTest("anniversary_in_next", BORN, DAYS_3),
    t.DateTest("anniversary_in_next", BORN, MONTH),
    t.DateTest("in_last", t.Now(), DAYS_3),
    t.DateTest("within", BORN, DAYS_3, t.Today()),
    t.DateTest("on", ARRIVAL, None, t.Today()),
    t.DateTest("on", t.Now(), None, BORN),
    t.DateTest("older_than", t.Shift(SENT, HOURS_30), DAYS_3),
    t.Engaged(OPENED, SENT, FAILED, HOURS_30),
    t.Engaged(OPENED, SENT, None, MONTH),
    t.Compare("<", ARRIVAL, t.Now()),
    t.Compare(">=", t.Shift(t.Now(), HOURS_30, -1), ARRIVAL),
    t.Compare("==", t.Today(), BORN),
    t.Compare("<", t.Shift(t.Today(), DAYS_3), BORN),
    t.Compare(">", t.Shift(t.Today(), MONTH), BORN),
    t.Compare("<", ARRIVAL, t.Today()),
    t.Compare("<", BORN, t.Now()),
    t.Compare("<", t.AtClock(t.Today(), 9000), t.Now()),
    t.Compare("<", t.AtClock(BORN, 9000), t.Now()),
    t.Compare("<", t.AtClock(t.Now(), 9000), ARRIVAL),
    t.Compare("<", t.AtClock(t.Shift(t.Now(), HOURS_30), 9000), ARRIVAL),
    t.Compare("<", t.AtClock(t.Shift(t.Now(), SECOND, -1), 9000), ARRIVAL),
    t.Compare("<", t.AtClock(t.Shift(t.DateOf(t.Now()), DAYS_3), 9000), ARRIVAL),
    t.Compare("==", t.DateOf(t.Shift(t.Now(), HOURS_30)), BORN),
    t.Compare("==", BORN, t.Shift(t.Now(), HOURS_30)),
    t.Compare("<", t.Part("hour", t.Now()), TEN),
    t.Compare("<", t.Part("hour", t.Shift(t.Now(), SECOND, -1)), TEN),
    t.Compare("==", t.Part("weekday", t.Shift(t.Now(), HOURS_30)), t.Literal(Kind.INT, 7)),
    t.Compare("==", t.Part("day", t.Shift(t.Now(), MONTH)), t.Literal(Kind.INT, 28)),
    t.Compare("==", t.Part("weekday", t.Now()), t.Literal(Kind.INT, 5)),
    t.Compare("==", t.Part("day", t.Today()), t.Literal(Kind.INT, 27)),
    t.Compare("<", t.Arithmetic("-", t.Now(), ARRIVAL), t.Literal(Kind.INT, 90_000)),
    t.Between(t.Now(), ARRIVAL, t.Shift(ARRIVAL, HOURS_30)),
    t.InSet(t.Part("hour", t.Now()), (TEN,)),
]


def some_value(rnd: random.Random, kind: Kind) -> Any:
    if rnd.random() < 0.1:
        return None
    if kind == Kind.DATE:
        return DAY + rnd.choice([-365, -30, -28, 0, 28, 30, 365]) + rnd.randrange(-4, 5)
    if kind == Kind.CODE:
        return rnd.choice([None, "UTC", "America/St_Johns", "Pacific/Kiritimati"])
    far = rnd.choice([0, 0, 0, 30 * 86_400, -30 * 86_400])
    return NOW + far + rnd.randrange(-3 * 86_400, 3 * 86_400)


@pytest.mark.parametrize("place", range(len(NODES)))
def test_never_late(place: int) -> None:
    """From `now` to each row's instant, the answer and its negation stay as they are."""
    rows = cases(20)
    rnd = random.Random(place)
    rule = Rule("", NODES[place])
    assert rule.time_dependent
    vectors = [
        vector_of(fact.kind, [some_value(rnd, fact.kind) for _ in range(rows)])
        for fact in rule.facts
    ]
    begin = NOW + rnd.randrange(86_400)
    looks = rule.next_change(vectors, rows, begin, ZONES)
    assert (looks > begin).all()
    times = sorted(
        {begin + step for step in range(0, 5 * 86_400, 21_600)}
        | {at + d for at in looks.tolist() if at != NEVER for d in (-1, 0) if at + d >= begin}
    )
    first = answers(rule, vectors, rows, begin)
    for time in times:
        changed = answers(rule, vectors, rows, time) != first
        assert (looks[changed] <= time).all(), NODES[place]


def answers(rule: Rule, vectors: list[Any], rows: int, now: int) -> Any:
    """1 true, -1 false, 0 unknown."""
    true = to_bools(rule.evaluate(vectors, rows, now, ZONES), rows)
    false = to_bools(rule.negated().evaluate(vectors, rows, now, ZONES), rows)
    return true.astype(int) - false.astype(int)


def look(node: t.Node, value: int | None, now: int = NOW) -> int:
    rule = Rule("", node)
    vectors = [vector_of(f.kind, [None if f == t.ZONE_FACT else value]) for f in rule.facts]
    return int(rule.next_change(vectors, 1, now, ZONES)[0])


def test_exact_instants() -> None:
    """The usual rules are foreseen to the second, so that nobody looks in vain."""
    old = t.DateTest("older_than", SENT, t.Duration(days=30))
    assert look(old, NOW) == NOW + 30 * 86_400
    assert look(old, NOW - 40 * 86_400) == NEVER
    assert look(old, None) == NEVER
    recent = t.DateTest("in_last", SENT, DAYS_3)
    assert look(recent, NOW + 5) == NOW + 5
    assert look(recent, NOW - 5) == NOW - 5 + 3 * 86_400
    soon = t.DateTest("in_next", ARRIVAL, DAYS_3)
    assert look(soon, NOW + 4 * 86_400) == NOW + 86_400 + 1
    assert look(soon, NOW + 10) == NOW + 11
    birthday = t.DateTest("today", BORN)
    far_from_transitions = utc(2026, 6, 1)
    day = far_from_transitions // 86_400
    assert look(birthday, day + 7, far_from_transitions) == utc(2026, 6, 7, 21)
    assert look(birthday, day - 7, far_from_transitions) == NEVER


def test_months_ahead_are_foreseen_to_the_second() -> None:
    """Where the window begins, not at the next full hour; weeks before its end, nobody looks."""
    begin = utc(2026, 11, 1, 15, 32, 17)
    node = t.DateTest("in_next", ARRIVAL, t.Duration(months=12))
    arrival = utc(2027, 11, 1, 15, 32, 17)
    assert look(node, arrival, begin) == begin + 1
    assert look(node, arrival, begin - 3600) == begin + 1
    assert look(node, arrival, begin - 30 * 86_400) == begin - 4 * 86_400
    assert look(node, arrival, begin + 5 * 86_400) == arrival + 1


@pytest.mark.parametrize(
    ("zone", "arrival"),
    [
        (None, utc(2026, 2, 28, 10)),  # cut months: the answer turns to and fro from 28 January
        (None, utc(2026, 11, 24, 23, 30)),  # begins in the hour that comes twice
        (None, utc(2026, 10, 24, 23, 30)),  # is in that hour itself
        (None, utc(2026, 3, 27, 0, 0)),  # the end of a gap
        ("Pacific/Apia", utc(2011, 12, 30, 10)),  # a day is left out
    ],
)
def test_a_month_ahead_is_never_late(zone: str | None, arrival: int) -> None:
    """From look to look, and each change of the answer is at one."""
    rule = Rule("", t.DateTest("in_next", ARRIVAL, MONTH))
    vectors = [
        vector_of(fact.kind, [zone if fact == t.ZONE_FACT else arrival]) for fact in rule.facts
    ]
    now = arrival - 36 * 86_400
    looked = 0
    while now <= arrival:
        until = int(rule.next_change(vectors, 1, now, ZONES)[0])
        before = answers(rule, vectors, 1, now)
        for time in {*range(now, until, 7200 if TRACED else 900), until - 1}:
            assert answers(rule, vectors, 1, time) == before
        now, looked = until, looked + 1
    assert looked < 25


def test_the_day_of_a_moved_now_turns_at_an_hour_of_its_own() -> None:
    """`(now - 1s).weekday` is another one a second after midnight, not at the next midnight."""
    seconds = t.Compare("<=", t.Part("weekday", t.Shift(t.Now(), SECOND, -1)), TEN)
    assert look(seconds, None) == NOW + 1
    hours = t.Compare("<=", t.Part("weekday", t.Shift(t.Now(), HOURS_30, -1)), TEN)
    assert look(hours, None) == NOW // 900 * 900 + 900
    days = t.Compare("<", t.AtClock(t.Shift(t.DateOf(t.Now()), DAYS_3), 9000), ARRIVAL)
    assert look(days, NOW) == utc(2026, 3, 26, 22)


def test_engagement_ends_with_its_window() -> None:
    """Nothing is looked at once the answer is final."""
    rule = Rule("", t.Engaged(OPENED, SENT, FAILED, DAYS_3))
    opened, sent, failed = (
        vector_of(Kind.TIME, values)
        for values in (
            [None, NOW - 5, None, None, None],
            [NOW - 9, NOW - 9, None, None, NOW - 9 * 86_400],
            [None, None, NOW - 1, None, None],
        )
    )
    looks = rule.next_change([opened, sent, failed], 5, NOW, ZONES)
    assert looks.tolist() == [NOW - 9 + 3 * 86_400, NEVER, NEVER, NEVER, NEVER]


def test_a_rule_without_a_clock_never_changes_by_itself() -> None:
    """Facts alone decide."""
    rule = Rule("", t.And((t.IsSet(BORN), t.Compare("<", BORN, t.Literal(Kind.DATE, 5)))))
    assert not rule.time_dependent
    assert look(rule.tree, 4) == NEVER
    assert np.array_equal(
        rule.next_change([vector_of(Kind.DATE, [])], 0, NOW, ZONES), np.zeros(0, np.uint32)
    )
