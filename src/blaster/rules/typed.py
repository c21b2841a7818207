"""A value node with its family: what it may be compared with.

A family is coarser than a kind (numbers are one family whatever their column) or finer (a day
of the week is no number). `context` collects the problems of one check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from blaster.model.fields import Field, Kind
from blaster.rules import tree
from blaster.rules.facts import Fact
from blaster.rules.problems import Problem
from blaster.rules.scope import Scope
from blaster.rules.syntax import Member, Node
from blaster.rules.tokens import Token

Family: TypeAlias = Literal[
    "number", "date", "instant", "text", "boolean", "list", "weekday", "duration", "any"
]
"""`any` is an attribute without a declared type: it becomes what it is compared with."""

FAMILY_NAMES: dict[Family, str] = {
    "number": "a number",
    "date": "a date",
    "instant": "an instant",
    "text": "a text",
    "boolean": "true or false",
    "list": "a list",
    "weekday": "a day of the week",
    "duration": "a duration",
    "any": "an attribute",
}
FAMILY_OF_KIND: dict[Kind, Family] = {
    Kind.BOOL: "boolean",
    Kind.INT: "number",
    Kind.NUMBER: "number",
    Kind.DATE: "date",
    Kind.INSTANT: "instant",
    Kind.TEXT: "text",
    Kind.CODE: "text",
    Kind.LIST: "list",
    Kind.TIME: "instant",
    Kind.ID: "number",
}
_SETTLED: dict[Family, Kind] = {
    "number": Kind.NUMBER,
    "date": Kind.DATE,
    "instant": Kind.INSTANT,
    "text": Kind.TEXT,
    "boolean": Kind.BOOL,
}


class Typed(NamedTuple):
    """A value and what the checker knows of it.

    `field` is the declaration behind a field or attribute. `happened`: an instant of a message,
    form, page, file or event, which may yet come (it is true or undecided as a condition).
    `state`: an instant that as a condition asks whether it is set. `span` is that of a bare
    duration, which is no value of the tree (`value` then stands in for it).
    """

    value: tree.Value
    family: Family
    field: Field | None = None
    happened: bool = False
    state: bool = False
    span: tree.Duration | None = None


class Wrong(Exception):
    """A condition makes no sense; its problem is noted."""


class Context:
    """One check: the scope and the problems so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.problems: list[Problem] = []

    def complain(self, message: str, at: Node | Member | Token, suggestion: str = "") -> None:
        """Notes a problem and goes on."""
        self.problems.append(Problem(message, at.start, at.end, suggestion))

    def wrong(self, message: str, at: Node | Member | Token, suggestion: str = "") -> Wrong:
        """Notes a problem; raise what it returns to give this condition up."""
        self.complain(message, at, suggestion)
        return Wrong()

    def unsupported(self, what: str, at: Node | Member | Token) -> Wrong:
        return self.wrong(f"{what} is not supported yet", at)


def is_time(family: Family) -> bool:
    """Whether it is a date or an instant; the two may meet."""
    return family in ("date", "instant")


def settled(typed: Typed, family: Family) -> Typed:
    """An attribute without a type as the family that it meets; anything else as it is."""
    if typed.family != "any" or not isinstance(typed.value, tree.FactRef):
        return typed
    wanted: Family = family if family in _SETTLED else "text"
    fact = Fact(typed.value.fact.space, _SETTLED[wanted], typed.value.fact.key)
    return typed._replace(value=msgspec.structs.replace(typed.value, fact=fact), family=wanted)


def agreed(typed: Sequence[Typed]) -> list[Typed]:
    """Values of one family: attributes without a type get that of the rest."""
    families = [one.family for one in typed if one.family not in ("any", "duration")]
    family: Family = families[0] if families else "text"
    return [settled(one, family) for one in typed]


def settle(typed: Sequence[Typed]) -> list[Typed]:
    """Values that meet each other: attributes get the type of the rest, literals its kind."""
    found = agreed(typed)
    if any(tree.kind_of(one.value) == Kind.NUMBER for one in found):
        found = [one._replace(value=_as_number(one.value)) for one in found]
    return found


def _as_number(value: tree.Value) -> tree.Value:
    """An INT literal as the nearest float64, beside a NUMBER."""
    if not isinstance(value, tree.Literal) or value.kind != Kind.INT:
        return value
    number = int(value.value) / 10**value.scale
    return msgspec.structs.replace(value, kind=Kind.NUMBER, value=number, scale=0)
