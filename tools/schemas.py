"""Writes docs/schema/rule.json: the JSON Schema of a rule's JSON form, for user interfaces.

`schemas.py` writes; a test compares, so that the file cannot grow stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from blaster.rules import syntax

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "schema"
_UNION = ("anyOf", "discriminator")  # OpenAPI's word, which Node keeps
SPANS = ("start", "end", "spans")
"""Where a node, or the values of a list, stood in a text: the JSON form of a rule has none."""


def rule_schema() -> str:
    """The schema of `blaster.rules`' JSON form, as the file holds it."""
    (schema,), definitions = msgspec.json.schema_components(
        (syntax.Node,), ref_template="#/$defs/{name}"
    )
    for one in definitions.values():
        for name in SPANS:
            one.get("properties", {}).pop(name, None)
    definitions["Node"] = schema
    named = {name: _shortened(one, schema["anyOf"]) for name, one in definitions.items()}
    named["Node"] = schema
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rule of blaster",
        "description": "The syntax tree of a rule or an expression. What it says must also make "
        "sense: names, types and bounds are checked when it is read.",
        "$ref": "#/$defs/Node",
        "$defs": dict(sorted(named.items())),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _shortened(schema: Any, nodes: list[Any]) -> Any:
    """The same schema, with one name where any node may stand."""
    if isinstance(schema, list):
        return [_shortened(one, nodes) for one in schema]
    if not isinstance(schema, dict):
        return schema
    options = schema.get("anyOf", [])
    if all(node in options for node in nodes):
        rest = [one for one in options if one not in nodes]
        node = {"$ref": "#/$defs/Node"}
        found = {name: one for name, one in schema.items() if name not in _UNION}
        return {**found, **({"anyOf": [*rest, node]} if rest else node)}
    return {name: _shortened(one, nodes) for name, one in schema.items()}


def main() -> None:
    """Writes the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "rule.json").write_text(rule_schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
