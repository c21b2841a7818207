"""Values of the rule language for one row: literals, facts, arithmetic, calendars, functions.

A missing part makes the whole missing. Whole and scaled numbers are exact (`int`, `Decimal`, whose
exponent is the scale) and missing beyond 64 bits; beside a float, and divided, they are the nearest
float. What is not finite is missing.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Context, Decimal
from typing import Any

from blaster.rules import syntax
from tests.oracle.local_time import day_moved, instant_at, instant_moved
from tests.oracle.rule_events import amount, attribute, over_happenings
from tests.oracle.rule_facts import INT64_MAX, Raw, World, path_of

_EXACT = Context(prec=200)
_CALENDAR = ("d", "w", "month", "year")
_SPLITMIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_WORD = 2**64 - 1


class Days(int):
    """The difference of two dates; as a number it is days."""


class Seconds(int):
    """The difference of two instants; as a number it is seconds."""


class Weekday(int):
    """1 is Monday, 7 is Sunday."""


def value(node: syntax.Node, world: World) -> Any:
    """The value of a node, None where missing."""
    match node:
        case syntax.Text(value=text):
            return text
        case syntax.Number(value=number):
            return Decimal(number) if "." in number else int(number)
        case syntax.Boolean(value=truth):
            return truth
        case syntax.Date(value=day):
            return dt.date.fromisoformat(day)
        case syntax.Moment(value=moment):
            wall = dt.datetime.fromisoformat(moment)
            return instant_at(wall.date(), wall.time(), world.zone)
        case syntax.Weekday(value=name):
            return Weekday(syntax.WEEKDAYS.index(name) + 1)
        case syntax.Now():
            return world.now
        case syntax.Today():
            return world.today
        case syntax.Field():
            return world.row[_field(node)]
        case syntax.Started(name=name):
            return world.row["run", "attribute", name]
        case syntax.Fact():
            return fact_value(node, world)
        case syntax.Attribute(name=name):
            assert world.happening is not None
            return attribute(world.happening, name)
        case syntax.LastActivity():
            return world.row["contact", "last_activity"]
        case syntax.Arithmetic():
            return _arithmetic(node, world)
        case syntax.Negative(value=inner):
            return calculated("-", 0, value(inner, world))
        case syntax.At(value=inner, clock=clock):
            day = _day_named(inner, world)
            time = dt.time.fromisoformat(clock.value)
            return None if day is None else instant_at(day, time, world.zone)
        case syntax.DatePart(part=part, value=inner):
            return _part(part, value(inner, world), world)
        case syntax.Call():
            return _call(node, world)
    raise NotImplementedError(type(node).__name__)


def fact_value(node: syntax.Fact, world: World, *, lifted: bool = False) -> Any:
    """A fact's value; `lifted`: an explicit `in last` stands behind it."""
    if over_happenings(node):
        return amount(node, world, lifted=lifted)
    return world.row[path_of(node, world, lifted=lifted)]


def _field(node: syntax.Field) -> tuple[str, ...]:
    if node.contact and node.name == "created":
        return ("contact", "created")
    if node.contact and node.name == "provider":
        return ("contact", "provider")
    if not node.contact and node.name == "n":
        return ("contact", "extra", "n")
    return ("contact", "field", node.name)


def moved(when: dt.date | None, by: syntax.Duration, sign: int, world: World) -> dt.date | None:
    """A date by the calendar, an instant by the clock."""
    if when is None:
        return None
    if isinstance(when, dt.datetime):
        return instant_moved(when, by, sign, world.zone)
    return day_moved(when, by, sign)


def _day_named(node: syntax.Node, world: World) -> dt.date | None:
    """The day of `NODE at 10:00`.

    Whatever names a clock time goes by the calendar: days and months before `at` are calendar
    days, hours are hours.
    """
    if isinstance(node, syntax.Arithmetic):
        rest, by = node.left, node.right
        if isinstance(rest, syntax.Duration):
            rest, by = by, rest
        if isinstance(by, syntax.Duration) and by.unit in _CALENDAR:
            day = _day_named(rest, world)
            return None if day is None else day_moved(day, by, -1 if node.operator == "-" else 1)
    when = value(node, world)
    return None if when is None else world.day(when)


# ---------------------------------------------------------------------------------- numbers


def _arithmetic(node: syntax.Arithmetic, world: World) -> Any:
    sign = -1 if node.operator == "-" else 1
    if isinstance(node.right, syntax.Duration):
        return moved(value(node.left, world), node.right, sign, world)
    if isinstance(node.left, syntax.Duration):
        return moved(value(node.right, world), node.left, sign, world)
    left, right = value(node.left, world), value(node.right, world)
    if left is None or right is None:
        return None
    if isinstance(left, dt.datetime) and isinstance(right, dt.datetime):
        return Seconds((left - right) // dt.timedelta(seconds=1))
    if isinstance(left, dt.date) and isinstance(right, dt.date):
        return Days((left - right).days)
    return calculated(node.operator, left, right)


def calculated(operator: str, left: Any, right: Any) -> Any:
    """Arithmetic of two numbers."""
    if left is None or right is None:
        return None
    if operator == "/" or isinstance(left, float) or isinstance(right, float):
        return _finite(operator, float(left), float(right))
    a, b = Decimal(left), Decimal(right)
    if operator == "*":
        return whole(_EXACT.multiply(a, b))
    return whole(_EXACT.add(a, b) if operator == "+" else _EXACT.subtract(a, b))


def _finite(operator: str, left: float, right: float) -> float | None:
    if operator == "/":
        found = left / right if right else math.nan
    elif operator == "*":
        found = left * right
    else:
        found = left + right if operator == "+" else left - right
    return found if math.isfinite(found) else None


def scale_of(number: int | Decimal) -> int:
    """Digits behind the point."""
    return -int(Decimal(number).as_tuple().exponent)


def whole(number: Decimal) -> int | Decimal | None:
    """The exact number if it fits 64 bits at its scale; an int where it has no scale."""
    if abs(_EXACT.scaleb(number, scale_of(number))) > INT64_MAX:
        return None
    return number if scale_of(number) else int(number)


def _extreme(function: str, found: list[Any]) -> Any:
    if any(item is None for item in found):
        return None
    if any(isinstance(item, float) for item in found):
        found = [float(item) for item in found]
    elif any(isinstance(item, Decimal) for item in found):
        scale = max(scale_of(item) for item in found)
        exact = [_EXACT.quantize(Decimal(item), Decimal(1).scaleb(-scale)) for item in found]
        if any(whole(item) is None for item in exact):
            return None
        found = exact
    return min(found) if function == "min" else max(found)


# ------------------------------------------------------------------------ calendars, functions


def _part(part: str, when: Any, world: World) -> int | None:
    if when is None:
        return None
    day = world.day(when)
    if part == "weekday":
        return Weekday(day.isoweekday())
    if part == "hour":
        return int(when.astimezone(world.zone).hour)
    return int(getattr(day, part))


def _call(node: syntax.Call, world: World) -> Any:
    if node.function == "bucket":
        size = node.arguments[0]
        assert isinstance(size, syntax.Number)
        number = world.row["contact", "number"]
        return None if number is None else bucket(number, int(size.value))
    if node.function == "lookup":
        return _looked_up(node, world)
    found = [value(argument, world) for argument in node.arguments]
    if node.function in ("min", "max"):
        return _extreme(node.function, found)
    if found[0] is None:
        return None
    if node.function == "length":
        return len(found[0])
    if node.function == "lower":
        return str(found[0]).lower()
    raise NotImplementedError(node.function)


def _looked_up(node: syntax.Call, world: World) -> str | None:
    """The first line of the table whose key is the text, in whatever case."""
    named, key = node.arguments
    assert isinstance(named, syntax.Text)
    wanted = value(key, world)
    if wanted is None:
        return None
    lines = world.tables[named.value].items()
    return next((found for one, found in lines if one.casefold() == wanted.casefold()), None)


def bucket(number: int, size: int) -> int:
    """The contact's number through the splitmix64 finisher: must never change."""
    mixed = (number ^ number >> 30) * _SPLITMIX[0] & _WORD
    mixed = (mixed ^ mixed >> 27) * _SPLITMIX[1] & _WORD
    return (mixed ^ mixed >> 31) % size


def met(left: Any, right: Any, world: World) -> tuple[Any, Any]:
    """Two values as they are compared: of one type, or None where one is missing."""
    if isinstance(left, Raw) and isinstance(right, Raw):
        return str(left), str(right)
    if isinstance(left, Raw):
        left = left.fitted(right)
    if isinstance(right, Raw):
        right = right.fitted(left)
    if left is None or right is None:
        return left, right
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    times = (isinstance(left, dt.datetime), isinstance(right, dt.datetime))
    if any(times) and not all(times):
        return world.day(left), world.day(right)
    return left, right
