"""JSON and back: the same tree, and nothing that text could not say."""

from __future__ import annotations

import msgspec
import pytest

from blaster.errors import DefinitionError
from blaster.limits import RULE_DEPTH_MAX, RULE_LISTS_BYTES_MAX, RULE_TEXT_BYTES_MAX
from blaster.rules import syntax
from blaster.rules.json_form import from_json, to_json, without_spans
from blaster.rules.parser import parse
from blaster.rules.printer import show
from tests.rules.examples import SYNTACTIC


@pytest.mark.parametrize("text", SYNTACTIC)
def test_round_trip(text: str) -> None:
    tree = parse(text)
    data = to_json(tree)
    assert b'"start"' not in data
    again = from_json(data)
    assert without_spans(again) == without_spans(tree)
    assert to_json(again) == data
    assert from_json(data.decode()) == again == parse(show(tree))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"node":"nothing"}',
        b'{"node":"field"}',
        b'{"node":"field","name":"a","more":1}',
        b'{"node":"field","name":""}',
        b'{"node":"number","value":"3 or true"}',
        b'{"node":"number","value":"03"}',
        b'{"node":"date","value":"2026-02-30"}',
        b'{"node":"clock","value":"10:00 and"}',
        b'{"node":"duration","count":-3,"unit":"d"}',
        b'{"node":"attribute","name":"a"}',
        b'{"node":"and","items":[]}',
        b'{"node":"and","items":[{"node":"now"}]}',
        b'{"node":"fact","source":"list"}',
        b'{"node":"fact","source":"email","names":["x"]}',
        b'{"node":"compare","operator":"~","left":{"node":"now"},"right":{"node":"now"}}',
    ],
)
def test_what_is_no_rule(data: bytes) -> None:
    with pytest.raises(DefinitionError):
        from_json(data)


@pytest.mark.parametrize(
    ("listed", "sort"),
    [('"a", "b""c"', "text"), ("1, -2.5", "number"), ("2026-03-01", "date"), ("1, visits", "")],
)
def test_a_list_of_literals_of_one_sort_has_no_nodes(listed: str, sort: str) -> None:
    """Whoever writes them as nodes gets the same tree."""
    found = parse(f"a in [{listed}]")
    assert isinstance(found, syntax.In)
    assert isinstance(found.options, syntax.Values if sort else tuple)
    if isinstance(found.options, syntax.Values):
        assert found.options.of == sort
        nodes = found.options.nodes(9)
        assert [f"a in [{listed}]"[node.start : node.end] for node in nodes] == listed.split(", ")
        written = msgspec.structs.replace(found, options=nodes)
        assert from_json(msgspec.json.encode(written)) == from_json(to_json(found))


def test_texts_are_normalised() -> None:
    found = from_json('{"node":"field","name":"cafe\u0301\u200f"}')
    assert without_spans(found) == syntax.Field("café")


@pytest.mark.parametrize("deep", [RULE_DEPTH_MAX + 1, 100_000])
def test_nesting_is_bounded(deep: int) -> None:
    data = '{"node":"not","value":' * deep + '{"node":"now"}' + "}" * deep
    with pytest.raises(DefinitionError):
        from_json(data[: 2 * RULE_TEXT_BYTES_MAX])


def test_length_is_bounded() -> None:
    with pytest.raises(DefinitionError, match="longer than"):
        from_json(" " * (2 * RULE_LISTS_BYTES_MAX + 1))


def test_the_schema_can_be_published() -> None:
    assert "$defs" in msgspec.json.schema(syntax.Node)
