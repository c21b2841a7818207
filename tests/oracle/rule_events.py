"""Amounts and values over what happened, one row at a time.

A row holds the happenings of `event("visit")` under (table, "event", "visit", "each"), of all
sendings under (table, "messages", "each"): tuples of plain dicts, oldest first, with their instant
under "time" and their attributes beside it.

Gaps of the page, closed here as a marketer would expect:
1. `of last 5` takes the last five that match the filter; of these, for messages, those opened.
2. The window `in last 30d` of `.opened` counts by the open, not by the sending.
3. `.value(a)` is that of the newest that matches, also where that one has none.
4. Floats are added oldest first; an average is the sum divided by how many have a value.
5. `messages(..).opened within 2d` looks at the newest sending that matches.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from blaster.rules import syntax
from tests.oracle.local_time import instant_moved
from tests.oracle.rule_facts import Raw, World, happens

Happening = Mapping[str, Any]

_EXACT = Context(prec=200)
_TAKEN = ("sum", "min", "max", "avg", "value")
LATER = ("opened", "clicked", "replied")


def over_happenings(node: syntax.Fact) -> bool:
    """Whether the fact looks at single happenings: a filter, a window, an attribute, sendings."""
    if node.filter or node.source == "messages":
        return True
    return any(member.window or member.name in _TAKEN for member in node.members)


def listed(node: syntax.Fact, world: World, *, run: bool) -> tuple[Happening, ...]:
    """The happenings that match the filter, oldest first."""
    from tests.oracle.rules import truth

    name = ("messages",) if node.source == "messages" else (node.source, node.names[0])
    each = world.row[("run" if run else "contact", *name, "each")]
    return tuple(
        one
        for one in each
        if all(truth(item, world._replace(happening=one)) is True for item in node.filter)
    )


def amount(node: syntax.Fact, world: World, *, lifted: bool = False) -> Any:
    """The value of a fact that looks at single happenings."""
    last = node.members[-1] if node.members else None
    window = None if last is None else last.window
    since_entry = window is not None and window.kind == "since entry"
    asked = happens(node) and world.place == "steps" and not node.ever and not lifted
    found = list(listed(node, world, run=since_entry or asked))
    if window is not None and window.count is not None:
        found = found[-window.count :]
    engaged = node.members[0].name if node.source == "messages" else ""
    instant = engaged if engaged in LATER else "time"
    found = [one for one in found if one[instant] is not None]
    if window is not None and window.span is not None:
        found = [one for one in found if _inside(one[instant], window.span, world)]
    what = "last" if happens(node) or last is None else last.name
    if what == "count":
        return len(found)
    if what in ("first", "last"):
        instants = [one[instant] for one in found]
        return (min if what == "first" else max)(instants, default=None)
    assert last is not None
    return _of(what, [attribute(one, last.argument or "") for one in found], _kind(node, world))


def engagement(node: syntax.Fact, world: World) -> tuple[Any, Any]:
    """When `messages(..).opened` of the newest sending that matches left, and was opened."""
    found = listed(node, world, run=world.place == "steps")
    if not found:
        return None, None
    name = node.members[0].name
    return found[-1]["time"], found[-1]["time" if name == "sent" else name]


def earliest(node: syntax.Fact, world: World) -> Any:
    """The first that matches since the run's entry."""
    return min((one["time"] for one in listed(node, world, run=True)), default=None)


def attribute(happening: Happening, name: str) -> Any:
    """A bare name of the filter; `sent` is when a sending left."""
    if name == "sent" and "category" in happening:
        return happening["time"]
    return happening.get(name)


def _inside(when: dt.datetime, span: syntax.Duration, world: World) -> bool:
    return when <= world.now < instant_moved(when, span, 1, world.zone)


def _kind(node: syntax.Fact, world: World) -> Any:
    """Nought in the type of the attribute: exact at its scale, or a float."""
    declared = world.events.get(node.names[0], {}) if node.names else {}
    field = declared.get(node.members[-1].argument or "")
    if field is None or (field.type == "number" and field.scale is None):
        return 0.0
    return Decimal(0).scaleb(-field.scale) if field.scale else 0


def _of(what: str, values: list[Any], nought: Any) -> Any:
    from tests.oracle.rule_values import whole

    if what == "value":
        return values[-1] if values else None
    fitted = [one.fitted(0.0) if isinstance(one, Raw) else one for one in values]
    known = [one for one in fitted if one is not None]
    if what in ("min", "max"):
        return (min if what == "min" else max)(known, default=None)
    total = nought
    for one in known:
        exact = not isinstance(nought, float)
        total = _EXACT.add(Decimal(total), Decimal(one)) if exact else total + one
    if isinstance(total, float):
        total = total if math.isfinite(total) else None
    else:
        total = whole(Decimal(total))
    if what == "sum" or total is None:
        return total
    return float(total) / len(known) if known else None
