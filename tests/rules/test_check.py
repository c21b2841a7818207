"""The checker's logic level, its errors all at once, and expressions that must fit a kind."""

from __future__ import annotations

import contextlib
import random

import pytest

from blaster.errors import DefinitionError
from blaster.model.fields import Field, Kind
from blaster.rules import tree
from blaster.rules.check import check_rule, check_value
from blaster.rules.parser import parse
from blaster.rules.problems import Problem
from blaster.rules.scope import Scope
from tests.rules.examples import EXECUTABLE, EXPRESSIONS, SYNTACTIC, rules_of_club
from tests.rules.scopes import STEPS, scope


def rule(text: str, where: Scope = STEPS) -> tree.Node:
    return check_rule(parse(text), where)


def refused(text: str, where: Scope = STEPS) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        rule(text, where)
    found = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert len(found) == len(caught.value.problems)
    assert all(0 <= problem.start <= problem.end <= len(text) for problem in found)
    return [str(problem) for problem in found]


@pytest.mark.parametrize("text", EXECUTABLE)
def test_executable(text: str) -> None:
    if text == "visits":
        assert "not a condition" in refused(text)[0]
        return
    found = rule(text)
    assert tree.facts_of(found) == tree.facts_of(rule(text))
    for node in tree.walk(found):
        assert 0 <= node.start <= node.end <= len(text)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text: str) -> None:
    tree.kind_of(check_value(parse(text), STEPS))


def test_the_example_workspace_checks() -> None:
    for text in rules_of_club():
        if not text.startswith("conference_date - 1d"):
            rule(text)


def test_every_problem_at_once_in_order_of_place() -> None:
    text = (
        'vsits == 1 and (first_name > 3 or not event("x"))'
        ' and at least 1 of (list("a").joined.hour)'
    )
    assert [message.split(";")[0] for message in refused(text)] == [
        "there is no field vsits",
        "a text and a number cannot be compared",
        "it may still happen, so its not is never certain",
        "a number is not a condition",
    ]


def test_mutations_are_checked_without_a_crash() -> None:
    chance = random.Random(3)
    pieces = [
        "visits",
        "arrival",
        "'x'",
        "3",
        "3d",
        "interests",
        "active",
        "now",
        "event('x')",
        "n",
    ]
    for _ in range(1500):
        words = chance.choice(SYNTACTIC).split(" ")
        words[chance.randrange(len(words))] = chance.choice(pieces)
        try:
            parsed = parse(" ".join(words))
        except DefinitionError:
            continue
        for check in (check_rule, check_value):
            with contextlib.suppress(DefinitionError):
                check(parsed, STEPS)


@pytest.mark.parametrize(
    "text",
    [
        'not email("bill").opened',
        'not (visits == 1 or form("x").filled)',
        'not not page("x").visited',
        'not at least 1 of (file("x").downloaded, active)',
        'not event("x").ever',
    ],
)
def test_a_not_needs_a_window(text: str) -> None:
    assert "so far" in refused(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        'not email("bill").opened so far',
        'not event("x") in last 30d',
        'not form("x").filled within 2d',
        'not list("vip") and not consent("email") and not suppressed("sms")',
        'not journey("other").entered and not list("vip").joined',
        'event("x").count == 0 and not event("x").count == 0',
        'not email("bill").opened is set',
        'not email("bill").opened before 2026-03-01',
    ],
)
def test_a_not_over_what_is_known(text: str) -> None:
    rule(text)


def test_an_instant_of_state_asks_whether_it_is_set() -> None:
    assert isinstance(rule('list("vip").joined'), tree.IsSet)
    assert isinstance(rule('journey("other").finished'), tree.IsSet)
    assert isinstance(rule('event("x")'), tree.Happened)
    assert isinstance(rule('list("vip")'), tree.Truth)
    assert isinstance(rule("active"), tree.Truth)
    assert rule("true") == tree.Constant(True, end=4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("visits", "a number is not a condition"),
        ("first_name", "a text is not a condition"),
        ("3d", "a duration is not a condition"),
        ("arrival", "an instant is not a condition"),
        ("birthday", "a date is not a condition"),
        ("interests", "a list is not a condition"),
        ("Sunday", "a day of the week is not a condition"),
        ('event("x").first', "an instant is not a condition"),
        ("10:00", "behind at"),
    ],
)
def test_a_value_is_no_condition(text: str, message: str) -> None:
    assert message in refused(text)[0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("visits + 1", Kind.INT),
        ("visits / 2", Kind.NUMBER),
        ("3", Kind.NUMBER),
        ("weight", Kind.INT),
        ("'a'", Kind.CODE),
        ("עיר", Kind.TEXT),
        ("event.x", Kind.DATE),
        ("event.x", Kind.TEXT),
        ("arrival", Kind.TIME),
        ("contact.created", Kind.INSTANT),
        ("today", Kind.DATE),
        ("today at 10:00", Kind.INSTANT),
        ("true", Kind.BOOL),
        ("active", Kind.BOOL),
        ("today.weekday", Kind.INT),
        ("interests", Kind.LIST),
    ],
)
def test_values_that_fit(text: str, kind: Kind) -> None:
    check_value(parse(text), STEPS, kind)


def test_a_literal_fits_the_kind_it_is_wanted_as() -> None:
    found = check_value(parse("3.5"), STEPS, Kind.NUMBER)
    assert found == tree.Literal(Kind.NUMBER, 3.5, end=3)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("visits", Kind.TEXT, "a text is needed here, this is a number"),
        ("today", Kind.INSTANT, "give it a time"),
        ("now", Kind.DATE, "a date is needed"),
        ("today.weekday", Kind.TEXT, "day of the week"),
        ("3d", Kind.INT, "a duration alone"),
        ("3d", None, "a duration alone"),
        ("visits == 1", Kind.TEXT, "a condition stands where a value"),
        ("not active", Kind.INT, "a condition stands where a value"),
        ("vsits", None, "did you mean visits?"),
        ("(visits == 1) + 1", None, "condition stands where a value"),
    ],
)
def test_values_that_do_not_fit(text: str, kind: Kind | None, message: str) -> None:
    with pytest.raises(DefinitionError, match=message.replace("?", r"\?")):
        check_value(parse(text), STEPS, kind)


def test_scope_defaults_know_the_built_in_fields() -> None:
    rule("email is set and phone is set", Scope())
    assert Scope().field("zone") is not None
    assert Scope(fields={"zone": Field("zone")}).field("zone") == Field("zone")


def test_n_is_a_name_of_scenarios() -> None:
    found = rule("n < 60 and n >= 10", scope("scenario"))
    assert [fact.key for fact in tree.facts_of(found)] == [("extra", "n")]
    assert "there is no field n" in refused("n < 60", scope("scenario", extras={}))[0]
