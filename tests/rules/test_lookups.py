"""Look-up tables, regular expressions, conditions as values, and numbers that are too large."""

from __future__ import annotations

import pytest

from blaster.errors import DefinitionError
from blaster.model.fields import Kind
from blaster.rules import (
    Rule,
    Value,
    Zones,
    compile_rule,
    compile_value,
    parse,
    to_bools,
    tree,
    vector_of,
)
from blaster.rules.json_form import from_json, to_json
from tests.rules.scopes import STEPS, scope
from tests.rules.test_check import refused, rule

ZONES = Zones("UTC")
TABLES = {"region": {"Haifa": "north", "HAIFA": "second", "cafe\u0301": "x", "": "none"}}


def test_a_key_is_found_in_whatever_case() -> None:
    """Of keys that differ in case only the first counts; what is absent is missing."""
    found = compile_value('lookup("region", region)', scope(tables=TABLES))
    texts = ["haifa", "CAFÉ", "", "Eilat", None]
    given = [vector_of(Kind.CODE, texts)]
    assert found.evaluate(given, 5, 0, ZONES) == ("north", "x", "none", None, None)
    assert Value.from_json(found.to_json()).tree == found.tree


def test_a_missing_answer_is_unknown() -> None:
    found = compile_rule('lookup("region", first_name) != "south"', scope(tables=TABLES))
    given = [vector_of(Kind.TEXT, ["HAIFA", "Eilat", None])]
    assert to_bools(found.evaluate(given, 3, 0, ZONES), 3).tolist() == [True, False, False]
    assert not to_bools(found.negated().evaluate(given, 3, 0, ZONES), 3).any()
    assert Rule.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lookup("regin", region) == "x"', "there is no table regin; did you mean region?"),
        ('lookup("zzz", region) == "x"', "tables are files"),
        ('lookup(region, region) == "x"', "the name of a table in quotes"),
        ('lookup("region", visits) == "x"', "looks up a text, not a number"),
        ('lookup("region", region) > 3', "put the value in quotes"),
        ("lookup('region') == 'x'", "lookup takes 2 values"),
    ],
)
def test_lookups_that_are_refused(text: str, message: str) -> None:
    try:
        found = refused(text, scope(tables=TABLES))
    except DefinitionError as error:  # of the parser
        found = [str(problem) for problem in error.problems]
    assert any(message in one for one in found), found


def test_without_tables_there_is_none() -> None:
    assert "there is no table region" in refused("lookup('region', region) is set",
                                                 scope(tables=None))[0]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("first_name matches '^d.*a$'", [True, True, False, None]),
        ("first_name matches '^d.*a$' exactly", [False, True, False, None]),
        ("first_name matches ''", [True, True, True, None]),
        ("not first_name matches 'ana'", [False, False, True, None]),
    ],
)
def test_expressions_are_found_anywhere(text: str, answers: list[bool | None]) -> None:
    found = compile_rule(text, STEPS)
    given = [vector_of(Kind.TEXT, ["DANA", "dana", "", None])]
    true = to_bools(found.evaluate(given, 4, 0, ZONES), 4)
    false = to_bools(found.negated().evaluate(given, 4, 0, ZONES), 4)
    assert [
        True if t else False if f else None for t, f in zip(true, false, strict=True)
    ] == answers


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "missing )"),
        ("a{1001}", "invalid repetition size"),
        (r"(?<=a)b", "invalid"),
        (r"(a)\1", "invalid escape sequence"),
        (r"(\pL{900})+x(\pL{900})", "pattern too large"),
    ],
)
def test_expressions_that_re2_does_not_take(pattern: str, message: str) -> None:
    """The problem underlines the expression."""
    text = f"visits == 1 and first_name matches '{pattern}'"
    with pytest.raises(DefinitionError, match="no regular expression") as caught:
        compile_rule(text, STEPS)
    (problem,) = caught.value.problems
    assert message in str(problem)
    assert text[problem.start : problem.end] == f"'{pattern}'"


def test_an_expression_is_written_out() -> None:
    assert "in quotes" in refused("first_name matches region")[0]
    assert "matches is for texts" in refused("visits matches 'a'")[0]


def test_a_condition_as_a_value() -> None:
    """Missing where the condition is unknown."""
    found = compile_value("visits > 3 and not active", STEPS, Kind.BOOL)
    assert (found.kind, found.time_dependent) == (Kind.BOOL, False)
    given = [vector_of(Kind.INT, [4, 3, None]), vector_of(Kind.BOOL, [False, None, False])]
    result = found.evaluate(given, 3, 0, ZONES)
    assert not isinstance(result, tuple) or hasattr(result, "valid")
    assert result.valid.tolist() == [True, True, False]  # type: ignore[union-attr]
    assert result.values[:2].tolist() == [True, False]  # type: ignore[union-attr]
    assert compile_value("arrival in last 3d", STEPS).time_dependent


@pytest.mark.parametrize(
    "text",
    [
        "visits > 9223372036854775807 + 1",
        "visits > 9223372036854775807 * 10",
        "visits > -9223372036854775807 - 1",
        "price > 92233720368547758.07 + 9223372036854775807",
        "visits > (2026-01-01 - 1970-01-01) * 9223372036854775807",
    ],
)
def test_what_is_surely_too_large(text: str) -> None:
    assert "larger than any number" in refused(text)[0]


def test_what_only_may_be_too_large_compiles() -> None:
    rule("visits + 9223372036854775807 > 3 and 9223372036854775806 + 1 > visits")
    rule("9223372036854775807 / 2 > visits")


@pytest.mark.parametrize(
    "text",
    [
        'lookup("region", עיר) == "x" and first_name matches "a.*"',
        'event("e", a == 1, b > contact.visits).sum(total) of last 5 > 1',
        'messages(topic == "t").opened.count since entry > 1 and last_activity in last 9d',
        'event("e", not c changed so far, `order id` == 3).ever in last 3d',
        'not family changed to "x" so far and family held for 2 months',
        'email("b").bounced("soft") or email("b").ever.clicked("any")',
    ],
)
def test_the_json_of_a_text_is_stable(text: str) -> None:
    data = to_json(parse(text))
    assert to_json(from_json(data)) == data


def test_facts_of_a_filter_are_not_those_of_the_row() -> None:
    found = rule('event("e", a == 1).count > 1')
    assert all(fact.space != "item" for fact in tree.facts_of(found))
