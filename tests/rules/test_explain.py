"""Explanations: part by part, for one row, agreeing with the rule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from blaster.model.fields import Field, Kind
from blaster.rules import Explained, Fact, Rule, Scope, Zones, compile_rule, vector_of
from blaster.rules import tree as t

ZONES = Zones("Asia/Jerusalem")
NOW = int(datetime(2026, 6, 15, 22, 30, tzinfo=UTC).timestamp())
SCOPE = Scope(
    fields={
        field.name: field
        for field in (
            Field("visits", "integer"),
            Field("price", "number", scale=2),
            Field("ratio", "number"),
            Field("city", repeats=True),
            Field("born", "date"),
            Field("arrival", "instant"),
            Field("tags", "list"),
            Field("vip", "boolean"),
        )
    }
)


def explain(text: str, **values: Any) -> Explained:
    rule = compile_rule(text, SCOPE)
    vectors = [vector_of(fact.kind, [None, values.get(fact.key[1])]) for fact in rule.facts]
    return rule.explain(vectors, 1, NOW, ZONES)


def test_a_tree_with_its_parts() -> None:
    """Every part has its own text and truth, every fact its value."""
    found = explain("visits > 3 and not city == 'Haifa' or vip", visits=9, city="haifa")
    assert (found.text, found.truth) == ("visits > 3 and not city == 'Haifa' or vip", "unknown")
    both, vip = found.children
    assert (both.text, both.truth) == ("visits > 3 and not city == 'Haifa'", "false")
    assert (vip.text, vip.truth, vip.children[0].value) == ("vip", "unknown", "missing")
    visits, negated = both.children
    assert (visits.truth, visits.children) == ("true", (Explained("visits", None, "9"),))
    assert (negated.truth, negated.children[0].truth) == ("false", "true")


def test_days_before_a_clock_time_are_shown_as_dates() -> None:
    """What stands before `at` is the date that it sets the clock of."""
    arrival = int(datetime(2026, 3, 27, 21, 30, tzinfo=UTC).timestamp())
    found = explain("arrival - 2d at 10:00 < now", arrival=arrival)
    at = found.children[0]
    assert (at.text, at.value) == ("arrival - 2d at 10:00", "2026-03-26 10:00:00")
    moved = at.children[0]
    assert (moved.text, moved.value) == ("arrival - 2d", "2026-03-26")


@pytest.mark.parametrize(
    ("text", "name", "value", "shown"),
    [
        ("price > 1", "price", 150, "1.50"),
        ("ratio > 1", "ratio", 0.5, "0.5"),
        ("ratio > 1", "ratio", 2.0, "2"),
        ("born is set", "born", 0, "1970-01-01"),
        ("born is set", "born", 2**31 - 1, "day 2147483647"),
        ("arrival is set", "arrival", NOW, "2026-06-16 01:30:00"),
        ("arrival is set", "arrival", 2**62, "second 4611686018427395104"),
        ("tags is set", "tags", ["a", "ב"], "a, ב"),
        ("vip", "vip", True, "true"),
        ("vip", "vip", False, "false"),
        ("city is set", "city", "חיפה", "חיפה"),
        ("city is set", "city", None, "missing"),
    ],
)
def test_values_as_people_read_them(text: str, name: str, value: Any, shown: str) -> None:
    """Scaled numbers as decimals, dates as dates, instants in the row's zone."""
    assert explain(text, **{name: value}).children[0].value == shown


def test_counting_and_expressions() -> None:
    """`at least` counts; expressions show what they are made of."""
    text = "at least 2 of (visits > 1, vip, city is set)"
    assert explain(text, visits=5, city="a").truth == "true"
    assert explain(text, visits=5).truth == "unknown"
    assert explain(text, visits=0, vip=False).truth == "false"
    moved = explain("arrival + 1d > now", arrival=NOW)
    assert moved.children[0].text == "arrival + 1d"
    assert moved.children[0].children == (Explained("arrival", None, "2026-06-16 01:30:00"),)


@pytest.mark.parametrize(
    ("node", "truth"),
    [
        (t.Constant(None), "unknown"),
        (t.Not(t.Constant(None)), "unknown"),
        (t.SoFar(t.Constant(None)), "false"),
        (t.SoFar(t.Constant(True)), "true"),
        (t.And((t.Constant(None), t.Constant(True))), "unknown"),
        (t.And((t.Constant(None), t.Constant(False))), "false"),
        (t.And(()), "true"),
        (t.Or((t.Constant(None), t.Constant(False))), "unknown"),
        (t.Or((t.Constant(None), t.Constant(True))), "true"),
        (t.Or(()), "false"),
    ],
)
def test_three_values(node: t.Node, truth: str) -> None:
    """Kleene's tables."""
    found = Rule("whole", node).explain([], 0, NOW, ZONES)
    assert (found.text, found.truth) == ("whole", truth)


def test_without_spans_the_fact_is_named_by_its_key() -> None:
    """A tree that no text stands behind is still readable."""
    fact = t.FactRef(Fact("contact", Kind.INT, ("field", "visits")))
    node = t.Compare("<", fact, t.Part("year", t.Now()))
    vectors = [vector_of(Kind.INT, [5]), vector_of(Kind.CODE, [None])]
    found = Rule("", node).explain(vectors, 0, NOW, ZONES)
    assert [child.text for child in found.children] == ["field visits", "part"]
