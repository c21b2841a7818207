"""Lowering: the typed tree to a flat program over bitmaps.

Owns the choice of kernels. Laws

1. `not` is pushed down: every node is asked for one form, the rows where it is surely true or those
   where it is surely false, and gives one bitmap. So three-valued logic costs nothing at run time.
2. And/or of one form is or/and of the other; at least k of n is false where n - k + 1 are false.
3. A leaf without a kernel goes to `leaves.truths_of` as a derived column: right, only slower.
4. The same step is computed once, for however many trees are lowered together.
5. Constants are folded, nested and/or laid flat; `assemble` orders and places what is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.assemble import Node as Step
from blaster.rules.assemble import assemble
from blaster.rules.facts import Fact
from blaster.rules.kernels import hashed
from blaster.rules.plan import INT64_MAX, INT64_MIN, Bound, Derived, Plan, TextTable, packed
from blaster.rules.textkernels import needle_bytes
from blaster.rules.textset import TextSet
from blaster.rules.values import INSTANTS

MIRRORED: dict[tree.Order, tree.Order] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
OPPOSITE: dict[tree.Order, tree.Order] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
TEXT_OPS = {"eq": 0, "contains": 1, "starts": 2, "ends": 3}
SLOTS_READ = {"gap": 2, "order": 2, "today": 2, "anniversary": 3}
"""How many slots a leaf reads, where it is not one."""
FOLDED = 8
WHOLE = (Kind.INT, Kind.DATE, Kind.INSTANT, Kind.TIME)
IN_RANGES_MAX = 8
"""A longer `in [..]` of whole numbers is one look-up instead of a kernel per value."""
IN_TEXTS_MAX = 8
"""A longer `in [..]` of texts is one look-up in a hash table instead of a kernel per value."""
IN_REALS_MAX = 64
"""A longer `in [..]` of reals is one pass in NumPy instead of a kernel per value."""
BITS_PER_VALUE_MAX, BITS_MAX = 64, 2**24
"""A set of numbers is a bitmap when that costs no more, else a hash table."""
OPEN = Bound(None)


class TextKey(NamedTuple):
    """A set of texts, and how it compares."""

    words: tuple[str, ...]
    exact: bool


def lower(node: tree.Node, facts: tuple[Fact, ...]) -> Plan:
    """The plan that finds the rows where `node` is surely true; `facts` in slot order."""
    return lower_all((node,), facts)


def lower_all(nodes: Sequence[tree.Node], facts: tuple[Fact, ...]) -> Plan:
    """One plan for several trees, with a result each."""
    lowering = Lowering(facts)
    return lowering.plan([lowering.node(node, True) for node in nodes])


class Lowering:
    """One tree on its way to a plan."""

    def __init__(self, facts: tuple[Fact, ...]) -> None:
        self.fact_slots = {fact: slot for slot, fact in enumerate(facts)}
        self.steps: list[Step] = []
        self.known: dict[Step, int] = {}
        self.constants: list[int | None] = [None, None]
        self.derived: dict[Derived, int] = {}
        self.ranges: dict[tuple[Bound, Bound], int] = {}
        self.reals: dict[tuple[float, float], int] = {}
        self.tables: dict[tuple[int, TextTable] | tree.Duration, int] = {}
        self.sets: dict[tuple[int, ...] | TextKey, int] = {}
        self.needles: dict[bytes, int] = {}

    def plan(self, answers: list[int]) -> Plan:
        kinds = [fact.kind for fact in self.fact_slots]
        return Plan(
            assemble(self.steps, answers, kinds),
            tuple(self.derived),
            tuple(self.ranges),
            tuple(end for pair in self.reals for end in pair),
            tuple(self.tables),
            tuple(set_of(values) for values in self.sets),
            tuple(self.needles),
            self.by_range(),
        )

    def by_range(self) -> frozenset[int]:
        """The slots of facts that are asked for nothing but whether they are in a range."""
        if self.derived:
            return frozenset()
        asked: set[int] = set()
        for step in self.steps:
            if step.op not in ("range", "range_real") or step.negated:
                asked.update((step.a, step.b, step.c)[: SLOTS_READ.get(step.op, 1)])
        return frozenset(set(self.fact_slots.values()) - asked)

    # ------------------------------------------------------------------------------ emitting

    def add(self, step: Step) -> int:
        """The number of a step; a step that is there already is not repeated."""
        found = self.known.get(step)
        if found is None:
            found = self.known[step] = len(self.steps)
            self.steps.append(step)
        return found

    def emit(
        self, op: str, a: int = 0, b: int = 0, c: int = 0, k: int = 0, negated: bool = False
    ) -> int:
        """The number of a leaf."""
        return self.add(Step(op, a, b, c, k, int(negated)))

    def join(self, op: str, parts: Iterable[int], flat: bool = True) -> int:
        """The number of an and/or over steps, without what does not matter to it."""
        neutral, absorbing = self.constant(op == "and"), self.constant(op != "and")
        found: dict[int, None] = {}
        for part in parts:
            inner = self.steps[part]
            for item in inner.parts if flat and inner.op == op else (part,):
                found[item] = None
        found.pop(neutral, None)
        if absorbing in found:
            return absorbing
        if len(found) < 2:
            return next(iter(found), neutral)
        return self.add(Step(op, parts=tuple(found)))

    def negate(self, step: int) -> int:
        """The number of the rows that are not in a step's."""
        inner = self.steps[step]
        if inner.op == "const":
            return self.constant(not inner.c)
        return inner.parts[0] if inner.op == "not" else self.add(Step("not", parts=(step,)))

    def constant(self, truth: bool) -> int:
        found = self.constants[truth]
        if found is None:
            found = self.constants[truth] = self.emit("const", c=int(truth))
        return found

    def derive(self, item: Derived) -> int:
        return self.derived.setdefault(item, len(self.fact_slots) + len(self.derived))

    def slot(self, value: tree.Value) -> int:
        """The slot of a value's column."""
        if isinstance(value, tree.FactRef):
            return self.fact_slots[value.fact]
        return self.derive(Derived("value", tree.without_spans(value)))

    def days_slot(self, value: tree.Value) -> int:
        """The slot of a value's dates."""
        if isinstance(value, tree.Today):
            return self.derive(Derived("today"))
        if tree.kind_of(value) == Kind.DATE:
            return self.slot(value)
        return self.derive(Derived("days", tree.without_spans(value)))

    def range_at(self, low: Bound, high: Bound) -> int:
        return 2 * self.ranges.setdefault((low, high), len(self.ranges))

    def table_at(self, slot: int, table: TextTable) -> int:
        return self.tables.setdefault((slot, table), len(self.tables))

    # ------------------------------------------------------------------------- boolean nodes

    def node(self, node: tree.Node, want: bool) -> int:
        """The rows where a node is surely `want`."""
        match node:
            case tree.Constant(value=value):
                return self.constant(value is want)
            case tree.And(children=children):
                return self.chain("and" if want else "or", children, want)
            case tree.Or(children=children):
                return self.chain("or" if want else "and", children, want)
            case tree.Not(child=child):
                return self.node(child, not want)
            case tree.AtLeast(k=k, children=children):
                return self.at_least(k if want else len(children) - k + 1, children, want)
            case tree.SoFar(child=child):
                true = self.node(child, True)
                return true if want else self.negate(true)
            case _:
                return self.leaf(node, want)

    def chain(self, op: str, children: tuple[tree.Node, ...], want: bool) -> int:
        return self.join(op, [self.node(child, want) for child in children])

    def at_least(self, k: int, children: tuple[tree.Node, ...], want: bool) -> int:
        """A row of steps: number j holds the rows where more than j children were so."""
        if k <= 0 or k > len(children):
            return self.constant(k <= 0)
        counts = [self.constant(False)] * k
        for child in children:
            here = self.node(child, want)
            for j in range(k - 1, 0, -1):
                both = self.join("and", (counts[j - 1], here), flat=False)
                counts[j] = self.join("or", (counts[j], both), flat=False)
            counts[0] = self.join("or", (counts[0], here), flat=False)
        return counts[-1]

    # -------------------------------------------------------------------------------- leaves

    def leaf(self, leaf: tree.Leaf, want: bool) -> int:
        """One leaf in one form."""
        match leaf:
            case tree.Compare(op=op, left=left, right=right):
                return self.compare(leaf, op, left, right, want)
            case tree.Between(subject=subject, low=low, high=high):
                parts = (tree.Compare(">=", subject, low), tree.Compare("<=", subject, high))
                return self.chain("and" if want else "or", parts, want)
            case tree.InSet():
                return self.in_set(leaf, want)
            case tree.TextTest():
                return self.text(leaf, want)
            case tree.ListTest():
                return self.list(leaf, want)
            case tree.IsSet(subject=subject):
                return self.emit("set", self.slot(subject), negated=not want)
            case tree.IsBlank(subject=subject):
                return self.blank(leaf, subject, want)
            case tree.Happened(fact=fact):
                return self.emit("set", self.slot(fact)) if want else self.constant(False)
            case tree.Truth(value=tree.FactRef() as fact):
                return self.emit("bits", self.slot(fact), negated=not want)
            case tree.Engaged():
                return self.engaged(leaf, want)
            case tree.DateTest():
                if leaf.missing_false and not want:
                    return self.negate(self.date(leaf, True))
                return self.date(leaf, want)
            case _:
                return self.plain(leaf, want)

    def plain(self, leaf: tree.Leaf, want: bool) -> int:
        """A leaf without a kernel."""
        return self.emit(
            "bits", self.derive(Derived("truth", tree.without_spans(leaf))), negated=not want
        )

    def in_range(self, slot: int, low: Bound, high: Bound, hit: bool) -> int:
        """Low <= value <= high (`hit` False: outside) of a slot of whole numbers."""
        return self.emit("range", slot, k=self.range_at(low, high), negated=not hit)

    def around_today(self, slot: int, low: Bound, high: Bound, hit: bool) -> int:
        """Low <= value - today <= high of a slot of dates."""
        today = self.derive(Derived("rows_today"))
        return self.emit("today", slot, today, k=self.range_at(low, high), negated=not hit)

    def compare(
        self, leaf: tree.Leaf, op: tree.Order, left: tree.Value, right: tree.Value, want: bool
    ) -> int:
        if fixed(left) is not None and fixed(right) is None:
            left, right, op = right, left, MIRRORED[op]
        kinds = (tree.kind_of(left), tree.kind_of(right))
        if Kind.BOOL in kinds:
            return self.compare_bools(leaf, op, left, right, want)
        if Kind.DATE in kinds:
            return self.compare_days(op, left, right, want)
        if kinds[0] == Kind.NUMBER and isinstance(right, tree.Literal):
            return self.compare_real(op, left, right, want)
        at = fixed(right)
        if isinstance(left, tree.Literal) and isinstance(right, tree.Literal):
            return self.plain(leaf, want)  # may be too large for a column
        if at is not None and kinds[0] != Kind.NUMBER and kinds[1] != Kind.NUMBER:
            shifted = at[0] * 10 ** tree.scale_of(left)
            low, high = ends_of(op, shifted, at[1])
            return self.in_range(self.slot(left), low, high, want != (op == "!="))
        instants = all(kind in INSTANTS for kind in kinds)
        if instants or (kinds[0] == kinds[1] and tree.scale_of(left) == tree.scale_of(right)):
            return self.compare_columns(op, left, right, want)
        return self.plain(leaf, want)

    def compare_bools(
        self, leaf: tree.Leaf, op: tree.Order, left: tree.Value, right: tree.Value, want: bool
    ) -> int:
        if isinstance(left, tree.Literal):
            left, right, op = right, left, MIRRORED[op]
        if not isinstance(left, tree.FactRef) or not isinstance(right, tree.Literal):
            return self.plain(leaf, want)
        if op not in ("==", "!=") or right.kind != Kind.BOOL:
            return self.plain(leaf, want)
        sought = (right.value is True) == (op == "==")
        return self.emit("bits", self.slot(left), negated=want != sought)

    def compare_days(self, op: tree.Order, left: tree.Value, right: tree.Value, want: bool) -> int:
        if today_and(left)[0] and not today_and(right)[0]:
            left, right, op = right, left, MIRRORED[op]
        hit = want != (op == "!=")
        slot = self.days_slot(left)
        if isinstance(right, tree.Literal) and right.kind == Kind.DATE:
            low, high = ends_of(op, int(right.value), False)
            return self.in_range(slot, low, high, hit)
        base, days = today_and(right)
        low, high = ends_of(op, days if base else 0, False)
        if base:
            return self.around_today(slot, low, high, hit)
        return self.gap(slot, self.days_slot(right), low, high, hit)

    def gap(self, slot: int, other: int, low: Bound, high: Bound, hit: bool) -> int:
        """Low <= value - other <= high of two slots of whole numbers."""
        return self.emit("gap", slot, other, k=self.range_at(low, high), negated=not hit)

    def compare_real(
        self, op: tree.Order, left: tree.Value, right: tree.Literal, want: bool
    ) -> int:
        assert not isinstance(right.value, str)
        at = right.value / 10**right.scale  # of whole numbers: rounded once
        if not want and op not in ("==", "!="):
            # The numbers that are not so, as a range too: what is no number is in neither.
            op, want = OPPOSITE[op], True
        low, high, open_ends = -math.inf, math.inf, 0
        if op in ("==", "!="):
            low = high = at
        elif op in ("<", "<="):
            high, open_ends = at, 2 if op == "<" else 0
        else:
            low, open_ends = at, 1 if op == ">" else 0
        place = 2 * self.reals.setdefault((low, high), len(self.reals))
        hit = want != (op == "!=")
        return self.emit("range_real", self.slot(left), c=open_ends, k=place, negated=not hit)

    def compare_columns(
        self, op: tree.Order, left: tree.Value, right: tree.Value, want: bool
    ) -> int:
        hit = want != (op == "!=")
        if tree.kind_of(left) != Kind.NUMBER:
            left, first = moved(left)
            right, second = moved(right)
            low, high = ends_of(op, second - first, False)
            return self.gap(self.slot(left), self.slot(right), low, high, hit)
        if op in (">", ">="):
            left, right, op = right, left, MIRRORED[op]
        code = {"==": 0, "!=": 0, "<": 1, "<=": 2}[op]
        return self.emit("order", self.slot(left), self.slot(right), code, negated=not hit)

    def in_set(self, leaf: tree.InSet, want: bool) -> int:
        subject = leaf.subject
        kind = tree.kind_of(subject)
        if kind == Kind.CODE:
            words = tuple(str(item.value) for item in leaf.values)
            return self.table(self.slot(subject), TextTable("in", words, leaf.exact), want)
        if len(leaf.values) > IN_RANGES_MAX and kind in WHOLE:
            found = whole_values(leaf)
            if found is not None:
                place = self.sets.setdefault(found, len(self.sets))
                return self.emit("among", self.slot(subject), k=place, negated=not want)
        if kind == Kind.TEXT and len(leaf.values) > IN_TEXTS_MAX:
            words = tuple(str(item.value) for item in leaf.values)
            place = self.sets.setdefault(TextKey(words, leaf.exact), len(self.sets))
            return self.emit("among", self.slot(subject), k=place, negated=not want)
        if len(leaf.values) > IN_REALS_MAX or not leaf.values:
            return self.plain(leaf, want)
        parts: tuple[tree.Node, ...]
        if kind == Kind.TEXT:
            parts = tuple(tree.TextTest("eq", subject, one, leaf.exact) for one in leaf.values)
        else:
            parts = tuple(tree.Compare("==", subject, one) for one in leaf.values)
        return self.chain("or" if want else "and", parts, want)

    def table(self, slot: int, table: TextTable, want: bool) -> int:
        return self.emit("table", slot, k=self.table_at(slot, table), negated=not want)

    def text(self, leaf: tree.TextTest, want: bool) -> int:
        if not isinstance(leaf.needle, tree.Literal):
            return self.plain(leaf, want)
        needle = str(leaf.needle.value)
        if tree.kind_of(leaf.subject) == Kind.CODE:
            table = TextTable(leaf.op, (needle,), leaf.exact)
            return self.table(self.slot(leaf.subject), table, want)
        if leaf.op == "matches":
            return self.plain(leaf, want)
        data = needle_bytes(needle, not leaf.exact)
        place = self.needles.setdefault(data, len(self.needles))
        code = TEXT_OPS[leaf.op] | (0 if leaf.exact else FOLDED)
        return self.emit("text", self.slot(leaf.subject), c=code, k=place, negated=not want)

    def list(self, leaf: tree.ListTest, want: bool) -> int:
        slot = self.slot(leaf.subject)
        if leaf.op != "all":
            table = self.table_at(slot, TextTable("in", leaf.values, leaf.exact))
            return self.emit("list", slot, k=table, negated=want != (leaf.op == "any"))
        parts = [self.emit("set", slot) if want else self.constant(False)]
        for word in leaf.values:
            table = self.table_at(slot, TextTable("in", (word,), leaf.exact))
            parts.append(self.emit("list", slot, k=table, negated=not want))
        return self.join("and" if want else "or", parts)

    def blank(self, leaf: tree.Leaf, subject: tree.Value, want: bool) -> int:
        kind = tree.kind_of(subject)
        if kind == Kind.TEXT:
            return self.emit("blank", self.slot(subject), negated=not want)
        if kind == Kind.LIST:
            return self.plain(leaf, want)
        slot = self.slot(subject)
        if kind != Kind.CODE:
            return self.emit("set", slot, negated=want)
        # Where it is set and not blank, the table says so; a missing row is blank.
        full = self.table(slot, TextTable("blank", (), True), False)
        return full if not want else self.negate(full)

    def engaged(self, leaf: tree.Engaged, want: bool) -> int:
        seconds = leaf.window.exact_seconds
        refs = (leaf.fact, leaf.sent, leaf.not_sent)
        if seconds is None or any(ref and tree.kind_of(ref) != Kind.TIME for ref in refs):
            return self.plain(leaf, want)
        fact, sent = self.slot(leaf.fact), self.slot(leaf.sent)
        done = self.gap(fact, sent, Bound(0), Bound(seconds - 1), True)
        if want:
            return done
        over = [self.in_range(sent, OPEN, Bound(-seconds, True), True)]
        if leaf.not_sent is not None:
            over.append(self.emit("set", self.slot(leaf.not_sent)))
        return self.join("and", (self.negate(done), self.join("or", over)))

    def date(self, leaf: tree.DateTest, want: bool) -> int:
        """A date test; see tree.DateTest."""
        op, subject, window = leaf.op, leaf.subject, leaf.window
        if op == "today":
            return self.compare_days("==", subject, tree.Today(), want)
        if op == "on":
            assert leaf.other is not None
            return self.compare_days("==", subject, leaf.other, want)
        if op in ("anniversary_today", "anniversary_in_next"):
            window = window or tree.Duration(days=1)
            limit = self.derive(Derived("rows_limit", window))
            today = self.derive(Derived("rows_today"))
            k = self.tables.setdefault(window, len(self.tables))
            return self.emit(
                "anniversary", self.days_slot(subject), today, limit, k, negated=not want
            )
        assert window is not None
        if op == "within":
            return self.within(leaf, window, want)
        if tree.kind_of(subject) == Kind.DATE:
            if window.months or window.seconds:
                return self.plain(leaf, want)
            low, high = ends_of_window(op, window.days, with_now=False)
            return self.around_today(self.slot(subject), low, high, want)
        seconds = window.exact_seconds
        if seconds is None:
            return self.plain(leaf, want)
        low, high = ends_of_window(op, seconds, with_now=True)
        return self.in_range(self.slot(subject), low, high, want)

    def within(self, leaf: tree.DateTest, window: tree.Duration, want: bool) -> int:
        assert leaf.other is not None
        kinds = (tree.kind_of(leaf.subject), tree.kind_of(leaf.other))
        if window.months:
            return self.plain(leaf, want)
        if all(kind in INSTANTS for kind in kinds):
            reach = window.exact_seconds or 0
            subject, other = self.slot(leaf.subject), self.slot(leaf.other)
        else:
            reach = window.days
            subject, other = self.days_slot(leaf.subject), self.days_slot(leaf.other)
        return self.gap(subject, other, Bound(-reach), Bound(reach), want)


def moved(value: tree.Value) -> tuple[tree.Value, int]:
    """An instant without the seconds that it is moved by."""
    if isinstance(value, tree.Shift) and tree.kind_of(value) != Kind.DATE:
        seconds = value.duration.exact_seconds
        if seconds is not None:
            inner, more = moved(value.value)
            return inner, more + value.sign * seconds
    return value, 0


def whole_values(leaf: tree.InSet) -> tuple[int, ...] | None:
    """The values of a set as its subject holds them, in order; None if some are no such numbers."""
    scale = 10 ** tree.scale_of(leaf.subject)
    kind = tree.kind_of(leaf.subject)
    found: set[int] = set()
    for item in leaf.values:
        if kind == item.kind == Kind.INT and 10**item.scale == scale:
            if INT64_MIN <= int(item.value) <= INT64_MAX:
                found.add(int(item.value))
            continue
        at = fixed(item)
        if (
            at is None
            or item.kind == Kind.NUMBER
            or (item.kind == Kind.DATE) != (kind == Kind.DATE)
        ):
            return None
        exact = at[0] * scale
        if exact.denominator == 1 and -(2**63) <= exact < 2**63:
            found.add(int(exact))
    return tuple(sorted(found))


def set_of(values: tuple[int, ...] | TextKey) -> TextSet | tuple[npt.NDArray[Any], int]:
    """A set for the program."""
    if isinstance(values, TextKey):
        return TextSet(values.words, fold=not values.exact)
    return set_table(values)


def set_table(values: tuple[int, ...]) -> tuple[npt.NDArray[Any], int]:
    """A set of numbers for the program: bits from the first one on, or a hash table."""
    array = np.array(values, dtype=np.int64)
    span = values[-1] - values[0] + 1 if values else 1
    if span <= min(max(512, BITS_PER_VALUE_MAX * len(values)), BITS_MAX):
        flags = np.zeros(span, dtype=np.uint8)
        flags[array - array[:1]] = 1
        return packed(flags), values[0] if values else 0
    return hashed(array)


def fixed(value: tree.Value) -> tuple[Fraction | int, bool] | None:
    """A value that is the same for every row: the number, and whether `now` is to be added."""
    match value:
        case tree.Literal(kind=kind, value=number, scale=scale) if kind not in (
            Kind.TEXT,
            Kind.CODE,
            Kind.BOOL,
        ):
            whole = kind != Kind.NUMBER and not scale
            return int(number) if whole else Fraction(number) / 10**scale, False
        case tree.Now():
            return 0, True
        case tree.Shift(value=inner, duration=duration, sign=sign):
            at = fixed(inner)
            seconds = duration.exact_seconds
            if at is not None and seconds is not None and tree.kind_of(inner) != Kind.DATE:
                return at[0] + sign * seconds, at[1]
            return None
        case _:
            return None


def today_and(value: tree.Value) -> tuple[bool, int]:
    """Whether a value is today moved by whole days, and by how many."""
    match value:
        case tree.Today():
            return True, 0
        case tree.Shift(value=inner, duration=duration, sign=sign) if not (
            duration.months or duration.seconds
        ):
            base, days = today_and(inner)
            return base, days + sign * duration.days
        case _:
            return False, 0


def ends_of(op: tree.Order, at: Fraction | int, with_now: bool) -> tuple[Bound, Bound]:
    """The whole numbers that satisfy `op at` (for != those that do not), both ends in."""
    if op in ("==", "!="):
        return Bound(math.ceil(at), with_now), Bound(math.floor(at), with_now)
    if op == "<":
        return OPEN, Bound(math.ceil(at) - 1, with_now)
    if op == "<=":
        return OPEN, Bound(math.floor(at), with_now)
    if op == ">":
        return Bound(math.floor(at) + 1, with_now), OPEN
    return Bound(math.ceil(at), with_now), OPEN


def ends_of_window(op: str, size: int, with_now: bool) -> tuple[Bound, Bound]:
    """A window around now (seconds) or today (days, as a difference), both ends in."""
    if op == "in_next":
        return Bound(0, with_now), Bound(size - 1, with_now)
    if op == "in_last":
        return Bound(1 - size, with_now), Bound(0, with_now)
    return OPEN, Bound(-size, with_now)
