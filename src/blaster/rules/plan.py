"""A compiled tree, ready to run: the program, and what to compute for it at each evaluation.

Owns the constants that depend on `now`, the columns derived by NumPy, and the tables that decide a
text condition once per word of a dictionary. Laws: a table is extended as its dictionary grows,
never computed again; a plan keeps no vector after an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.bitmap import from_bools
from blaster.rules.dictionary import Dictionary
from blaster.rules.kernels import anniversary_bits
from blaster.rules.leaves import folded, text_hits, truths_of
from blaster.rules.program import Call, Constants, Program, Stats, run
from blaster.rules.textset import TextSet
from blaster.rules.values import Column, Evaluation
from blaster.rules.vector import Vector
from blaster.rules.vectors import DTYPES, vector_of

TABLES_CACHED_MAX = 256
"""Look-up tables of one plan; without it, dictionaries that come and go would add up."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
FIRST_DAY, DAYS = -36_864, 110_592
"""The days of an anniversary table: from 1869 to 2171, in whole 512s. Others go one by one."""

Words: TypeAlias = npt.NDArray[np.uint64]
Vectors: TypeAlias = Sequence[Vector | None]
Prepared: TypeAlias = tuple[Constants, Vectors]
_Bits: TypeAlias = npt.NDArray[np.uint32]
EMPTY: _Bits = np.zeros(16, dtype=np.uint32)


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

    value: a value node's column; days: its dates; today; truth: a leaf, as a BOOL that is missing
    where the leaf is unknown. Only where rows differ in their today: rows_today, and rows_limit,
    today moved by a duration.
    """

    what: Literal["value", "days", "today", "truth", "rows_today", "rows_limit"]
    node: Any = None


class TextTable(NamedTuple):
    """One text condition, decided once per word of a dictionary."""

    op: str  # of tree.TextTest, or "in", or "blank"
    words: tuple[str, ...]
    exact: bool

    @property
    def wanted(self) -> frozenset[str]:
        """The words as they are compared."""
        return frozenset(folded(word, self.exact) for word in self.words)

    def hits(self, texts: list[str], wanted: frozenset[str]) -> npt.NDArray[np.bool_]:
        """Which texts are hits; `wanted` is its own, made once by who asks often."""
        if self.op == "blank":
            return np.array([not text.strip() for text in texts], dtype=bool)
        if self.op == "in":
            return np.array([folded(text, self.exact) in wanted for text in texts], dtype=bool)
        return text_hits(self.op, texts, [self.words[0]] * len(texts), self.exact)


class Plan:
    """What lowering makes of trees. `run` gives, per tree, the rows where it is surely true."""

    __slots__ = (
        "_cache", "_constants", "_ints", "_wanted", "_yearly", "by_range", "derived", "needles",
        "plain", "program", "ranges", "reals", "rows_matter", "sets", "tables", "worded",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        derived: tuple[Derived, ...],
        ranges: tuple[tuple[Bound, Bound], ...],
        reals: tuple[float, ...],
        tables: tuple[tuple[int, TextTable] | tree.Duration, ...],
        sets: tuple[TextSet | tuple[npt.NDArray[Any], int], ...],
        needles: tuple[bytes, ...],
        by_range: frozenset[int] = frozenset(),
    ) -> None:
        self.program = program
        self.derived = derived
        self.ranges = ranges
        self.reals = np.array(reals, dtype=np.float64)
        self.tables = tables  # with the slot whose dictionary each is for; or a window of a year
        self.sets = sets
        self.needles = needles
        # Facts of which nobody asks more than a range: a value that says missing is in none.
        self.by_range = by_range
        self._cache: dict[tuple[int, int], tuple[Dictionary, int, _Bits]] = {}
        self._wanted: dict[int, frozenset[str]] = {}
        self._yearly: dict[tuple[int, tree.Duration], tuple[_Bits, int, int]] = {}
        self._ints: tuple[int | None, npt.NDArray[np.int64]] = None, np.zeros(0, dtype=np.int64)
        # The slots whose dictionaries the tables depend on.
        self.worded = tuple(item[0] for item in tables if not isinstance(item, tree.Duration))
        # Columns are computed of the rows, even where all have one today.
        self.rows_matter = any(not item.what.startswith("rows_") for item in derived)
        # Nothing depends on the rows but the vectors themselves.
        self.plain = not derived and not tables
        self._constants: tuple[int, Constants] | None = None

    def run(
        self, ev: Evaluation, stats: Sequence[Stats | None] | None = None, threads: int = 1
    ) -> Words:
        """One row of bitmap words over the rows of the evaluation per result."""
        call = self.call(self.prepare(ev), ev.length, stats)
        run((call,), threads)
        return call.out

    def call(
        self, prepared: Prepared, length: int, stats: Sequence[Stats | None] | None = None
    ) -> Call:
        """The program over one batch, and room for its words."""
        constants, vectors = prepared
        if stats is not None:
            stats = [*stats, *[None] * len(self.derived)]
        out = np.empty((self.program.results, (length + 63) // 64), dtype=np.uint64)
        return Call(self.program, ((vectors, length, stats),), constants, out)

    def prepare(self, ev: Evaluation) -> Prepared:
        """What is computed once for an evaluation, and its vectors with those of derived slots."""
        if self.plain:
            return self.plain_constants(ev.now), ev.vectors
        today = None
        if any(item.what == "rows_today" for item in self.derived):
            today = ev.zones.one_today(ev.now, ev.length, ev.zone)
        given: Sequence[object] = ev.vectors  # the lists of happenings among them: no slot
        vectors = [vector if isinstance(vector, Vector) else None for vector in given]
        for item in self.derived:
            needed = today is None or not item.what.startswith("rows_")
            vectors.append(derive(ev, item) if needed else None)
        tables = [
            self._year(ev, today, table)
            if isinstance(table, tree.Duration)
            else self._table(place, *table, vectors)
            for place, table in enumerate(self.tables)
        ]
        numbers = self._numbers(ev.now)
        return Constants(numbers, self.reals, tables, self.sets, self.needles, today), vectors

    def plain_constants(self, now: int) -> Constants:
        """The constants of a plan that is `plain`."""
        if self._constants is None or self._constants[0] != now:
            made = Constants(self._numbers(now), self.reals, [], self.sets, self.needles, None)
            self._constants = now, made
        return self._constants[1]

    def same(
        self, today: int | None, zone: int | None, before: Vectors, vectors: Sequence[Vector]
    ) -> bool:
        """Whether the constants of one evaluation serve for other vectors at the same instant.

        `today`: what those constants say; `zone`: the slot of the rows' zones, if there is one.
        """
        if self.rows_matter:
            return False
        known = cast("Sequence[Vector]", before)
        if any(vectors[slot].dictionary is not known[slot].dictionary for slot in self.worded):
            return False
        if not self.derived:
            return True
        if today is None or zone is None:
            return False
        words = vectors[zone].dictionary  # without words no row has a zone of its own
        return not words and words is known[zone].dictionary

    def _numbers(self, now: int) -> npt.NDArray[np.int64]:
        if self._ints[0] == now:
            return self._ints[1]
        ends: list[int] = []
        for low, high in self.ranges:
            first, last = low.at(now, INT64_MIN), high.at(now, INT64_MAX)
            if first > INT64_MAX or last < INT64_MIN or first > last:
                first, last = 1, 0
            ends += (max(first, INT64_MIN), min(last, INT64_MAX))
        numbers = np.array(ends, dtype=np.int64)
        self._ints = now, numbers
        return numbers

    def _table(
        self, place: int, slot: int, rule: TextTable, vectors: list[Vector | None]
    ) -> tuple[_Bits, int, int]:
        vector = vectors[slot]
        assert vector is not None
        assert vector.dictionary is not None
        dictionary = vector.dictionary
        key = (place, id(dictionary))
        kept = self._cache.get(key)
        _, known, bits = (None, 0, EMPTY) if kept is None else kept
        if kept is None or known < len(dictionary):
            if place not in self._wanted:
                self._wanted[place] = rule.wanted
            more = rule.hits(dictionary.values[known:], self._wanted[place])
            old = np.unpackbits(bits.view(np.uint8), count=known, bitorder="little")
            bits = packed(np.concatenate([old, more.astype(np.uint8)]))
            if kept is None and len(self._cache) >= TABLES_CACHED_MAX:
                self._cache.clear()
            self._cache[key] = (dictionary, known + len(more), bits)
        return bits, 0, 0

    def _year(
        self, ev: Evaluation, today: int | None, window: tree.Duration
    ) -> tuple[_Bits, int, int] | None:
        """Which days have their anniversary from `today` on within the window."""
        if today is None:
            return None
        found = self._yearly.get((today, window))
        if found is None:
            one = Column(np.array([today]), np.ones(1, dtype=bool))
            limit = int(ev.shift(one, True, window, 1).values[0])
            bits = anniversary_bits(today, limit, FIRST_DAY, DAYS)
            if len(self._yearly) >= TABLES_CACHED_MAX:
                self._yearly.clear()
            found = self._yearly[today, window] = (bits, FIRST_DAY, limit)
        return found


def packed(flags: npt.NDArray[np.uint8]) -> _Bits:
    """Flags as bits in whole 512s, at least one."""
    bits = np.zeros(max(1, -(-len(flags) // 512)) * 64, dtype=np.uint8)
    bits[: -(-len(flags) // 8)] = np.packbits(flags, bitorder="little")
    return bits.view(np.uint32)


def derive(ev: Evaluation, item: Derived) -> Vector:
    """The vector of a derived slot."""
    if item.what == "truth":
        true, false = truths_of(ev, item.node)
        return Vector(Kind.BOOL, ev.length, from_bools(true), from_bools(true | false))
    if item.what in ("today", "rows_today"):
        return Vector(Kind.DATE, ev.length, ev.today)
    if item.what == "rows_limit":
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
