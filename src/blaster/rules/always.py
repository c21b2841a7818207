"""Parts of a rule that are true for everyone, or never: contradictions and tautologies.

Theory of operation: the leaves of a part are put in terms of what they read. What a leaf reads is
cut into cells (`cells`) in each of which the leaf's answer is known; a leaf that is not understood
may have any answer, the same one wherever it stands. Every combination of cells is tried, or, when
they are too many, every cell of each thing alone; the answers that come up are all there can be.

Laws
1. What is reported holds for every row at every instant: the answers are never too few. Silence
   means nothing; beyond WORK_MAX a rule is not looked at.
2. The smallest part is reported: a rule that is never true because a part of it is, is that part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import prod
from typing import NamedTuple, TypeAlias

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.cells import (
    ANY,
    FALSE,
    MIRRORED,
    MISSING,
    ORDERS,
    TRUE,
    UNKNOWN,
    Cell,
    Judge,
    judge_blank,
    judge_order,
    judge_text,
    may_miss,
    number_cells,
    range_of,
    word_cells,
)
from blaster.rules.scope import Scope
from blaster.rules.values import INSTANTS, TEXTS

WORK_MAX = 200_000
"""Leaves looked at, times combinations, for one rule: under a second."""

JOINT_MAX = 2_000
"""Combinations of cells that are tried together."""

PARTS_MAX = 60
"""Conditions of one `and` among which a pair is looked for that says it all."""


class Verdict(NamedTuple):
    """A part of a rule, `text[start:end]`, that is `always` true, or else never."""

    always: bool
    start: int
    end: int
    node: tree.Node

    @property
    def message(self) -> str:
        return "this is true for everyone" if self.always else "this can never be true"


class Thing:
    """Something that leaves read: where it is cut, and whether it can be missing."""

    def __init__(self, value: tree.Value | None, missing: bool) -> None:
        self.value = value
        self.missing = missing
        self.marks: set[Fraction] = set()
        self.words: set[str] = set()

    def cells(self) -> list[Cell]:
        found: list[Cell]
        if self.value is None:
            found = [True, False]
        elif tree.kind_of(self.value) in TEXTS:
            found = word_cells(self.words)
        elif tree.kind_of(self.value) in (Kind.BOOL, Kind.LIST, Kind.ID):
            found = [True, False]
        else:
            found = number_cells(self.marks, range_of(self.value))
        return [*found, MISSING] if self.missing else found


class Leaf(NamedTuple):
    """What a leaf says in each cell of the thing it reads; `absent` is its answer without it."""

    thing: Thing
    judge: Judge
    absent: int = UNKNOWN

    def answer(self, cell: Cell) -> int:
        return self.absent if cell == MISSING else self.judge(cell)


Form: TypeAlias = "tuple[str, int, tuple[Form, ...]] | Leaf | int"
"""Logic (its word, its count, its parts), a leaf, or an answer that is always the same."""


class Reading:
    """One part of a rule, put in terms of the things that it reads."""

    def __init__(self, filled: Callable[[str], bool]) -> None:
        self.filled = filled
        self.things: dict[object, Thing] = {}
        self.leaves = 0

    # ------------------------------------------------------------------------------- forms

    def form(self, node: tree.Node) -> Form:
        match node:
            case tree.Constant(value=value):
                return UNKNOWN if value is None else TRUE if value else FALSE
            case tree.Not(child=child):
                return ("not", 0, (self.form(child),))
            case tree.SoFar(child=child):
                return ("so far", 0, (self.form(child),))
            case tree.And(children=children):
                return ("and", 0, tuple(map(self.form, children)))
            case tree.Or(children=children):
                return ("or", 0, tuple(map(self.form, children)))
            case tree.AtLeast(k=k, children=children):
                return ("at least", k, tuple(map(self.form, children)))
        self.leaves += 1
        return self.leaf(node)

    def leaf(self, node: tree.Leaf) -> Form:
        match node:
            case tree.Compare(op=op, left=left, right=right):
                found = self.compare(op, left, right)
            case tree.Between(subject=subject, low=low, high=high):
                ends = (self.compare(">=", subject, low), self.compare("<=", subject, high))
                found = (
                    None if None in ends else ("and", 0, tuple(e for e in ends if e is not None))
                )
            case tree.InSet(subject=subject, values=values, exact=exact):
                found = self.in_set(subject, values, exact)
            case tree.TextTest(op=op, subject=subject, needle=needle, exact=exact):
                found = self.text(op, subject, needle, exact)
            case tree.IsSet(subject=subject):
                found = Leaf(self.thing(subject), lambda _: TRUE, FALSE)
            case tree.Happened(fact=fact):
                found = Leaf(self.thing(fact), lambda _: TRUE)
            case tree.IsBlank(subject=subject):
                found = self.blank(subject)
            case tree.Truth(value=value):
                found = Leaf(self.thing(value), lambda cell: TRUE if cell is True else FALSE)
            case tree.DateTest():
                found = self.date(node)
            case _:
                found = None
        return self.opaque(node) if found is None else found

    def opaque(self, node: tree.Leaf) -> Form:
        """A leaf that is not understood: it may say anything, the same wherever it stands."""
        thing = self.things.setdefault(tree.without_spans(node), Thing(None, missing=True))
        return Leaf(thing, lambda cell: TRUE if cell is True else FALSE)

    def thing(self, value: tree.Value, about: str = "") -> Thing:
        key = (about, tree.without_spans(value))
        if key not in self.things:
            self.things[key] = Thing(value, may_miss(value, self.filled))
        return self.things[key]

    def compare(self, op: tree.Order, left: tree.Value, right: tree.Value) -> Form | None:
        if tree.without_spans(left) == tree.without_spans(right):
            answer = TRUE if ORDERS[op](0, 0) else FALSE
            return Leaf(self.thing(left), lambda _: answer)
        if isinstance(left, tree.Literal):
            op, left, right = MIRRORED[op], right, left
        if not isinstance(right, tree.Literal):
            return None
        if tree.kind_of(left) == Kind.BOOL and right.kind == Kind.BOOL:
            same = bool(right.value) if op == "==" else not right.value
            return Leaf(self.thing(left), lambda cell: TRUE if cell is same else FALSE)
        return self.mark(op, left, right)

    def mark(self, op: tree.Order, left: tree.Value, right: tree.Literal) -> Form | None:
        """A number, date or instant against a literal of its own kind."""
        if tree.kind_of(left) in INSTANTS and right.kind == Kind.DATE:
            left = tree.DateOf(left)
        kind = tree.kind_of(left)
        alike = kind == right.kind or (kind in INSTANTS and right.kind in INSTANTS)
        if not alike or kind not in (Kind.INT, Kind.NUMBER, Kind.DATE, *INSTANTS):
            return None
        at = Fraction(right.value) / 10**right.scale
        if isinstance(left, tree.Literal):
            return TRUE if ORDERS[op](Fraction(left.value) / 10**left.scale, at) else FALSE
        thing = self.thing(left)
        thing.marks.add(at)
        return Leaf(thing, judge_order(op, at))

    def in_set(
        self, subject: tree.Value, values: tuple[tree.Literal, ...], exact: bool
    ) -> Form | None:
        if not values:
            return Leaf(self.thing(subject), lambda _: FALSE)
        if len(values) ** 2 > WORK_MAX:
            return None  # a cell per value, and a look per value at each
        self.leaves += len(values) - 1
        found: list[Form] = []
        for value in values:
            if tree.kind_of(subject) in TEXTS:
                one = self.text("eq", subject, value, exact)
            else:
                one = self.compare("==", subject, value)
            if one is None:
                return None
            found.append(one)
        return ("or", 0, tuple(found))

    def text(self, op: str, subject: tree.Value, needle: tree.Value, exact: bool) -> Form | None:
        if op == "matches":
            return None
        if tree.without_spans(subject) == tree.without_spans(needle):
            return Leaf(self.thing(subject), lambda _: TRUE)
        if not isinstance(needle, tree.Literal) or isinstance(subject, tree.Literal):
            return None
        thing, word = self.thing(subject), str(needle.value)
        if op == "eq":
            thing.words.add(word)
        return Leaf(thing, judge_text(op, word, exact=exact))

    def blank(self, subject: tree.Value) -> Form | None:
        kind = tree.kind_of(subject)
        if kind == Kind.LIST:
            return None
        return Leaf(self.thing(subject), judge_blank if kind in TEXTS else lambda _: FALSE, TRUE)

    def date(self, node: tree.DateTest) -> Form | None:
        """A window around now: the distance from now (or today) lies in a stretch."""
        window = node.window
        if node.op not in ("in_next", "in_last", "older_than") or window is None:
            return None
        is_date = tree.kind_of(node.subject) == Kind.DATE
        size = window.days if is_date and not window.seconds else window.exact_seconds
        if window.months or size is None or (is_date and window.seconds):
            return None
        thing = self.thing(node.subject, "from now")
        thing.value = tree.Now()  # a whole number of seconds or days, of either sign
        ends: tuple[tuple[tree.Order, int], ...] = (("<=", -size),)
        if node.op == "in_next":
            ends = ((">=", 0), ("<", size))
        elif node.op == "in_last":
            ends = ((">", -size), ("<=", 0))
        absent = FALSE if node.missing_false else UNKNOWN
        thing.marks.update(Fraction(at) for _, at in ends)
        judges = [judge_order(op, Fraction(at)) for op, at in ends]

        def judge(cell: Cell) -> int:
            return TRUE if all(one(cell) == TRUE for one in judges) else FALSE

        return Leaf(thing, judge, absent)

    # ----------------------------------------------------------------------------- answers

    def answers(self, form: Form) -> tuple[int, int]:
        """Every answer that can come up, and how much work it was to see; 0: too much."""
        things = list(self.things.values())
        cells = [thing.cells() for thing in things]
        if prod(map(len, cells)) <= JOINT_MAX:
            rounds = [dict(zip(things, held, strict=True)) for held in product(*cells)]
            return _all_of(form, rounds), len(rounds) * (1 + self.leaves)
        work = sum(map(len, cells)) * (1 + self.leaves)
        if work > WORK_MAX:
            return ANY, work
        found = ANY
        for thing, mine in zip(things, cells, strict=True):
            found &= _all_of(form, [{thing: cell} for cell in mine])
        return found, work


def _all_of(form: Form, rounds: Iterable[dict[Thing, Cell]]) -> int:
    found = 0
    for held in rounds:
        found |= _answer(form, held)
        if found == ANY:
            break
    return found


def _answer(form: Form, held: dict[Thing, Cell]) -> int:
    """The answers of a form while some things are held in a cell; the others may be anything."""
    if isinstance(form, int):
        return form
    if isinstance(form, Leaf):
        return form.answer(held[form.thing]) if form.thing in held else ANY
    word, count, parts = form
    found = [_answer(part, held) for part in parts]
    if word == "not":
        return _swapped(found[0])
    if word == "so far":
        return (found[0] & TRUE) | (FALSE if found[0] & (FALSE | UNKNOWN) else 0)
    if word == "and":
        return _swapped(_either([_swapped(one) for one in found]))
    return _either(found) if word == "or" else _at_least(count, found)


def _swapped(answer: int) -> int:
    return (answer & UNKNOWN) | (TRUE if answer & FALSE else 0) | (FALSE if answer & TRUE else 0)


def _either(answers: Sequence[int]) -> int:
    """Kleene's `or` of sets: each part may have any of its answers."""
    found = TRUE if any(answer & TRUE for answer in answers) else 0
    if all(answer & FALSE for answer in answers):
        found |= FALSE
    if any(a & UNKNOWN for a in answers) and all(a & (FALSE | UNKNOWN) for a in answers):
        found |= UNKNOWN
    return found


def _at_least(count: int, answers: Sequence[int]) -> int:
    surely = sum(answer == TRUE for answer in answers)
    found = TRUE if sum(bool(answer & TRUE) for answer in answers) >= count else 0
    if len(answers) - sum(bool(answer & FALSE) for answer in answers) < count:
        found |= FALSE
    open_ones = sum(bool(answer & (TRUE | UNKNOWN)) for answer in answers)
    if any(answer & UNKNOWN for answer in answers) and surely < count <= open_ones:
        found |= UNKNOWN
    return found


# -------------------------------------------------------------------------------- the search


class _Search:
    def __init__(self, scope: Scope | None) -> None:
        fields = scope.fields if scope is not None else {}
        self.filled = frozenset(name for name, field in fields.items() if field.default is not None)
        self.work = 0

    def fixed(self, node: tree.Node) -> bool | None:
        """True: always true; False: never true; None: neither, or nobody knows."""
        if self.work > WORK_MAX:
            return None
        reading = Reading(self.filled.__contains__)
        form = reading.form(node)
        answers, work = reading.answers(form)
        self.work += work
        return True if answers == TRUE else None if answers & TRUE else False

    def look(self, node: tree.Node) -> list[Verdict]:
        """The verdicts of the smallest parts."""
        if isinstance(node, tree.SoFar):
            return self.look(node.child)
        parts = _parts(node)
        found = {place: self.look(part) for place, part in enumerate(parts)}
        inside = [verdict for verdicts in found.values() for verdict in verdicts]
        if isinstance(node, tree.And | tree.Or):
            rest = tuple(part for place, part in enumerate(parts) if not found[place])
            if len(rest) < 2:
                return inside
            left = tree.And(rest) if isinstance(node, tree.And) else tree.Or(rest)
            always = self.fixed(left)
            if always is not None:
                start, end = self.narrowed(node, rest, always)
                if len(rest) == len(parts) and (start, end) == (rest[0].start, rest[-1].end):
                    start, end = node.start, node.end
                inside.append(Verdict(always, start, end, left))
            return inside
        if inside:
            return inside
        always = self.fixed(node)
        return [] if always is None else [Verdict(always, node.start, node.end, node)]

    def narrowed(
        self, node: tree.And | tree.Or, parts: tuple[tree.Node, ...], always: bool
    ) -> tuple[int, int]:
        """The place of the two conditions that say it all; the whole when there are no such two."""
        whole = (parts[0].start, parts[-1].end)
        if len(parts) > PARTS_MAX:
            return whole
        for pair in combinations(parts, 2):
            if (
                self.fixed(tree.And(pair) if isinstance(node, tree.And) else tree.Or(pair))
                is always
            ):
                return (pair[0].start, pair[1].end)
        return whole


def _parts(node: tree.Node) -> tuple[tree.Node, ...]:
    match node:
        case tree.And(children=children) | tree.Or(children=children):
            return children
        case tree.AtLeast(children=children):
            return children
        case tree.Not(child=child):
            return (child,)
        case _:
            return ()


def verdicts(node: tree.Node, scope: Scope | None = None) -> tuple[Verdict, ...]:
    """What is always or never true in a rule; a rule that is just `true` means it, and is not.

    With the scope, fields that have a default are known never to be missing.
    """
    if isinstance(node, tree.Constant) and node.value:
        return ()
    found = _Search(scope).look(node)
    return tuple(sorted(found, key=lambda verdict: (verdict.start, verdict.end)))
