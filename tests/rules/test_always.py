"""Tautologies and contradictions: what is reported, and that every report is true of every row."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blaster.model.fields import Kind
from blaster.rules import Rule, compile_rule, tree, verdicts
from blaster.rules.always import Reading
from blaster.rules.cells import FALSE, TRUE, UNKNOWN
from tests.oracle.dice import Dice, Drawn, Seeded
from tests.oracle.rule_columns import answers, vectors_of
from tests.oracle.rule_texts import Author
from tests.oracle.rule_trial import Trial, drawn_batch
from tests.rules import test_lower as lowering
from tests.rules.scopes import scope
from tests.volume import cases

NEVER, ALWAYS = "this can never be true", "this is true for everyone"


def found(text: str) -> list[tuple[str, str]]:
    return [
        (verdict.message, text[verdict.start : verdict.end])
        for verdict in verdicts(compile_rule(text, scope()).tree, scope())
    ]


@pytest.mark.parametrize(
    "text",
    [
        "visits > 5 and visits < 3",
        "visits > 3 and visits < 4",
        "visits == 3.5",
        "price > 3.501 and price < 3.509",
        "weight > 2 and weight <= 2",
        "visits == 1 and visits == 2",
        "visits in [1, 2] and visits in [3]",
        "visits in [1, 2] and visits not in [1, 2, 3]",
        "visits between 5 and 3",
        'region == "a" and region == "b"',
        'region == "a" exactly and region == "A" exactly',
        'region == "straße" and region != "STRASSE"',
        'region in ["x", "y"] and region starts with "z"',
        'region == "x" and region is blank',
        "visits is set and visits is not set",
        "not visits == visits",
        "weight != weight",
        "not (active) and active == true",
        'list("vip") and not list("vip")',
        "birthday > 2026-01-01 and birthday < 2026-01-02",
        "arrival before 2026-03-01 and arrival after 2026-03-01",
        "arrival in last 30d and arrival older than 60d",
        "conference_date in next 14d and conference_date older than 1d",
        "birthday.month == 13",
        "birthday.weekday == Sunday and birthday.weekday == Monday",
        "bucket(10) > 9",
        "length(first_name) < 0",
        'event("x").count < 0',
        "at least 2 of (visits > 5, visits < 3, visits == 4)",
        "3 > 4",
        '"a" == "b"',
        "false",
        'not email("bill").opened so far and email("bill").opened',
    ],
)
def test_what_can_never_be_true(text: str) -> None:
    assert found(text) == [(NEVER, text)]
    assert found(f"active or ({text})") == [(NEVER, text)]


@pytest.mark.parametrize(
    "text",
    [
        'list("vip") or not list("vip")',
        "visits is set or visits is not set",
        "active or active is not set or not active",
        "visits < 5 or visits > 3 or visits is not set",
        'field("כמות ביקורים") < 5 or field("כמות ביקורים") > 3',
        'event("x").count >= 0',
        'event("x").count in [0] or event("x").count > 0',
        "bucket(10) between 0 and 9",
        "now.hour < 24",
        "at least 1 of (list('vip'), not list('vip'))",
        "not 3 > 4 or active",
    ],
)
def test_what_is_true_for_everyone(text: str) -> None:
    if text.startswith("not 3"):
        assert found(text) == [(NEVER, "3 > 4")]
        return
    assert found(text) == [(ALWAYS, text)]


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "active or not active",  # unknown where it is missing
        "visits < 5 or visits > 3",
        "price > 3 and price < 4",
        "weight > 3 and weight < 3.0000001",
        'region == "a" and region == "A" exactly',
        'region == "a" and region contains "A"',
        'first_name != "a" or first_name != "b"',
        "visits is not set and visits is blank",
        "visits between 3 and 3",
        "birthday.year > 2000 and birthday.month == 12",
        "arrival after 2026-03-01 10:00 and arrival before 2026-03-01 11:00",
        "arrival in last 30d and arrival in next 30d",
        "at least 2 of (visits > 5, visits < 9, active)",
        'consent("email") and not consent("sms")',
        'email("bill").opened and not email("bill").clicked so far',
    ],
)
def test_what_is_left_in_peace(text: str) -> None:
    assert found(text) == []


def test_the_smallest_part_is_named() -> None:
    assert found("active and (visits > 5 and visits < 3 or weight < 2)") == [
        (NEVER, "visits > 5 and visits < 3")
    ]
    assert found("visits > 5 and active and visits < 3 and weight < 2") == [
        (NEVER, "visits > 5 and active and visits < 3")
    ]
    assert found("arrival in last 30d and arrival in next 30d and arrival older than 1d") == [
        (NEVER, "arrival in next 30d and arrival older than 1d")
    ]
    assert found("active or true") == [(ALWAYS, "true")]
    assert found("true and visits > 5 and visits < 3 or false") == [
        (ALWAYS, "true"),
        (NEVER, "visits > 5 and visits < 3"),
        (NEVER, "false"),
    ]


def test_an_empty_set_holds_nobody() -> None:
    fact = compile_rule("visits == 1", scope()).tree
    assert isinstance(fact, tree.Compare)
    (verdict,) = verdicts(tree.InSet(fact.left, ()))
    assert not verdict.always


def test_a_rule_of_thousands_of_parts_is_not_looked_at_for_long() -> None:
    text = " or ".join(f"visits == {number}" for number in range(3000))
    assert found(text) == []


@pytest.mark.parametrize("first", [TRUE, FALSE, UNKNOWN])
@pytest.mark.parametrize("second", [TRUE, FALSE, UNKNOWN])
def test_the_logic_is_that_of_compiled_rules(first: int, second: int) -> None:
    """Every pair of answers through the search's logic and through a program."""
    value = {TRUE: True, FALSE: False, UNKNOWN: None}
    left, right = tree.Constant(value[first]), tree.Constant(value[second])
    for node in (
        tree.And((left, right)), tree.Or((left, right)), tree.Not(left), tree.SoFar(left),
        tree.AtLeast(1, (left, right)), tree.AtLeast(2, (left, right)),
    ):  # fmt: skip
        reading = Reading(lambda _: False)
        answer, _ = reading.answers(reading.form(node))
        rule = Rule("", node)
        true = answers(rule.evaluate([], 1, 0, lowering.ZONES), 1) == [True]
        false = answers(rule.negated().evaluate([], 1, 0, lowering.ZONES), 1) == [True]
        assert answer == (TRUE if true else FALSE if false else UNKNOWN), node


# ------------------------------------------------------------------------- every report is true


def parts_of(node: tree.Node | tree.Value) -> list[tree.Node]:
    """The conditions over rows: those of a filter are over happenings."""
    if isinstance(node, tree.Aggregate):
        return []
    below = [part for child in tree.children_of(node) for part in parts_of(child)]
    return [node, *below] if isinstance(node, tree.Node) else below


def judged(trial: Trial, node: tree.Node) -> int:
    """Looks at every part of a tree over drawn rows; how many parts something was said of."""
    count = 0
    batch = drawn_batch(trial.dice, trial.case, 8, 24)
    for part in parts_of(node):
        for verdict in verdicts(part):  # without the scope: rows may miss what has a default
            count += 1
            rule = Rule("", verdict.node)
            vectors = vectors_of(rule.facts, batch.rows, batch.order)
            true = answers(rule.evaluate(vectors, 24, trial.case.now, trial.zones), 24)
            assert all(one is verdict.always for one in true), (verdict.message, verdict.node)
    return count


def trial_of(dice: Dice, budget: int) -> int:
    trial = Trial(dice, distinct=8)
    written = Author(dice, trial.case, budget).rule()
    return judged(trial, compile_rule(written.text, trial.scope).tree)


def test_reports_hold_on_drawn_rules() -> None:
    assert sum(trial_of(Seeded(seed), 6) for seed in range(cases(60))) > cases(6) - 1


@settings(max_examples=cases(25), deadline=None, derandomize=True, database=None,
          suppress_health_check=tuple(HealthCheck))  # fmt: skip
@given(st.data())
def test_reports_hold_on_rules_that_hypothesis_draws(data: st.DataObject) -> None:
    trial_of(Drawn(data.draw), 5)


SUBJECTS = ("visits", "price", "ratio", "born", "name", "city", "vip")


def near_leaf(chance: random.Random) -> tree.Node:
    """A leaf over few subjects and few literals, so that contradictions are common."""
    subject = lowering.REFS[chance.choice(SUBJECTS)]
    kind = tree.kind_of(subject)
    if chance.random() < 0.15:
        return chance.choice((tree.IsSet, tree.IsBlank))(subject)
    if kind == Kind.BOOL:
        return tree.Truth(subject)
    if kind in (Kind.TEXT, Kind.CODE):
        words = [tree.Literal(Kind.TEXT, word) for word in ("Haifa", "HAIFA", "", "straße")]
        exact = chance.random() < 0.4
        if chance.random() < 0.3:
            return tree.InSet(subject, tuple(chance.sample(words, 2)), exact)
        return tree.TextTest(
            chance.choice(("eq", "eq", "starts", "contains")), subject, chance.choice(words), exact
        )
    if kind == Kind.NUMBER:
        literal = tree.Literal(kind, chance.choice((0.0, 0.1, 1.5, 3.0)))
    elif kind == Kind.DATE:
        literal = tree.Literal(kind, lowering.DAY + chance.randrange(-1, 2))
    else:
        literal = tree.Literal(Kind.INT, chance.choice((1, 2, 3, 15)), chance.choice((0, 0, 1)))
    if chance.random() < 0.2:
        return tree.Between(subject, literal, literal)
    return tree.Compare(chance.choice(lowering.ORDERS), subject, literal)


def near_tree(chance: random.Random, depth: int) -> tree.Node:
    if depth == 0 or chance.random() < 0.2:
        return near_leaf(chance)
    parts = tuple(near_tree(chance, depth - 1) for _ in range(2))
    match chance.randrange(6):
        case 0:
            return tree.Not(parts[0])
        case 1:
            return tree.AtLeast(chance.randrange(1, 3), parts)
        case 2:
            return tree.SoFar(parts[0])
        case 3:
            return tree.Or(parts)
        case _:
            return tree.And(parts)


def reports_of(seeds: range) -> int:
    count = 0
    for seed in seeds:
        chance = random.Random(seed)
        node = near_tree(chance, 3)
        for verdict in verdicts(node):
            count += 1
            rule = Rule("", verdict.node)
            vectors = lowering.vectors_for(chance, rule.facts, 300)
            true = answers(rule.evaluate(vectors, 300, lowering.NOW, lowering.ZONES), 300)
            assert all(one is verdict.always for one in true), (seed, verdict)
    return count


def test_reports_hold_where_they_are_common() -> None:
    assert reports_of(range(cases(600))) > cases(40)


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_reports_hold_thousands_of_times(block: int) -> None:
    first = 1000 + 2900 * block
    assert reports_of(range(first, first + 2900)) > 150
    first = 100 + 140 * block
    assert sum(trial_of(Seeded(seed), 6) for seed in range(first, first + 140)) > 0
