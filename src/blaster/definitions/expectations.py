"""`expect` of a scenario: what must come of it, checked against what can be counted.

`_METRICS` is the law: which numbers each kind of thing has.
"""

from __future__ import annotations

from typing import cast

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, FieldMention
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Node, Scalar
from blaster.definitions.times import parse_local
from blaster.model.scenarios import Expectation, ExpectKind

_SENDINGS = (
    "sent",
    "not_sent",
    "failed",
    "suppressed",
    "delivered",
    "opened",
    "clicked",
    "replied",
    "bounced",
    "complained",
)
_RUNS = ("entered", "running", "finished", "exited")
_CALLS = ("sent", "failed")
_METRICS: dict[str, tuple[str, ...]] = {
    "email": _SENDINGS,
    "sms": _SENDINGS,
    "crm": _CALLS,
    "webhook": _CALLS,
    "notify": _CALLS,
    "journey": _RUNS,
    "step": _RUNS,
    "list": ("members",),
    "field": ("sum", "count"),
}


def read_expect(book: Book, node: Node) -> tuple[Expectation, ...]:
    """Every expectation; what it names must exist."""
    found: list[Expectation] = []
    for key, value in shapes.pairs(book.report, node, "'expect'"):
        kind, _, name = key.text.strip().partition(" ")
        name = name.strip()
        if kind not in _METRICS or not name:
            advice = did_you_mean(kind, _METRICS, f"known are: {', '.join(_METRICS)}")
            if kind in _METRICS:
                advice = f"write {kind} NAME"
            message = f"nothing is counted for {show(key.text)}"
            book.report.add(codes.UNKNOWN_KEY, key.place, message, advice)
            continue
        _check_name(book, key, kind, name)
        found.append(_read(book, key, cast(ExpectKind, kind), name, value))
    return tuple(found)


def _check_name(book: Book, key: Scalar, kind: str, name: str) -> None:
    match kind:
        case "email":
            book.mention("email", key, name)
        case "sms":
            book.mention("sms", key, name)
        case "journey":
            book.mention("journey", key, name)
        case "list":
            book.mention("list", key, name)
        case "field":
            start = key.text.rfind(name)
            place = key.stretch(start, start + len(name))
            book.field_mentions.append(FieldMention(name, place))
        case "crm":
            if name != "upsert":
                shapes.bad(book.report, key, f"there is no crm {show(name)}", "write crm upsert")
        case "step":
            _check_step(book, key, name)
        case _:
            pass


def _check_step(book: Book, key: Scalar, name: str) -> None:
    journey, slash, step = name.rpartition("/")
    if not slash:
        message = f"{show(name)} names no step"
        shapes.bad(book.report, key, message, "write step JOURNEY/ID")
        return
    book.mention_at("journey", key, journey, 0)
    known = book.journeys.get(journey)
    if known is None:
        return
    ids = [each.id for each in known.steps]
    if step not in ids:
        message = f"the journey {show(journey)} has no step {show(step)}"
        advice = did_you_mean(step, ids)
        start = key.text.rfind(step)
        place = key.stretch(start, start + len(step))
        book.report.add(codes.UNKNOWN_STEP, place, message, advice)


def _read(book: Book, key: Scalar, kind: ExpectKind, name: str, node: Node) -> Expectation:
    what = f"what is expected of {show(key.text)}"
    found = shapes.entries(book.report, node, what, (*_METRICS[kind], "at"))
    metrics: dict[str, float] = {}
    at: list[str] = []
    for metric, entry in found.items():
        if metric == "at":
            for scalar in shapes.texts(book.report, entry.node, "'at'"):
                local = parse_local(scalar.text)
                if local is None:
                    message = f"{show(scalar.text)} is no local time"
                    shapes.bad(book.report, scalar, message, "write for example 2026-03-01 10:00")
                else:
                    at.append(local)
            continue
        number = shapes.text(book.report, entry.node, show(metric))
        if number is not None:
            try:
                metrics[metric] = float(number.text)
            except ValueError:
                message = f"{show(metric)} is a number, not {show(number.text)}"
                shapes.bad(book.report, number, message)
    line = key.source.position(key.start)[0]
    return Expectation(kind, name, metrics, tuple(at), line)
