"""How a contact enters a journey: `enter`, its trigger and its conditions; and `exit`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, FieldMention, Use, rule_text
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.shapes import Entry
from blaster.definitions.times import DAY_S, parse_clock, parse_span
from blaster.model.definitions import (
    Entrance,
    OnApi,
    OnCreated,
    OnDate,
    OnEvent,
    OnForm,
    OnList,
    OnRule,
    RuleText,
    Trigger,
)
from blaster.model.fields import Kind

_DATE_KEYS = ("offset", "at", "yearly", "late")
_KEYS = ("on", "when", "if", "key", "again", "priority", *_DATE_KEYS)
_LATER_KEYS = ("cap", "existing", "audience")
_AGAIN = ("never", "after finishing", "each time")
_NAMED = re.compile(r"(list|leaving list|source|form|event)\s+(?P<q>[\"']?)(\S.*?)(?P=q)\s*")
_LIST_JOINED = re.compile(r"list\((?P<q>[\"'])(.+?)(?P=q)\)\.joined")
_FIELD_CALL = re.compile(r"(?:contact\.)?field\((?P<q>[\"'])(.+?)(?P=q)\)|`(?P<t>[^`]+)`")
_LATER_TRIGGERS = (
    "page",
    "file",
    "click",
    "reply",
    "hebrew date",
    "field",
    "inactivity",
    "sms",
    "schedule",
    "journey",
)
_TRIGGERS = (
    "list",
    "leaving list",
    "contact created",
    "source",
    "form",
    "event",
    "date",
    "api",
    *_LATER_TRIGGERS,
)
_SHOWN = 'list "NAME", event "NAME", form "NAME", date FIELD, contact created, source "NAME", api'
_DATES = (Kind.DATE, Kind.INSTANT)


class Entered(NamedTuple):
    """One entry of `enter` with what the journey's head takes from it."""

    entry: Entrance
    again: str
    priority: int


def read_entries(book: Book, journey: str, node: Node) -> list[Entered]:
    """`enter`: one entry, or a list of them."""
    read = [_read_entry(book, journey, item) for item in shapes.one_or_more(node)]
    entered = [entry for entry in read if entry is not None]
    for entry, item in zip(entered[1:], shapes.one_or_more(node)[1:], strict=False):
        if (entry.again, entry.priority) != (entered[0].again, entered[0].priority):
            what = "a different 'again' or 'priority' for each entry"
            shapes.not_supported(book.report, item.place, what)
    return entered


def _read_entry(book: Book, journey: str, node: Node) -> Entered | None:
    report = book.report
    found = shapes.entries(report, node, "'enter'", _KEYS, _LATER_KEYS)
    if not found:
        return None
    again = "never"
    again_text = shapes.text_of(report, found, "again", "'enter'")
    if again_text is not None:
        again = shapes.choice(report, again_text, "'again'", _AGAIN) or again
    priority_text = shapes.text_of(report, found, "priority", "'enter'")
    priority = 0
    if priority_text is not None:
        priority = shapes.whole(report, priority_text, "'priority'") or 0
    trigger = _read_trigger(book, journey, node, found)
    events = (trigger.event,) if isinstance(trigger, OnEvent) else ()
    only_if = _read_if(book, journey, found, events)
    key = _read_key(book, found, trigger)
    if trigger is None:
        return None
    if isinstance(trigger, OnEvent) and key is None and again_text is None:
        message = f"each contact enters at its first {show(trigger.event)} only"
        advice = "add again: each time, or key: ATTRIBUTE; again: never if that is meant"
        report.add(codes.NEITHER_KEY_NOR_AGAIN, found["on"].node.place, message, advice)
    return Entered(Entrance(trigger, only_if, key), again, priority)


def _read_if(
    book: Book, journey: str, found: dict[str, Entry], events: tuple[str, ...]
) -> RuleText | None:
    scalar = shapes.rule(book.report, found["if"]) if "if" in found else None
    if scalar is None:
        return None
    book.uses.append(Use(scalar, 0, "enter", journey, events=events))
    return rule_text(scalar)


def _read_key(book: Book, found: dict[str, Entry], trigger: Trigger | None) -> str | None:
    scalar = shapes.text_of(book.report, found, "key", "'enter'")
    if scalar is None:
        return None
    if not isinstance(trigger, OnEvent | OnApi):
        if trigger is not None:
            message = "'key' names an attribute of an event or request, and none starts this"
            book.report.add(codes.WRONG_TYPE, found["key"].key.place, message)
        return None
    if isinstance(trigger, OnApi):
        return scalar.text
    declared = book.events.get(trigger.event)
    if declared is not None:
        names = [attribute.name for attribute in declared.attributes]
        if scalar.text not in names:
            message = f"the event {show(trigger.event)} has no attribute {show(scalar.text)}"
            advice = did_you_mean(scalar.text, names, "declare it in events.yaml")
            book.report.add(codes.UNKNOWN_EVENT, scalar.place, message, advice)
    return scalar.text


def _read_trigger(book: Book, journey: str, node: Node, found: dict[str, Entry]) -> Trigger | None:
    report = book.report
    if "on" in found and "when" in found:
        message = "'when' stands in place of 'on', not beside it"
        advice = "a condition beside 'on' is 'if'"
        report.add(codes.WRONG_SHAPE, found["when"].key.place, message, advice)
        return None
    trigger: Trigger | None = None
    if "when" in found:
        scalar = shapes.rule(report, found["when"])
        if scalar is not None:
            # Nothing starts a run yet while such a rule is looked at: it is about the contact.
            book.uses.append(Use(scalar, 0, "audience", journey))
            trigger = OnRule(rule_text(scalar))
    elif "on" in found:
        on = shapes.text(report, found["on"].node, "'on'")
        trigger = _parse_trigger(book, on, found) if on is not None else None
    else:
        shapes.missing(report, node.place, "'enter'", "on", f"add on: {_SHOWN}; or when: RULE")
    if trigger is not None and not isinstance(trigger, OnDate):
        for key in _DATE_KEYS:
            if key in found:
                message = f"'{key}' goes only with on: date FIELD"
                report.add(codes.WRONG_SHAPE, found[key].key.place, message)
    return trigger


def _parse_trigger(book: Book, on: Scalar, found: dict[str, Entry]) -> Trigger | None:
    text = on.text.strip()
    if re.fullmatch(r"contact\s+created", text):
        return OnCreated()
    if text == "api":
        return OnApi()
    if re.match(r"date\s", text):
        return _parse_date(book, on, found)
    named = _NAMED.fullmatch(text)
    if named is not None:
        kind, name = named[1], named[3]
        if kind in ("list", "leaving list"):
            book.mention("list", on, name)
        elif kind == "form":
            book.mention("form", on, name)
        elif kind == "event":
            book.mention("event", on, name)
        return _MAKERS[kind](name)
    if any(re.match(rf"{word}\b", text) for word in _LATER_TRIGGERS):
        shapes.not_supported(book.report, on.place, f"the trigger {show(text)}")
        return None
    advice = did_you_mean(text.split()[0], _TRIGGERS, f"write {_SHOWN}; or when: RULE")
    shapes.bad(book.report, on, f"{show(text)} is no trigger", advice)
    return None


_MAKERS: dict[str, Callable[[str], Trigger]] = {
    "list": OnList,
    "leaving list": lambda name: OnList(name, leaving=True),
    "source": OnCreated,
    "form": OnForm,
    "event": OnEvent,
}


def _parse_date(book: Book, on: Scalar, found: dict[str, Entry]) -> Trigger | None:
    name = on.text.strip()[4:].strip()
    joined = _LIST_JOINED.fullmatch(name)
    call = _FIELD_CALL.fullmatch(name)
    if joined is not None:
        book.mention("list", on, joined[2])
        field = f"list:{joined[2]}"
    elif name == "contact.created":
        field = name
    else:
        field = (call[2] or call["t"]) if call is not None else name.removeprefix("contact.")
        start = on.text.rfind(field)
        place = on.stretch(start, start + len(field))
        book.field_mentions.append(FieldMention(field, place, "date", _DATES))
    report = book.report
    yearly = shapes.text_of(report, found, "yearly", "'enter'")
    scalar = shapes.text_of(report, found, "late", "'enter'")
    said = shapes.late(report, scalar) if scalar is not None else None
    return OnDate(
        field,
        _read_offset(book, found),
        _read_at(book, found),
        bool(yearly is not None and shapes.flag(report, yearly, "'yearly'")),
        said is not None and said[0] != "skip",
        said[1] if said is not None else None,
    )


def _read_offset(book: Book, found: dict[str, Entry]) -> int:
    scalar = shapes.text_of(book.report, found, "offset", "'enter'")
    if scalar is None:
        return 0
    text = scalar.text.strip()
    span = parse_span(text.lstrip("+-").strip())
    if span is None:
        message = f"{show(text)} is no offset"
        shapes.bad(book.report, scalar, message, "write for example -14d or 2w")
        return 0
    if span[2] or span[0] % DAY_S:
        shapes.not_supported(book.report, scalar.place, "an offset that is not whole days")
        return 0
    days = span[0] // DAY_S
    return -days if text.startswith("-") else days


def _read_at(book: Book, found: dict[str, Entry]) -> int:
    scalar = shapes.text_of(book.report, found, "at", "'enter'")
    if scalar is None:
        return OnDate("").at_seconds
    at = parse_clock(scalar.text)
    if at is None:
        message = f"{show(scalar.text)} is no clock time"
        shapes.bad(book.report, scalar, message, 'write for example at: "09:00"')
        return 0
    return at


class ExitPoint(NamedTuple):
    """A rule at which a run leaves, and the step it goes to instead, if any."""

    when: RuleText
    then: Scalar | None


def read_exits(book: Book, journey: str, node: Node, events: tuple[str, ...]) -> list[ExitPoint]:
    """`exit`: a list of rules; one alone will do."""
    exits: list[ExitPoint] = []
    for item in shapes.one_or_more(node):
        found = shapes.entries(book.report, item, "an exit", ("when", "then"))
        if isinstance(item, Mapping) and "when" not in found:
            shapes.missing(book.report, item.place, "an exit", "when")
        then = shapes.text_of(book.report, found, "then", "an exit")
        when = shapes.rule(book.report, found["when"]) if "when" in found else None
        if when is not None:
            book.uses.append(Use(when, 0, "steps", journey, events=events))
        if when is not None or then is not None:
            text = rule_text(when) if when is not None else RuleText("")
            exits.append(ExitPoint(text, then))
    return exits
