"""The syntax tree: what a rule says, before anybody asks whether it makes sense.

Owns the shapes and the tables of words. Every node carries its span in the text (`start`, `end`, in
characters); `without_spans` drops them, for comparing and for JSON. The tree holds what was written
and no more: `before` is not `<` here, and a name is not yet known to exist.

Laws
1. The tree of a text, printed (`printer.show`) and parsed again, is the same tree but for spans.
2. Text values and names are normalised (NFC, no bidi controls).
"""

from __future__ import annotations

from array import array
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from blaster.rules.branches import branches_of, children_in


class Spanned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="node",
              forbid_unknown_fields=True):  # fmt: skip
    """What every node has: the part of the text it came from."""

    start: int = 0
    end: int = 0


# ---------------------------------------------------------------------------------- literals


class Text(Spanned, frozen=True, tag="text"):
    value: str


class Number(Spanned, frozen=True, tag="number"):
    """A decimal number as written, without needless zeros: exact."""

    value: str


class Boolean(Spanned, frozen=True, tag="boolean"):
    value: bool


class Date(Spanned, frozen=True, tag="date"):
    """`2026-03-01`."""

    value: str


class Moment(Spanned, frozen=True, tag="moment"):
    """`2026-03-01 10:00`, in the contact's zone."""

    value: str


class Clock(Spanned, frozen=True, tag="clock"):
    """`10:00` or `10:00:30`."""

    value: str


class Weekday(Spanned, frozen=True, tag="weekday"):
    value: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


Unit: TypeAlias = Literal["s", "m", "h", "d", "w", "month", "year"]


class Duration(Spanned, frozen=True, tag="duration"):
    count: int
    unit: Unit


# ------------------------------------------------------------------------------------- facts


class Field(Spanned, frozen=True, tag="field"):
    """A contact field, or a name the caller adds. `contact`: written `contact.NAME`."""

    name: str
    contact: bool = False


class Attribute(Spanned, frozen=True, tag="attribute"):
    """A bare name inside the filter of `event(..)` or `messages(..)`."""

    name: str


class Started(Spanned, frozen=True, tag="started"):
    """`event.NAME`: an attribute of what started this run."""

    name: str


class Now(Spanned, frozen=True, tag="now"):
    pass


class Today(Spanned, frozen=True, tag="today"):
    pass


class LastActivity(Spanned, frozen=True, tag="last_activity"):
    pass


class Window(Spanned, frozen=True, tag="window"):
    """Right after an amount: `in last SPAN`, `since entry`, `of last COUNT`."""

    kind: Literal["in last", "since entry", "of last"]
    span: Duration | None = None
    count: int | None = None


class Member(Spanned, frozen=True, tag="member"):
    """`.name` or `.name(argument)` of a fact, with the window of an amount."""

    name: str
    argument: str | None = None
    window: Window | None = None


Source: TypeAlias = Literal[
    "list", "email", "sms", "messages", "form", "page", "file", "event", "benefit", "journey",
    "consent", "suppressed",
]  # fmt: skip


class Fact(Spanned, frozen=True, tag="fact"):
    """`event("purchase", product == "lenses").ever.count`: source, names, filter, ever, members.

    `names` has one entry, for `messages` none, for `consent` one or two (channel, topic).
    """

    source: Source
    names: tuple[str, ...] = ()
    filter: tuple[Node, ...] = ()
    ever: bool = False
    members: tuple[Member, ...] = ()


# ------------------------------------------------------------------------------------ values


class DatePart(Spanned, frozen=True, tag="part"):
    part: Literal["year", "month", "day", "weekday", "hour"]
    value: Node


class Call(Spanned, frozen=True, tag="call"):
    function: Literal["min", "max", "length", "lower", "bucket", "lookup"]
    arguments: tuple[Node, ...]


class Arithmetic(Spanned, frozen=True, tag="arithmetic"):
    operator: Literal["+", "-", "*", "/"]
    left: Node
    right: Node


class Negative(Spanned, frozen=True, tag="negative"):
    value: Node


class At(Spanned, frozen=True, tag="at"):
    """`arrival - 2d at 10:00`."""

    value: Node
    clock: Clock


# ------------------------------------------------------------------------------------- tests

Comparison: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "before", "after", "on"]


class Compare(Spanned, frozen=True, tag="compare"):
    operator: Comparison
    left: Node
    right: Node
    exactly: bool = False


class Between(Spanned, frozen=True, tag="between"):
    value: Node
    low: Node
    high: Node


class Values(Spanned, frozen=True, tag="values"):
    """A list of literals of one sort, however long: no nodes of their own.

    `values` are as in `Text`, `Number` and `Date`.
    """

    of: Literal["text", "number", "date"]
    values: tuple[str, ...]
    spans: bytes = b""  # the start and end of each, as unsigned C ints

    def nodes(self, most: int) -> tuple[Text | Number | Date, ...]:
        """The first of them as the nodes that they stand for."""
        ends = array("I", self.spans or bytes(8 * len(self.values)))
        kind = LITERALS[self.of]
        return tuple(
            kind(value, start=ends[2 * place], end=ends[2 * place + 1])
            for place, value in enumerate(self.values[:most])
        )


LITERALS: dict[str, type[Text | Number | Date]] = {"text": Text, "number": Number, "date": Date}


def gathered(options: tuple[Node, ...]) -> tuple[Node, ...] | Values:
    """The options of a list; as `Values` if they are literals of one sort."""
    for kind in LITERALS.values():
        same = [option for option in options if isinstance(option, kind)]
        if len(same) == len(options) > 0:
            of: Any = kind.__struct_config__.tag
            ends = array("I", (end for one in same for end in (one.start, one.end)))
            values = tuple(one.value for one in same)
            place = {"start": same[0].start, "end": same[-1].end}
            return Values(of, values, ends.tobytes(), **place)
    return options


class In(Spanned, frozen=True, tag="in"):
    value: Node
    options: tuple[Node, ...] | Values
    negated: bool = False
    exactly: bool = False


class TextTest(Spanned, frozen=True, tag="text test"):
    operator: Literal["contains", "starts with", "ends with", "matches"]
    value: Node
    pattern: Node
    exactly: bool = False


class ListTest(Spanned, frozen=True, tag="list test"):
    operator: Literal["any of", "all of", "none of"]
    value: Node
    options: tuple[Node, ...] | Values
    exactly: bool = False


class Presence(Spanned, frozen=True, tag="presence"):
    operator: Literal["is set", "is not set", "is blank", "is not blank"]
    value: Node


class IsToday(Spanned, frozen=True, tag="is today"):
    value: Node
    anniversary: bool = False


class Relative(Spanned, frozen=True, tag="relative"):
    """Against now: `in next 14d`, `in last 30d`, `older than 60d`."""

    operator: Literal["in next", "in last", "older than"]
    value: Node
    span: Duration
    anniversary: bool = False


class Near(Spanned, frozen=True, tag="near"):
    """`within 3d of X`."""

    value: Node
    span: Duration
    other: Node


class Changed(Spanned, frozen=True, tag="changed"):
    """`changed`, `changed to V`, `changed in last 7d`."""

    value: Node
    to: Node | None = None
    span: Duration | None = None


class Held(Spanned, frozen=True, tag="held"):
    """`stage held for 3d`."""

    value: Node
    span: Duration


class Within(Spanned, frozen=True, tag="within"):
    """`FACT within 2d`: of the sending, or of the run's entry."""

    value: Node
    span: Duration


class SoFar(Spanned, frozen=True, tag="so far"):
    value: Node


# ----------------------------------------------------------------------------------- logic


class Not(Spanned, frozen=True, tag="not"):
    value: Node


class And(Spanned, frozen=True, tag="and"):
    items: tuple[Node, ...]


class Or(Spanned, frozen=True, tag="or"):
    items: tuple[Node, ...]


class AtLeast(Spanned, frozen=True, tag="at least"):
    count: int
    items: tuple[Node, ...]


Node: TypeAlias = (
    Text | Number | Boolean | Date | Moment | Clock | Weekday | Duration
    | Field | Attribute | Started | Now | Today | LastActivity | Fact
    | DatePart | Call | Arithmetic | Negative | At
    | Compare | Between | In | TextTest | ListTest | Presence | IsToday | Relative | Near
    | Changed | Held | Within | SoFar
    | Not | And | Or | AtLeast
)  # fmt: skip

Condition: TypeAlias = (
    Compare | Between | In | TextTest | ListTest | Presence | IsToday | Relative | Near
    | Changed | Held | Within | SoFar
)  # fmt: skip

# ------------------------------------------------------------------------------------- words

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "before", "after", "on")
DATE_PARTS = ("year", "month", "day", "weekday", "hour")
FUNCTIONS: dict[str, tuple[int, int]] = {
    # the least and the greatest number of arguments
    "min": (2, 100),
    "max": (2, 100),
    "length": (1, 1),
    "lower": (1, 1),
    "bucket": (1, 1),
    "lookup": (2, 2),
}
SOURCES: tuple[Source, ...] = (
    "list", "email", "sms", "messages", "form", "page", "file", "event", "benefit", "journey",
    "consent", "suppressed",
)  # fmt: skip
WINDOWED = ("count", "sum", "min", "max", "avg", "value")
"""Members that may have a window right after them."""

_EVENTS = ("first", "last", "count", "sum", "min", "max", "avg", "value")
_HAPPENED = ("first", "last", "count")
MEMBERS: dict[Source, tuple[str, ...]] = {
    # what may follow the dot; of messages, forms, pages and files one of _HAPPENED after that
    "list": ("joined", "left"),
    "email": ("sent", "not_sent", "failed", "opened", "clicked", "bounced", "replied",
              "complained", "reason"),
    "sms": ("sent", "not_sent", "failed", "delivered", "replied", "reply", "clicked", "complained",
            "reason"),
    "messages": ("sent", "opened", "clicked", "replied", *_HAPPENED),
    "form": ("filled", "answer"),
    "page": ("visited",),
    "file": ("downloaded",),
    "event": _EVENTS,
    "benefit": (),
    "journey": ("entered", "running", "finished", "step"),
    "consent": (),
    "suppressed": (),
}  # fmt: skip
SECOND_MEMBERS: dict[str, tuple[str, ...]] = {
    "sent": _HAPPENED,
    "opened": _HAPPENED,
    "clicked": _HAPPENED,
    "replied": _HAPPENED,
    "filled": _HAPPENED,
    "visited": _HAPPENED,
    "downloaded": _HAPPENED,
}
HAS_EVER: frozenset[Source] = frozenset(
    {"email", "sms", "messages", "form", "page", "file", "event"}
)
NAME_ARGUMENT = frozenset({"sum", "min", "max", "avg", "value"})
"""Members whose argument is the name of an attribute."""
TEXT_ARGUMENT = frozenset({"clicked", "bounced", "opened", "replied", "answer"})
"""Members whose argument is a text; only `answer` cannot do without."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OPERATOR_WORDS = (
    "and", "or", "not", "in", "is", "at", "between", "contains", "starts", "ends", "with",
    "matches", "any", "all", "none", "of", "before", "after", "on", "within", "held", "for",
    "changed", "anniversary", "older", "than", "last", "next", "exactly", "least", "since", "entry",
    "so", "far", "to", "set", "blank",
)  # fmt: skip
_OPERAND_WORDS = ("today", "now", "true", "false", "contact", "last_activity", "field")
RESERVED = frozenset((*_OPERATOR_WORDS, *_OPERAND_WORDS, *FUNCTIONS, *SOURCES, *WEEKDAYS)) - {
    "email"
}
"""Words that are no bare name. `email` alone is the contact's address."""


BRANCHES = branches_of(get_args(Node), "Node|Clock|Duration")


def children_of(node: Node) -> list[Node]:
    """The direct children that are nodes of their own, in reading order."""
    return children_in(BRANCHES, node)
