"""Rules and values, ready to ask.

Owns the public face of the room: compile a text, evaluate over vectors, when to look again, why.
Laws: a rule is immutable and depends on nothing but its arguments; vectors come in the order of
`facts`; what it returns is new memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from blaster.model.fields import NEVER, Kind
from blaster.rules import tree
from blaster.rules.changes import changes_among, next_changes
from blaster.rules.check import check_rule, check_value, understood
from blaster.rules.eventlists import EventLists
from blaster.rules.explain import Explained, explain_node
from blaster.rules.facts import Fact
from blaster.rules.lower import lower
from blaster.rules.plan import Plan, Prepared, Vectors
from blaster.rules.program import Call, Constants, Stats, run
from blaster.rules.scope import Scope
from blaster.rules.values import TEXTS, Evaluation
from blaster.rules.vector import Vector
from blaster.rules.vectors import row_of
from blaster.rules.zones import Zones

Asked = tuple[Vectors, int, None]  # a batch of a Call


class RuleForm(msgspec.Struct, frozen=True):
    """A rule as JSON."""

    text: str
    tree: tree.Node


class ValueForm(msgspec.Struct, frozen=True):
    """A value as JSON."""

    text: str
    tree: tree.Value


class Rule:
    """A compiled condition. `facts` are the columns it reads, in slot order."""

    __slots__ = ("_kinds", "_plan", "_slots", "facts", "text", "time_dependent", "tree")

    def __init__(self, text: str, node: tree.Node) -> None:
        self.text = text
        self.tree = node
        parts = tree.walk(node)
        self.facts: tuple[Fact, ...] = tree.facts_among(parts)
        self.time_dependent = changes_among(parts)
        self._slots = {fact: slot for slot, fact in enumerate(self.facts)}
        self._kinds = frozenset(fact.kind for fact in self.facts)
        self._plan: Plan | None = None

    def __repr__(self) -> str:
        return f"Rule({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and (self.text, self.tree) == (other.text, other.tree)

    def __hash__(self) -> int:
        return hash((self.text, self.tree))

    def evaluate(
        self,
        vectors: Sequence[Vector | EventLists],
        length: int,
        now: int,
        zones: Zones,
        stats: Sequence[Stats | None] | None = None,
        threads: int = 1,
    ) -> npt.NDArray[np.uint64]:
        """Bitmap words of the rows that are surely true; the bits past the last row are 0.

        `stats`, one per vector where there are some, spare reading what they decide.
        """
        call = self.plan.call(self._prepare(vectors, length, now, zones), length, stats)
        run((call,), threads)
        words: npt.NDArray[np.uint64] = call.out[0]
        return words

    def evaluate_batches(
        self,
        batches: Sequence[tuple[Sequence[Vector], int]],
        now: int,
        zones: Zones,
        threads: int = 1,
    ) -> npt.NDArray[np.uint64]:
        """The same of many batches (vectors, rows): the words of one after those of the other.

        Each batch begins with a word. Up to `threads` threads share the batches, and parts of them.
        """
        plan, nothing = self.plan, [None] * len(self.plan.derived)
        zone, lists = self._slots.get(tree.ZONE_FACT), Kind.EVENTS in self._kinds
        groups: list[tuple[Constants, list[Asked]]] = []
        for vectors, rows in batches:
            if groups and not lists:
                constants, some = groups[-1]
                if plan.same(constants.today, zone, some[0][0], vectors):
                    some.append(([*vectors, *nothing] if nothing else vectors, rows, None))
                    continue
            constants, given = self._prepare(vectors, rows, now, zones)
            groups.append((constants, [(given, rows, None)]))
        ends = [0]
        ends += accumulate(sum((rows + 63) // 64 for _, rows, _ in some) for _, some in groups)
        words = np.empty((1, ends[-1]), dtype=np.uint64)
        calls = [
            Call(plan.program, some, constants, words[:, start:end])
            for (constants, some), (start, end) in zip(groups, pairwise(ends), strict=True)
        ]
        run(calls, threads)
        return words.reshape(-1)

    @property
    def plan(self) -> Plan:
        """How it is evaluated; made on first use."""
        if self._plan is None:
            self._plan = lower(self.tree, self.facts)
        return self._plan

    def _prepare(
        self, vectors: Sequence[Vector | EventLists], length: int, now: int, zones: Zones
    ) -> Prepared:
        """See `Plan.prepare`."""
        plan = self.plan
        if plan.plain and Kind.EVENTS not in self._kinds:
            check_vectors(self.facts, vectors, length)
            return plan.plain_constants(now), cast("Vectors", vectors)
        return plan.prepare(self._evaluation(vectors, length, now, zones))

    def next_change(
        self, vectors: Sequence[Vector | EventLists], length: int, now: int, zones: Zones
    ) -> npt.NDArray[np.uint32]:
        """Per row the first instant after `now` at which the answer may change by itself.

        NEVER if it cannot. Sometimes too early, never too late.
        """
        if not self.time_dependent:
            return np.full(length, NEVER, dtype=np.uint32)
        return next_changes(self._evaluation(vectors, length, now, zones), self.tree)

    def explain(
        self, vectors: Sequence[Vector | EventLists], row: int, now: int, zones: Zones
    ) -> Explained:
        """The answer for one row, part by part."""
        one = [
            vector.row(row) if isinstance(vector, EventLists) else row_of(vector, row)
            for vector in vectors
        ]
        return explain_node(self._evaluation(one, 1, now, zones), self.tree, self.text)

    def negated(self) -> Rule:
        """The rule that is true where this one is surely false."""
        return Rule(self.text, tree.Not(self.tree, start=0, end=len(self.text)))

    def to_json(self) -> bytes:
        """The canonical JSON form."""
        return msgspec.json.encode(RuleForm(self.text, self.tree))

    @staticmethod
    def from_json(data: bytes | str) -> Rule:
        """The rule that `to_json` wrote."""
        form = msgspec.json.decode(data, type=RuleForm)
        return Rule(form.text, form.tree)

    def _evaluation(
        self, vectors: Sequence[Vector | EventLists], length: int, now: int, zones: Zones
    ) -> Evaluation:
        check_vectors(self.facts, vectors, length)
        return Evaluation(self._slots, vectors, length, now, zones)


class ValueResult(NamedTuple):
    """Values of a kind over the rows (TIME comes as INSTANT) and which of them are set.

    BOOL gives bool[], NUMBER float64[], DATE int32[], ID uint64[], the others int64[]; what stands
    where `valid` is False means nothing.
    """

    kind: Kind
    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


class Value:
    """A compiled value expression."""

    __slots__ = ("_slots", "facts", "kind", "scale", "text", "time_dependent", "tree")

    def __init__(self, text: str, node: tree.Value) -> None:
        self.text = text
        self.tree = node
        parts = tree.walk(node)
        self.facts: tuple[Fact, ...] = tree.facts_among(parts)
        kind = tree.kind_of(node)
        self.kind = Kind.INSTANT if kind == Kind.TIME else Kind.TEXT if kind in TEXTS else kind
        self.scale = tree.scale_of(node)
        self.time_dependent = changes_among(parts)
        self._slots = {fact: slot for slot, fact in enumerate(self.facts)}

    def __repr__(self) -> str:
        return f"Value({self.text!r})"

    def evaluate(
        self, vectors: Sequence[Vector | EventLists], length: int, now: int, zones: Zones
    ) -> ValueResult | tuple[str | None, ...] | tuple[tuple[str, ...] | None, ...]:
        """The value of every row.

        TEXT comes as a tuple of texts and LIST as a tuple of tuples, with None where missing;
        every other kind as a ValueResult.
        """
        check_vectors(self.facts, vectors, length)
        column = Evaluation(self._slots, vectors, length, now, zones).column(self.tree)
        if self.kind == Kind.TEXT:
            pairs = zip(column.values, column.valid, strict=True)
            return tuple(text if ok else None for text, ok in pairs)
        if self.kind == Kind.LIST:
            pairs = zip(column.values, column.valid, strict=True)
            return tuple(tuple(texts) if ok else None for texts, ok in pairs)
        return ValueResult(self.kind, np.array(column.values), column.valid)

    def to_json(self) -> bytes:
        """The canonical JSON form."""
        return msgspec.json.encode(ValueForm(self.text, self.tree))

    @staticmethod
    def from_json(data: bytes | str) -> Value:
        """The value that `to_json` wrote."""
        form = msgspec.json.decode(data, type=ValueForm)
        return Value(form.text, form.tree)


def check_vectors(
    facts: tuple[Fact, ...], vectors: Sequence[Vector | EventLists], length: int
) -> None:
    """Raises ValueError unless there is one vector per fact, of its kind and `length` rows."""
    if len(vectors) != len(facts):
        raise ValueError(f"{len(facts)} facts are read; {len(vectors)} vectors were given")
    for fact, vector in zip(facts, vectors, strict=True):
        if vector.kind != fact.kind or vector.length != length:
            raise ValueError(
                f"{fact.key} needs kind {fact.kind} and {length} rows, "
                f"not kind {vector.kind} and {vector.length}"
            )


def compile_rule(text: str, scope: Scope) -> Rule:
    """The rule of a text; raises RuleError with every problem of it."""
    return Rule(text, understood(text, lambda node: check_rule(node, scope)))


def compile_value(text: str, scope: Scope, kind: Kind | None = None) -> Value:
    """The value of a text, of `kind` if one is asked for; raises RuleError."""
    return Value(text, understood(text, lambda node: check_value(node, scope, kind)))
