"""Tests between values: what may meet, and what tree it becomes."""

from __future__ import annotations

import pytest

from blaster.model.fields import Kind
from blaster.rules import tree
from tests.rules.scopes import scope
from tests.rules.test_check import refused, rule


def test_before_and_after_are_comparisons() -> None:
    before, after = rule("birthday before today"), rule("birthday after today")
    assert isinstance(before, tree.Compare)
    assert isinstance(after, tree.Compare)
    assert (before.op, after.op) == ("<", ">")
    assert isinstance(rule("birthday on 2026-03-01"), tree.DateTest)


def test_texts_are_compared_folded() -> None:
    found = rule("'Haifa' == עיר")
    assert isinstance(found, tree.TextTest)
    assert isinstance(found.subject, tree.FactRef)
    assert not found.exact
    unequal = rule("עיר != 'Haifa' exactly")
    assert isinstance(unequal, tree.Not)
    assert isinstance(unequal.child, tree.TextTest)
    assert unequal.child.exact
    assert isinstance(rule("first_name == עיר"), tree.TextTest)


def test_two_literals_are_decided_at_once() -> None:
    assert rule("'A' == 'a'") == tree.Constant(True, end=10)
    assert rule("'A' == 'a' exactly") == tree.Constant(False, end=18)


def test_sets() -> None:
    found = rule("visits in [1, 2]")
    assert isinstance(found, tree.InSet)
    assert [literal.value for literal in found.values] == [1, 2]
    negated = rule("weight not in [1, 2.5]")
    assert isinstance(negated, tree.Not)
    assert isinstance(negated.child, tree.InSet)
    assert [literal.value for literal in negated.child.values] == [1.0, 2.5]
    assert isinstance(rule("arrival in [2026-03-01, 2026-03-02 10:00]"), tree.Or)
    assert isinstance(rule("first_name in [עיר, 'a']"), tree.Or)
    assert isinstance(rule("active in [true]"), tree.Or)
    assert isinstance(rule("3 in [1, 2]"), tree.Or)
    assert isinstance(rule("event.x in ['a', 'b']"), tree.InSet)


def test_each_option_is_an_equality_of_its_own() -> None:
    """A float beside it does not make a float of a literal that meets a whole number."""
    found = rule("visits in [weight, 9007199254740992]")
    assert isinstance(found, tree.Or)
    _, exact = found.children
    assert isinstance(exact, tree.Compare)
    assert isinstance(exact.right, tree.Literal)
    assert (exact.right.kind, exact.right.value) == (Kind.INT, 9007199254740992)
    between = rule("price between weight and 90071992547409.93")
    assert isinstance(between, tree.Between)
    assert isinstance(between.high, tree.Literal)
    assert (between.high.kind, between.high.scale) == (Kind.INT, 2)
    among = rule("event.x in [weight, 3]")
    assert isinstance(among, tree.Or)
    for child in among.children:
        assert isinstance(child, tree.Compare)
        assert tree.kind_of(child.left) == tree.kind_of(child.right) == Kind.NUMBER
    first = rule("3 in [weight, visits]")
    assert isinstance(first, tree.Or)
    kinds = [
        tree.kind_of(child.left) for child in first.children if isinstance(child, tree.Compare)
    ]
    assert kinds == [Kind.NUMBER, Kind.INT]


def test_an_amount_of_time_beside_a_difference() -> None:
    days, seconds = rule("today - birthday > 2w"), rule("48h < now - arrival")
    assert isinstance(days, tree.Compare)
    assert isinstance(days.right, tree.Literal)
    assert days.right.value == 14
    assert isinstance(seconds, tree.Compare)
    assert isinstance(seconds.left, tree.Literal)
    assert seconds.left.value == 48 * 3600


def test_only_what_may_come_is_false_before_it_came() -> None:
    for text, expected in (
        ('event("x") in last 3d', True),
        ('email("x").opened in last 3d', True),
        ("arrival in last 3d", False),
        ('list("x").joined in last 3d', False),
        ('event("x") older than 3d', False),
    ):
        found = rule(text)
        assert isinstance(found, tree.DateTest)
        assert found.missing_false is expected


def test_presence() -> None:
    assert isinstance(rule("visits is set"), tree.IsSet)
    assert isinstance(rule("visits is not set"), tree.Not)
    assert isinstance(rule("first_name is blank"), tree.IsBlank)
    assert isinstance(rule("event.x is set"), tree.IsSet)


def test_engagement() -> None:
    found = rule('event("x") within 1 month')
    assert isinstance(found, tree.Engaged)
    assert found.not_sent is None
    assert found.window == tree.Duration(months=1)
    assert isinstance(rule('list("x").joined within 2d'), tree.Engaged)
    assert isinstance(rule('event("x") so far'), tree.SoFar)


def test_decimals_beside_each_kind() -> None:
    for text, kind, value in (
        ("price == 3.5", Kind.INT, 35),
        ("weight == 3.5", Kind.NUMBER, 3.5),
        ("3.5 == weight", Kind.NUMBER, 3.5),
    ):
        found = rule(text)
        assert isinstance(found, tree.Compare)
        literal = found.left if isinstance(found.left, tree.Literal) else found.right
        assert isinstance(literal, tree.Literal)
        assert (literal.kind, literal.value) == (kind, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("first_name == 3", "put the value in quotes"),
        ("visits == '3'", "without quotes"),
        ("birthday == '2026-03-01'", "without quotes"),
        ("active == 'yes'", "without quotes"),
        ("first_name == visits", "a text and a number cannot be compared"),
        ("birthday == visits", "cannot be compared"),
        ("birthday > 3d", "write in last 3d"),
        ("3d > 3d", "a duration and a duration cannot be compared"),
        ("now - arrival > 1 month", "no fixed length"),
        ("today - birthday > 48h", "a date has no hours"),
        ("visits + 1 > 3d", "cannot be compared"),
        ("today.weekday == 3", "write Monday"),
        ("interests == 'a'", "any of"),
        ("interests in ['a']", "any of"),
        ("interests contains 'a'", "any of"),
        ("email('x').opened == true", "write the fact alone"),
        ("first_name < 'a'", "cannot order"),
        ("active < true", "cannot order"),
        ("first_name between 'a' and 'b'", "cannot order"),
        ("visits between 'a' and 3", "cannot be compared"),
        ("visits on today", "cannot be compared"),
        ("visits before 3", "before is for dates"),
        ("visits == 3 exactly", "exactly is for texts"),
        ("visits in [3] exactly", "exactly is for texts"),
        ("family == 'singel'", "did you mean single?"),
        ("'zzz' == family", "single, parent, teens"),
        ("family in ['single', 'parnt']", "did you mean parent?"),
        ("pets any of ['dgo']", "did you mean dog?"),
        ("visits contains 'a'", "contains is for texts"),
        ("first_name contains 3", "quotes"),
        ("visits any of ['a']", "any of is for list fields"),
        ("interests any of [3]", "texts in quotes"),
        ("3d is set", "always set"),
        ("true is not set", "always set"),
        ("visits is today", "is today is for dates"),
        ("visits in last 3d", "in last is for dates"),
        ("birthday in last 48h", "a date has no hours"),
        ("arrival anniversary in next 48h", "a date has no hours"),
        ("arrival within 48h of birthday", "a date has no hours"),
        ("visits within 3d of now", "within is for dates"),
        ("visits within 3d", "of another instant"),
        ("event('x').count within 3d", "something that happens"),
        ("list('x') within 3d", "something that happens"),
        ("visits so far", "so far stands behind a fact"),
        ("list('x') so far", "leave it out"),
        ("vsits in last 3d", "did you mean visits?"),
    ],
)
def test_refused(text: str, message: str) -> None:
    found = refused(text)
    assert len(found) == 1, found
    assert message in found[0]


def test_within_needs_a_run_or_a_sending() -> None:
    assert "no run here" in refused('event("x") within 2d', scope("enter"))[0]
    rule('email("x").opened within 2d', scope("enter"))
