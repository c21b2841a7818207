"""Values: literals, arithmetic, functions, parts of dates; with their families."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import assert_never

import msgspec

from blaster.model.fields import Kind
from blaster.rules import check_events, check_facts, syntax, tree
from blaster.rules.check_facts import span
from blaster.rules.problems import nearest
from blaster.rules.scope import Narrow
from blaster.rules.syntax import Node
from blaster.rules.tokens import clean
from blaster.rules.typed import (
    FAMILY_NAMES,
    Context,
    Typed,
    Wrong,
    is_time,
    nearest_float32,
    settle,
    settled,
)

_EPOCH = dt.date(1970, 1, 1).toordinal()
_INT64 = 2**63
_SCALE_MAX = 15
BUCKETS_MAX = 1_000_000
"""Of `bucket(n)`; a finer share of the contacts has no use."""


def values(context: Context, nodes: Sequence[Node], *, lifted: bool = False) -> list[Typed]:
    """All of them, or Wrong after the problems of every one were noted."""
    found: list[Typed] = []
    for node in nodes:
        try:
            found.append(value(context, node, lifted=lifted))
        except Wrong:
            continue
    if len(found) < len(nodes):
        raise Wrong
    return found


def value(context: Context, node: Node, *, lifted: bool = False) -> Typed:
    """One value; Wrong if it is none."""
    match node:
        case syntax.Field():
            return check_facts.field(context, node)
        case (
            syntax.Number() | syntax.Text() | syntax.Boolean() | syntax.Date() | syntax.Moment()
            | syntax.Clock() | syntax.Weekday() | syntax.Duration()
        ):  # fmt: skip
            return _literal(context, node)
        case syntax.Fact():
            return check_events.fact(context, node, lifted=lifted)
        case syntax.Started():
            return check_facts.started(context, node)
        case syntax.LastActivity():
            return check_facts.last_activity(node)
        case syntax.Attribute():
            return check_events.attribute(context, node)
        case syntax.Now():
            return Typed(tree.Now(start=node.start, end=node.end), "instant")
        case syntax.Today():
            return Typed(tree.Today(start=node.start, end=node.end), "date")
        case syntax.Arithmetic():
            return _arithmetic(context, node)
        case syntax.Negative():
            return _negative(context, node)
        case syntax.At():
            return _at(context, node)
        case syntax.DatePart():
            return _part(context, node)
        case syntax.Call():
            return _call(context, node)
        case _:
            hint = "join conditions with and, or, not"
            raise context.wrong("a condition stands where a value is needed", node, hint)


# --------------------------------------------------------------------------------- literals


def day_number(written: str) -> int:
    """Days since 1970-01-01 of `2026-03-01`."""
    return dt.date.fromisoformat(written).toordinal() - _EPOCH


def second_of_day(written: str) -> int:
    """Of `10:00` or `10:00:30`."""
    parts = [int(part) for part in written.split(":")]
    return sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))


_Literal = (
    syntax.Text | syntax.Number | syntax.Boolean | syntax.Date | syntax.Moment
    | syntax.Clock | syntax.Weekday | syntax.Duration
)  # fmt: skip


def _literal(context: Context, node: _Literal) -> Typed:
    if isinstance(node, syntax.Number):
        return _number(context, node)
    place = {"start": node.start, "end": node.end}
    match node:
        case syntax.Text(value=text):
            return Typed(tree.Literal(Kind.TEXT, text, **place), "text")
        case syntax.Boolean(value=truth):
            return Typed(tree.Literal(Kind.BOOL, truth, **place), "boolean")
        case syntax.Date(value=day):
            return Typed(tree.Literal(Kind.DATE, day_number(day), **place), "date")
        case syntax.Moment(value=moment):
            day, clock = moment.split(" ")
            date = tree.Literal(Kind.DATE, day_number(day), **place)
            return Typed(tree.AtClock(date, second_of_day(clock), **place), "instant")
        case syntax.Weekday(value=name):
            number = syntax.WEEKDAYS.index(name) + 1
            return Typed(tree.Literal(Kind.INT, number, **place), "weekday")
        case syntax.Duration():
            stand_in = tree.Literal(Kind.INT, 0, **place)
            return Typed(stand_in, "duration", span=span(node))
        case syntax.Clock(value=clock):
            hint = f"write .. at {clock}; the hour of an instant is .hour"
            raise context.wrong("a clock time stands behind at", node, hint)
        case _:
            assert_never(node)


def _number(context: Context, node: syntax.Number) -> Typed:
    whole, _, fraction = node.value.partition(".")
    number = int(whole + fraction)
    if abs(number) >= _INT64 or len(fraction) > _SCALE_MAX:
        raise context.wrong("this number has too many digits", node)
    literal = tree.Literal(Kind.INT, number, len(fraction), start=node.start, end=node.end)
    return Typed(literal, "number")


def literals_like(
    subject: Typed, kind: Kind, written: syntax.Values
) -> tuple[tree.Literal, ...] | None:
    """The values of a list as literals of a kind, beside a subject.

    They have the place of the whole list. None when one of them has too many digits.
    """
    narrow = isinstance(subject.field, Narrow)
    place = {"start": written.start, "end": written.end}
    if written.of == "text":
        return tuple(tree.Literal(kind, text, **place) for text in written.values)
    if written.of == "date":
        return tuple(tree.Literal(kind, day_number(day), **place) for day in written.values)
    found: list[tree.Literal] = []
    for number in written.values:
        whole, _, fraction = number.partition(".")
        scale, units = len(fraction), int(whole + fraction)
        if abs(units) >= _INT64 or scale > _SCALE_MAX:
            return None
        if kind == Kind.INT:
            found.append(tree.Literal(kind, units, scale, **place))
        else:
            real = units / 10**scale
            found.append(tree.Literal(kind, nearest_float32(real) if narrow else real, **place))
    return tuple(found)


# ------------------------------------------------------------------------------- arithmetic


def moved(context: Context, node: Node, subject: Typed, by: tree.Duration, sign: int) -> tree.Value:
    """A date or instant, and a duration of it."""
    if not is_time(subject.family):
        raise context.wrong(f"a duration moves a date or an instant, not {_called(subject)}", node)
    if subject.family == "date":
        no_hours(context, node, by)
    return tree.Shift(subject.value, by, sign, start=node.start, end=node.end)


def no_hours(context: Context, node: Node, by: tree.Duration) -> None:
    """Refuses hours, minutes and seconds against a date."""
    if by.seconds:
        hint = "count in days, or make an instant of it first: .. at 10:00"
        raise context.wrong("a date has no hours", node, hint)


def _called(typed: Typed) -> str:
    return FAMILY_NAMES[typed.family]


def _arithmetic(context: Context, node: syntax.Arithmetic) -> Typed:
    left, right = values(context, (node.left, node.right))
    operator = node.operator
    if right.span is not None and left.span is None and operator in "+-":
        left = settled(left, "instant")
        shifted = moved(context, node, left, right.span, 1 if operator == "+" else -1)
        return Typed(shifted, left.family)
    if left.span is not None and right.span is None and operator == "+":
        right = settled(right, "instant")
        return Typed(moved(context, node, right, left.span, 1), right.family)
    if left.family == right.family == "any":
        left, right = settled(left, "number"), settled(right, "number")
    left, right = settle((left, right))
    difference = operator == "-" and left.family == right.family and is_time(left.family)
    if left.family == right.family == "number" or difference:
        made = tree.Arithmetic(operator, left.value, right.value, start=node.start, end=node.end)
        _bounded(context, node, made)
        return Typed(made, "number")
    if operator == "-" and is_time(left.family) and is_time(right.family):
        raise context.wrong(
            "a date and an instant have no difference", node, "give the date a time with at"
        )
    hint = (
        "dates move by durations: .. + 3d"
        if is_time(left.family) and right.family == "number"
        else ""
    )
    raise context.wrong(f"{_called(left)} {operator} {_called(right)} has no meaning", node, hint)


def _bounded(context: Context, node: Node, made: tree.Value) -> None:
    """Refuses what has too many places, and what is surely too large."""
    if tree.scale_of(made) > _SCALE_MAX:
        raise context.wrong("the product has too many decimal places", node)
    exact = _constant(made)
    if exact is not None and abs(exact) >= _INT64:
        hint = "whole numbers go up to 9223372036854775807, decimal places included"
        raise context.wrong("this is larger than any number can be", node, hint)


def _constant(value: tree.Value) -> int | None:
    """The exact number that is written out, at the value's scale."""
    match value:
        case tree.Literal(kind=Kind.INT | Kind.DATE, value=number):
            return int(number)
        case tree.Arithmetic(op="+" | "-" | "*" as op, left=left, right=right):
            a, b = _constant(left), _constant(right)
            if a is None or b is None:
                return None
            if op == "*":
                return a * b
            scale = tree.scale_of(value)
            a *= 10 ** (scale - tree.scale_of(left))
            b *= 10 ** (scale - tree.scale_of(right))
            return int(a + b) if op == "+" else int(a - b)
        case _:
            return None


def _negative(context: Context, node: syntax.Negative) -> Typed:
    inner = settled(value(context, node.value), "number")
    if inner.family != "number":
        raise context.wrong(f"- stands before a number, not before {_called(inner)}", node)
    zero = tree.Literal(Kind.INT, 0, start=node.start, end=node.start + 1)
    first, second = settle((Typed(zero, "number"), inner))
    made = tree.Arithmetic("-", first.value, second.value, start=node.start, end=node.end)
    return Typed(made, "number")


def _at(context: Context, node: syntax.At) -> Typed:
    inner = settled(value(context, node.value), "date")
    if not is_time(inner.family):
        raise context.wrong(
            f"at {node.clock.value} stands behind a date, not {_called(inner)}", node
        )
    seconds, day = second_of_day(node.clock.value), _calendar_day(inner.value)
    return Typed(tree.AtClock(day, seconds, start=node.start, end=node.end), "instant")


def _calendar_day(value: tree.Value) -> tree.Value:
    """What `at` sets the clock of: days and months right before it move the local date.

    Hours before them move the instant first.
    """
    if not isinstance(value, tree.Shift) or value.duration.seconds:
        return value
    inner = _calendar_day(value.value)
    if tree.kind_of(inner) != Kind.DATE:
        inner = tree.DateOf(inner, start=inner.start, end=inner.end)
    return msgspec.structs.replace(value, value=inner)


def _part(context: Context, node: syntax.DatePart) -> Typed:
    inner = settled(value(context, node.value), "instant" if node.part == "hour" else "date")
    if not is_time(inner.family):
        raise context.wrong(f".{node.part} is part of a date, not of {_called(inner)}", node)
    if node.part == "hour" and inner.family == "date":
        raise context.wrong("a date has no hours", node)
    made = tree.Part(node.part, inner.value, start=node.start, end=node.end)
    return Typed(made, "weekday" if node.part == "weekday" else "number")


# -------------------------------------------------------------------------------- functions


def _call(context: Context, node: syntax.Call) -> Typed:
    if node.function == "lookup":
        return _lookup(context, node)
    if node.function == "bucket":
        return _bucket(context, node)
    if node.function in ("min", "max"):
        return _extreme(context, node)
    inner = settled(value(context, node.arguments[0]), "text")
    place = {"start": node.start, "end": node.end}
    if node.function == "length" and inner.family in ("text", "list"):
        return Typed(tree.Length(inner.value, **place), "number")
    if node.function == "lower" and inner.family == "text":
        return Typed(tree.Lower(inner.value, **place), "text")
    raise context.wrong(f"{node.function}(..) is for texts, not for {_called(inner)}", node)


def _lookup(context: Context, node: syntax.Call) -> Typed:
    """`lookup("region", city)`."""
    named, written = node.arguments
    if not isinstance(named, syntax.Text):
        hint = 'write lookup("TABLE", FIELD)'
        raise context.wrong("lookup(..) takes the name of a table in quotes first", named, hint)
    tables = context.scope.tables or {}
    found = tables.get(named.value)
    if found is None:
        hint = nearest(named.value, tables) or "tables are files such as tables/region.csv"
        context.complain(f"there is no table {named.value}", named, hint)
    key = settled(value(context, written), "text")
    if key.family != "text":
        raise context.wrong(f"lookup(..) looks up a text, not {_called(key)}", written)
    pairs: dict[str, str] = {}
    for one, belongs in (found or {}).items():
        pairs.setdefault(clean(one).casefold(), belongs)
    table = tree.Table(named.value, tuple(pairs), tuple(pairs.values()))
    return Typed(tree.Lookup(table, key.value, start=node.start, end=node.end), "text")


def _extreme(context: Context, node: syntax.Call) -> Typed:
    found = settle(values(context, node.arguments))
    families = {one.family for one in found}
    if len(families) > 1 or not families <= {"number", "date", "instant"}:
        listed = ", ".join(sorted(FAMILY_NAMES[family] for family in families))
        raise context.wrong(
            f"{node.function}(..) takes numbers, dates or instants, not {listed}", node
        )
    kind = tree.Least if node.function == "min" else tree.Greatest
    made = kind(tuple(one.value for one in found), start=node.start, end=node.end)
    return Typed(made, found[0].family)


def _bucket(context: Context, node: syntax.Call) -> Typed:
    size = node.arguments[0]
    if not isinstance(size, syntax.Number) or not size.value.isdigit():
        raise context.wrong("bucket(..) takes a whole number", size, "write bucket(100)")
    if not 1 <= int(size.value) <= BUCKETS_MAX:
        raise context.wrong(f"bucket(..) takes a number from 1 to {BUCKETS_MAX}", size)
    contact = check_facts.contact_number(node)
    made = tree.Bucket(int(size.value), contact, start=node.start, end=node.end)
    return Typed(made, "number")
