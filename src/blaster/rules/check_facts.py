"""Names and facts: which column a fact of the rule reads.

Since when: in steps, what happened counts since the run's entry (the run space); amounts, values,
`.ever` and an explicit `in last` look at everything (the contact space). Elsewhere everything is in
the contact space. `lifted` says that such an `in last` stands behind the fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from blaster.model.fields import Field, Kind
from blaster.rules import syntax, tree
from blaster.rules.facts import Fact
from blaster.rules.problems import nearest
from blaster.rules.scope import Untyped
from blaster.rules.tokens import clean
from blaster.rules.typed import FAMILY_OF_KIND, Context, Typed

_WORDS = ("true", "false", "now", "today", "last_activity", *syntax.WEEKDAYS)


def _ref(
    node: syntax.Node, kind: Kind, *key: str, run: bool = False, scale: int | None = None
) -> tree.FactRef:
    space: Literal["run", "contact"] = "run" if run else "contact"
    return tree.FactRef(Fact(space, kind, key), scale or 0, start=node.start, end=node.end)


def _declared(ref: tree.FactRef, field: Field) -> Typed:
    return Typed(ref, "any" if isinstance(field, Untyped) else FAMILY_OF_KIND[field.kind], field)


# ------------------------------------------------------------------------ fields, attributes


def field(context: Context, node: syntax.Field) -> Typed:
    """A contact field, `contact.created`, or a name that the caller added."""
    scope = context.scope
    if node.contact and node.name == "created":
        return Typed(_ref(node, Kind.TIME, "created"), "instant")
    if node.contact and node.name == "provider":
        return Typed(_ref(node, Kind.CODE, "provider"), "text")
    if not node.contact and (extra := scope.extras.get(node.name)) is not None:
        return _declared(_ref(node, extra.kind, "extra", extra.name, scale=extra.scale), extra)
    found = scope.field(node.name)
    if found is None:
        by_form = {clean(name): declared for name, declared in scope.fields.items()}
        found = by_form.get(node.name)
    if found is None:
        hint = nearest(node.name, (*scope.field_names(), *_WORDS))
        raise context.wrong(f"there is no field {node.name}", node, hint)
    return _declared(_ref(node, found.kind, "field", found.name, scale=found.scale), found)


def started(context: Context, node: syntax.Started) -> Typed:
    """`event.x`: an attribute of what started the run."""
    scope = context.scope
    if scope.place not in ("enter", "steps"):
        hint = "event.x is for journeys; a fact of the contact is event(..), a field its name"
        raise context.wrong(
            f"event.{node.name} has no meaning here: nothing started a run", node, hint
        )
    declared = scope.attributes.get(node.name)
    if declared is not None:
        key = ("attribute", declared.name)
        return _declared(_ref(node, declared.kind, *key, run=True, scale=declared.scale), declared)
    if node.name == "time":
        return Typed(_ref(node, Kind.TIME, "attribute", "time", run=True), "instant")
    if scope.attributes:
        hint = nearest(node.name, (*scope.attributes, "time"))
        raise context.wrong(f"what starts this run has no attribute {node.name}", node, hint)
    return Typed(_ref(node, Kind.TEXT, "attribute", node.name, run=True), "any")


# ------------------------------------------------------------------------------------ facts


def fact(context: Context, node: syntax.Fact, *, lifted: bool = False) -> Typed:
    """The column of a fact without filter and window, as a value."""
    known(context, node)
    if node.source in ("email", "sms"):
        return _message(context, node, lifted=lifted)
    if node.source in ("event", "form", "page", "file"):
        return _asset(context, node, lifted=lifted)
    if node.source == "list":
        return _list(node)
    if node.source == "journey":
        return _journey(context, node)
    return Typed(_ref(node, Kind.BOOL, node.source, *node.names), "boolean")


def known(context: Context, node: syntax.Fact) -> None:
    """Complains about a name that nobody declared; the fact itself can still be checked."""
    scope, name = context.scope, node.names[0] if node.names else ""
    known: Iterable[str] | None = None
    if node.source == "list":
        known = scope.lists
    elif node.source == "event":
        known = scope.events
    elif node.source == "form":
        known = scope.forms
    elif node.source in ("email", "sms") and scope.messages is not None:
        known = [message for channel, message in scope.messages if channel == node.source]
    elif node.source in ("consent", "suppressed"):
        known = ("email", "sms")
    if known is None or name in {clean(one) for one in known}:
        return
    what = {"email": "e-mail", "sms": "SMS", "consent": "channel", "suppressed": "channel"}
    hint = nearest(name, known)
    context.complain(f"there is no {what.get(node.source, node.source)} {name}", node, hint)


def _message(context: Context, node: syntax.Fact, *, lifted: bool) -> Typed:
    member = node.members[0]
    name, argument = member.name, member.argument
    here = ("message", node.source, node.names[0])
    if name == "reason":
        return Typed(_ref(node, Kind.CODE, *here, "reason"), "text")
    if name == "reply":
        return Typed(_ref(node, Kind.TEXT, *here, "reply"), "text")
    classed = argument == "any" or name == "bounced"
    what = name if argument is None or not classed else f"{name}:{argument}"
    link = () if argument is None or classed else (argument,)
    run = context.scope.place == "steps" and not node.ever and not lifted
    ever = ":ever" if node.ever else ""
    ref = _ref(node, Kind.TIME, *here, what + ever, *link, run=run)
    return Typed(ref, "instant", happened=True)


def sending(
    node: syntax.Fact, ref: tree.FactRef, what: Literal["sent", "not_sent"]
) -> tree.FactRef:
    """The column that says when the message of this fact was sent, or that it will not be."""
    key = (*ref.fact.key[:3], what)
    return _ref(node, Kind.TIME, *key, run=ref.fact.space == "run")


def _asset(context: Context, node: syntax.Fact, *, lifted: bool) -> Typed:
    """Events, forms, pages and files: the newest, the first, how many, an answer."""
    source, name = node.source, node.names[0]
    members = node.members if source == "event" else node.members[1:]
    if node.source == "form" and node.members[0].name == "answer":
        question = node.members[0].argument or ""
        return Typed(_ref(node, Kind.TEXT, "form", name, "answer", question), "text")
    if not members:
        run = context.scope.place == "steps" and not node.ever and not lifted
        return Typed(_ref(node, Kind.TIME, source, name, "last", run=run), "instant", happened=True)
    if members[-1].name == "count":
        return Typed(_ref(node, Kind.INT, source, name, "count"), "number")
    return Typed(_ref(node, Kind.TIME, source, name, members[-1].name), "instant")


def first_of(node: syntax.Fact, ref: tree.FactRef) -> tree.FactRef:
    """The first instant in place of the newest: whoever asks `within` means the earliest."""
    key = ref.fact.key
    if key[0] in ("event", "form", "page", "file") and key[-1] == "last":
        return _ref(node, Kind.TIME, *key[:-1], "first", run=ref.fact.space == "run")
    return ref


def _list(node: syntax.Fact) -> Typed:
    if not node.members:
        return Typed(_ref(node, Kind.BOOL, "list", node.names[0], "member"), "boolean")
    ref = _ref(node, Kind.TIME, "list", node.names[0], node.members[0].name)
    return Typed(ref, "instant", state=True)


def _journey(context: Context, node: syntax.Fact) -> Typed:
    name, what = node.names[0], node.members[0].name
    if what == "step":
        return Typed(_ref(node, Kind.CODE, "journey", name, "step"), "text")
    if what == "running":
        return Typed(_ref(node, Kind.BOOL, "journey", name, "running"), "boolean")
    if what == "entered" and context.scope.place == "steps" and context.scope.journey == name:
        return Typed(_ref(node, Kind.TIME, "entered", run=True), "instant", state=True)
    return Typed(_ref(node, Kind.TIME, "journey", name, what), "instant", state=True)


def entry(node: syntax.Node) -> tree.FactRef:
    """The instant of the run's entry."""
    return _ref(node, Kind.TIME, "entered", run=True)


def last_activity(node: syntax.Node) -> Typed:
    return Typed(_ref(node, Kind.TIME, "last_activity"), "instant")


def created(node: syntax.Node) -> tree.FactRef:
    """When the contact was created."""
    return tree.FactRef(_ref(node, Kind.TIME, "created").fact)


def changed(node: syntax.Node, name: str, *, run: bool) -> tree.FactRef:
    """The newest change of a field."""
    return tree.FactRef(_ref(node, Kind.TIME, "field", name, "changed", run=run).fact)


def span(node: syntax.Duration) -> tree.Duration:
    """A duration as the tree holds it: weeks as days, years as months, the rest as seconds."""
    count, unit = node.count, node.unit
    if unit in ("d", "w"):
        return tree.Duration(days=count * (7 if unit == "w" else 1))
    if unit in ("month", "year"):
        return tree.Duration(months=count * (12 if unit == "year" else 1))
    return tree.Duration(seconds=count * {"s": 1, "m": 60, "h": 3600}[unit])


def contact_number(node: syntax.Node) -> tree.FactRef:
    return _ref(node, Kind.ID, "number")
