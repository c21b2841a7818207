"""Every example of docs/rules.md compiles, and every word of the language has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blaster.model.fields import Field
from blaster.rules import compile_rule, syntax
from tests.rules.scopes import FIELDS, scope

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
SCOPE = scope(fields=FIELDS | {"city": Field("city")})


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_compiles(text: str) -> None:
    compile_rule(text, SCOPE)


def test_nothing_is_left_out() -> None:
    joined = "\n".join(EXAMPLES)
    members = {word for words in syntax.MEMBERS.values() for word in words}
    words = {*members, *syntax.FUNCTIONS, *syntax.SOURCES, *syntax.DATE_PARTS, "so far", "held for",
             "at least", "matches", "changed to", "anniversary", "within", "exactly"}  # fmt: skip
    assert {word for word in words if word not in joined} == set()
