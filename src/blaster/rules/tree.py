"""The typed tree: what the checker makes of a rule, and what the lowering reads.

Owns the shapes only. Every node carries the span of text it came from (`start`, `end`). The checker
guarantees the types; a tree that breaks the notes below is a bug of the checker.

Laws
1. Truth is Kleene's: a boolean node is true, false or unknown. A leaf that reads a missing value is
   unknown, except where a note says that it is never unknown.
2. A value node has one kind (`kind_of`) and, when that is INT, one scale (`scale_of`): the number
   meant is `value / 10**scale`. Values of different scale may meet anywhere; lowering aligns them
   exactly. A decimal literal against a scaled number is an INT literal with its own scale.
3. DATE is days since 1970-01-01; INSTANT and TIME are seconds since 1970 UTC and mix freely. Where
   a DATE meets an instant, the instant counts by its date in the contact's zone.
4. A local clock literal such as `2026-03-01 10:00` is `AtClock(Literal(DATE), second_of_day)`.
5. `before` and `after` are `Compare` with `<` and `>`; a weekday literal is an INT 1 (Monday) to
   7 (Sunday), compared with `Part("weekday", ..)`.

Long because it is one vocabulary: every node, and what can be asked of any node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as OneOf
from typing import TypeAlias, TypeVar, get_args

import msgspec

from blaster.model.fields import Kind
from blaster.rules.branches import branches_of, children_in
from blaster.rules.facts import Fact

Order: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]


class Spanned(msgspec.Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """What every node has: the part of the rule's text it came from."""

    start: int = 0
    end: int = 0


class Duration(msgspec.Struct, frozen=True, omit_defaults=True):
    """A length of time as written: `48h` is seconds, `3d` and `2w` days, `1 month` months.

    Against an instant a day is 86,400 seconds. Against a date `seconds` must be 0. Months go by the
    calendar (for an instant: in the contact's zone, same clock time), cut to the month's end.
    """

    seconds: int = 0
    days: int = 0
    months: int = 0

    @property
    def exact_seconds(self) -> int | None:
        """The length against an instant, None when it depends on the calendar."""
        return None if self.months else self.seconds + 86_400 * self.days


# ---------------------------------------------------------------------------------- values


class FactRef(Spanned, frozen=True):
    """A fact's value. `scale` is that of the field or attribute (INT only)."""

    fact: Fact
    scale: int = 0


class Literal(Spanned, frozen=True, gc=False):
    """A constant: int for INT, DATE and INSTANT, float for NUMBER, str for TEXT, bool for BOOL."""

    kind: Kind
    value: bool | int | float | str
    scale: int = 0


class Arithmetic(Spanned, frozen=True):
    """INT or NUMBER by INT or NUMBER. INT with INT stays INT, except `/`, which gives NUMBER.

    Also DATE - DATE: whole days, an INT; and instant - instant: seconds, an INT. Overflow, and
    division by zero, are missing.
    """

    op: OneOf["+", "-", "*", "/"]
    left: Value
    right: Value


class Shift(Spanned, frozen=True):
    """A date or instant moved by a duration (`sign` -1: back). A DATE stays a DATE."""

    value: Value
    duration: Duration
    sign: int = 1


class DateOf(Spanned, frozen=True):
    """The date of an instant in the contact's zone: DATE."""

    value: Value


class AtClock(Spanned, frozen=True):
    """`value at 10:00`: a date, or an instant's local date, at a clock time: INSTANT.

    Days and months right before `at` are those of the calendar, so `arrival - 2d at 10:00` is
    `AtClock(Shift(DateOf(arrival), 2d, -1), ..)`.
    """

    value: Value
    second_of_day: int


class Least(Spanned, frozen=True):
    """`min(a, b, ..)`; missing when one is. All DATE, all instants, or all numbers."""

    values: tuple[Value, ...]


class Greatest(Spanned, frozen=True):
    """`max(a, b, ..)`; see `Least`."""

    values: tuple[Value, ...]


class Length(Spanned, frozen=True):
    """Code points of a text, or entries of a list: INT."""

    value: Value


class Lower(Spanned, frozen=True):
    """A text in lower case: TEXT."""

    value: Value


class Bucket(Spanned, frozen=True):
    """`bucket(n)`: a stable hash of the contact's number, 0 to n - 1: INT.

    `contact` is `FactRef(Fact("contact", Kind.ID, ("number",)))`.
    """

    n: int
    contact: FactRef


class Now(Spanned, frozen=True):
    """The instant of the evaluation: INSTANT."""


class Today(Spanned, frozen=True):
    """The date of `now` in the contact's zone: DATE."""


class Part(Spanned, frozen=True):
    """A part of a date or instant (`hour`: instants only), in the contact's zone: INT."""

    part: OneOf["year", "month", "day", "weekday", "hour"]
    value: Value


class Table(msgspec.Struct, frozen=True, cache_hash=True):
    """A look-up table: `values[i]` belongs to `keys[i]`, which is case-folded and there once."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]


class Lookup(Spanned, frozen=True):
    """`lookup("region", city)`: TEXT; missing where the key is missing or not in the table."""

    table: Table
    key: Value


class When(Spanned, frozen=True):
    """`value` where `condition` is surely true, else missing."""

    value: Value
    condition: Node


class Known(Spanned, frozen=True):
    """The first of the instants that is set: INSTANT."""

    values: tuple[Value, ...]


class Answer(Spanned, frozen=True):
    """A condition as a value: BOOL, missing where it is unknown."""

    condition: Node


class Aggregate(Spanned, frozen=True):
    """An amount or value over what happened to a row.

    Of the happenings of `events` (a fact of kind EVENTS) those count for which `where` is surely
    true; `where` and `of` read a happening's attributes as facts of the space "item". `newest`: of
    those only the newest so many. `when` is then the instant of a happening in place of its own,
    and one without it is left out (the open of a sending). `span`: of the rest, those whose instant
    has an age of 0 up to, not including, it.

    count            INT, 0 of none
    first, last      INSTANT: the earliest and the latest
    sum              of `of`, INT or NUMBER: 0 of none; what has no value is passed over
    min, max, avg    of `of`; avg is NUMBER
    value            `of` of the newest, missing when that has none
    Missing when there is nothing to take it of, or when it does not fit.
    """

    what: OneOf["count", "first", "last", "sum", "min", "max", "avg", "value"]
    events: FactRef
    where: Node | None = None
    of: FactRef | None = None
    when: FactRef | None = None
    span: Duration | None = None
    newest: int | None = None


Value: TypeAlias = (
    FactRef
    | Literal
    | Arithmetic
    | Shift
    | DateOf
    | AtClock
    | Least
    | Greatest
    | Length
    | Lower
    | Bucket
    | Now
    | Today
    | Part
    | Lookup
    | When
    | Known
    | Answer
    | Aggregate
)

# --------------------------------------------------------------------------- boolean nodes


class Constant(Spanned, frozen=True):
    """`true`, `false`, or (None) unknown."""

    value: bool | None


class And(Spanned, frozen=True):
    """True where every child is."""

    children: tuple[Node, ...]


class Or(Spanned, frozen=True):
    """True where some child is."""

    children: tuple[Node, ...]


class Not(Spanned, frozen=True):
    """True where the child is false."""

    child: Node


class AtLeast(Spanned, frozen=True):
    """At least `k` of the children are true; 1 <= k."""

    k: int
    children: tuple[Node, ...]


class SoFar(Spanned, frozen=True):
    """A look at this instant: true where `child` is surely true, else false; never unknown."""

    child: Node


class Compare(Spanned, frozen=True):
    """Two ordered values of one family: numbers, dates and instants; BOOL with == and != only.

    Text is never compared here: see `TextTest` (`!=` is `Not(TextTest("eq"))`).
    """

    op: Order
    left: Value
    right: Value


class Between(Spanned, frozen=True):
    """`low <= subject and subject <= high`, each a comparison of its own."""

    subject: Value
    low: Value
    high: Value


class InSet(Spanned, frozen=True):
    """The subject equals one of the values (literals of its family); `not in` is `Not(InSet)`.

    The values of a list of literals have the span of that list.
    """

    subject: Value
    values: tuple[Literal, ...]
    exact: bool = False


class TextTest(Spanned, frozen=True):
    """TEXT or CODE against a TEXT value (any value node of kind TEXT or CODE; `matches`: literal).

    Both sides are case-folded unless `exact`; `matches` is RE2, found anywhere, case ignored
    unless `exact`.
    """

    op: OneOf["eq", "contains", "starts", "ends", "matches"]
    subject: Value
    needle: Value
    exact: bool = False


class ListTest(Spanned, frozen=True):
    """A LIST value holds any, all or none of the texts; case-folded unless `exact`."""

    op: OneOf["any", "all", "none"]
    subject: Value
    values: tuple[str, ...]
    exact: bool = False


class IsSet(Spanned, frozen=True):
    """The value is not missing; never unknown."""

    subject: Value


class IsBlank(Spanned, frozen=True):
    """Missing, empty, or only white space; never unknown."""

    subject: Value


class Happened(Spanned, frozen=True):
    """An instant as truth: true when set, else unknown (it may still come); see `SoFar`."""

    fact: Value


class Truth(Spanned, frozen=True):
    """A BOOL value as truth."""

    value: Value


class Engaged(Spanned, frozen=True):
    """`FACT within 2d` of the sending, or of the run's entry.

    True when `sent <= fact < sent + window`: who joined a list before the run's entry may join it
    again. False when not true, and `sent + window <= now` or `not_sent` is set. Else unknown (not
    sent yet, or still time).
    """

    fact: Value
    sent: Value
    not_sent: FactRef | None
    window: Duration


class DateTest(Spanned, frozen=True):
    """A date or an instant against today, now, or another one.

    today                 subject's date is today's
    on                    subject's date is that of `other`
    in_next, in_last      within `window` ahead or behind, half open
    older_than            `window` or more behind
    within                at most `window` before or after `other`, both ends in
    anniversary_today, anniversary_in_next (`window`: days or months)
    With `missing_false` a missing subject is false, not unknown: `event("x") in last 30d` of who
    never did it, so that its `not` means what it says.
    """

    op: OneOf[
        "today",
        "on",
        "in_next",
        "in_last",
        "older_than",
        "within",
        "anniversary_today",
        "anniversary_in_next",
    ]
    subject: Value
    window: Duration | None = None
    other: Value | None = None
    missing_false: bool = False


Leaf: TypeAlias = (
    Compare
    | Between
    | InSet
    | TextTest
    | ListTest
    | IsSet
    | IsBlank
    | Happened
    | Truth
    | Engaged
    | DateTest
)
Node: TypeAlias = Constant | And | Or | Not | AtLeast | SoFar | Leaf

# ------------------------------------------------------------------------------- reading it


def kind_of(value: Value) -> Kind:
    """The kind of a value node; TIME only for a fact."""
    match value:
        case FactRef(fact=fact):
            return fact.kind
        case Literal(kind=kind):
            return kind
        case Arithmetic(op=op, left=left, right=right):
            real = op == "/" or Kind.NUMBER in (kind_of(left), kind_of(right))
            return Kind.NUMBER if real else Kind.INT
        case Shift(value=inner):
            return Kind.DATE if kind_of(inner) == Kind.DATE else Kind.INSTANT
        case Least(values=values) | Greatest(values=values):
            kinds = tuple(kind_of(item) for item in values)
            if Kind.NUMBER in kinds:
                return Kind.NUMBER
            return Kind.INSTANT if kinds[0] == Kind.TIME else kinds[0]
        case AtClock() | Now():
            return Kind.INSTANT
        case Today() | DateOf():
            return Kind.DATE
        case Lower() | Lookup():
            return Kind.TEXT
        case When(value=inner):
            return kind_of(inner)
        case Known():
            return Kind.INSTANT
        case Answer():
            return Kind.BOOL
        case Aggregate():
            return _kind_of_aggregate(value)
        case _:
            return Kind.INT


_COMPUTED_KINDS = {Kind.CODE: Kind.TEXT, Kind.TIME: Kind.INSTANT}


def _kind_of_aggregate(value: Aggregate) -> Kind:
    if value.what == "count":
        return Kind.INT
    if value.what in ("first", "last"):
        return Kind.INSTANT
    if value.what == "avg" or value.of is None:
        return Kind.NUMBER
    kind = kind_of(value.of)
    return _COMPUTED_KINDS.get(kind, kind)


def scale_of(value: Value) -> int:
    """The scale of an INT value node (0 for every other kind)."""
    match value:
        case FactRef(scale=scale) | Literal(scale=scale):
            return scale
        case Arithmetic(op=op, left=left, right=right):
            if kind_of(value) != Kind.INT:
                return 0
            scales = (scale_of(left), scale_of(right))
            return sum(scales) if op == "*" else max(scales)
        case Least(values=values) | Greatest(values=values):
            return max(scale_of(item) for item in values) if kind_of(value) == Kind.INT else 0
        case When(value=inner):
            return scale_of(inner)
        case Aggregate(what="sum" | "min" | "max" | "value", of=FactRef() as of):
            return scale_of(of)
        case _:
            return 0


# The literals of a set are none: there may be a million, and nothing is read by them.
_BRANCHES = branches_of((*get_args(Node), *get_args(Value)), "Node|Value|FactRef")
_BACKWARDS = {kind: names[::-1] for kind, names in _BRANCHES.items()}


def children_of(node: Node | Value) -> list[Node | Value]:
    """The direct children of any node, in reading order."""
    return children_in(_BRANCHES, node)


def walk(node: Node | Value) -> list[Node | Value]:
    """The node and everything below it, parents first."""
    found: list[Node | Value] = []
    stack = [node]
    while stack:
        here = stack.pop()
        found.append(here)
        for name in _BACKWARDS[type(here)]:
            inside = getattr(here, name)
            if type(inside) is tuple:
                stack += inside[::-1]
            elif inside is not None:
                stack.append(inside)
    return found


_Part = TypeVar("_Part", bound=Spanned)


def without_spans(node: _Part) -> _Part:
    """The same node from nowhere in a text, so that equal parts of a rule are equal."""
    changed: dict[str, object] = {"start": 0, "end": 0}
    for name in _BRANCHES[type(node)]:
        inside = getattr(node, name)
        if type(inside) is tuple:
            changed[name] = tuple(map(without_spans, inside))
        elif inside is not None:
            changed[name] = without_spans(inside)
    if isinstance(node, InSet):
        changed["values"] = tuple(Literal(one.kind, one.value, one.scale) for one in node.values)
    return msgspec.structs.replace(node, **changed)


_ZONED_TESTS = frozenset({"today", "on", "anniversary_today", "anniversary_in_next"})


_ZONELESS = frozenset({FactRef, Literal, And, Or, Not})
"""The commonest nodes that never need a zone."""


def needs_zone(node: Node | Value) -> bool:
    """Whether the node itself (not its children) reads the contact's zone."""
    match node:
        case Compare(left=left, right=right):
            return (kind_of(left) == Kind.DATE) != (kind_of(right) == Kind.DATE)
        case Today() | DateOf() | AtClock():
            return True
        case Part(value=value):
            return kind_of(value) != Kind.DATE
        case Shift(value=value, duration=duration):
            return bool(duration.months) and kind_of(value) != Kind.DATE
        case Engaged(window=window) | Aggregate(span=Duration() as window):
            return bool(window.months)
        case Between(subject=subject, low=low, high=high):
            return len({kind_of(item) == Kind.DATE for item in (subject, low, high)}) == 2
        case DateTest(op=op, subject=subject, window=window, other=other):
            if op in _ZONED_TESTS or kind_of(subject) == Kind.DATE:
                return True
            return (window is not None and bool(window.months)) or (
                other is not None and kind_of(other) == Kind.DATE
            )
        case _:
            return False


ITEM_SPACE = "item"
AT_KEY = ("at",)
"""Of the fact that is a happening's own instant."""
ZONE_FACT = Fact("contact", Kind.CODE, ("field", "zone"))


def facts_of(node: Node | Value) -> tuple[Fact, ...]:
    """Every fact read, each once, in reading order; the contact's zone last if it is needed.

    Attributes of happenings are no facts of the row: they come with their EVENTS fact.
    """
    return facts_among(walk(node))


def facts_among(parts: Iterable[Node | Value]) -> tuple[Fact, ...]:
    """The same of everything that `walk` gave."""
    return tuple(fact for fact in _read(parts) if fact.space != ITEM_SPACE)


def items_of(node: Node | Value) -> tuple[FactRef, ...]:
    """The attributes of happenings that are read, each once, in reading order."""
    refs = (item for item in walk(node) if isinstance(item, FactRef))
    found = {ref.fact: ref for ref in refs if ref.fact.space == ITEM_SPACE}
    return tuple(found.values())


def inner_facts(part: Node | Value) -> tuple[Fact, ...]:
    """What a part of an aggregate reads: attributes of happenings, and facts of the row."""
    return _read(walk(part))


def _read(parts: Iterable[Node | Value]) -> tuple[Fact, ...]:
    found: dict[Fact, None] = {}
    zoned = False
    for item in parts:
        if type(item) is FactRef:
            found[item.fact] = None
        elif not zoned and type(item) not in _ZONELESS:
            zoned = needs_zone(item)
    if zoned:
        found[ZONE_FACT] = None
    return tuple(found)
