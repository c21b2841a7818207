"""A rule as JSON, for user interfaces: the syntax tree without its spans.

Laws
1. `from_json(to_json(tree))` is the tree again; its spans are those of the canonical text.
2. JSON can say nothing that text cannot: what is read is printed, parsed and compared.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

import msgspec

from blaster.errors import DefinitionError
from blaster.limits import RULE_DEPTH_MAX, RULE_LISTS_BYTES_MAX, RULE_NODES_MAX
from blaster.rules import syntax
from blaster.rules.parser import parse
from blaster.rules.printer import show
from blaster.rules.problems import Problem
from blaster.rules.syntax import Node, Spanned
from blaster.rules.tokens import clean

_Item = TypeVar("_Item", bound=Spanned)
_DECODER: msgspec.json.Decoder[Node] = msgspec.json.Decoder(Node)


def without_spans(node: _Item) -> _Item:
    """The same node with every span 0, and texts and names normalised."""
    values: dict[str, Any] = {}
    for key in node.__struct_fields__:
        if key not in ("start", "end", "spans"):
            values[key] = _bare(getattr(node, key))
    if type(values.get("options")) is tuple:
        values["options"] = _bare(syntax.gathered(values["options"]))
    return type(node)(**values)


def _bare(value: Any) -> Any:
    if isinstance(value, Spanned):
        return without_spans(value)
    if isinstance(value, tuple):
        return tuple(_bare(item) for item in value)
    return clean(value) if isinstance(value, str) else value


def to_json(tree: Node) -> bytes:
    """The tree as canonical JSON, keys in their declared order."""
    return msgspec.json.encode(without_spans(tree))


def from_json(data: bytes | str) -> Node:
    """The tree that `data` holds; DefinitionError when it is no rule."""
    if len(data) > 2 * RULE_LISTS_BYTES_MAX:
        _refuse(f"the rule is longer than {2 * RULE_LISTS_BYTES_MAX} bytes of JSON")
    try:
        tree = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        _refuse(f"this JSON is no rule: {error}")
    except RecursionError:
        _refuse(f"the rule is nested deeper than {RULE_DEPTH_MAX} levels")
    _bounded(tree)
    text = show(tree)
    parsed = parse(text)
    if without_spans(parsed) != without_spans(tree):
        _refuse(f"this JSON is no rule: as text it would be {text[:200]}")
    return parsed


def _bounded(tree: Node) -> None:
    """Refuses what would exhaust the stack further on; the parser's own bounds are the same."""
    level: list[Node] = [tree]
    depth = nodes = 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > RULE_DEPTH_MAX or nodes > RULE_NODES_MAX:
            _refuse(f"the rule has more than {RULE_NODES_MAX} parts or {RULE_DEPTH_MAX} levels")
        level = [child for node in level for child in syntax.children_of(node)]


def _refuse(message: str) -> NoReturn:
    raise DefinitionError((Problem(message, 0, 0),))
