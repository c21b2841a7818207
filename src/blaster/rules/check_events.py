"""Facts over what happened: filters, amounts, windows, and all sendings to a contact.

A fact without filter and window that the core keeps as a column of its own is left to
`check_facts`; the rest becomes a `tree.Aggregate`. Inside a filter a bare name is an attribute of
the happening, `time` (of a sending also `sent`) its instant; everything else keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from blaster.model.fields import Field, Kind
from blaster.rules import check_facts, syntax, tree
from blaster.rules.facts import Fact
from blaster.rules.problems import nearest
from blaster.rules.typed import (
    FAMILY_NAMES,
    FAMILY_OF_KIND,
    Context,
    Family,
    Happening,
    Typed,
    settled,
    with_items,
)

_SENDING_FIELDS = (
    Field("channel", "enum", values=("email", "sms")),
    Field("name", repeats=True),
    Field("category", "enum", values=("operational", "marketing", "sales")),
    Field("topic", repeats=True),
)
_ENGAGED = ("opened", "clicked", "replied")
_COUNTED: frozenset[Family] = frozenset({"number"})
_ORDERED: frozenset[Family] = frozenset({"number", "date", "instant"})
_TAKES: dict[str, frozenset[Family]] = {
    "sum": _COUNTED, "avg": _COUNTED, "min": _ORDERED, "max": _ORDERED,
}  # fmt: skip


def fact(context: Context, node: syntax.Fact, *, lifted: bool = False) -> Typed:
    """The value of a fact. `lifted`: an explicit `in last` stands behind it."""
    last = node.members[-1] if node.members else None
    amount = last is not None and (last.window is not None or last.name in syntax.NAME_ARGUMENT)
    if not (node.filter or amount or node.source == "messages"):
        return check_facts.fact(context, node, lifted=lifted)
    check_facts.known(context, node)
    if context.happening is not None:
        hint = "a filter reads attributes of its own happening, fields and plain facts"
        raise context.wrong("a filter or window cannot stand inside a filter", node, hint)
    return _aggregate(context, node, lifted=lifted)


def engagement(found: Typed) -> tuple[tree.Value, tree.Value | None] | None:
    """What `within` looks at: the first in time, or a sending's own open and when that left."""
    value = found.value
    if not isinstance(value, tree.Aggregate):
        return None
    if value.events.fact.key[0] != "messages":
        return msgspec.structs.replace(value, what="first"), None
    sent = with_items(msgspec.structs.replace(value, when=None))
    if value.when is None:
        return sent, sent
    return with_items(msgspec.structs.replace(sent, what="value", of=value.when)), sent


# ------------------------------------------------------------------------------- attributes


def attribute(context: Context, node: syntax.Attribute) -> Typed:
    """A bare name inside a filter."""
    assert context.happening is not None  # the parser makes attributes nowhere else
    return _named(context, context.happening, node.name, node)


def _named(context: Context, here: Happening, name: str, at: syntax.Node | syntax.Member) -> Typed:
    known = {} if here.attributes is None else here.attributes
    place = {"start": at.start, "end": at.end}
    if (found := known.get(name)) is not None:
        assert isinstance(found.value, tree.FactRef)
        return found._replace(value=msgspec.structs.replace(found.value, **place))
    if name == "time":
        return Typed(tree.FactRef(Fact("item", Kind.TIME, tree.AT_KEY), **place), "instant")
    if known:
        hint = nearest(name, (*known, "time"))
        if not hint and context.scope.field(name) is not None:
            hint = f"the contact's field is contact.{name}"
        raise context.wrong(f"{here.called} has no attribute {name}", at, hint)
    return Typed(tree.FactRef(Fact("item", Kind.TEXT, ("item", name)), **place), "any")


def _happening(context: Context, node: syntax.Fact) -> Happening:
    if node.source == "messages":
        return _SENDING
    if node.source == "event":
        declared = context.scope.event_attributes.get(node.names[0], {})
        return Happening(f"the event {node.names[0]}", _declared(declared))
    return Happening(f"{node.source} {node.names[0]}", None)


def _declared(fields: Mapping[str, Field]) -> dict[str, Typed]:
    return {
        name: Typed(
            tree.FactRef(Fact("item", field.kind, ("item", name)), field.scale or 0),
            FAMILY_OF_KIND[field.kind],
            field,
        )
        for name, field in fields.items()
    }


def _sending() -> Happening:
    left = Typed(tree.FactRef(Fact("item", Kind.TIME, tree.AT_KEY)), "instant", state=True)
    later = {
        name: Typed(tree.FactRef(Fact("item", Kind.TIME, ("item", name))), "instant", state=True)
        for name in _ENGAGED
    }
    fields = _declared({field.name: field for field in _SENDING_FIELDS})
    return Happening("a sending", {**fields, "sent": left, **later})


_SENDING = _sending()

# ------------------------------------------------------------------------------- aggregates


def _aggregate(context: Context, node: syntax.Fact, *, lifted: bool) -> Typed:
    here = _happening(context, node)
    where = _filter(context, here, node.filter)
    members = list(node.members)
    when: tree.FactRef | None = None
    if node.source == "messages":
        when = _when(members[0].name)
        members = members[1:] if members[0].name in syntax.SECOND_MEMBERS else members
    elif node.source != "event":
        members = members[1:]
    amount = members[-1] if members else None
    window = None if amount is None else amount.window
    span, newest = _window(context, node, window)
    bare = context.scope.place == "steps" and amount is None and not node.ever and not lifted
    run = bare or (window is not None and window.kind == "since entry")
    key = ("messages", "each") if node.source == "messages" else (*_key(node), "each")
    place = {"start": node.start, "end": node.end}
    events = tree.FactRef(Fact("run" if run else "contact", Kind.EVENTS, key), **place)
    of = None if amount is None or amount.argument is None else _of(context, here, amount)
    what: Any = "last" if amount is None else amount.name
    made = tree.Aggregate(
        what, events, where, None if of is None else _ref(of), when, span, newest, **place
    )
    return _typed(made, of, happened=amount is None)


def _key(node: syntax.Fact) -> tuple[str, str]:
    return node.source, node.names[0]


def _ref(typed: Typed) -> tree.FactRef:
    assert isinstance(typed.value, tree.FactRef)
    return typed.value


def _when(name: str) -> tree.FactRef | None:
    """The instant that counts of a sending; its own for `.sent`, `.count`, `.first`, `.last`."""
    return tree.FactRef(Fact("item", Kind.TIME, ("item", name))) if name in _ENGAGED else None


def _typed(made: tree.Aggregate, of: Typed | None, *, happened: bool) -> Typed:
    found = with_items(made)
    if made.what in ("count", "avg"):
        return Typed(found, "number")
    if of is None:
        return Typed(found, "instant", happened=happened)
    return Typed(found, of.family, of.field if made.what == "value" else None)


def _filter(
    context: Context, here: Happening, written: tuple[syntax.Node, ...]
) -> tree.Node | None:
    if not written:
        return None
    context.happening = here
    try:
        items = tuple(context.condition(context, item) for item in written)
    finally:
        context.happening = None
    place = {"start": written[0].start, "end": written[-1].end}
    return items[0] if len(items) == 1 else tree.And(items, **place)


def _of(context: Context, here: Happening, amount: syntax.Member) -> Typed:
    """The attribute that an amount is taken of."""
    found = _named(context, here, amount.argument or "", amount)
    takes = _TAKES.get(amount.name)
    if takes is _COUNTED:
        found = settled(found, "number")
    if takes is not None and found.family not in (*takes, "any"):
        what = "numbers" if takes is _COUNTED else "numbers, dates and instants"
        called = f"{amount.argument} is {FAMILY_NAMES[found.family]}"
        raise context.wrong(f".{amount.name} is of {what}; {called}", amount)
    return found


def _window(
    context: Context, node: syntax.Fact, window: syntax.Window | None
) -> tuple[tree.Duration | None, int | None]:
    if window is None:
        return None, None
    if window.kind == "since entry":
        if context.scope.place != "steps":
            hint = "write in last 30d, or leave the window out"
            raise context.wrong("since entry: there is no run here", window, hint)
        if node.ever:
            hint = "leave out one of the two"
            raise context.wrong(".ever and since entry contradict each other", node, hint)
        return None, None
    if window.span is not None:
        return check_facts.span(window.span), None
    return None, window.count
