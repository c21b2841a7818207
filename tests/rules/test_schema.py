"""The published JSON Schema of rules, and that text, JSON and text again say the same."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from blaster.rules import parse, show
from blaster.rules.json_form import from_json, to_json
from tests.oracle.dice import Seeded
from tests.oracle.rule_rows import drawn_case
from tests.oracle.rule_texts import Author
from tests.rules.examples import SYNTACTIC, rules_of_club
from tests.volume import cases
from tools.schemas import FOLDER, rule_schema

SCHEMA = json.loads(rule_schema())
KNOWN = {
    "$ref", "$defs", "$schema", "title", "description", "anyOf", "type", "properties", "required",
    "additionalProperties", "enum", "const", "items", "minItems", "maxItems", "default",
    "discriminator",
}  # fmt: skip
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
    "null": type(None),
}  # fmt: skip


def test_the_published_schema_is_that_of_the_code() -> None:
    kept = (FOLDER / "rule.json").read_text(encoding="utf-8")
    assert kept == rule_schema(), "run: make docs"


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """The part of JSON Schema that the file uses; any other word of it fails the test."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if "$ref" in schema and not fits(
        value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    ):
        return False
    if "anyOf" in schema and not any(fits(value, one) for one in schema["anyOf"]):
        return False
    if "type" in schema and type(value) is not TYPES[schema["type"]]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(value, list) and "items" in schema:
        return all(fits(item, schema["items"]) for item in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        if not schema.get("additionalProperties", True) and value.keys() - known.keys():
            return False
        if set(schema.get("required", ())) - value.keys():
            return False
        return all(fits(item, known[name]) for name, item in value.items() if name in known)
    return True


def stable(text: str) -> None:
    tree = parse(text)
    data = to_json(tree)
    assert fits(json.loads(data), SCHEMA), text
    assert show(from_json(data)) == show(tree)
    assert show(parse(show(tree))) == show(tree)
    assert to_json(parse(show(tree))) == data


@pytest.mark.parametrize("text", dict.fromkeys((*SYNTACTIC, *rules_of_club())))
def test_examples_are_stable_and_fit_the_schema(text: str) -> None:
    stable(text)


def drawn(seeds: range) -> None:
    for seed in seeds:
        dice = Seeded(seed)
        stable(Author(dice, drawn_case(dice), 8).rule().text)


def test_drawn_rules_are_stable_and_fit_the_schema() -> None:
    drawn(range(cases(60)))


@pytest.mark.long
def test_thousands_of_drawn_rules_are_stable() -> None:
    drawn(range(100, 3000))


def test_the_schema_refuses_what_is_no_rule() -> None:
    now = {"node": "now"}
    for wrong in (
        [], {}, {"node": "nothing"}, {"node": "field"}, {**now, "more": 1}, {**now, "start": 3},
        {"node": "not", "value": 3}, {"node": "and", "items": now},
        {"node": "compare", "operator": "~", "left": now, "right": now},
        {"node": "duration", "count": "3", "unit": "d"},
        {"node": "fact", "source": "nowhere"},
    ):  # fmt: skip
        assert not fits(wrong, SCHEMA), wrong
    assert fits({"node": "compare", "operator": "==", "left": now, "right": now}, SCHEMA)


def test_no_node_is_left_out() -> None:
    tags = set(re.findall(r'"node":\s*{[^}]*"(?:const|enum)":\s*\[?\s*"([^"]+)"', rule_schema()))
    assert len(tags - {"member", "values", "window"}) == len(SCHEMA["$defs"]["Node"]["anyOf"])
