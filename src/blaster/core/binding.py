"""From the facts that a rule reads to the columns that hold them, for some contacts or runs."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa

from blaster.core.column import Column
from blaster.core.derived import derive, own_step
from blaster.core.fitting import fit_attribute
from blaster.core.happenings import Happenings, kept_lists
from blaster.core.runs import JourneyState
from blaster.core.state import NO_COLUMNS, State
from blaster.core.table import Table
from blaster.model.fields import BATCH_ROWS, Kind
from blaster.rules import EventLists, Rule, Value, ValueResult, Vector, to_bools
from blaster.rules.facts import Fact

Array = np.ndarray[Any, Any]


class Rows:
    """The rows of one evaluation: contacts, or runs of one journey with their contacts.

    `columns` are attributes of an event, row by row, for looks before a run exists; `extras` are
    columns that a caller adds by name. `batch` says that the contacts are the whole of that batch,
    and `run_batch` that the runs are: their columns are read where they stand, and their numbers
    are made when somebody asks for them.
    """

    def __init__(
        self,
        state: State,
        contacts: Array | None,
        journey: JourneyState | None = None,
        runs: Array | None = None,
        columns: pa.RecordBatch = NO_COLUMNS,
        extras: dict[str, Column] | None = None,
        batch: int | None = None,
        run_batch: int | None = None,
    ) -> None:
        self.state = state
        self._contacts = contacts
        self.journey = journey
        self._runs = runs
        self.columns = columns
        self.extras = extras or {}
        self.batch = batch
        self.run_batch = run_batch
        self._vectors: dict[Fact, Any] = {}

    @classmethod
    def of_runs(cls, state: State, journey: JourneyState, runs: Array) -> Rows:
        """Runs, and the contacts they are of."""
        return cls(state, journey.contacts(runs), journey, runs)

    @classmethod
    def of_batch(cls, state: State, batch: int) -> Rows:
        """All contacts of one batch, without copying what stands in columns.

        To be dropped before the engine goes on: while it lives, who writes there copies first.
        """
        return cls(state, None, batch=batch)

    @classmethod
    def of_run_batch(cls, state: State, journey: JourneyState, batch: int, other: int) -> Rows:
        """All runs of one batch, of the contacts of batch `other` in their order; see `of_batch`.

        Both batches have as many rows.
        """
        return cls(state, None, journey, batch=other, run_batch=batch)

    @property
    def contacts(self) -> Array:
        """int64[]: a contact each."""
        if self._contacts is None:
            assert self.batch is not None
            self._contacts = _rows_of(self.state.contacts, self.batch)
        return self._contacts

    @property
    def runs(self) -> Array | None:
        """int64[]: a run each, if these are runs."""
        if self._runs is None and self.run_batch is not None:
            assert self.journey is not None
            self._runs = _rows_of(self.journey.table, self.run_batch)
        return self._runs

    @property
    def of_a_run(self) -> bool:
        """Whether these are runs."""
        return self._runs is not None or self.run_batch is not None

    def __len__(self) -> int:
        if self._contacts is not None:
            return len(self._contacts)
        assert self.batch is not None
        return min(self.state.contacts.rows - self.batch * BATCH_ROWS, BATCH_ROWS)

    def vectors(self, facts: tuple[Fact, ...]) -> list[Any]:
        """What each fact is over these rows: a Vector, for EVENTS the EventLists.

        A fact that two rules read is gathered once.
        """
        for fact in facts:
            if fact not in self._vectors:
                self._vectors[fact] = self._vector(fact)
        return [self._vectors[fact] for fact in facts]

    def _vector(self, fact: Fact) -> Vector | EventLists:
        key = fact.key
        if key[0] == "extra":
            return self.extras[key[1]].gather(self.contacts)
        if fact.kind is Kind.EVENTS:
            return self._lists(fact)
        if key[0] == "attribute" and not self.of_a_run:
            return self._attribute(key[1], fact.kind)
        if fact.space == "run" and self.journey is not None and self.of_a_run:
            return self._run_vector(fact)
        found = derive(self.state, key, self)
        if found is not None:
            return found
        column = self.state.find(key)
        if column is None:
            return absent(fact, len(self))
        return column.gather(self.contacts) if self.batch is None else column.vector(self.batch)

    def _run_vector(self, fact: Fact) -> Vector:
        assert self.journey is not None
        table = self.journey.table
        key: Any = "entered" if fact.key == ("entered",) else fact.key
        column = table.column(key) if table.has(key) else None
        typed = column is not None and column.kind is Kind.TEXT and fact.kind is not Kind.TEXT
        if column is not None and self.run_batch is not None and not typed:
            return column.vector(self.run_batch)
        runs = self.runs
        assert runs is not None
        if fact.key == ("journey", self.journey.plan.name, "step"):
            return own_step(self.journey, runs)
        if column is None:
            return absent(fact, len(self))
        if typed:
            return _typed(fact.kind, pa.array(column.take(runs), pa.string()))
        return column.gather(runs)

    # --- happenings ---------------------------------------------------------------------------

    def _lists(self, fact: Fact) -> EventLists:
        """Happenings of each row; of runs those since the entry, with the run's key if it has one.

        Runs that keep no floor for these (a message's own rule) go by the second of their entry.
        """
        source = fact.key[:-1]
        newest = self.state.find(("newest", *source))
        found = (
            self.state.sendings if source == ("messages",) else self.state.happenings.get(source)
        )
        if newest is None or found is None:
            return no_events(fact, len(self))
        heads, floors, journey, runs = newest.take(self.contacts), None, self.journey, self.runs
        in_run = fact.space == "run" and journey is not None and runs is not None
        if journey is None or runs is None or not in_run:
            return found.gather(*found.lists(heads, None), fact.items)
        exact = journey.table.has(("floor", *source))
        if exact:
            floors = journey.table.column(("floor", *source)).take(runs)
        offsets, rows = found.lists(heads, floors)
        owners = np.repeat(np.arange(len(self)), np.diff(offsets))
        if not exact:
            entered = journey.column("entered").take(runs)[owners]
            keep = found.table.column("at").take(rows) > entered
            (offsets, rows), owners = kept_lists(offsets, rows, keep), owners[keep]
        if isinstance(found, Happenings):
            keep = _with_key(journey, found, runs, rows, owners)
            if keep is not None:
                offsets, rows = kept_lists(offsets, rows, keep)
        return found.gather(offsets, rows, fact.items)

    def _attribute(self, name: str, kind: Kind) -> Vector:
        if name not in self.columns.schema.names:
            return Vector.missing(kind, len(self))
        return _typed(kind, self.columns.column(name))

    def zones(self) -> Vector | None:
        """The contacts' zone names, or None when nobody has one of his own."""
        column = self.state.find(("field", "zone"))
        if column is None:
            return None
        return column.gather(self.contacts) if self.batch is None else column.vector(self.batch)

    # --- evaluation ---------------------------------------------------------------------------

    def true(self, rule: Rule, now: int) -> Array:
        """bool[]: the rows for which the rule is surely true."""
        words = rule.evaluate(self.vectors(rule.facts), len(self), now, self.state.zones)
        truth: Array = to_bools(words, len(self))
        return truth

    def next_change(self, rule: Rule, now: int) -> Array:
        """uint32[]: the first instant at which the rule may change by time alone."""
        when: Array = rule.next_change(self.vectors(rule.facts), len(self), now, self.state.zones)
        return when

    def numbers(self, value: Value, now: int) -> tuple[Array, Array]:
        """The values of an expression that is no text, and which of them are there."""
        found = self._evaluate(value, now)
        assert isinstance(found, ValueResult)
        return found.values, found.valid

    def texts(self, value: Value, now: int) -> tuple[str | None, ...]:
        """The values of a text expression; None is missing."""
        found = self._evaluate(value, now)
        assert not isinstance(found, ValueResult)
        return cast("tuple[str | None, ...]", found)

    def _evaluate(self, value: Value, now: int) -> ValueResult | tuple[Any, ...]:
        return value.evaluate(self.vectors(value.facts), len(self), now, self.state.zones)


def _rows_of(table: Table, batch: int) -> Array:
    first = batch * BATCH_ROWS
    return np.arange(first, min(first + BATCH_ROWS, table.rows), dtype=np.int64)


def absent(fact: Fact, count: int) -> Vector:
    """A column nothing was ever written to: false for states, 0 for counts, else missing."""
    if fact.kind is Kind.BOOL and fact.key[0] != "field":
        return Vector(Kind.BOOL, count, np.zeros((count + 63) // 64, np.uint64))
    if fact.kind is Kind.INT and fact.key[-1] == "count":
        return Vector(Kind.INT, count, np.zeros(count, np.int64))
    return Vector.missing(fact.kind, count)


def no_events(fact: Fact, count: int) -> EventLists:
    """Nothing ever happened to anybody."""
    items = tuple(Vector.missing(item.kind, 0) for item in fact.items)
    return EventLists(np.zeros(count + 1, np.int64), Vector.missing(Kind.TIME, 0), items)


def _with_key(
    journey: JourneyState, found: Happenings, runs: Array, rows: Array, owners: Array
) -> Array | None:
    """Which happenings count for their run: those that have its key, or none; None: all do."""
    keep = None
    for name in sorted({entry.key for entry in journey.plan.entries if entry.key is not None}):
        given = found.attributes.texts(name, rows)
        if given is None:
            continue
        own = journey.column("key").take(runs)[owners]
        words = given.dictionary_encode()
        known = [journey.keys.find(word) for word in words.dictionary.to_pylist()]
        places = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        codes = np.array([*known, -1], np.int32)[places]
        counts = (codes == own) | (own < 0) | (places < 0)
        keep = counts if keep is None else keep & counts
    return keep


def _typed(kind: Kind, values: pa.Array) -> Vector:
    """An attribute in the kind that a rule compares it in; what does not fit is missing."""
    column = Column(kind)
    column.grow(len(values))
    rows = np.arange(len(values), dtype=np.int64)
    column.put_arrow(rows, fit_attribute(kind, values), keep_null=False)
    return column.gather(rows)
