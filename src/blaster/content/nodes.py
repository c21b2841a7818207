"""What a message template is made of. Every node knows the stretch of text it came from."""

from __future__ import annotations

from typing import Literal

import msgspec

Root = Literal["name", "field", "links", "event", "contact"]


class _Node(msgspec.Struct, frozen=True):
    """Base: `start` and `end` are offsets in the template's text."""

    start: int
    end: int


class Text(_Node, frozen=True):
    """Characters that stand as they are."""

    text: str


class Variable(_Node, frozen=True):
    """`first_name`, `field("..")`, `links.pay`, `event.total`, `contact.created`, `item.price`.

    `root` "name" is a bare name: a contact field or a loop's variable, whose parts follow in
    `path`; for the other roots `path` is what stands behind them.
    """

    root: Root
    path: tuple[str, ...]


class FunctionCall(_Node, frozen=True):
    """`map(32.0853, 34.7818)`."""

    name: str
    values: tuple[str | float, ...]


class Filter(_Node, frozen=True):
    """`| default('friend')`."""

    name: str
    values: tuple[str | float, ...]


class Output(_Node, frozen=True):
    """`{{ value | filter | filter }}`."""

    value: Variable | FunctionCall
    filters: tuple[Filter, ...]


class WhenCase(_Node, frozen=True):
    """`{% when RULE %}` or `{% else when RULE %}` and what it guards; the rule is at `start`."""

    rule: str
    body: tuple[Node, ...]


class When(_Node, frozen=True):
    """The first case whose rule is true, else `otherwise`."""

    cases: tuple[WhenCase, ...]
    otherwise: tuple[Node, ...]


class Include(_Node, frozen=True):
    """`{% include "hours" %}`."""

    name: str


class For(_Node, frozen=True):
    """`{% for item in event.items %}`."""

    variable: str
    items: Variable
    body: tuple[Node, ...]


Node = Text | Output | When | Include | For


class Template(msgspec.Struct, frozen=True):
    """A parsed text."""

    nodes: tuple[Node, ...]


class TemplateProblem(msgspec.Struct, frozen=True):
    """A mark that is not understood; offsets in the template's text."""

    message: str
    start: int
    end: int
    suggestion: str = ""
