"""Lowering: the typed tree to a flat program over bitmaps.

Owns the choice of kernels. Laws

1. `not` is pushed down: every node is asked for one form, the rows where it is surely true or those
   where it is surely false, and gives one bitmap. So three-valued logic costs nothing at run time.
2. And/or of one form is or/and of the other; at least k of n is false where n - k + 1 are false.
3. A leaf without a kernel goes to `leaves.truths_of` as a derived column: right, only slower.
4. The same step is computed once. Registers are given out by last use, so that few are live.
"""

from __future__ import annotations

import math
from fractions import Fraction

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.facts import Fact
from blaster.rules.plan import Bound, Derived, Plan, TextTable
from blaster.rules.program import OPS, Program
from blaster.rules.textkernels import needle_bytes
from blaster.rules.values import INSTANTS

MIRRORED: dict[tree.Order, tree.Order] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
TEXT_OPS = {"eq": 0, "contains": 1, "starts": 2, "ends": 3}
FOLDED = 8
IN_RANGES_MAX = 64
"""A longer `in [..]` of numbers is one pass in NumPy instead of a kernel per value."""
OPEN = Bound(None)

Step = tuple[str, int, int, int, int, int]  # op, a, b, c, k, negated


def lower(node: tree.Node, facts: tuple[Fact, ...]) -> Plan:
    """The plan that finds the rows where `node` is surely true; `facts` in slot order."""
    return Lowering(facts).plan(node)


class Lowering:
    """One tree on its way to a plan."""

    def __init__(self, facts: tuple[Fact, ...]) -> None:
        self.fact_slots = {fact: slot for slot, fact in enumerate(facts)}
        self.steps: list[Step] = []
        self.known: dict[Step, int] = {}
        self.derived: dict[Derived, int] = {}
        self.ranges: dict[tuple[Bound, Bound], int] = {}
        self.reals: list[float] = []
        self.tables: dict[tuple[int, TextTable], int] = {}
        self.needles: dict[bytes, int] = {}

    def plan(self, node: tree.Node) -> Plan:
        answer = self.node(tree.without_spans(node), True)
        steps, registers, result = assign_registers(self.steps, answer)
        return Plan(
            Program(steps, registers, result),
            tuple(self.derived),
            tuple(self.ranges),
            tuple(self.reals),
            tuple(self.tables),
            tuple(self.needles),
        )

    # ------------------------------------------------------------------------------ emitting

    def emit(
        self, op: str, a: int = 0, b: int = 0, c: int = 0, k: int = 0, negated: bool = False
    ) -> int:
        """The number of a step; a step that is there already is not repeated."""
        if op in ("and", "or") and a == b:
            return a
        step = (op, a, b, c, k, int(negated))
        found = self.known.get(step)
        if found is None:
            found = self.known[step] = len(self.steps)
            self.steps.append(step)
        return found

    def constant(self, truth: bool) -> int:
        return self.emit("const", c=int(truth))

    def derive(self, item: Derived) -> int:
        return self.derived.setdefault(item, len(self.fact_slots) + len(self.derived))

    def slot(self, value: tree.Value) -> int:
        """The slot of a value's column."""
        if isinstance(value, tree.FactRef):
            return self.fact_slots[value.fact]
        return self.derive(Derived("value", value))

    def days_slot(self, value: tree.Value) -> int:
        """The slot of a value's dates."""
        if isinstance(value, tree.Today):
            return self.derive(Derived("today"))
        if tree.kind_of(value) == Kind.DATE:
            return self.slot(value)
        return self.derive(Derived("days", value))

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
                return true if want else self.emit("not", true)
            case _:
                return self.leaf(node, want)

    def chain(self, op: str, children: tuple[tree.Node, ...], want: bool) -> int:
        if not children:
            return self.constant(op == "and")
        out = self.node(children[0], want)
        for child in children[1:]:
            out = self.emit(op, out, self.node(child, want))
        return out

    def at_least(self, k: int, children: tuple[tree.Node, ...], want: bool) -> int:
        """A row of registers: number j holds the rows where more than j children were so."""
        if k <= 0 or k > len(children):
            return self.constant(k <= 0)
        counts = [self.constant(False)] * k
        for child in children:
            here = self.node(child, want)
            for j in range(k - 1, 0, -1):
                counts[j] = self.emit("or", counts[j], self.emit("and", counts[j - 1], here))
            counts[0] = self.emit("or", counts[0], here)
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
                    return self.emit("not", self.date(leaf, True))
                return self.date(leaf, want)
            case _:
                return self.plain(leaf, want)

    def plain(self, leaf: tree.Leaf, want: bool) -> int:
        """A leaf without a kernel."""
        return self.emit("bits", self.derive(Derived("truth", leaf)), negated=not want)

    def in_range(self, slot: int, is_time: bool, low: Bound, high: Bound, hit: bool) -> int:
        """Low <= value <= high (`hit` False: outside) of a slot of whole numbers."""
        out = self.emit("range", slot, k=self.range_at(low, high), negated=not hit)
        # A TIME has no validity bitmap: what never happened is outside, so cut it off here.
        return self.emit("and", out, self.emit("set", slot)) if is_time and not hit else out

    def compare(
        self, leaf: tree.Leaf, op: tree.Order, left: tree.Value, right: tree.Value, want: bool
    ) -> int:
        if fixed(left) is not None and fixed(right) is None:
            left, right, op = right, left, MIRRORED[op]
        kinds = (tree.kind_of(left), tree.kind_of(right))
        if Kind.BOOL in kinds:
            return self.plain(leaf, want)
        if Kind.DATE in kinds:
            return self.compare_days(op, left, right, want)
        if kinds[0] == Kind.NUMBER and isinstance(right, tree.Literal):
            return self.compare_real(op, left, right, want)
        at = fixed(right)
        if isinstance(left, tree.Literal) and isinstance(right, tree.Literal):
            return self.plain(leaf, want)  # may be too large for a column
        is_time = kinds[0] == Kind.TIME
        if at is not None and kinds[0] != Kind.NUMBER and kinds[1] != Kind.NUMBER:
            shifted = Fraction(at[0]) * 10 ** tree.scale_of(left)
            low, high = ends_of(op, shifted, at[1])
            return self.in_range(self.slot(left), is_time, low, high, want != (op == "!="))
        if kinds[0] == kinds[1] and tree.scale_of(left) == tree.scale_of(right):
            return self.compare_columns(op, left, right, want)
        return self.plain(leaf, want)

    def compare_days(self, op: tree.Order, left: tree.Value, right: tree.Value, want: bool) -> int:
        hit = want != (op == "!=")
        slot = self.days_slot(left)
        if isinstance(right, tree.Literal) and right.kind == Kind.DATE:
            low, high = ends_of(op, Fraction(int(right.value)), False)
            return self.in_range(slot, False, low, high, hit)
        base, days = today_and(right)
        if not base:
            days = 0
        low, high = ends_of(op, Fraction(days), False)
        other = self.derive(Derived("today")) if base else self.days_slot(right)
        return self.emit("range_rel", slot, other, k=self.range_at(low, high), negated=not hit)

    def compare_real(
        self, op: tree.Order, left: tree.Value, right: tree.Literal, want: bool
    ) -> int:
        assert not isinstance(right.value, str)
        at = right.value / 10**right.scale  # of whole numbers: rounded once
        low, high = -math.inf, math.inf
        if op in ("==", "!="):
            low = high = at
        elif op in ("<", "<="):
            high = at if op == "<=" else math.nextafter(at, -math.inf)
        else:
            low = at if op == ">=" else math.nextafter(at, math.inf)
        self.reals += (low, high)
        place = len(self.reals) - 2
        hit = want != (op == "!=")
        return self.emit("range_real", self.slot(left), k=place, negated=not hit)

    def compare_columns(
        self, op: tree.Order, left: tree.Value, right: tree.Value, want: bool
    ) -> int:
        if op in (">", ">="):
            left, right, op = right, left, MIRRORED[op]
        a, b = self.slot(left), self.slot(right)
        hit = want != (op == "!=")
        code = {"==": 0, "!=": 0, "<": 1, "<=": 2}[op]
        out = self.emit("compare", a, b, code, negated=not hit)
        if tree.kind_of(left) == Kind.TIME:
            both = self.emit("and", self.emit("set", a), self.emit("set", b))
            out = self.emit("and", out, both)
        return out

    def in_set(self, leaf: tree.InSet, want: bool) -> int:
        subject = leaf.subject
        kind = tree.kind_of(subject)
        if kind == Kind.CODE:
            words = tuple(str(item.value) for item in leaf.values)
            return self.table(self.slot(subject), TextTable("in", words, leaf.exact), want)
        if len(leaf.values) > IN_RANGES_MAX or not leaf.values:
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
        out = self.emit("set", slot) if want else self.constant(False)
        for word in leaf.values:
            table = self.table_at(slot, TextTable("in", (word,), leaf.exact))
            here = self.emit("list", slot, k=table, negated=not want)
            out = self.emit("and" if want else "or", out, here)
        return out

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
        return full if not want else self.emit("not", full)

    def engaged(self, leaf: tree.Engaged, want: bool) -> int:
        seconds = leaf.window.exact_seconds
        refs = (leaf.fact, leaf.sent, leaf.not_sent)
        if seconds is None or any(ref and tree.kind_of(ref) != Kind.TIME for ref in refs):
            return self.plain(leaf, want)
        k = self.range_at(Bound(-seconds), Bound(0, True))
        refused = -1 if leaf.not_sent is None else self.slot(leaf.not_sent)
        fact, sent = self.slot(leaf.fact), self.slot(leaf.sent)
        return self.emit("engaged", fact, sent, refused, k, not want)

    def date(self, leaf: tree.DateTest, want: bool) -> int:
        """A date test; see tree.DateTest."""
        op, subject, window = leaf.op, leaf.subject, leaf.window
        if op == "today":
            return self.compare_days("==", subject, tree.Today(), want)
        if op == "on":
            assert leaf.other is not None
            return self.compare_days("==", subject, leaf.other, want)
        if op in ("anniversary_today", "anniversary_in_next"):
            limit = self.derive(Derived("limit", window or tree.Duration(days=1)))
            today = self.derive(Derived("today"))
            return self.emit("anniversary", self.days_slot(subject), today, limit, negated=not want)
        assert window is not None
        if op == "within":
            return self.within(leaf, window, want)
        if tree.kind_of(subject) == Kind.DATE:
            if window.months or window.seconds:
                return self.plain(leaf, want)
            low, high = ends_of_window(op, window.days, with_now=False)
            today = self.derive(Derived("today"))
            k = self.range_at(low, high)
            return self.emit("range_rel", self.slot(subject), today, k=k, negated=not want)
        seconds = window.exact_seconds
        if seconds is None:
            return self.plain(leaf, want)
        low, high = ends_of_window(op, seconds, with_now=True)
        is_time = tree.kind_of(subject) == Kind.TIME
        return self.in_range(self.slot(subject), is_time, low, high, want)

    def within(self, leaf: tree.DateTest, window: tree.Duration, want: bool) -> int:
        assert leaf.other is not None
        kinds = (tree.kind_of(leaf.subject), tree.kind_of(leaf.other))
        if window.months or all(kind in INSTANTS for kind in kinds):
            return self.plain(leaf, want)
        k = self.range_at(Bound(-window.days), Bound(window.days))
        subject, other = self.days_slot(leaf.subject), self.days_slot(leaf.other)
        return self.emit("range_rel", subject, other, k=k, negated=not want)


def fixed(value: tree.Value) -> tuple[Fraction, bool] | None:
    """A value that is the same for every row: the number, and whether `now` is to be added."""
    match value:
        case tree.Literal(kind=kind, value=number, scale=scale) if kind not in (
            Kind.TEXT,
            Kind.CODE,
            Kind.BOOL,
        ):
            return Fraction(number) / 10**scale, False
        case tree.Now():
            return Fraction(0), True
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


def ends_of(op: tree.Order, at: Fraction, with_now: bool) -> tuple[Bound, Bound]:
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


def assign_registers(
    steps: list[Step], answer: int
) -> tuple[list[tuple[int, int, int, int, int, int, int]], int, int]:
    """Steps with registers in place of step numbers, how many registers, and the answer's."""
    logic = {"and": 2, "or": 2, "not": 1}
    last_use = {answer: len(steps)}
    for number, (op, a, b, *_) in enumerate(steps):
        for source in (a, b)[: logic.get(op, 0)]:
            last_use[source] = max(last_use.get(source, 0), number)
    free: list[int] = []
    home: dict[int, int] = {}
    registers = 0
    out: list[tuple[int, int, int, int, int, int, int]] = []
    for number, (op, a, b, c, k, negated) in enumerate(steps):
        reads = (a, b)[: logic.get(op, 0)]
        places = [home[source] for source in reads]
        free += [home[source] for source in dict.fromkeys(reads) if last_use[source] == number]
        if free:
            home[number] = free.pop()
        else:
            home[number] = registers
            registers += 1
        if number not in last_use:  # nobody reads it: its register is free again at once
            free.append(home[number])
        first, second = (places[0], places[-1]) if places else (a, b)
        out.append((OPS[op], home[number], first, second, c, k, negated))
    return out, max(registers, 1), home[answer]
