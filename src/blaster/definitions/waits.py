"""The steps `wait` and `wait until`: how long, until when, or until what."""

from __future__ import annotations

import re

from blaster.definitions import codes, shapes
from blaster.definitions.book import Use, rule_text
from blaster.definitions.drafts import Draft, Way, Ways
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Scalar, Sequence
from blaster.definitions.shapes import Entry
from blaster.definitions.stepreader import StepReader
from blaster.definitions.times import (
    CLOCK,
    SPAN,
    SPANS_SHOWN,
    Span,
    calendar_span,
    parse_clock,
    parse_span,
    parse_weekday,
)
from blaster.model.definitions import RuleText, Wait, WaitUntil
from blaster.model.fields import Kind

INSTANTS = (Kind.TIME, Kind.INSTANT, Kind.DATE)

_SPAN_AT = re.compile(rf"({SPAN})\s+at\s+({CLOCK})")
_UNTIL = re.compile(r"until\s+(?=\S)")
_WEEKDAY = re.compile(rf"([A-Za-z]+)\s+({CLOCK})")
_FORMS = "3d, 1 month, 7d at 10:00, until 10:00, until Sunday 09:00, until FIELD - 2d at 10:00"


def read_wait(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    """`wait: 3d` and its other forms."""
    draft.waits = True
    scalar = shapes.rule(reader.report, entry)
    if scalar is None:
        return
    if "else" in found:
        draft.otherwise = reader.way(found["else"], draft)
    text = scalar.text.strip()
    until = _UNTIL.match(scalar.text)
    if until is not None:
        _read_until(reader, draft, scalar, until.end())
    elif (match := _SPAN_AT.fullmatch(text)) is not None:
        span, clock = calendar_span(parse_span(match[1]) or (1, 0, 0)), parse_clock(match[2])
        if span is None or clock is None:
            message = f"a clock time goes with whole days: {show(text)}"
            shapes.bad(reader.report, scalar, message, "write for example 7d at 10:00")
        _make(draft, span=span, at=clock)
    else:
        span = parse_span(text)
        if span is None:
            shapes.bad(reader.report, scalar, f"{show(text)} is no wait", f"write {_FORMS}")
        _make(draft, span=span)


def _read_until(reader: StepReader, draft: Draft, scalar: Scalar, shift: int) -> None:
    text = scalar.text[shift:].strip()
    weekday = _WEEKDAY.fullmatch(text)
    if weekday is not None:
        day, clock = parse_weekday(weekday[1]), parse_clock(weekday[2])
        if day is None or clock is None:
            message = f"{show(text)} is no weekday with a clock time"
            shapes.bad(reader.report, scalar, message, "write for example until Sunday 09:00")
        _make(draft, at=clock, weekday=day)
    elif re.fullmatch(CLOCK, text):
        clock = parse_clock(text)
        if clock is None:
            shapes.bad(reader.report, scalar, f"{show(text)} is no clock time", "write 00:00-23:59")
        _make(draft, at=clock)
    else:
        reader.use(Use(scalar, shift, "steps", reader.journey, INSTANTS))
        _make(draft, until=rule_text(scalar, shift))


def _make(
    draft: Draft,
    span: Span | None = None,
    at: int | None = None,
    weekday: int | None = None,
    until: RuleText | None = None,
) -> None:
    def make(ways: Ways) -> Wait:
        return Wait(
            draft.id,
            ways.then,
            span=span,
            at_seconds=at,
            weekday=weekday,
            until=until,
            otherwise=ways.otherwise,
        )

    draft.make = make


def read_wait_until(
    reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]
) -> None:
    """`wait until: RULE`, or the first of several."""
    draft.waits = True
    if isinstance(entry.node, Sequence):
        if "then" in found:
            message = "the 'then' of a wait until with several rules stands beside each rule"
            reader.report.add(codes.WRONG_SHAPE, found["then"].key.place, message)
        _read_several(reader, draft, entry.node)
    else:
        when = shapes.rule(reader.report, entry)
        if when is not None:
            reader.use(Use(when, 0, "steps", reader.journey))
            draft.cases.append((rule_text(when), draft.then or Way()))
    draft.then = None
    span = _read_for(reader, draft, found)

    def make(ways: Ways) -> WaitUntil:
        return WaitUntil(draft.id, ways.cases, ways.otherwise or draft.next, span)

    draft.make = make


def _read_for(reader: StepReader, draft: Draft, found: dict[str, Entry]) -> Span | None:
    limit = shapes.text_of(reader.report, found, "for", "the step")
    if "for" not in found:
        if "else" in found:
            advice = "add for: 2d, or remove the else"
            place = found["else"].key.place
            shapes.missing(reader.report, place, "a 'wait until' with 'else'", "for", advice)
            draft.otherwise = reader.way(found["else"], draft)
        return None
    draft.otherwise = reader.way(found["else"], draft) if "else" in found else Way()
    span = parse_span(limit.text) if limit is not None else None
    if span is None and limit is not None:
        message = f"{show(limit.text)} is no duration"
        shapes.bad(reader.report, limit, message, f"write {SPANS_SHOWN}")
    return span


def _read_several(reader: StepReader, draft: Draft, node: Sequence) -> None:
    for item in node.items:
        if isinstance(item, Mapping) and any(key.text == "else" for key, _ in item.pairs):
            message = "'else' of a wait until stands beside 'for', not among the rules"
            shapes.wrong(reader.report, item, message)
            continue
        case = reader.case(item, draft, "a rule of 'wait until'")
        if case is not None:
            draft.cases.append(case)
