"""Many rules over the same rows, and one over many batches: the same answers as one by one."""

from __future__ import annotations

import random

import numpy as np
import pytest

from blaster.model.fields import Field, Kind
from blaster.rules import (
    Rule,
    RuleSet,
    Scope,
    Vector,
    Zones,
    compile_rule,
    evaluate_many,
    vector_of,
)
from tests.volume import TRACED

ZONES = Zones("Asia/Jerusalem")
NOW = 1_774_573_200
SCOPE = Scope(
    fields={
        "visits": Field("visits", "integer"),
        "name": Field("name"),
        "city": Field("city", repeats=True),
        "birthday": Field("birthday", "date"),
    }
)
KINDS = {"visits": Kind.INT, "name": Kind.TEXT, "city": Kind.CODE, "birthday": Kind.DATE}
TEXTS = [
    *(f"visits > {n} and name ends with 'a'" for n in range(6)),
    *(f"visits > {n} or not (city == 'Haifa' and name ends with 'a')" for n in range(3)),
    "birthday anniversary is today",
    "not (birthday anniversary is today) and visits > 2",
    "city in ['Haifa', 'Eilat'] and birthday is set",
    "visits is set",
    "visits is set or visits is not set",
]
SIZES = (1, 64, 9_000, 0, 8_193) if TRACED else (1, 64, 130_000, 0, 8_193, 70_000)


def columns(rows: int) -> dict[str, Vector]:
    """A small pattern over and over, of a length that no block has."""
    dice = random.Random(rows)
    part = min(rows, 997)
    texts = ["dana", "Yossi", "Noa", None, "אבא"]
    small = {
        "visits": dice.choices([None, *range(8)], k=part),
        "name": dice.choices(texts, k=part),
        "city": dice.choices(["Haifa", "eilat", "Acre", None], k=part),
        "birthday": dice.choices([None, *range(-4000, 9000, 37)], k=part),
    }
    return {
        name: vector_of(KINDS[name], (values * (rows // max(part, 1) + 1))[:rows])
        for name, values in small.items()
    }


RULES = [compile_rule(text, SCOPE) for text in TEXTS]
BATCHES = [(columns(rows), rows) for rows in SIZES]


def given(rule: Rule | RuleSet, named: dict[str, Vector], rows: int) -> list[Vector]:
    """The vectors of a rule's facts; nobody has a zone of his own."""
    zone = Vector.missing(Kind.CODE, rows)
    return [named.get(str(fact.key[-1]), zone) for fact in rule.facts]


def alone(rule: Rule, named: dict[str, Vector], rows: int) -> np.ndarray:
    return rule.evaluate(given(rule, named, rows), rows, NOW, ZONES)


def test_a_set_has_every_fact_once() -> None:
    together = RuleSet(RULES)
    assert together.rules == tuple(RULES)
    assert len(set(together.facts)) == len(together.facts)
    assert set(together.facts) == {fact for rule in RULES for fact in rule.facts}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_set_answers_as_its_rules_do(threads: int) -> None:
    together = RuleSet(RULES)
    for named, rows in BATCHES:
        found = together.evaluate(given(together, named, rows), rows, NOW, ZONES, threads=threads)
        assert len(found) == len(RULES)
        for rule, words in zip(RULES, found, strict=True):
            assert np.array_equal(words, alone(rule, named, rows)), (rule.text, rows)


def test_sets_of_one_of_none_and_of_the_same_rule_twice() -> None:
    named, rows = BATCHES[2]
    for rules in ([], RULES[:1], [RULES[1], RULES[1], RULES[0]]):
        together = RuleSet(rules)
        found = together.evaluate(given(together, named, rows), rows, NOW, ZONES)
        wanted = [alone(rule, named, rows) for rule in rules]
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_one_rule_over_many_batches(threads: int) -> None:
    for rule in RULES:
        batches = [(given(rule, named, rows), rows) for named, rows in BATCHES]
        found = rule.evaluate_batches(batches, NOW, ZONES, threads)
        wanted = [alone(rule, named, rows) for named, rows in BATCHES]
        assert np.array_equal(found, np.concatenate(wanted)), rule.text
    assert len(rule.evaluate_batches([], NOW, ZONES)) == 0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_set_over_many_batches(threads: int) -> None:
    together = RuleSet(RULES)
    batches = [(given(together, named, rows), rows) for named, rows in BATCHES]
    found = evaluate_many(together, batches, NOW, ZONES, threads)
    for (named, rows), words in zip(BATCHES, found, strict=True):
        assert np.array_equal(words, [alone(rule, named, rows) for rule in RULES])


def test_what_does_not_fit_is_refused() -> None:
    together = RuleSet(RULES)
    named, rows = BATCHES[1]
    vectors = given(together, named, rows)
    with pytest.raises(ValueError, match="vectors were given"):
        together.evaluate(vectors[1:], rows, NOW, ZONES)
    with pytest.raises(ValueError, match="rows"):
        evaluate_many(together, [(vectors, rows + 1)], NOW, ZONES)
    for threads in (0, 257):
        with pytest.raises(ValueError, match="threads"):
            evaluate_many(together, [(vectors, rows)], NOW, ZONES, threads)
    assert evaluate_many(together, [], NOW, ZONES) == []
