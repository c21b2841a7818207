"""A rule as a DuckDB expression: NULL where it is unknown, so that WHERE takes what is surely true.

Owns what each boolean node is in SQL. Laws: SQL's own three values are Kleene's, so and, or and not
are themselves; a leaf is NULL exactly where the rule's is unknown; what SQL cannot say with the
same answer for every row raises NoSql and names the part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import pyarrow as pa

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.facts import Fact
from blaster.rules.leaves import truths_of
from blaster.rules.lower import MIRRORED
from blaster.rules.rule import Rule
from blaster.rules.sql_text import SPACES, folded, quoted
from blaster.rules.sql_values import Values, real, unlowered
from blaster.rules.values import INSTANTS, TEXTS
from blaster.rules.zones import Zones

BEYOND_64_BITS = 2**64
"""A literal further out compares as this one does."""

_TEXT_TESTS = {"contains": "contains", "starts": "starts_with", "ends": "ends_with"}
_SIGNS = {"!=": "<>", "==": "="}


def sql_of(rule: Rule, columns: Mapping[Fact, pa.Field | None], now: int, zones: Zones) -> str:
    """The rule over a table of these columns (by fact; None: every row misses it)."""
    return Sql(rule.text, columns, now, zones).node(rule.tree)


class Sql:
    """Boolean nodes to expressions."""

    def __init__(
        self, text: str, columns: Mapping[Fact, pa.Field | None], now: int, zones: Zones
    ) -> None:
        self.values = Values(text, columns, now, zones, self.node)

    def node(self, node: tree.Node) -> str:
        """A condition, in parentheses where it needs them."""
        match node:
            case tree.Constant(value=value):
                return constant(value)
            case tree.And(children=children):
                return self._joined(" AND ", children, empty=True)
            case tree.Or(children=children):
                return self._joined(" OR ", children, empty=False)
            case tree.Not(child=child):
                return f"(NOT {self.node(child)})"
            case tree.AtLeast(k=k, children=children):
                return self._at_least(k, children)
            case tree.SoFar(child=child):
                return f"coalesce({self.node(child)}, FALSE)"
            case _ if self.values.alike(node):
                true, false = truths_of(self.values.evaluation(), node)
                return constant(True if true[0] else False if false[0] else None)
            case _:
                return self._leaf(node)

    def _joined(self, word: str, children: tuple[tree.Node, ...], *, empty: bool) -> str:
        if not children:
            return constant(empty)
        return "(" + word.join(self.node(child) for child in children) + ")"

    def _at_least(self, k: int, children: tuple[tree.Node, ...]) -> str:
        """The k-th of the answers, true ones first, unknown ones next.

        A CASE over it would be planned once for each WHEN, and so twice as often at each level.
        """
        if k <= 0 or k > len(children):
            return constant(k <= 0)
        ranks = [f"coalesce(CAST({self.node(one)} AS INTEGER) * 2, 1)" for one in children]
        ranked = f"list_reverse_sort([{', '.join(ranks)}])[{k}]"
        return f"([FALSE, NULL, TRUE])[{ranked} + 1]"

    # --------------------------------------------------------------------------------- leaves

    def _leaf(self, leaf: tree.Leaf) -> str:
        values = self.values
        match leaf:
            case tree.Compare(op=op, left=left, right=right):
                return self._compare(op, left, right)
            case tree.Between(subject=subject, low=low, high=high):
                first, second = (
                    self._compare(">=", subject, low),
                    self._compare("<=", subject, high),
                )
                return f"({first} AND {second})"
            case tree.InSet():
                return self._in_set(leaf)
            case tree.TextTest():
                return self._text(leaf)
            case tree.ListTest():
                return self._list(leaf)
            case tree.IsSet(subject=subject):
                return f"({self._present(subject)} IS NOT NULL)"
            case tree.IsBlank(subject=subject):
                return self._blank(subject)
            case tree.Happened(fact=fact):
                return f"(CASE WHEN {values.value(fact)} IS NOT NULL THEN TRUE END)"
            case tree.Truth(value=value):
                return values.value(value)
            case tree.Engaged():
                return self._engaged(leaf)
            case tree.DateTest():
                found = self._date(leaf)
                return f"coalesce({found}, FALSE)" if leaf.missing_false else found
            case _:
                raise values.no("there is no such test in SQL", leaf)

    def _present(self, value: tree.Value) -> str:
        """Something that is NULL where the value is."""
        return self.values.value(unlowered(value))

    def _compare(self, op: tree.Order, left: tree.Value, right: tree.Value) -> str:
        values = self.values
        kinds = (tree.kind_of(left), tree.kind_of(right))
        sign = _SIGNS.get(op, op)
        if Kind.DATE in kinds:
            return f"({values.days(left)} {sign} {values.days(right)})"
        if Kind.NUMBER in kinds:
            return f"({values.real(left)} {sign} {values.real(right)})"
        if kinds[0] != Kind.INT or kinds[1] != Kind.INT:
            return f"({values.value(left)} {sign} {values.value(right)})"
        if isinstance(left, tree.Literal):
            left, right, op = right, left, MIRRORED[op]
        if isinstance(right, tree.Literal):
            at = Fraction(int(right.value)) * Fraction(10) ** (
                tree.scale_of(left) - tree.scale_of(right)
            )
            return compared(values.value(left), op, at)
        scales = (tree.scale_of(left), tree.scale_of(right))
        if scales[0] == scales[1]:
            return f"({values.value(left)} {sign} {values.value(right)})"
        first, second = (values.whole(item, max(scales)) for item in (left, right))
        return f"({first} {sign} {second})"

    def _in_set(self, leaf: tree.InSet) -> str:
        values, subject = self.values, leaf.subject
        kind = tree.kind_of(subject)
        if kind in TEXTS:
            words = [str(item.value) for item in leaf.values]
            found, words = self._folded(subject, words, leaf, exact=leaf.exact)
            return _in(found, [quoted(word) for word in words])
        if kind == Kind.INT and all(item.kind == Kind.INT for item in leaf.values):
            scale = tree.scale_of(subject)
            units = [Fraction(int(one.value)) * Fraction(10) ** (scale - one.scale)
                     for one in leaf.values]  # fmt: skip
            held = [str(clamped(unit)) for unit in units if unit.denominator == 1]
            return _in(values.value(subject), held)
        if kind == Kind.NUMBER:
            reals = [real(float(one.value) / 10**one.scale) for one in leaf.values]
            return _in(values.real(subject), reals)
        if all(item.kind == Kind.DATE for item in leaf.values):
            return _in(values.days(subject), [values.fixed(one) for one in leaf.values])
        if kind in INSTANTS and all(item.kind in INSTANTS for item in leaf.values):
            return _in(values.value(subject), [values.fixed(one) for one in leaf.values])
        parts = [self._compare("==", subject, one) for one in leaf.values]
        return "(" + " OR ".join(parts) + ")"

    # ---------------------------------------------------------------------------------- texts

    def _folded(
        self, subject: tree.Value, words: list[str], leaf: tree.Node, *, exact: bool
    ) -> tuple[str, list[str]]:
        """A text and the words it is compared with, both as they are compared."""
        if exact:
            if isinstance(subject, tree.Lower):
                raise self.values.no("another lower case", leaf)
            return self.values.value(subject), words
        words = [word.casefold() for word in words]
        return folded(self.values.value(unlowered(subject)), words), words

    def _text(self, leaf: tree.TextTest) -> str:
        if not isinstance(leaf.needle, tree.Literal):
            return self._text_columns(leaf)
        needle = str(leaf.needle.value)
        if leaf.op == "matches":
            if isinstance(leaf.subject, tree.Lower):
                raise self.values.no("another lower case", leaf)
            found = self.values.value(leaf.subject)
            flags = "c" if leaf.exact else "i"
            return f"regexp_matches({found}, {quoted(needle)}, '{flags}')"
        found, (needle,) = self._folded(leaf.subject, [needle], leaf, exact=leaf.exact)
        return _text_test(leaf.op, found, quoted(needle))

    def _text_columns(self, leaf: tree.TextTest) -> str:
        """A text against another of the same row: all of both is folded."""
        sides = (leaf.subject, leaf.needle)
        if leaf.exact:
            if any(isinstance(side, tree.Lower) for side in sides):
                raise self.values.no("another lower case", leaf)
            return _text_test(leaf.op, *(self.values.value(side) for side in sides))
        plain = (self.values.value(unlowered(side)) for side in sides)
        return _text_test(leaf.op, *(folded(side, None) for side in plain))

    def _list(self, leaf: tree.ListTest) -> str:
        found = self.values.value(leaf.subject)
        words = list(leaf.values)
        if not leaf.exact:
            words = [word.casefold() for word in words]
            inner = folded("x", words)
            if inner != "x":
                found = f"list_transform({found}, lambda x: {inner})"
        wanted = f"[{', '.join(quoted(word) for word in words)}]"
        test = "list_has_all" if leaf.op == "all" else "list_has_any"
        return f"{'NOT ' * (leaf.op == 'none')}{test}({found}, {wanted})"

    def _blank(self, subject: tree.Value) -> str:
        kind = tree.kind_of(subject)
        found = self._present(subject)
        if kind in TEXTS:
            return f"coalesce(trim({found}, {quoted(SPACES)}) = '', TRUE)"
        if kind == Kind.LIST:
            return f"coalesce(len(list_filter({found}, lambda x: x IS NOT NULL)) = 0, TRUE)"
        return f"({found} IS NULL)"

    # ----------------------------------------------------------------------------------- time

    def _engaged(self, leaf: tree.Engaged) -> str:
        values = self.values
        fact, sent = values.value(leaf.fact), values.value(leaf.sent)
        deadline = values.shifted(leaf, leaf.sent, leaf.window, 1)
        over = f"{deadline} <= {values.now}"
        if leaf.not_sent is not None:
            over += f" OR {values.value(leaf.not_sent)} IS NOT NULL"
        done = f"{sent} <= {fact} AND {fact} < {deadline}"
        return f"(CASE WHEN {done} THEN TRUE WHEN {over} THEN FALSE END)"

    def _date(self, leaf: tree.DateTest) -> str:
        """A date test; see tree.DateTest."""
        values, op, window = self.values, leaf.op, leaf.window
        is_date = tree.kind_of(leaf.subject) == Kind.DATE
        today = values.value(tree.Today())
        if op == "today":
            return f"({values.days(leaf.subject)} = {today})"
        if op == "on":
            assert leaf.other is not None
            return f"({values.days(leaf.subject)} = {values.days(leaf.other)})"
        if op in ("anniversary_today", "anniversary_in_next"):
            return self._anniversary(leaf, today)
        assert window is not None
        if op == "within":
            return self._within(leaf, window)
        now: tree.Value = tree.Today() if is_date else tree.Now()
        here, subject = values.value(now), values.value(leaf.subject)
        if op == "in_next":
            limit = values.shifted(leaf, now, window, 1)
            return f"({here} <= {subject} AND {subject} < {limit})"
        end = values.shifted(leaf, leaf.subject, window, 1)
        if op == "older_than":
            return f"({end} <= {here})"
        return f"({subject} <= {here} AND {here} < {end})"

    def _anniversary(self, leaf: tree.DateTest, today: str) -> str:
        """This year's lies from today on before the limit, or next year's before the limit."""
        values = self.values
        limit = values.shifted(leaf, tree.Today(), leaf.window or tree.Duration(days=1), 1)
        day = values.days(leaf.subject)
        years = f"CAST(year({today}) - year({day}) AS INTEGER)"
        kept, later = (f"CAST({day} + to_years({years}{more}) AS DATE)" for more in ("", " + 1"))
        return f"(({today} <= {kept} AND {kept} < {limit}) OR {later} < {limit})"

    def _within(self, leaf: tree.DateTest, window: tree.Duration) -> str:
        values, subject, other = self.values, leaf.subject, leaf.other
        assert other is not None
        found = values.value(subject)
        if not all(tree.kind_of(item) in INSTANTS for item in (subject, other)):
            found, other = values.days(subject), tree.DateOf(other)
        low, high = (values.shifted(leaf, other, window, sign) for sign in (-1, 1))
        return f"({low} <= {found} AND {found} <= {high})"


def constant(value: bool | None) -> str:
    """A truth."""
    return "CAST(NULL AS BOOLEAN)" if value is None else str(value).upper()


def clamped(value: Fraction) -> int:
    return max(-BEYOND_64_BITS, min(BEYOND_64_BITS, int(value)))


def compared(expression: str, op: tree.Order, at: Fraction) -> str:
    """A whole number against any number."""
    if at.denominator != 1 and op in ("==", "!="):
        truth = constant(op == "!=")
        return f"(CASE WHEN {expression} IS NOT NULL THEN {truth} END)"
    whole = math.floor(at) if op in ("<=", ">") else math.ceil(at)
    return f"({expression} {_SIGNS.get(op, op)} {clamped(Fraction(whole))})"


def _in(expression: str, items: list[str]) -> str:
    if not items:
        return f"(CASE WHEN {expression} IS NOT NULL THEN FALSE END)"
    return f"({expression} IN ({', '.join(items)}))"


def _text_test(op: str, subject: str, needle: str) -> str:
    if op == "eq":
        return f"({subject} = {needle})"
    return f"{_TEXT_TESTS[op]}({subject}, {needle})"
