"""The seam to the rules: every rule and expression of a workspace is compiled once, for its
problems and for the names it uses. Nothing compiled is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from blaster.definitions import codes
from blaster.definitions.book import Book, Mention, MentionKind, Use
from blaster.definitions.names import show
from blaster.definitions.sources import Place
from blaster.errors import DefinitionError
from blaster.model.fields import Field, Kind
from blaster.rules import Rule, Scope, compile_rule, compile_value, verdicts
from blaster.rules.facts import Fact
from blaster.rules.problems import Problem

_MENTIONED = ("list", "form", "event", "journey")
_KIND_WORDS = {
    Kind.BOOL: "true or false",
    Kind.INT: "a number",
    Kind.NUMBER: "a number",
    Kind.DATE: "a date",
    Kind.INSTANT: "an instant",
    Kind.TIME: "an instant",
    Kind.TEXT: "a text",
    Kind.CODE: "a text",
    Kind.LIST: "a list",
}
_ALIKE = (
    {Kind.INT, Kind.NUMBER},
    {Kind.TEXT, Kind.CODE},
    {Kind.DATE, Kind.INSTANT, Kind.TIME},
)


def check_uses(book: Book, extras: dict[str, Field] | None = None) -> None:
    """Compile every rule of the book; problems to the report, names to the mentions."""
    for use in book.uses:
        _check(book, use, extras or {})


def scope_of(book: Book, use: Use, extras: dict[str, Field]) -> Scope:
    """What a rule may name at its place."""
    return Scope(
        fields=book.fields,
        tables=book.tables,
        event_attributes={
            event.name: {each.name: each for each in event.attributes}
            for event in book.events.values()
        },
        place=use.place,
        journey=use.journey,
        own_messages=frozenset(book.sends.get(use.journey, ())),
        attributes=_attributes(book, use.events),
        extras=extras,
        lists=frozenset(book.lists) if book.lists_closed else None,
        events=frozenset(book.events) if book.events_closed else None,
        forms=frozenset(book.forms) if book.forms_closed else None,
        messages=frozenset(book.message_names),
    )


def _attributes(book: Book, events: Iterable[str]) -> dict[str, Field]:
    """The declared attributes of the events that start a run."""
    found: dict[str, Field] = {}
    for name in events:
        if name in book.events:
            found.update({a.name: a for a in book.events[name].attributes})
    return found


def _check(book: Book, use: Use, extras: dict[str, Field]) -> None:
    scope = scope_of(book, use, extras)
    try:
        if use.kinds is None:
            rule = compile_rule(use.text, scope)
            facts: Iterable[Fact] = rule.facts
            _weigh(book, use, rule, scope)
        else:
            value = compile_value(use.text, scope)
            _check_kind(book, use, value.kind)
            facts = value.facts
    except DefinitionError as error:
        for problem in cast(tuple[Problem, ...], error.problems):
            _report(book, use, problem)
        return
    for fact in facts:
        _mention(book, use, fact)
        if use.message is not None and fact.key[0] == "attribute":
            book.attributes.setdefault(use.message, set()).add(fact.key[1])


def _report(book: Book, use: Use, problem: Problem) -> None:
    place = _place(use, problem.start, problem.end)
    book.report.add(codes.BAD_RULE, place, problem.message, problem.suggestion)


def _place(use: Use, start: int, end: int) -> Place:
    """A stretch of the rule, at least one character long, in its file."""
    start, end = use.shift + start, use.shift + max(end, start + 1)
    return use.scalar.stretch(start, min(end, max(len(use.scalar.text), start + 1)))


def _weigh(book: Book, use: Use, rule: Rule, scope: Scope) -> None:
    """Warns of parts that are true for everyone or for nobody."""
    for verdict in verdicts(rule.tree, scope):
        code = codes.ALWAYS_TRUE if verdict.always else codes.NEVER_TRUE
        book.report.add(code, _place(use, verdict.start, verdict.end), verdict.message)


def _check_kind(book: Book, use: Use, kind: Kind) -> None:
    """An expression's kind against the kinds that will do, or the field it is put into."""
    wanted: tuple[Kind, ...] = use.kinds or ()
    field = book.fields.get(use.field) if use.field else None
    if field is not None:
        wanted = (field.kind,)
    if not wanted or any(
        kind == each or {kind, each} <= group for each in wanted for group in _ALIKE
    ):
        return
    if wanted[0] in (Kind.TEXT, Kind.CODE) or kind == wanted[0]:
        return
    if kind in (Kind.TEXT, Kind.CODE) and field is not None:
        return
    place = use.scalar.stretch(use.shift, len(use.scalar.text))
    whose = f"the field {show(field.name)}" if field is not None else "this place"
    message = f"{whose} takes {_KIND_WORDS[wanted[0]]}, and this is {_KIND_WORDS[kind]}"
    book.report.add(codes.WRONG_TYPE, place, message)


def _mention(book: Book, use: Use, fact: Fact) -> None:
    """A list, form, event or journey that a rule names, at the name's place in it."""
    key = fact.key
    if len(key) < 2:
        return
    kind, name = key[0], key[1]
    start = max(0, use.scalar.text.find(name, use.shift))
    place = use.scalar.stretch(start, start + len(name))
    if kind in _MENTIONED:
        book.mentions.append(Mention(cast(MentionKind, kind), name, place))
    elif kind == "attribute" and use.events:
        declared = [book.events[event] for event in use.events if event in book.events]
        known = {a.name for event in declared for a in event.attributes}
        if declared and len(declared) == len(use.events) and name not in known:
            message = f"the event {show(declared[0].name)} has no attribute {show(name)}"
            book.report.add(codes.UNKNOWN_EVENT, place, message, "declare it in events.yaml")
