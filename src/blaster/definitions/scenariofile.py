"""scenarios/NAME.yaml: who there is, what happens, and what must come of it.

A scenario is read against the book of its workspace (`load_scenario` makes one of a `Workspace`),
so that its rules, messages, lists and fields are checked like any other definition's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import msgspec

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, FieldMention, Use, rule_text
from blaster.definitions.dos import EXTRAS, read_data, read_do
from blaster.definitions.expectations import read_expect
from blaster.definitions.findings import Finding, Report
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.references import check_references
from blaster.definitions.rulecheck import check_uses
from blaster.definitions.shapes import Entry
from blaster.definitions.templatecheck import TemplateChecker
from blaster.definitions.times import DAY_S, SPANS_SHOWN, Span, parse_local, parse_span
from blaster.definitions.workspace import read_source
from blaster.definitions.yamlreader import read_yaml
from blaster.model.definitions import Channel, RuleText, Workspace
from blaster.model.scenarios import Behaviour, Do, Population, Scenario, ScenarioEvent

CONTACTS_MAX = 10_000_000
"""Contacts of one scenario; a slip of the finger would ask for more memory than there is."""

_KEYS = ("scenario", "start", "days", "contacts", "events", "behaviour", "expect")
_EVENT_KEYS = (
    "at",
    "from",
    "every",
    "times",
    "where",
    "event",
    "data",
    "set",
    "join",
    "leave",
    "do",
)
_FACTS = (
    "sent",
    "not_sent",
    "failed",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "replied",
    "complained",
)
_FACT = re.compile(
    r"(email|sms)\(\s*([\"'])(?P<name>.+?)\2\s*\)\.(?P<fact>\w+)"
    r"(?:\(\s*([\"'])(?P<link>.+?)\5\s*\))?"
)


class LoadedScenario(msgspec.Struct, frozen=True):
    """What loading a scenario found; `scenario` is None when there is an error."""

    scenario: Scenario | None
    findings: tuple[Finding, ...]


def load_scenario(path: str | Path, workspace: Workspace) -> LoadedScenario:
    """Read and check one scenario file against a workspace.

    Findings name the file as it lies in its workspace: `scenarios/NAME.yaml`.
    """
    path = Path(path)
    book = book_of(workspace)
    scenario = read_scenario(book, path.parent.parent, f"{path.parent.name}/{path.name}")
    return LoadedScenario(None if book.report.broken else scenario, book.report.findings())


def book_of(workspace: Workspace) -> Book:
    """The book of a workspace that was checked before."""
    book = Book(Report(), account=workspace.account)
    book.fields.update({field.name: field for field in workspace.fields})
    book.lists = {each.name: each for each in workspace.lists}
    book.forms = {each.name: each for each in workspace.forms}
    book.events = {each.name: each for each in workspace.events}
    book.lists_closed = workspace.lists_closed
    book.forms_closed = workspace.forms_closed
    book.events_closed = workspace.events_closed
    book.messages = {(each.channel, each.name): each for each in workspace.messages}
    book.message_names = set(book.messages)
    book.journeys = {each.name: each for each in workspace.journeys}
    return book


def read_scenario(book: Book, folder: Path, path: str) -> Scenario | None:
    """One scenario; its own mentions and rules are added to the book and checked at once."""
    source = read_source(book.report, folder, path)
    root = read_yaml(source, book.report) if source is not None else None
    if root is None:
        return None
    report = book.report
    book.mentions, book.field_mentions, book.uses = [], [], []
    found = shapes.entries(report, root, "a scenario", _KEYS)
    for key in ("scenario", "start", "days", "contacts"):
        if key not in found and isinstance(root, Mapping):
            shapes.missing(report, root.source.place(root.start), "the scenario", key)
    name = shapes.text_of(report, found, "scenario", "a scenario")
    days_text = shapes.text_of(report, found, "days", "a scenario")
    days = shapes.whole(report, days_text, "'days'", 1) if days_text is not None else None
    start = _local(report, found, "start", "a scenario")
    contacts = _contacts(book, found["contacts"].node) if "contacts" in found else Population()
    scenario = Scenario(
        name.text if name is not None else "",
        start or "",
        days or 0,
        contacts,
        _events(book, found),
        _behaviour(book, found),
        read_expect(book, found["expect"].node) if "expect" in found else (),
    )
    check_uses(book, EXTRAS)
    check_references(book)
    return scenario


def _local(report: Report, found: dict[str, Entry], key: str, what: str) -> str | None:
    scalar = shapes.text_of(report, found, key, what)
    if scalar is None:
        return None
    local = parse_local(scalar.text)
    if local is None:
        message = f"{show(scalar.text)} is no local time"
        shapes.bad(report, scalar, message, "write for example 2026-03-01 10:00")
    return local


def _span(report: Report, found: dict[str, Entry], key: str, what: str) -> Span | None:
    scalar = shapes.text_of(report, found, key, what)
    if scalar is None:
        return None
    span = parse_span(scalar.text)
    if span is None:
        message = f"{show(scalar.text)} is no duration"
        shapes.bad(report, scalar, message, f"write {SPANS_SHOWN}")
    return span


def _contacts(book: Book, node: Node) -> Population:
    report = book.report
    what = "'contacts'"
    found = shapes.entries(report, node, what, ("count", "file", "set", "lists", "consent"))
    count_text = shapes.text_of(report, found, "count", what)
    file = shapes.text_of(report, found, "file", what)
    count = shapes.whole(report, count_text, "'count'", 1) if count_text is not None else None
    if count_text is not None and count is not None and count > CONTACTS_MAX:
        shapes.bad(report, count_text, f"'count' is at most {CONTACTS_MAX:,}")
    if ("count" in found) == ("file" in found):
        message = "contacts are either a 'count' or a 'file'"
        report.add(
            codes.MISSING_KEY, node.place, message, "write {count: 100} or {file: people.csv}"
        )
    lists = shapes.texts(report, found["lists"].node, "'lists'") if "lists" in found else ()
    for each in lists:
        book.mention("list", each, each.text, "join")
    consent = shapes.text_of(report, found, "consent", what)
    if consent is not None:
        shapes.choice(report, consent, "'consent'", ("all",))
    return Population(
        count,
        file.text if file is not None else None,
        {do.name: do.text for do in _sets(book, found)},
        tuple(each.text for each in lists),
        consent is not None,
    )


def _sets(book: Book, found: dict[str, Entry]) -> list[Do]:
    """`set: {field: value}`; a value with marks in it is fitted when it is filled in. Addresses
    take what is written.
    """
    if "set" not in found:
        return []
    dos: list[Do] = []
    for key, node in shapes.pairs(book.report, found["set"].node, "'set'"):
        value = shapes.text(book.report, node, f"the value of {show(key.text)}", empty=True)
        if value is None:
            continue
        marked = "{{" in value.text
        if marked:
            TemplateChecker(book).small(value, EXTRAS)
        fitted = None if marked else value
        if key.text != "id":
            book.field_mentions.append(FieldMention(key.text, key.place, "set", (), fitted))
        dos.append(Do("set", key.text, text=value.text))
    return dos


def _where(book: Book, found: dict[str, Entry]) -> RuleText | None:
    scalar = shapes.rule(book.report, found["where"]) if "where" in found else None
    if scalar is None:
        return None
    book.uses.append(Use(scalar, 0, "scenario"))
    return rule_text(scalar)


def _events(book: Book, found: dict[str, Entry]) -> tuple[ScenarioEvent, ...]:
    if "events" not in found:
        return ()
    nodes = shapes.items(book.report, found["events"].node, "'events'")
    events = (_event(book, node) for node in nodes)
    return tuple(event for event in events if event is not None)


def _event(book: Book, node: Node) -> ScenarioEvent | None:
    report = book.report
    what = "an event of a scenario"
    found = shapes.entries(report, node, what, _EVENT_KEYS)
    if not found:
        return None
    if ("at" in found) == ("from" in found):
        message = f"{what} has either 'at' or 'from'"
        report.add(codes.MISSING_KEY, node.place, message, "write at: 2026-03-01 10:00")
    at = _local(report, found, "at" if "at" in found else "from", what)
    every = _span(report, found, "every", what)
    times_text = shapes.text_of(report, found, "times", what)
    times = shapes.whole(report, times_text, "'times'", 1) if times_text is not None else 1
    if ("every" in found) != ("times" in found) or ("every" in found) != ("from" in found):
        message = "'from', 'every' and 'times' go together"
        report.add(codes.MISSING_KEY, node.place, message)
    if every is not None and every[0] % DAY_S == 0:
        every = (0, every[0] // DAY_S, every[2])
    actions = _actions(book, found)
    if not actions and not any(key in found for key in ("do", "event", "set", "join", "leave")):
        message = f"{what} does nothing"
        advice = "add event:, set:, join:, leave: or do:"
        report.add(codes.MISSING_KEY, node.place, message, advice)
    where = _where(book, found)
    return ScenarioEvent(at or "", actions, where, every, times or 1)


def _actions(book: Book, found: dict[str, Entry]) -> tuple[Do, ...]:
    """Everything that one event of a scenario does, in the order of its keys."""
    report = book.report
    actions: list[Do] = []
    for key, entry in found.items():
        if key == "set":
            actions.extend(_sets(book, found))
        elif key in ("event", "join", "leave"):
            scalar = shapes.text(report, entry.node, show(key))
            if scalar is None:
                continue
            if key == "event":
                data = read_data(report, found["data"].node) if "data" in found else {}
                book.mention("event", scalar, scalar.text)
                actions.append(Do("event", scalar.text, data=data))
            else:
                joins = key == "join"
                book.mention("list", scalar, scalar.text, "join" if joins else "use")
                actions.append(Do("join" if joins else "leave", scalar.text))
        elif key == "do":
            do = shapes.rule(report, entry)
            action = read_do(book, do) if do is not None else None
            if action is not None:
                actions.append(action)
    if "data" in found and "event" not in found:
        message = "'data' goes with 'event'"
        report.add(codes.WRONG_SHAPE, found["data"].key.place, message)
    return tuple(actions)


def _behaviour(book: Book, found: dict[str, Entry]) -> tuple[Behaviour, ...]:
    if "behaviour" not in found:
        return ()
    nodes = shapes.items(book.report, found["behaviour"].node, "'behaviour'")
    read = (_behave(book, node) for node in nodes)
    return tuple(behaviour for behaviour in read if behaviour is not None)


def _behave(book: Book, node: Node) -> Behaviour | None:
    report = book.report
    what = "a behaviour"
    keys = ("when", "where", "after", "do", "once", "share")
    found = shapes.entries(report, node, what, keys)
    for key in ("when", "do"):
        if found and key not in found:
            shapes.missing(report, node.place, what, key)
    when = shapes.rule(report, found["when"]) if "when" in found else None
    do = shapes.rule(report, found["do"]) if "do" in found else None
    action = read_do(book, do) if do is not None else None
    where = _where(book, found)
    after = _span(report, found, "after", what)
    once = shapes.text_of(report, found, "once", what)
    once_only = bool(once is not None and shapes.flag(report, once, "'once'"))
    share = _share(report, found, what)
    fact = _fact(book, when) if when is not None else None
    if when is None or action is None or fact is None:
        return None
    return Behaviour(
        rule_text(when),
        cast(Channel, fact[1]),
        fact["name"],
        fact["fact"],
        action,
        fact["link"],
        where,
        after or (0, 0, 0),
        once_only,
        share,
    )


def _fact(book: Book, when: Scalar) -> re.Match[str] | None:
    """The one fact of a message after which a behaviour comes."""
    book.uses.append(Use(when, 0, "scenario"))
    fact = _FACT.fullmatch(when.text.strip())
    if fact is None:
        what = "a behaviour after anything but one fact of one message"
        shapes.not_supported(book.report, when.place, what)
        return None
    if fact["fact"] not in _FACTS:
        return None
    return fact


def _share(report: Report, found: dict[str, Entry], what: str) -> float:
    scalar = shapes.text_of(report, found, "share", what)
    if scalar is None:
        return 1.0
    number = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", scalar.text.strip(), re.ASCII)
    if number is None or float(number[1]) > 100:
        message = f"{show(scalar.text)} is no share"
        shapes.bad(report, scalar, message, "write for example 30%")
        return 1.0
    return float(number[1]) / 100
