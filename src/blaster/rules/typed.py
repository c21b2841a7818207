"""A value node with its family: what it may be compared with.

A family is coarser than a kind (numbers are one family whatever their column) or finer (a day
of the week is no number). `context` collects the problems of one check.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from blaster.model.fields import Field, Kind
from blaster.rules import tree
from blaster.rules.facts import Fact, Item
from blaster.rules.problems import Problem
from blaster.rules.scope import Narrow, Scope
from blaster.rules.syntax import Member, Node, Window
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
_FLOAT32 = struct.Struct("f")
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


class Happening(NamedTuple):
    """What the bare names of a filter are attributes of; None: nobody declared them."""

    called: str
    attributes: Mapping[str, Typed] | None


class Context:
    """One check: the scope and the problems so far.

    `condition` checks a condition wherever one stands inside a value. `happening` is set inside a
    filter.
    """

    def __init__(self, scope: Scope, condition: Callable[[Context, Node], tree.Node]) -> None:
        self.scope = scope
        self.condition = condition
        self.happening: Happening | None = None
        self.problems: list[Problem] = []

    def complain(
        self, message: str, at: Node | Member | Window | Token, suggestion: str = ""
    ) -> None:
        """Notes a problem and goes on."""
        self.problems.append(Problem(message, at.start, at.end, suggestion))

    def wrong(
        self, message: str, at: Node | Member | Window | Token, suggestion: str = ""
    ) -> Wrong:
        """Notes a problem; raise what it returns to give this condition up."""
        self.complain(message, at, suggestion)
        return Wrong()


def is_time(family: Family) -> bool:
    """Whether it is a date or an instant; the two may meet."""
    return family in ("date", "instant")


def settled(typed: Typed, family: Family) -> Typed:
    """An attribute without a type as the family that it meets; anything else as it is."""
    if typed.family != "any":
        return typed
    wanted: Family = family if family in _SETTLED else "text"
    match typed.value:
        case tree.FactRef() as ref:
            return typed._replace(value=_of_kind(ref, _SETTLED[wanted]), family=wanted)
        case tree.Aggregate(what=what, of=tree.FactRef() as of) as found:
            if what in ("min", "max") and wanted in ("text", "boolean"):
                wanted = "number"  # texts have no order
            retyped = msgspec.structs.replace(found, of=_of_kind(of, _SETTLED[wanted]))
            return typed._replace(value=with_items(retyped), family=wanted)
    return typed


def _of_kind(ref: tree.FactRef, kind: Kind) -> tree.FactRef:
    return msgspec.structs.replace(ref, fact=Fact(ref.fact.space, kind, ref.fact.key))


def with_items(found: tree.Aggregate) -> tree.Aggregate:
    """The aggregate, its EVENTS fact with the attributes that it reads."""
    parts = (part for part in (found.where, found.of, found.when) if part is not None)
    refs = (ref for part in parts for ref in tree.items_of(part) if ref.fact.key != tree.AT_KEY)
    items = dict.fromkeys(Item(ref.fact.key[1], ref.fact.kind, ref.scale) for ref in refs)
    fact = msgspec.structs.replace(found.events.fact, items=tuple(items))
    return msgspec.structs.replace(found, events=msgspec.structs.replace(found.events, fact=fact))


def agreed(typed: Sequence[Typed]) -> Sequence[Typed]:
    """Values of one family: attributes without a type get that of the rest."""
    for one in typed:
        if one.family == "any":
            break
    else:
        return typed
    families = [one.family for one in typed if one.family not in ("any", "duration")]
    family: Family = families[0] if families else "text"
    return [settled(one, family) for one in typed]


def settle(typed: Sequence[Typed]) -> Sequence[Typed]:
    """Values that meet each other: attributes get the type of the rest, literals its kind."""
    found = agreed(typed)
    if Kind.NUMBER in [tree.kind_of(one.value) for one in found]:
        found = [_as_number(one) for one in found]
    return found


def compared(typed: Sequence[Typed]) -> Sequence[Typed]:
    """Values that stand in one test: as `settle`; beside a column of float32 a float32."""
    found = settle(typed)
    for one in found:
        if type(one.field) is Narrow:
            return [_as_float32(each) for each in found]
    return found


def _as_number(typed: Typed) -> Typed:
    """An INT literal as the nearest float64, beside a NUMBER."""
    value = typed.value
    if not isinstance(value, tree.Literal) or value.kind != Kind.INT:
        return typed
    return _number(typed, int(value.value) / 10**value.scale)


def _as_float32(typed: Typed) -> Typed:
    value = typed.value
    if not isinstance(value, tree.Literal) or value.kind != Kind.NUMBER:
        return typed
    return _number(typed, nearest_float32(float(value.value)))


def nearest_float32(number: float) -> float:
    """What is beyond every float32 stays as it is: it compares the same, and infinity would not."""
    try:
        narrow: float = _FLOAT32.unpack(_FLOAT32.pack(number))[0]
    except OverflowError:
        return number
    return narrow


def _number(typed: Typed, number: float) -> Typed:
    place = typed.value
    made = tree.Literal(Kind.NUMBER, number, start=place.start, end=place.end)
    return typed._replace(value=made)
