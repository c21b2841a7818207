"""Values: their families, literals and functions."""

from __future__ import annotations

import pytest

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.check import check_value
from blaster.rules.check_values import day_number, second_of_day, span
from blaster.rules.parser import parse
from blaster.rules.syntax import Duration, Unit
from tests.rules.scopes import STEPS
from tests.rules.test_check import refused


def kind(text: str) -> Kind:
    return tree.kind_of(check_value(parse(text), STEPS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("visits + 1", Kind.INT),
        ("visits * price", Kind.INT),
        ("visits + weight", Kind.NUMBER),
        ("visits / 2", Kind.NUMBER),
        ("-visits", Kind.INT),
        ("-weight", Kind.NUMBER),
        ("birthday - today", Kind.INT),
        ("now - arrival", Kind.INT),
        ("birthday + 1 month", Kind.DATE),
        ("2d + birthday", Kind.DATE),
        ("arrival - 48h", Kind.INSTANT),
        ("contact.created + 1d", Kind.INSTANT),
        ("event.x + 1d", Kind.INSTANT),
        ("event.x + 1", Kind.NUMBER),
        ("event.x + event.y", Kind.NUMBER),
        ("-event.x", Kind.NUMBER),
        ("event.x at 10:00", Kind.INSTANT),
        ("event.x.hour", Kind.INT),
        ("event.x.year", Kind.INT),
        ("today at 10:00 + 1d", None),
        ("min(birthday, today)", Kind.DATE),
        ("max(contact.created, arrival)", Kind.INSTANT),
        ("min(1, weight)", Kind.NUMBER),
        ("length(interests)", Kind.INT),
        ("length(event.x)", Kind.INT),
        ("lower(עיר)", Kind.TEXT),
        ("bucket(10)", Kind.INT),
        ("Sunday", Kind.INT),
        ("event.x", Kind.TEXT),
    ],
)
def test_kinds(text: str, expected: Kind | None) -> None:
    if expected is None:  # `at` binds looser than `+`
        text, expected = "(today at 10:00) + 1d", Kind.INSTANT
    assert kind(text) == expected


@pytest.mark.parametrize(
    ("text", "moved", "calendar"),
    [
        ("arrival - 2d at 10:00", 1, True),
        ("1 month + arrival - 2w at 10:00", 2, True),
        ("arrival - 3h - 2d at 10:00", 2, True),
        ("arrival - 2d - 3h at 10:00", 2, False),
        ("arrival - 48h at 10:00", 1, False),
        ("arrival at 10:00", 0, False),
        ("conference_date - 1d at 10:00", 1, False),
    ],
)
def test_days_right_before_at_move_the_date(text: str, moved: int, calendar: bool) -> None:
    found = check_value(parse(text), STEPS)
    assert isinstance(found, tree.AtClock)
    parts = list(tree.walk(found))
    assert len([part for part in parts if isinstance(part, tree.Shift)]) == moved
    dates = [part for part in parts if isinstance(part, tree.DateOf)]
    assert len(dates) == calendar
    if calendar:
        assert isinstance(found.value, tree.Shift)
        assert (found.value.start, found.value.end) == (0, text.index(" at"))
        assert tree.kind_of(found.value) == Kind.DATE


def test_hours_move_the_instant_before_its_date_is_taken() -> None:
    found = check_value(parse("arrival - 3h - 2d at 10:00"), STEPS)
    assert isinstance(found, tree.AtClock)
    assert isinstance(found.value, tree.Shift)
    assert isinstance(found.value.value, tree.DateOf)
    assert isinstance(found.value.value.value, tree.Shift)
    assert found.value.value.value.duration == tree.Duration(seconds=3 * 3600)


def test_literals() -> None:
    assert check_value(parse("3.50"), STEPS) == tree.Literal(Kind.INT, 35, 1, end=4)
    assert check_value(parse("-7"), STEPS) == tree.Literal(Kind.INT, -7, end=2)
    assert check_value(parse("1970-01-02"), STEPS) == tree.Literal(Kind.DATE, 1, end=10)
    moment = check_value(parse("1970-01-02 01:00"), STEPS)
    assert moment == tree.AtClock(tree.Literal(Kind.DATE, 1, end=16), 3600, end=16)
    assert check_value(parse("Sunday"), STEPS) == tree.Literal(Kind.INT, 7, end=6)
    assert day_number("1969-12-31") == -1
    assert second_of_day("10:00:30") == 36030


@pytest.mark.parametrize(
    ("count", "unit", "expected"),
    [
        (30, "s", tree.Duration(seconds=30)),
        (15, "m", tree.Duration(seconds=900)),
        (2, "h", tree.Duration(seconds=7200)),
        (3, "d", tree.Duration(days=3)),
        (2, "w", tree.Duration(days=14)),
        (1, "month", tree.Duration(months=1)),
        (2, "year", tree.Duration(months=24)),
    ],
)
def test_durations(count: int, unit: Unit, expected: tree.Duration) -> None:
    assert span(Duration(count, unit)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("visits + 'a' == 1", "a number + a text has no meaning"),
        ("birthday + 1 == today", "dates move by durations"),
        ("birthday + today == 1", "a date + a date has no meaning"),
        ("birthday - now == 1", "have no difference"),
        ("birthday + 2h == today", "a date has no hours"),
        ("visits + 2d == 1", "a duration moves a date"),
        ("2d + visits == 1", "a duration moves a date"),
        ("2d + 3d == today", "has no meaning"),
        ("2d * 2 == today", "has no meaning"),
        ("-first_name == 1", "- stands before a number"),
        ("visits at 10:00 < now", "stands behind a date"),
        ("visits.year == 1", ".year is part of a date"),
        ("birthday.hour == 1", "a date has no hours"),
        ("now == 10:00", "stands behind at"),
        ("length(visits) == 1", "length(..) is for texts"),
        ("lower(interests) == 'a'", "lower(..) is for texts"),
        ("min(visits, today) == 1", "takes numbers, dates or instants"),
        ("max('a', 'b') == 'a'", "takes numbers, dates or instants"),
        ("bucket(visits) == 1", "takes a whole number"),
        ("bucket(0) == 1", "from 1 to"),
        ("visits == 99999999999999999999", "too many digits"),
        ("price * 0.00000001 * 0.0000001 == 0", "too many decimal places"),
        ("(visits == 1) == true", "condition stands where a value"),
        ("visits + (not active) == 1", "condition stands where a value"),
    ],
)
def test_refused(text: str, message: str) -> None:
    assert message in refused(text)[0]


def test_both_sides_are_named() -> None:
    assert len(refused("vsits + arival == 1")) == 2
