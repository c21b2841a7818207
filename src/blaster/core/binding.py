"""From the facts that a rule reads to the columns that hold them, for some contacts or runs."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa

from blaster.core.column import Column
from blaster.core.consent import permits
from blaster.core.fitting import fit_attribute
from blaster.core.runs import JourneyState
from blaster.core.state import NO_COLUMNS, State
from blaster.model.fields import Kind
from blaster.rules import Rule, Value, ValueResult, Vector, from_bools, to_bools
from blaster.rules.facts import Fact

Array = np.ndarray[Any, Any]


class Rows:
    """The rows of one evaluation: contacts, or runs of one journey with their contacts.

    `columns` are attributes of an event, row by row, for looks before a run exists; `extras` are
    columns that a caller adds by name.
    """

    def __init__(
        self,
        state: State,
        contacts: Array,
        journey: JourneyState | None = None,
        runs: Array | None = None,
        columns: pa.RecordBatch = NO_COLUMNS,
        extras: dict[str, Column] | None = None,
    ) -> None:
        self.state = state
        self.contacts = contacts
        self.journey = journey
        self.runs = runs
        self.columns = columns
        self.extras = extras or {}
        self._vectors: dict[Fact, Vector] = {}

    @classmethod
    def of_runs(cls, state: State, journey: JourneyState, runs: Array) -> Rows:
        """Runs, and the contacts they are of."""
        return cls(state, journey.contacts(runs), journey, runs)

    def __len__(self) -> int:
        return len(self.contacts)

    def vectors(self, facts: tuple[Fact, ...]) -> list[Vector]:
        """One vector per fact; a fact that two rules read is gathered once."""
        for fact in facts:
            if fact not in self._vectors:
                self._vectors[fact] = self._vector(fact)
        return [self._vectors[fact] for fact in facts]

    def _vector(self, fact: Fact) -> Vector:
        key = fact.key
        if key[0] == "extra":
            return self.extras[key[1]].gather(self.contacts)
        if key[0] == "number":
            return Vector(Kind.ID, len(self), (self.contacts + 1).astype(np.uint64))
        if key[0] == "attribute" and self.runs is None:
            return self._attribute(key[1], fact.kind)
        if fact.space == "run" and self.journey is not None and self.runs is not None:
            return self._run_vector(fact)
        if key[0] == "consent" and len(key) == 3:
            given = permits(self.state, key[1], key[2], self.contacts)
            return Vector(Kind.BOOL, len(self), from_bools(given))
        column = self.state.find(key)
        return absent(fact, len(self)) if column is None else column.gather(self.contacts)

    def _run_vector(self, fact: Fact) -> Vector:
        assert self.journey is not None
        assert self.runs is not None
        table = self.journey.table
        key: Any = "entered" if fact.key == ("entered",) else fact.key
        if not table.has(key):
            return absent(fact, len(self))
        column = table.column(key)
        if column.kind is Kind.TEXT and fact.kind is not Kind.TEXT:
            return _typed(fact.kind, pa.array(column.take(self.runs), pa.string()))
        return column.gather(self.runs)

    def _attribute(self, name: str, kind: Kind) -> Vector:
        if name not in self.columns.schema.names:
            return Vector.missing(kind, len(self))
        return _typed(kind, self.columns.column(name))

    def zones(self) -> Vector | None:
        """The contacts' zone names, or None when nobody has one of his own."""
        column = self.state.find(("field", "zone"))
        return None if column is None else column.gather(self.contacts)

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


def absent(fact: Fact, count: int) -> Vector:
    """A column nothing was ever written to: false for states, 0 for counts, else missing."""
    if fact.kind is Kind.BOOL and fact.key[0] != "field":
        return Vector(Kind.BOOL, count, np.zeros((count + 63) // 64, np.uint64))
    if fact.kind is Kind.INT and fact.key[-1] == "count":
        return Vector(Kind.INT, count, np.zeros(count, np.int64))
    return Vector.missing(fact.kind, count)


def _typed(kind: Kind, values: pa.Array) -> Vector:
    """An attribute in the kind that a rule compares it in; what does not fit is missing."""
    column = Column(kind)
    column.grow(len(values))
    rows = np.arange(len(values), dtype=np.int64)
    column.put_arrow(rows, fit_attribute(kind, values), keep_null=False)
    return column.gather(rows)
