"""Front to back: every example that compiles also runs, over rows of which nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import (
    Dictionary,
    EventLists,
    Fact,
    Value,
    Vector,
    Zones,
    compile_rule,
    compile_value,
)
from tests.rules.examples import EXECUTABLE, EXPRESSIONS
from tests.rules.scopes import STEPS

ROWS = 70
NOW = 1_780_000_000


def nothing(fact: Fact) -> Vector | EventLists:
    """A column of this fact in which every row is missing."""
    if fact.kind == Kind.EVENTS:
        items = tuple(Vector.missing(item.kind, 0) for item in fact.items)
        return EventLists(np.zeros(ROWS + 1, np.int64), Vector.missing(Kind.TIME, 0), items)
    if fact.kind in (Kind.CODE, Kind.LIST):
        words = bytes(8 * ((ROWS + 63) // 64))
        data, sizes = bytes(4 * ROWS), bytes(4 * ROWS)
        lists = fact.kind == Kind.LIST
        return Vector(
            fact.kind,
            ROWS,
            data,
            valid=words,
            sizes=sizes if lists else None,
            arena=b"" if lists else None,
            dictionary=Dictionary(),
        )
    return Vector.missing(fact.kind, ROWS)


@pytest.mark.parametrize("text", [text for text in EXECUTABLE if text != "visits"])
def test_every_example_runs(text: str) -> None:
    rule = compile_rule(text, STEPS)
    vectors = [nothing(fact) for fact in rule.facts]
    zones = Zones("Asia/Jerusalem")
    for one in (rule, rule.negated()):
        words = one.evaluate(vectors, ROWS, NOW, zones)
        assert len(words) == 2
        assert len(one.next_change(vectors, ROWS, NOW, zones)) == ROWS
    assert rule.explain(vectors, 3, NOW, zones).text


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_every_expression_runs(text: str) -> None:
    value: Value = compile_value(text, STEPS)
    found = value.evaluate([nothing(fact) for fact in value.facts], ROWS, NOW, Zones("UTC"))
    assert len(found if isinstance(found, tuple) and value.kind == Kind.TEXT else found[1]) == ROWS
