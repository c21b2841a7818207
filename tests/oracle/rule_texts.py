"""Rules as text: every operator with every kind of value it takes, joined to trees.

`LEAVES` is the table of what a rule can ask: operator, kind of value, and who writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.oracle import rule_happenings as made
from tests.oracle.dice import Dice, choice, one_in
from tests.oracle.rule_open import OPEN
from tests.oracle.rule_rows import ENUM, Case, raw, text
from tests.oracle.rule_words import ASSETS, MESSAGE_NAMES, TIMES, Writer

DEPTH_MAX = 8


class Leaf(NamedTuple):
    """One test in the table."""

    operator: str
    kind: str
    write: Callable[[Writer, str, str], str]
    negatable: bool = True

    @property
    def place(self) -> str:
        """Where it can stand: "" is anywhere."""
        if self.operator == "within" and self.kind not in (*MESSAGE_NAMES, "sendings"):
            return "steps"
        return "raw" if self.kind == "raw" else ""


class Written(NamedTuple):
    """A rule, whether a `not` may stand before it, and its leaves."""

    text: str
    negatable: bool
    leaves: tuple[tuple[Leaf, str], ...]


# ---------------------------------------------------------------------------- who writes what


def _subject(writer: Writer, kind: str) -> str:
    if kind == "weekday":
        return writer.weekday()
    if kind == "mixed":
        return writer.value(writer.pick("instant", "time"))
    return writer.value(kind)


def _plain(writer: Writer, kind: str) -> str:
    """A subject that is mostly a fact, so that equality is not a rare accident."""
    simple = kind not in ("weekday", "mixed") and not one_in(writer.dice, 3)
    return writer.fact(kind) if simple else _subject(writer, kind)


def _option(writer: Writer, kind: str) -> str:
    """One of several values that the subject is compared with."""
    exact = kind in ("int", "scaled") and "float among exact options" in OPEN
    return writer.literal(kind) if exact else _other(writer, kind)


def _other(writer: Writer, kind: str) -> str:
    """What the subject is compared with: mostly a literal."""
    if kind == "mixed":
        return writer.pick(writer.literal("date"), writer.value("date", 1), "today")
    if kind == "weekday" or not one_in(writer.dice, 3):
        return writer.literal(kind)
    if kind in ("int", "scaled", "number"):
        return writer.value(writer.pick("int", "scaled", "number"), 1)
    if kind in ("instant", "time"):
        return writer.value(writer.pick("instant", "time"), 1)
    if kind in ("text", "code", "enum"):
        return writer.fact(writer.pick("text", "code"))
    return writer.fact(kind)


def _infix(writer: Writer, operator: str, kind: str) -> str:
    equal = operator in ("==", "!=", "on")
    left = (_plain if equal else _subject)(writer, kind)
    right = left if equal and one_in(writer.dice, 8) else _other(writer, kind)
    if kind == "raw" and one_in(writer.dice, 2):
        right = writer.pick("3", "3.5", "true", "2026-03-27")
    if one_in(writer.dice, 8) and operator in ("==", "!=", "<", "<=", ">", ">="):
        left, right = right, left
    return f"{left} {operator} {right}"


def _exactly(writer: Writer, operator: str, kind: str) -> str:
    sign = operator.removesuffix(" exactly")
    return f"{_plain(writer, kind)} {sign} {_other(writer, kind)} exactly"


def _between(writer: Writer, operator: str, kind: str) -> str:
    return f"{_subject(writer, kind)} between {_option(writer, kind)} and {_option(writer, kind)}"


def _in(writer: Writer, operator: str, kind: str) -> str:
    options = [_option(writer, kind) for _ in range(writer.pick(1, 2, 3, 5))]
    head, _, _ = operator.partition(" exactly")
    tail = operator[len(head) :]
    return f"{_plain(writer, kind)} {head} [{', '.join(options)}]{tail}"


def _text_test(writer: Writer, operator: str, kind: str) -> str:
    words = (raw if kind == "raw" else text)(writer.dice, writer.case)
    if kind == "enum":
        words = choice(writer.dice, ENUM)
    start, size = writer.dice.below(len(words) + 1), writer.pick(1, 2, 5, 40)
    needle = writer.pick(words[start : start + size], words[:size], words[-size:])
    needle = writer.pick(needle, needle, needle.upper())
    head, _, _ = operator.partition(" exactly")
    tail = operator[len(head) :]
    other = writer.fact("text") if one_in(writer.dice, 8) else writer.quoted(needle)
    return f"{_subject(writer, kind)} {head} {other}{tail}"


def _list_test(writer: Writer, operator: str, kind: str) -> str:
    options = [writer.literal("text") for _ in range(writer.pick(1, 2, 3))]
    head, _, _ = operator.partition(" exactly")
    return f"{writer.fact('list')} {head} [{', '.join(options)}]{operator[len(head) :]}"


def _after(writer: Writer, operator: str, kind: str) -> str:
    """A subject and the bare operator behind it."""
    return f"{_subject(writer, kind)} {operator}"


def _span_after(writer: Writer, operator: str, kind: str) -> str:
    if kind in _SOURCES:
        return f"{writer.happening(kind)} {operator} {writer.span('time')}"
    span = "date" if kind == "date" or operator.startswith("anniversary") else kind
    return f"{_subject(writer, kind)} {operator} {writer.span(span)}"


def _near(writer: Writer, operator: str, kind: str) -> str:
    span = writer.span("date" if kind in ("date", "mixed") else "instant")
    return f"{_subject(writer, kind)} within {span} of {_other(writer, kind)}"


def _within(writer: Writer, operator: str, kind: str) -> str:
    if kind == "list":
        return f'list("vip").joined within {writer.span("time")}'
    fact = writer.happening(kind, ever=False)
    if "failed" in fact or "not_sent" in fact:
        fact = f'{kind}("{MESSAGE_NAMES[kind]}").replied'
    return f"{fact} within {writer.span('time')}"


def _so_far(writer: Writer, operator: str, kind: str) -> str:
    return f"{writer.happening(kind)} so far"


def _bare(writer: Writer, operator: str, kind: str) -> str:
    if kind in _SOURCES:
        return writer.happening(kind)
    if kind == "state":
        return str(writer.pick(
            'list("vip").joined', 'list("vip").left', 'journey("other").entered',
            'journey("other").finished', 'journey("welcome").entered'))  # fmt: skip
    return writer.fact("bool")


def _measured(writer: Writer, operator: str, kind: str) -> str:
    span = writer.pick("1d", "3d", "2w") if kind == "date" else writer.pick("48h", "3d", "15m")
    return f"{writer.difference(kind)} {writer.pick('<', '<=', '==', '>=', '>')} {span}"


def _constant(writer: Writer, operator: str, kind: str) -> str:
    return str(writer.pick("true", "false"))


# ----------------------------------------------------------------------------------- the table

_TEXTUAL = ("text", "code", "enum")
_NUMERIC = ("int", "scaled", "number")
_TIMED = (*TIMES, "mixed")
_ORDERED = (*_NUMERIC, *_TIMED, "weekday")
_EQUAL = (*_TEXTUAL, *_ORDERED, "bool", "raw")
_ANY = (*_TEXTUAL, *_NUMERIC, *TIMES, "bool", "list", "raw")
_SOURCES = (*MESSAGE_NAMES, *ASSETS, "filtered", "sendings")
_CHANGED = ("text", "enum", "int", "scaled", "date", "bool")


def _rows(
    operators: tuple[str, ...], kinds: tuple[str, ...], write: Callable[[Writer, str, str], str],
    *, negatable: bool = True,
) -> list[Leaf]:  # fmt: skip
    return [Leaf(operator, kind, write, negatable) for operator in operators for kind in kinds]


LEAVES: tuple[Leaf, ...] = (
    *_rows(("==", "!="), _EQUAL, _infix),
    *_rows(("<", "<=", ">", ">="), _ORDERED, _infix),
    *_rows(("before", "after", "on"), _TIMED, _infix),
    *_rows(("== exactly", "!= exactly"), ("text", "code", "raw"), _exactly),
    *_rows(("between",), _ORDERED, _between),
    *_rows(("in", "not in"), _EQUAL, _in),
    *_rows(("in exactly", "not in exactly"), ("text", "code"), _in),
    *_rows(("contains", "starts with", "ends with"), (*_TEXTUAL, "raw"), _text_test),
    *_rows(("contains exactly", "starts with exactly", "ends with exactly"), ("text", "code"),
           _text_test),
    *_rows(("any of", "all of", "none of", "any of exactly"), ("list",), _list_test),
    *_rows(("is set", "is not set", "is blank", "is not blank"), _ANY, _after),
    *_rows(("is today", "anniversary is today"), TIMES, _after),
    *_rows(("in next", "in last", "older than"), (*TIMES, *_SOURCES), _span_after),
    *_rows(("anniversary in next",), TIMES, _span_after),
    *_rows(("within of",), _TIMED, _near),
    *_rows(("within",), (*_SOURCES, "list"), _within),
    *_rows(("so far",), _SOURCES, _so_far),
    *_rows(("bare",), _SOURCES, _bare, negatable=False),
    *_rows(("bare",), ("bool", "state"), _bare),
    *_rows(("difference with span",), ("date", "instant"), _measured),
    *_rows(("constant",), ("bool",), _constant),
    *_rows(("amount",), made.AMOUNTS, made.amount_leaf),
    *_rows(("changed", "changed to"), _CHANGED, made.changed_leaf, negatable=False),
    *_rows(("changed in last", "changed to in last", "changed so far", "changed to so far"),
           _CHANGED, made.changed_leaf),
    *_rows(("held for",), _CHANGED, made.held_leaf),
    *_rows(("lookup",), ("text", "code", "enum"), made.lookup_leaf),
    *_rows(("matches", "matches exactly"), ("text", "code"), made.matches_leaf),
)  # fmt: skip


def _deck(place: str, *, raw: bool, negated: bool) -> tuple[Leaf, ...]:
    """The leaves that can stand there; rare ones three times."""
    found: list[Leaf] = []
    for leaf in LEAVES:
        fits = leaf.place in ("", place) or (leaf.place == "raw" and raw)
        if fits and (leaf.negatable or not negated):
            found += [leaf] * (3 if leaf.place else 1)
    return tuple(found)


DECKS = {
    (place, raw, negated): _deck(place, raw=raw, negated=negated)
    for place in ("steps", "enter", "audience")
    for raw in (False, place != "audience")
    for negated in (False, True)
}


class Author:
    """Joins leaves to a tree of at most DEPTH_MAX levels and about `budget` leaves.

    A leaf whose text is not `wanted` is drawn anew.
    """

    def __init__(
        self, dice: Dice, case: Case, budget: int,
        wanted: Callable[[str], bool] = lambda text: True,
    ) -> None:  # fmt: skip
        self.dice = dice
        self.writer = Writer(dice, case)
        self.place = case.place
        self.raw = not case.attributes and case.place != "audience"
        self.budget = budget
        self.wanted = wanted
        self.leaves: list[tuple[Leaf, str]] = []

    def rule(self) -> Written:
        text = self.tree(DEPTH_MAX, negated=False)
        negatable = all(leaf.negatable for leaf, _ in self.leaves)
        return Written(text, negatable, tuple(self.leaves))

    def leaf(self, *, negated: bool) -> str:
        while True:
            leaf = self.dice.deal(DECKS[self.place, self.raw, negated])
            text = leaf.write(self.writer, leaf.operator, leaf.kind)
            if self.wanted(text):
                break
        self.leaves.append((leaf, text))
        self.budget -= 1
        return text

    def tree(self, depth: int, *, negated: bool) -> str:
        """A condition in parentheses, unless it is one that needs none."""
        if depth <= 1 or self.budget <= 1 or (len(self.leaves) > 2 and one_in(self.dice, 5)):
            return self.leaf(negated=negated)
        shape = self.dice.below(6)
        if shape == 0:
            self.writer.note("not", "logic")
            return f"not ({self.tree(depth - 1, negated=True)})"
        count = 2 + self.dice.below(2)
        parts = [self.tree(depth - 1, negated=negated) for _ in range(count)]
        if shape == 1:
            self.writer.note("at least", "logic")
            return f"at least {1 + self.dice.below(count)} of ({', '.join(parts)})"
        word = "and" if shape < 4 else "or"
        self.writer.note(word, "logic")
        return "(" + f" {word} ".join(parts) + ")"
