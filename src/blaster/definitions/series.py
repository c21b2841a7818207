"""The step `series`: messages by calendar days from the run's entry or from a date."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from blaster.definitions import codes, shapes
from blaster.definitions.book import Use, rule_text
from blaster.definitions.drafts import Draft
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.shapes import Entry
from blaster.definitions.stepreader import StepReader, mention_message
from blaster.definitions.times import DAY_S, calendar_span, parse_clock, parse_span
from blaster.model.definitions import Channel, RuleText, Series, SeriesItem
from blaster.model.fields import Kind

DAY_MAX = 36_500
"""Days of a series either way, a hundred years; a larger number is a slip and would overflow."""

_DATES = (Kind.DATE, Kind.INSTANT, Kind.TIME)


class _Item(NamedTuple):
    """An item and where it stands."""

    item: SeriesItem
    node: Node


def read_series(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    """Both forms: a list of items, or a mapping with `from`, `late` and `items`."""
    draft.waits = True
    start: RuleText | None = None
    late_skip = False
    late_within_s: int | None = None
    node = entry.node
    promise = found.get("promise")
    if isinstance(node, Mapping):
        what = "a series"
        parts = shapes.entries(reader.report, node, what, ("from", "late", "items", "promise"))
        promise = parts.get("promise", promise)
        if "from" in parts:
            start = _read_from(reader, parts["from"])
        late_skip, late_within_s = _read_late(reader, parts, start is not None)
        if "items" not in parts:
            shapes.missing(reader.report, entry.key.place, what, "items")
            return
        node = parts["items"].node
    read = [
        _read_item(reader, item, dated=start is not None)
        for item in shapes.items(reader.report, node, "'series'")
    ]
    items = [item for item in read if item is not None]
    _check_order(reader, items)
    if promise is not None and len(items) == len(read):
        _check_promise(reader, promise, items)
    made = tuple(item.item for item in items)
    draft.make = lambda ways: Series(draft.id, made, ways.then, start, late_skip, late_within_s)


def _read_from(reader: StepReader, entry: Entry) -> RuleText | None:
    scalar = shapes.rule(reader.report, entry)
    if scalar is None:
        return None
    reader.use(Use(scalar, 0, "steps", reader.journey, _DATES))
    return rule_text(scalar)


def _read_late(reader: StepReader, parts: dict[str, Entry], dated: bool) -> tuple[bool, int | None]:
    """Whether items may be left out, and from how many seconds late on."""
    scalar = shapes.text_of(reader.report, parts, "late", "a series")
    said = shapes.late(reader.report, scalar) if scalar is not None else None
    return (dated, None) if said is None else (said[0] != "run", said[1])


def _read_item(reader: StepReader, node: Node, dated: bool) -> _Item | None:
    what = "an item of a series"
    found = shapes.entries(reader.report, node, what, ("day", "at", "send", "unless"))
    if not found:
        return None
    for key in ("day", "send"):
        if key not in found:
            shapes.missing(reader.report, node.place, what, key)
    day_text = shapes.text_of(reader.report, found, "day", what)
    day = _read_day(reader, day_text, dated) if day_text is not None else None
    sent = _read_message(reader, found, what)
    at_text = shapes.text_of(reader.report, found, "at", what)
    at = parse_clock(at_text.text) if at_text is not None else None
    if at_text is not None and at is None:
        message = f"{show(at_text.text)} is no clock time"
        shapes.bad(reader.report, at_text, message, 'write for example at: "10:00"')
    unless = shapes.rule(reader.report, found["unless"]) if "unless" in found else None
    if unless is not None:
        reader.use(Use(unless, 0, "steps", reader.journey))
    if day is None or sent is None:
        return None
    condition = rule_text(unless) if unless is not None else None
    return _Item(SeriesItem(day, *sent, at, condition), node)


def _read_day(reader: StepReader, scalar: Scalar, dated: bool) -> int | None:
    day = shapes.whole(reader.report, scalar, "'day'", None if dated else 0)
    if day is not None and abs(day) > DAY_MAX:
        shapes.bad(reader.report, scalar, f"'day' is at most {DAY_MAX}")
        return None
    return day


def _read_message(
    reader: StepReader, found: dict[str, Entry], what: str
) -> tuple[Channel, str] | None:
    scalar = shapes.text_of(reader.report, found, "send", what)
    return mention_message(reader, scalar) if scalar is not None else None


def _check_order(reader: StepReader, items: list[_Item]) -> None:
    for before, after in pairwise(items):
        a, b = before.item, after.item
        same_clock = a.at_seconds is not None and b.at_seconds is not None
        clocks = (a.at_seconds or 0, b.at_seconds or 0) if same_clock else (0, 0)
        if (b.day, clocks[1]) < (a.day, clocks[0]):
            message = "this item is due before the one above it, but goes out after it"
            advice = "put the items in the order of their days"
            reader.report.add(codes.SERIES_ORDER, after.node.place, message, advice)


def _check_promise(reader: StepReader, entry: Entry, items: list[_Item]) -> None:
    """`promise: {every: 1w, count: 6}`: so many items, always so many days apart."""
    what = "'promise'"
    found = shapes.entries(reader.report, entry.node, what, ("every", "count"))
    count_text = shapes.text_of(reader.report, found, "count", what)
    if count_text is not None:
        count = shapes.whole(reader.report, count_text, "'count'", 1)
        if count is not None and count != len(items):
            message = f"the series promises {count} items and has {len(items)}"
            reader.report.add(codes.BROKEN_PROMISE, count_text.place, message)
    every_text = shapes.text_of(reader.report, found, "every", what)
    if every_text is None:
        return
    span = parse_span(every_text.text)
    days = calendar_span(span) if span is not None and not span[2] else None
    if days is None or span is None:
        message = f"{show(every_text.text)} is not a number of days or weeks"
        shapes.bad(reader.report, every_text, message, "write for example 1w")
        return
    apart = span[0] // DAY_S
    for before, after in pairwise(items):
        gap = after.item.day - before.item.day
        if gap != apart:
            message = (
                f"the series promises an item every {apart} days; this one comes {gap} days after"
                " the one before"
            )
            reader.report.add(codes.BROKEN_PROMISE, after.node.place, message)
