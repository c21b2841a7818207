"""A compiled tree, ready to run: the program, and what to compute for it at each evaluation.

Owns the constants that depend on `now`, the columns derived by NumPy, and the tables that decide a
text condition once per word of a dictionary. Laws: a table is extended as its dictionary grows,
never computed again; a plan keeps no vector after an evaluation.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.bitmap import from_bools
from blaster.rules.dictionary import Dictionary
from blaster.rules.leaves import folded, text_hits, truths_of
from blaster.rules.program import Program
from blaster.rules.values import Column, Evaluation
from blaster.rules.vector import Vector
from blaster.rules.vectors import DTYPES, vector_of

TABLES_CACHED_MAX = 256
"""Look-up tables of one plan; without it, dictionaries that come and go would add up."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


class Bound(NamedTuple):
    """An end of a range: `base`, plus `now` when `with_now`; None is no bound on that side."""

    base: int | None
    with_now: bool = False

    def at(self, now: int, open_end: int) -> int:
        if self.base is None:
            return open_end
        return self.base + now if self.with_now else self.base


class Derived(NamedTuple):
    """A slot behind the facts, computed by NumPy at each evaluation.

    value: a value node's column; days: its dates; today; limit: today moved by a duration;
    truth: a leaf, as a BOOL that is missing where the leaf is unknown.
    """

    what: Literal["value", "days", "today", "limit", "truth"]
    node: Any = None


class TextTable(NamedTuple):
    """One text condition, decided once per word of a dictionary."""

    op: str  # of tree.TextTest, or "in", or "blank"
    words: tuple[str, ...]
    exact: bool

    def hits(self, texts: list[str]) -> npt.NDArray[np.bool_]:
        if self.op == "blank":
            return np.array([not text.strip() for text in texts], dtype=bool)
        if self.op == "in":
            wanted = {folded(word, self.exact) for word in self.words}
            return np.array([folded(text, self.exact) in wanted for text in texts], dtype=bool)
        return text_hits(self.op, texts, [self.words[0]] * len(texts), self.exact)


class Plan:
    """What lowering makes of a tree. `run` gives the words of the rows where it is surely true."""

    __slots__ = ("_cache", "derived", "needles", "program", "ranges", "reals", "tables")

    def __init__(
        self,
        program: Program,
        derived: tuple[Derived, ...],
        ranges: tuple[tuple[Bound, Bound], ...],
        reals: tuple[float, ...],
        tables: tuple[tuple[int, TextTable], ...],
        needles: tuple[bytes, ...],
    ) -> None:
        self.program = program
        self.derived = derived
        self.ranges = ranges
        self.reals = np.array(reals, dtype=np.float64)
        self.tables = tables  # with the slot whose dictionary each one is for
        self.needles = needles
        self._cache: dict[tuple[int, int], tuple[Dictionary, npt.NDArray[np.uint8]]] = {}

    def run(self, ev: Evaluation) -> npt.NDArray[np.uint64]:
        """Bitmap words over the rows of the evaluation."""
        vectors = [*ev.vectors, *(derive(ev, item) for item in self.derived)]
        tables = [self._table(place, vectors) for place in range(len(self.tables))]
        return self.program.run(
            vectors, ev.length, self._ints(ev.now), self.reals, tables, self.needles
        )

    def _ints(self, now: int) -> npt.NDArray[np.int64]:
        ends: list[int] = []
        for low, high in self.ranges:
            first, last = low.at(now, INT64_MIN), high.at(now, INT64_MAX)
            if first > INT64_MAX or last < INT64_MIN or first > last:
                first, last = 1, 0
            ends += (max(first, INT64_MIN), min(last, INT64_MAX))
        return np.array(ends, dtype=np.int64)

    def _table(self, place: int, vectors: list[Vector]) -> npt.NDArray[np.uint8]:
        slot, rule = self.tables[place]
        dictionary = vectors[slot].dictionary
        assert dictionary is not None
        key = (place, id(dictionary))
        kept = self._cache.get(key)
        known = kept[1] if kept is not None else np.zeros(0, dtype=np.uint8)
        if kept is None or len(known) < len(dictionary):
            more = rule.hits(dictionary.values[len(known) :])
            known = np.concatenate([known, more.astype(np.uint8)])
            if kept is None and len(self._cache) >= TABLES_CACHED_MAX:
                self._cache.clear()
            self._cache[key] = (dictionary, known)
        return known


def derive(ev: Evaluation, item: Derived) -> Vector:
    """The vector of a derived slot."""
    if item.what == "truth":
        true, false = truths_of(ev, item.node)
        return Vector(Kind.BOOL, ev.length, from_bools(true), from_bools(true | false))
    if item.what == "today":
        return Vector(Kind.DATE, ev.length, ev.today)
    if item.what == "limit":
        today = Column(ev.today, ev.all_valid())
        return vector_from(Kind.DATE, ev.shift(today, True, item.node, 1))
    if item.what == "days":
        return vector_from(Kind.DATE, ev.days(item.node))
    kind = tree.kind_of(item.node)
    return vector_from(Kind.INSTANT if kind == Kind.TIME else kind, ev.column(item.node))


def vector_from(kind: Kind, column: Column) -> Vector:
    """A computed column as a vector."""
    if kind in (Kind.TEXT, Kind.LIST):
        pairs = zip(column.values, column.valid, strict=True)
        return vector_of(kind, [item if ok else None for item, ok in pairs])
    if kind == Kind.BOOL:
        valid = from_bools(column.valid)
        return Vector(kind, len(column.valid), from_bools(column.values & column.valid), valid)
    if column.valid.all():
        return Vector(kind, len(column.valid), np.ascontiguousarray(column.values, DTYPES[kind]))
    values = np.where(column.valid, column.values, 0).astype(DTYPES[kind])
    valid = from_bools(column.valid)
    return Vector(kind, len(values), values, valid)
