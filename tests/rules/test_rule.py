"""The face of the room: compiling, asking, refusing what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import blaster.rules
from blaster.errors import DefinitionError
from blaster.model.fields import Field, Kind
from blaster.rules import Rule, Scope, Zones, compile_rule, compile_value, to_bools, vector_of

ZONES = Zones("UTC")
SCOPE = Scope(
    fields={"visits": Field("visits", "integer"), "כמות ביקורים": Field("כמות ביקורים", "counter")}
)


def test_a_text_becomes_an_answer() -> None:
    """Compile, bind, evaluate; the negation is true only where the rule is surely false."""
    rule = compile_rule('visits > 3 or field("כמות ביקורים") == 0', SCOPE)
    assert [fact.key for fact in rule.facts] == [("field", "visits"), ("field", "כמות ביקורים")]
    vectors = [vector_of(Kind.INT, [5, 1, None, 1]), vector_of(Kind.INT, [1, 1, 1, 0])]
    assert to_bools(rule.evaluate(vectors, 4, 0, ZONES), 4).tolist() == [True, False, False, True]
    negated = rule.negated()
    assert to_bools(negated.evaluate(vectors, 4, 0, ZONES), 4).tolist() == [
        False, True, False, False,
    ]  # fmt: skip
    assert negated.facts == rule.facts
    assert not rule.time_dependent
    assert repr(rule).startswith("Rule('visits")


def test_json_comes_back_the_same() -> None:
    """A rule is a value."""
    rule = compile_rule("visits > 3", SCOPE)
    again = Rule.from_json(rule.to_json().decode())
    assert again == rule
    assert hash(again) == hash(rule)
    assert rule != compile_rule("visits > 4", SCOPE)
    assert rule != "visits > 3"


def test_a_value() -> None:
    """`set: {visits: = visits + 1}`."""
    value = compile_value("visits + 1", SCOPE, Kind.INT)
    found = value.evaluate([vector_of(Kind.INT, [1, None])], 2, 0, ZONES)
    assert isinstance(found, blaster.rules.ValueResult)
    assert (found.kind, found.values[0], found.valid.tolist()) == (Kind.INT, 2, [True, False])
    assert not value.time_dependent


def test_a_wrong_text_is_refused_with_its_problems() -> None:
    """DefinitionError holds them all."""
    with pytest.raises(DefinitionError) as caught:
        compile_rule("visitz > 3 and visits > 'a'", SCOPE)
    assert len(caught.value.problems) == 2


def test_vectors_that_do_not_fit() -> None:
    """One per fact, of its kind and length."""
    rule = compile_rule("visits > 3", SCOPE)
    with pytest.raises(ValueError, match="1 facts are read; 0 vectors"):
        rule.evaluate([], 1, 0, ZONES)
    with pytest.raises(ValueError, match="needs kind 2 and 1 rows, not kind 4 and 1"):
        rule.evaluate([vector_of(Kind.DATE, [1])], 1, 0, ZONES)
    with pytest.raises(ValueError, match="needs kind 2 and 2 rows"):
        rule.next_change([vector_of(Kind.INT, [1])], 2, 0, ZONES) if rule.time_dependent else (
            rule.evaluate([vector_of(Kind.INT, [1])], 2, 0, ZONES)
        )


def test_the_room_lists_its_names() -> None:
    """Every public name loads, and no other is there."""
    for name in blaster.rules.__all__:
        assert getattr(blaster.rules, name) is not None
    assert dir(blaster.rules) == sorted(blaster.rules.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        blaster.rules.nothing  # noqa: B018
    assert isinstance(np.zeros(1), np.ndarray)
