"""The rule language for one row at a time: the plain twin of the compiled rules.

Written from LANGUAGE.md for clarity, never for speed. It reads the parser's tree and nothing else
of the room. `truth` answers True, False or None (unknown) by Kleene's logic; `value_of` gives the
value of an expression.

Gaps of the page, closed here as a marketer would expect:
1. A date meets an instant, in any comparison, by the instant's date in the contact's zone.
2. An age in months is over when instant (or date) + months is reached.
3. `between` is two comparisons joined by `and`; `in` is equalities joined by `or`.
4. An anniversary is kept every year, also in years before the date.
5. `in last` behind something that never happened is false: it did not happen in that window.
6. `changed` is true or may yet be; only the newest change is known, so `changed to V` asks whether
   it happened and the field is V now. With `in last` both are true or false.
7. A value without a recorded change is held since the contact was created; of a missing field
   nothing is known.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from blaster.rules import parse, syntax
from tests.oracle.local_time import anniversary, day_moved
from tests.oracle.rule_events import LATER, earliest, engagement, over_happenings
from tests.oracle.rule_facts import Path, World, happens, path_of, world_of
from tests.oracle.rule_values import Days, Raw, Seconds, fact_value, met, moved, value

Truth = bool | None

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "before": operator.lt, "after": operator.gt,
}  # fmt: skip
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def truth_of(
    text: str, row: dict[Path, Any], now: int, zone: str,
    place: str = "audience", journey: str = "",
) -> Truth:  # fmt: skip
    """The answer of a rule's text for one row."""
    return truth(parse(text), world_of(row, now, zone, place, journey))


def value_of(
    text: str, row: dict[Path, Any], now: int, zone: str,
    place: str = "audience", journey: str = "",
) -> Any:  # fmt: skip
    """The value of an expression for one row, None where missing."""
    return value(parse(text), world_of(row, now, zone, place, journey))


# ------------------------------------------------------------------------------------- logic


def negation(truth: Truth) -> Truth:
    return None if truth is None else not truth


def conjunction(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    return False if False in found else None if None in found else True


def disjunction(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    return True if True in found else None if None in found else False


def at_least(count: int, truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    if found.count(True) >= count:
        return True
    return False if len(found) - found.count(False) < count else None


def truth(node: syntax.Node, world: World) -> Truth:
    """The answer of a condition."""
    match node:
        case syntax.Not(value=inner):
            return negation(truth(inner, world))
        case syntax.And(items=items):
            return conjunction(truth(item, world) for item in items)
        case syntax.Or(items=items):
            return disjunction(truth(item, world) for item in items)
        case syntax.AtLeast(count=count, items=items):
            return at_least(count, (truth(item, world) for item in items))
        case syntax.SoFar(value=inner):
            return truth(inner, world) is True
    test = _TESTS.get(type(node))
    return _bare(node, world) if test is None else test(node, world)


def _bare(node: syntax.Node, world: World) -> Truth:
    """A value alone: what happened is true and may yet happen; the instant of a state is set."""
    found = value(node, world)
    amount = isinstance(node, syntax.Fact) and over_happenings(node) and not happens(node)
    if isinstance(node, syntax.Fact) and not isinstance(found, bool) and not amount:
        if happens(node):
            return True if found is not None else None
        return found is not None
    if isinstance(node, syntax.Attribute) and isinstance(found, (dt.datetime, type(None))):
        return found is not None if node.name in ("sent", *LATER) else None
    if isinstance(found, Raw):
        return found.fitted(True)
    assert found is None or isinstance(found, bool)
    return found


# ------------------------------------------------------------------------------- comparisons


def folded(text: str, *, exactly: bool) -> str:
    return text if exactly else text.casefold()


def compared(sign: str, left: Any, right: Any, world: World, *, exactly: bool = False) -> Truth:
    """Two values; unknown where one is missing."""
    left, right = met(left, right, world)
    if left is None or right is None:
        return None
    if isinstance(left, str):
        left, right = folded(left, exactly=exactly), folded(right, exactly=exactly)
    return _ORDERS[sign](left, right)


def _compare(node: syntax.Compare, world: World) -> Truth:
    left, right = _sides(node, world)
    if node.operator != "on":
        return compared(node.operator, left, right, world, exactly=node.exactly)
    if left is None or right is None:
        return None
    return world.day(left) == world.day(right)


def _sides(node: syntax.Compare, world: World) -> tuple[Any, Any]:
    """Both values; a duration is measured in the unit of the difference beside it."""
    sides = (node.left, node.right)
    found = [None if isinstance(side, syntax.Duration) else value(side, world) for side in sides]
    for one, other in ((0, 1), (1, 0)):
        side = sides[one]
        if isinstance(side, syntax.Duration):
            seconds = side.count * _UNIT_S[side.unit]
            if isinstance(found[other], Days):
                found[one] = seconds // _UNIT_S["d"]
            elif isinstance(found[other], Seconds):
                found[one] = seconds
    return found[0], found[1]


def _between(node: syntax.Between, world: World) -> Truth:
    found, low, high = (value(item, world) for item in (node.value, node.low, node.high))
    return conjunction((compared(">=", found, low, world), compared("<=", found, high, world)))


def _options(node: syntax.In | syntax.ListTest) -> tuple[syntax.Node, ...]:
    """The values in the brackets, each a node."""
    listed = node.options
    return listed if isinstance(listed, tuple) else listed.nodes(len(listed.values))


def _in(node: syntax.In, world: World) -> Truth:
    found = value(node.value, world)
    options = (value(option, world) for option in _options(node))
    hit = disjunction(
        compared("==", found, option, world, exactly=node.exactly) for option in options
    )
    return negation(hit) if node.negated else hit


def _text_test(node: syntax.TextTest, world: World) -> Truth:
    text, pattern = value(node.value, world), value(node.pattern, world)
    if text is None or pattern is None:
        return None
    if node.operator == "matches":
        return re.search(pattern, text, 0 if node.exactly else re.IGNORECASE) is not None
    text, pattern = (folded(one, exactly=node.exactly) for one in (text, pattern))
    match node.operator:
        case "contains":
            return pattern in text
        case "starts with":
            return bool(text.startswith(pattern))
        case "ends with":
            return bool(text.endswith(pattern))
    raise NotImplementedError(node.operator)


def _list_test(node: syntax.ListTest, world: World) -> Truth:
    entries = value(node.value, world)
    if entries is None:
        return None
    held = {folded(entry, exactly=node.exactly) for entry in entries}
    hits = [
        folded(option.value, exactly=node.exactly) in held
        for option in _options(node)
        if isinstance(option, syntax.Text)
    ]
    return {"any of": any(hits), "all of": all(hits), "none of": not any(hits)}[node.operator]


def _presence(node: syntax.Presence, world: World) -> Truth:
    found = value(node.value, world)
    missing = found is None
    if node.operator.endswith("blank"):
        if isinstance(found, (str, Raw)):
            missing = not found.strip()
        elif isinstance(found, tuple):
            missing = not found
        return missing != ("not" in node.operator)
    return missing == ("not" in node.operator)


# -------------------------------------------------------------------------------------- time


def _is_today(node: syntax.IsToday, world: World) -> Truth:
    when = value(node.value, world)
    if when is None:
        return None
    day = world.day(when)
    if node.anniversary:
        day = anniversary(day, world.today.year)
    return day == world.today


def _relative(node: syntax.Relative, world: World) -> Truth:
    inner = node.value
    lifted = node.operator == "in last" and isinstance(inner, syntax.Fact)
    if lifted and isinstance(inner, syntax.Fact):
        when = fact_value(inner, world, lifted=True)
        if when is None:
            return False if happens(inner) else None
    else:
        when = value(inner, world)
    if when is None:
        return None
    if node.anniversary:
        return _anniversary_near(world.day(when), node.span, world)
    now = world.now if isinstance(when, dt.datetime) else world.today
    if node.operator == "in next":
        limit = moved(now, node.span, 1, world)
        return bool(now <= when < limit)
    over = moved(when, node.span, 1, world)
    if node.operator == "older than":
        return bool(over <= now)
    return bool(when <= now < over)


def _anniversary_near(day: dt.date, span: syntax.Duration, world: World) -> bool:
    today = world.today
    limit = day_moved(today, span, 1)
    years = range(today.year, limit.year + 1)
    return any(today <= anniversary(day, year) < limit for year in years)


def _near(node: syntax.Near, world: World) -> Truth:
    """`within 3d of X`: both ends included."""
    when, other = met(value(node.value, world), value(node.other, world), world)
    if when is None or other is None:
        return None
    low, high = moved(other, node.span, -1, world), moved(other, node.span, 1, world)
    return bool(low <= when <= high)


def _within(node: syntax.Within, world: World) -> Truth:
    """`FACT within 2d`: true once it happened in time, false once it no longer can."""
    fact = node.value
    assert isinstance(fact, syntax.Fact)
    if over_happenings(fact):
        since, when = world.row["run", "entered"], None
        if fact.source == "messages":
            since, when = engagement(fact, world)
        else:
            when = earliest(fact, world)
        return _in_time(since, when, node.span, world, given_up=False)
    path = path_of(fact, world)
    if path[1] == "message":
        since = world.row[(*path[:4], "sent")]
        given_up = world.row[(*path[:4], "not_sent")] is not None
    else:
        since, given_up = world.row["run", "entered"], False
        if path[0] == "run" and path[-1] == "last":
            path = (*path[:-1], "first")
    return _in_time(since, world.row[path], node.span, world, given_up=given_up)


def _in_time(
    since: Any, when: Any, span: syntax.Duration, world: World, *, given_up: bool
) -> Truth:
    over = moved(since, span, 1, world)
    if over is not None and when is not None and since <= when < over:
        return True
    if given_up or (over is not None and over <= world.now):
        return False
    return None


def _newest_change(node: syntax.Node, world: World, table: str) -> Any:
    assert isinstance(node, syntax.Field)
    return world.row[table, "field", node.name, "changed"]


def _changed(node: syntax.Changed, world: World) -> Truth:
    since_entry = world.place == "steps" and node.span is None
    when = _newest_change(node.value, world, "run" if since_entry else "contact")
    if node.to is not None:
        now_so = compared("==", value(node.value, world), value(node.to, world), world)
        when = when if now_so is True else None
    if node.span is None:
        return True if when is not None else None
    return when is not None and bool(when <= world.now < moved(when, node.span, 1, world))


def _held(node: syntax.Held, world: World) -> Truth:
    if value(node.value, world) is None:
        return None
    since = _newest_change(node.value, world, "contact") or world.row["contact", "created"]
    over = moved(since, node.span, 1, world)
    return None if over is None else bool(over <= world.now)


_TESTS: dict[type, Callable[[Any, World], Truth]] = {
    syntax.Compare: _compare,
    syntax.Between: _between,
    syntax.In: _in,
    syntax.TextTest: _text_test,
    syntax.ListTest: _list_test,
    syntax.Presence: _presence,
    syntax.IsToday: _is_today,
    syntax.Relative: _relative,
    syntax.Near: _near,
    syntax.Within: _within,
    syntax.Changed: _changed,
    syntax.Held: _held,
}
