"""Counting and selecting contacts by a rule: batch by batch, from the columns' own memory.

Each function runs on the engine thread. Vectors over a batch are let go before it goes on, so that
nobody who writes there has to copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from blaster.core import Column, Rows, State, fields_of, scope_of
from blaster.errors import InputError
from blaster.model import definitions as model
from blaster.model.fields import BATCH_ROWS, BUILT_IN_FIELDS, Field, Kind
from blaster.rules import Rule, compile_rule, from_bools
from blaster.rules import count as count_bits

Array = np.ndarray[Any, Any]

FIRST_COLUMNS = ("id", "email", "phone")


def compile_for(state: State, text: str) -> Rule:
    """A rule over all contacts. Raises DefinitionError."""
    return compile_rule(text, scope_of(_workspace(state)))


def count_contacts(state: State, text: str | None, now: int) -> int:
    """For how many contacts a rule is true (no rule: how many there are)."""
    if text is None:
        return state.contacts.rows - state.counts["erased",]
    rule = compile_for(state, text)
    return sum(count_bits(_bits(state, rule, b, now)) for b in range(state.contacts.batches))


def _bits(state: State, rule: Rule, batch: int, now: int) -> Array:
    rows = Rows.of_batch(state, batch)
    found = rule.evaluate(rows.vectors(rule.facts), len(rows), now, state.zones)
    if state.find(("erased",)) is None:
        return found
    contacts = np.arange(len(rows), dtype=np.int64) + batch * BATCH_ROWS
    living: Array = found & from_bools(~state.erased(contacts))
    return living


class Selection(NamedTuple):
    """What is selected: a rule, columns, and up to which batch."""

    rule: Rule
    columns: tuple[Field, ...]
    batches: int


def selection_of(state: State, text: str, columns: Sequence[str] | None) -> Selection:
    """Raises DefinitionError for the rule, InputError for a column that there is not."""
    rule = compile_for(state, text)
    fields = fields_of(_workspace(state))
    if columns is None:
        built_in = {field.name for field in BUILT_IN_FIELDS}
        names = [*FIRST_COLUMNS, *(name for name in fields if name not in built_in)]
    else:
        names = [columns] if isinstance(columns, str) else list(columns)
    for name in names:
        if name not in fields:
            raise InputError(f"there is no field {name!r}; known are: {', '.join(sorted(fields))}")
    if len(set(names)) != len(names):
        raise InputError("a column is asked for twice")
    return Selection(rule, tuple(fields[name] for name in names), state.contacts.batches)


def part_of(
    state: State, selection: Selection, batch: int, now: int
) -> tuple[pa.RecordBatch, pa.Array]:
    """One batch of all contacts, pinned, and which of them match (pa.bool_)."""
    found = _bits(state, selection.rule, batch, now)
    arrays = [_exported(state, field, batch) for field in selection.columns]
    names = [field.name for field in selection.columns]
    rows = Rows.of_batch(state, batch)
    mask = pa.Array.from_buffers(pa.bool_(), len(rows), [None, pa.py_buffer(found)])
    return pa.RecordBatch.from_arrays(arrays, names=names), mask


def no_rows(selection: Selection) -> pa.RecordBatch:
    """The columns without any contact."""
    arrays = []
    for field in selection.columns:
        column = Column(field.kind)
        column.grow(1)
        arrays.append(_as_written(field, column.export(0)).slice(0, 0))
    return pa.RecordBatch.from_arrays(arrays, names=[field.name for field in selection.columns])


def _exported(state: State, field: Field, batch: int) -> pa.Array:
    return _as_written(field, state.column(("field", field.name)).export(batch))


def _as_written(field: Field, values: pa.Array) -> pa.Array:
    """Numbers with a scale as the decimals that they are."""
    if field.kind is not Kind.INT or not field.scale:
        return values
    whole = values.cast(pa.decimal128(19, 0))
    exact = pa.decimal128(19, field.scale)
    return pa.Array.from_buffers(exact, len(whole), whole.buffers(), offset=whole.offset)


def _workspace(state: State) -> model.Workspace:
    return state.plan.workspace if state.plan is not None else model.Workspace()
