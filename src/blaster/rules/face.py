"""Rules over Arrow data: compile a text for a schema, then ask batches, tables and streams.

Owns which column each fact of a rule is, and what is said when it is not there. Laws

1. Nothing reads a clock: `now` is an argument wherever the answer depends on it.
2. A mask is never null: true where the rule is surely true, else false.
3. A stream is asked batch by batch; what was asked is not kept.
4. A rule answers for any data whose columns mean what they meant when it was compiled (an int8 for
   an int64, a dictionary for a string); for any other it raises InputError and names the column.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blaster.errors import DefinitionError, InputError
from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import syntax, tree
from blaster.rules.arrow import INSTANT_MARK, Absent, Maker, Words, declared, fits, maker
from blaster.rules.bitmap import count as count_bits
from blaster.rules.check import check_rule, understood
from blaster.rules.explain import Explained
from blaster.rules.facts import Fact
from blaster.rules.lent import Lent, lent
from blaster.rules.problems import Problem, nearest
from blaster.rules.rule import Rule, compile_rule
from blaster.rules.scope import Scope
from blaster.rules.sources import (
    as_mask,
    batches_of,
    chained,
    filtered,
    lent_of,
    masks_of,
    named,
)
from blaster.rules.sql import sql_of
from blaster.rules.tokens import clean
from blaster.rules.vector import Vector
from blaster.rules.zones import Zones

ROWS_PER_THREAD_MIN = 262_144
"""Fewer rows are done before another thread has begun."""
THREADS_MAX = 64
BATCHES_AT_ONCE = 64
"""Batches of a table or stream that are looked at together; so many are in memory at a time."""

Instant: TypeAlias = datetime | int | float

_INSTANT = pa.field("", pa.uint32(), metadata=INSTANT_MARK)
_ARROW: dict[Kind, pa.DataType] = {
    Kind.BOOL: pa.bool_(), Kind.INT: pa.int64(), Kind.NUMBER: pa.float64(),
    Kind.DATE: pa.date32(), Kind.INSTANT: pa.timestamp("s"), Kind.TEXT: pa.string(),
    Kind.CODE: pa.string(), Kind.LIST: pa.list_(pa.string()), Kind.TIME: pa.uint32(),
    Kind.ID: pa.uint64(),
}  # fmt: skip
"""The column that a fact is when no schema says another."""


class Slot(NamedTuple):
    """A fact, the column it is (None: there is none, and every row misses it), and its words.

    `optional`: a batch may come without the column.
    """

    fact: Fact
    scale: int
    column: pa.Field | None
    words: Words
    optional: bool


class ArrowRule:
    """A rule over columns of a schema. It remembers words, so that one thread asks it at a time.

    `data` is a RecordBatch or a Table. `batches` is also a RecordBatchReader, a Dataset, a
    Scanner, a ParquetFile, whatever has an Arrow stream, or an iterable of batches. `now` is an
    aware datetime or seconds since 1970 UTC, and only a rule that asks for the time needs it.
    `threads` is how many processors may be taken at once (default: all).
    """

    __slots__ = ("_met", "_now", "_slots", "_zones", "columns", "facts", "rule", "text",
                 "time_dependent")  # fmt: skip

    def __init__(
        self, rule: Rule, slots: tuple[Slot, ...], zone: str, now: Instant | None = None
    ) -> None:
        self.rule = rule
        self.text = rule.text
        self.facts: tuple[Fact, ...] = rule.facts
        self.time_dependent = rule.time_dependent
        named = dict.fromkeys(slot.column.name for slot in slots if slot.column is not None)
        self.columns: tuple[str, ...] = tuple(named)
        self._slots = slots
        self._zones = Zones(zone)
        self._now = now
        # the last schema, what its columns were asked for, and what makes vectors of them
        self._met: tuple[pa.Schema, frozenset[int], list[Maker]] | None = None

    def __repr__(self) -> str:
        return f"ArrowRule({self.text!r})"

    # ----------------------------------------------------------------------------- answers

    def mask(
        self, data: Any, *, now: Instant | None = None, threads: int | None = None
    ) -> pa.BooleanArray | pa.ChunkedArray:
        """Whether the rule is surely true, row by row.

        An array for a batch; chunks for a table, which need not be those of its columns.
        """
        second = self._second(now)
        if isinstance(data, pa.RecordBatch):
            return self._mask(data, second, threads)
        if isinstance(data, pa.Table):
            found = self._words(lent_of(data, self._only(data)), second, threads)
            masks = [mask for words, rows in found for mask in masks_of(words, rows)]
            return pa.chunked_array(masks, pa.bool_())
        raise InputError(f"a mask is of a RecordBatch or a Table, not of {named(data)}")

    def count(self, batches: Any, *, now: Instant | None = None, threads: int | None = None) -> int:
        """For how many rows the rule is surely true."""
        second = self._second(now)
        found = self._words(lent_of(batches, self._only(batches)), second, threads)
        return sum(count_bits(words) for words, _ in found)

    def select(
        self, batches: Any, *, now: Instant | None = None, threads: int | None = None
    ) -> pa.RecordBatchReader:
        """The rows for which the rule is surely true, read as they are asked for."""
        second = self._second(now)
        found = batches_of(batches)
        schema = getattr(batches, "schema", None)
        if not isinstance(schema, pa.Schema):
            first = next(found, None)
            schema = pa.schema([]) if first is None else first.schema
            found = chained(first, found)

        def matching() -> Iterator[pa.RecordBatch]:
            for batch in found:
                mask = self._mask(batch, second, threads)
                if mask.true_count:
                    yield batch if mask.true_count == len(mask) else filtered(batch, mask)

        return pa.RecordBatchReader.from_batches(schema, matching())

    def next_change(self, data: Any, *, now: Instant | None = None) -> pa.Array | pa.ChunkedArray:
        """Per row the first instant after `now` at which the answer may change by itself.

        Null where it never does; sometimes too early, never too late.
        """
        second = self._second(now)
        if isinstance(data, pa.Table):
            changes = [self.next_change(batch, now=second) for batch in data.to_batches()]
            return pa.chunked_array(changes, pa.timestamp("s", "UTC"))
        if not isinstance(data, pa.RecordBatch):
            raise InputError(f"a next change is of a RecordBatch or a Table, not of {named(data)}")
        vectors = self._vectors(lent(data))
        found = self.rule.next_change(vectors, data.num_rows, second, self._zones)
        return pa.array(found.astype(np.int64), mask=found == NEVER).cast(pa.timestamp("s", "UTC"))

    def explain(self, row: Any, *, now: Instant | None = None) -> Explained:
        """Why the rule is true, false or undecided for one row: a mapping, or a batch of one."""
        second = self._second(now)
        batch = self._row(row) if isinstance(row, Mapping) else row
        if isinstance(batch, pa.Table):
            batch = batch.combine_chunks().to_batches()[0] if len(batch) == 1 else batch
        if not isinstance(batch, pa.RecordBatch) or batch.num_rows != 1:
            raise InputError("explain takes one row: a mapping, or a batch of one row")
        return self.rule.explain(self._vectors(lent(batch)), 0, second, self._zones)

    def sql(self, *, now: Instant | None = None) -> str:
        """The rule as DuckDB's WHERE over a table with these columns; NoSql for what it cannot say.

        Instants of zones go by DuckDB's own time-zone data.
        """
        columns = {slot.fact: slot.column for slot in self._slots}
        return sql_of(self.rule, columns, self._second(now), self._zones)

    # ------------------------------------------------------------------------------ within

    def _second(self, now: Instant | None) -> int:
        found = self._now if now is None else now
        if found is None:
            if self.time_dependent:
                raise InputError("the rule asks for the time: give now=, an aware datetime")
            return 0
        if isinstance(found, datetime):
            if found.tzinfo is None:
                raise InputError(f"now={found} has no zone; give an aware datetime")
            found = found.timestamp()
        if isinstance(found, bool) or not 0 <= found < NEVER:
            raise InputError(f"now={now} is no instant from 1970 to 2106")
        return int(found)

    def _mask(self, batch: pa.RecordBatch, now: int, threads: int | None) -> pa.BooleanArray:
        ((words, _),) = self._words((lent(batch),), now, threads)
        return as_mask(words, batch.num_rows)

    def _words(
        self, batches: Iterable[Lent], now: int, threads: int | None
    ) -> Iterator[tuple[npt.NDArray[np.uint64], list[int]]]:
        """Bitmap words of some batches, each of which begins with a word, and the rows of each.

        By as many threads as there is work for.
        """
        if threads is not None and not 1 <= threads <= THREADS_MAX:
            raise InputError(f"threads={threads}: from 1 to {THREADS_MAX} can be asked for")
        by_range, source = self.rule.plan.by_range, iter(batches)
        while some := list(islice(source, BATCHES_AT_ONCE)):
            rows = [batch.rows for batch in some]
            vectors = [self._vectors(batch, by_range) for batch in some]
            # Little is done before another thread has begun.
            most = max(1, sum(rows) // ROWS_PER_THREAD_MIN)
            if most > 1:
                most = min(most, threads or len(os.sched_getaffinity(0)), THREADS_MAX)
            asked = list(zip(vectors, rows, strict=True))
            yield self.rule.evaluate_batches(asked, now, self._zones, most), rows

    def _vectors(self, batch: Lent, by_range: frozenset[int] = frozenset()) -> list[Vector]:
        """One vector per fact; InputError where a column is not what was compiled.

        `by_range`: the slots that are asked for nothing but ranges.
        """
        schema, met = batch.schema, self._met
        if met is None or met[1] is not by_range or not _equal(schema, met[0]):
            met = self._met = schema, by_range, self._makers(schema, by_range)
        out: list[Vector] = []
        try:
            for make in met[2]:
                out.append(make(batch))  # noqa: PERF401 - the error counts them
        except InputError as error:
            column = self._slots[len(out)].column
            assert column is not None
            raise InputError(f"column {column.name}: {error}") from None
        return out

    def _makers(self, schema: pa.Schema, by_range: frozenset[int]) -> list[Maker]:
        """Per slot what makes its vector of a batch of this schema."""
        found: list[Maker] = []
        for slot, place in enumerate(self._places(schema)):
            kind, words = Kind(self._slots[slot].fact.kind), self._slots[slot].words
            if place is None:
                found.append(Absent(kind))
            else:
                there = schema.field(place).type
                found.append(maker(there, place, kind, words, slot in by_range))
        return found

    def _places(self, schema: pa.Schema) -> list[int | None]:
        """Where the column of each slot stands in batches of a schema; None: nowhere."""
        places: list[int | None] = []
        for fact, scale, column, _, optional in self._slots:
            place = None if column is None else _place(schema, column.name)
            places.append(place)
            if column is None or (place is None and optional):
                continue
            if place is None:
                hint = nearest(column.name, schema.names)
                what = f"there is no column {column.name}, which the rule reads as {column.type}"
                raise InputError(f"{what}; {hint}" if hint else what)
            given = schema.field(place)
            if not _same(given, column) and not fits(fact.kind, scale, given):
                raise InputError(
                    f"column {column.name} is {_type(given)}; "
                    f"the rule was compiled for {_type(column)}"
                )
        return places

    def _row(self, row: Mapping[str, Any]) -> pa.RecordBatch:
        """A mapping as a batch of one row, in the compiled types; a key left out is missing."""
        columns = {slot.column.name: slot.column for slot in self._slots if slot.column}
        arrays: list[pa.Array] = []
        for name, column in columns.items():
            try:
                arrays.append(pa.array([row.get(name)], column.type))
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                raise InputError(f"{name}={row[name]!r} is no {column.type}: {error}") from None
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}], pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(columns.values()))

    def _only(self, batches: Any) -> list[str] | None:
        """The columns to read of a source; None when one is missing, which the batch will say."""
        schema = getattr(batches, "schema", None)
        names = schema.names if isinstance(schema, pa.Schema) else ()
        return list(self.columns) if set(self.columns) <= set(names) else None


def _equal(schema: pa.Schema, met: pa.Schema) -> bool:
    return schema is met or bool(schema.equals(met, check_metadata=True))


def _type(column: pa.Field) -> str:
    mark = " (instants)" if column.metadata and b"blaster" in column.metadata else ""
    return f"{column.type}{mark}"


def _same(given: pa.Field, column: pa.Field) -> bool:
    return given.type == column.type and _type(given) == _type(column)


def _place(schema: pa.Schema, name: str) -> int | None:
    """Where the one column of this name stands."""
    places = schema.get_all_field_indices(name)
    if len(places) > 1:
        raise InputError(f"{len(places)} columns are called {name}")
    return places[0] if places else None


# ---------------------------------------------------------------------------------- compiling


def compile(  # noqa: A001 - `rules.compile` reads as `re.compile` does
    text: str,
    schema: pa.Schema | Scope,
    *,
    zone: str = "UTC",
    now: Instant | None = None,
    tables: Mapping[str, Mapping[str, str]] | None = None,
) -> ArrowRule:
    """The rule of a text over columns of this schema; RuleError with all its problems.

    Names are those of columns; `list("vip")` and the like are columns too, called by their key
    ("list.vip.member"). `zone` is that of rows which have none in a text column `zone`. `now` is
    for calls that give none. `tables` are what `lookup` reads, by name (a Scope has its own).
    """
    if not isinstance(schema, pa.Schema | Scope):
        raise InputError(f"a schema is a pyarrow.Schema, not {named(schema)}")
    if isinstance(schema, Scope):
        rule = compile_rule(text, schema)
        return ArrowRule(rule, _slots(rule, None), zone, now)
    scope = scope_of(schema, tables)

    def check(node: syntax.Node) -> tuple[Rule, tuple[Slot, ...]]:
        _refuse_unread(node, schema, scope)
        rule = Rule(text, check_rule(node, scope))
        return rule, _slots(rule, schema)

    return ArrowRule(*understood(text, check), zone, now)


def scope_of(schema: pa.Schema, tables: Mapping[str, Mapping[str, str]] | None = None) -> Scope:
    """The columns of a schema as the fields of a rule."""
    fields: dict[str, Field] = {}
    for column in schema:
        found = declared(column.name, column)
        if found is not None:
            fields[column.name] = found
    return Scope(fields=fields, tables=tables)


def _slots(rule: Rule, schema: pa.Schema | None) -> tuple[Slot, ...]:
    refs = [ref for ref in tree.walk(rule.tree) if isinstance(ref, tree.FactRef)]
    if schema is not None:
        _refuse_absent(refs, schema)
    scales = {ref.fact: ref.scale for ref in refs}
    out: list[Slot] = []
    for fact in rule.facts:
        name = column_name(fact)
        if schema is not None:
            place = _place(schema, name)
            column = None if place is None else schema.field(place)
        else:
            column = pa.field(name, _ARROW[fact.kind])
            if fact.kind == Kind.TIME:
                column = column.with_metadata(INSTANT_MARK)
        optional = schema is None and fact == tree.ZONE_FACT
        out.append(Slot(fact, scales.get(fact, 0), column, Words(), optional))
    return tuple(out)


def column_name(fact: Fact) -> str:
    """What the column of a fact is called."""
    plain = fact.key[0] in ("field", "extra") and len(fact.key) == 2
    return fact.key[1] if plain else ".".join(fact.key)


def _refuse_unread(node: syntax.Node, schema: pa.Schema, scope: Scope) -> None:
    """A column of a type that rules do not read, or that stands there twice, where it is read."""
    if len(scope.fields) == len(schema.names):
        return
    wrong: dict[str, str] = {}
    for column in schema:
        if column.name not in scope.fields:
            wrong[clean(column.name)] = (
                f"column {column.name} is {column.type}; rules do not read it"
            )
        if len(schema.get_all_field_indices(column.name)) > 1:
            wrong[clean(column.name)] = f"two columns are called {column.name}; rules cannot choose"
    problems = [
        Problem(wrong[field.name], field.start, field.end)
        for field in _fields_in(node)
        if field.name in wrong
    ]
    if problems:
        raise DefinitionError(tuple(problems))


def _fields_in(node: syntax.Node) -> Iterator[syntax.Field]:
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, syntax.Field):
            yield here
        stack += reversed(syntax.children_of(here))


def _refuse_absent(refs: Iterable[tree.FactRef], schema: pa.Schema) -> None:
    """A fact that no column is, or one of another type."""
    problems: list[Problem] = []
    right: set[tuple[Fact, int]] = set()
    for ref in refs:
        what = (ref.fact, ref.scale)
        if what in right:
            continue
        if problem := _absent(ref, schema):
            problems.append(problem)
        else:
            right.add(what)
    if problems:
        raise DefinitionError(tuple(dict.fromkeys(problems)))


def _absent(ref: tree.FactRef, schema: pa.Schema) -> Problem | None:
    name, fact = column_name(ref.fact), ref.fact
    places = schema.get_all_field_indices(name)
    if not places:
        hint = nearest(name, schema.names)
        return Problem(f"there is no column {name}", ref.start, ref.end, hint)
    if fact.kind not in _ARROW:
        what = f"column {name} would be a column of happenings; rules over Arrow read none"
    elif len(places) > 1:
        what = f"two columns are called {name}; rules cannot choose"
    elif not fits(fact.kind, ref.scale, schema.field(places[0])):
        what = (
            f"column {name} is {_type(schema.field(places[0]))}; "
            f"here {_type(_INSTANT) if fact.kind == Kind.TIME else _ARROW[fact.kind]} is needed"
        )
    else:
        return None
    return Problem(what, ref.start, ref.end)
