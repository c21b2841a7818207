"""The steps that change something and go on at once: set, add, reset, lists, end.

Two runs of one contact never take such a step together: the second sees what the first did.
Law: a step gives nobody an address, a number or an id that is another contact's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.binding import Rows
from blaster.core.decide import Decisions
from blaster.core.fitting import ARROW_TYPES, fit, refit
from blaster.core.normalise import normalise_emails, normalise_phones
from blaster.core.plan import (
    UNSET,
    AddStep,
    EndStep,
    LookStep,
    MemberStep,
    PlanStep,
    ResetStep,
    SendStep,
    SetStep,
    WaitStep,
)
from blaster.core.rows import rounds_of
from blaster.core.runs import JourneyState
from blaster.core.state import ADDRESSES, State, default_of
from blaster.model import records
from blaster.model.fields import Field, Kind
from blaster.rules import Value

Array = np.ndarray[Any, Any]


def arrive(tick: Decisions, journey: JourneyState, index: int, runs: Array) -> None:
    """Runs come into a step: they stay in it, or go straight on."""
    if not len(runs):
        return
    step = journey.plan.steps[index]
    match step:
        case SendStep():
            tick.arrive_send(journey, step, runs)
        case WaitStep():
            tick.arrive_wait(journey, step, runs)
        case LookStep():
            tick.arrive_look(journey, step, runs)
        case _:
            tick.move(journey, index, runs, tick.now, tick.now)
            act(tick, journey, step, runs)


def act(tick: Decisions, journey: JourneyState, step: PlanStep, runs: Array) -> None:
    """Carries out an immediate step for runs that stand in it."""
    if not len(runs):
        return
    if isinstance(step, EndStep):
        tick.emit(records.Ended(journey.version, runs, "finished", -1))
        return
    first, *later = rounds_of(journey.contacts(runs))
    for positions in later:
        # Parked, due now: looked at again when the consequences of the first are done.
        tick.parked.append((step, tick.travellers(journey, runs[positions], step.index)))
    runs = runs[first]
    match step:
        case SetStep():
            _set(tick, journey, step, runs)
        case AddStep():
            _add(tick, journey, step, runs)
        case ResetStep():
            _reset(tick, journey, step, runs)
        case MemberStep():
            contacts = journey.contacts(runs)
            tick.emit(records.Listed(step.join, step.leave, contacts))
            tick.go(journey, step.then, runs)


def _write(tick: Decisions, field: Field, contacts: Array, values: list[Any] | Array) -> None:
    """Records new values; a null clears."""
    array = pa.array(values, ARROW_TYPES[field.kind])
    columns = [array]
    names = [field.name]
    if field.name in ("email", "phone"):
        columns.append(pa.array(np.zeros(len(contacts), bool)))
        names.append(f"invalid:{field.name}")
    tick.emit(records.Wrote(contacts, pa.RecordBatch.from_arrays(columns, names=names)))


def _set(tick: Decisions, journey: JourneyState, step: SetStep, runs: Array) -> None:
    """All values of the step are worked out before any is written; one that fails, fails all."""
    fits = np.ones(len(runs), bool)
    worked_out = []
    rows = Rows.of_runs(tick.state, journey, runs)
    for field, text, value in step.writes:
        values = _values(tick, field, text, value, rows)
        fits &= np.fromiter((v is not None for v in values), bool, len(values))
        worked_out.append((field, values))
    contacts = journey.contacts(runs)
    fits = _without_taken(tick.state, contacts, worked_out, fits)
    if fits.any():
        for field, values in worked_out:
            kept = [v for v, keep in zip(values, fits.tolist(), strict=True) if keep]
            _write(tick, field, contacts[fits], kept)
    tick.go(journey, step.then, runs[fits])
    tick.go(journey, step.otherwise if step.otherwise != UNSET else step.then, runs[~fits])


def _values(
    tick: Decisions, field: Field, text: str | None, value: Value | None, rows: Rows
) -> list[Any]:
    """The value for each row in the field's own form; None where it is missing or does not fit."""
    if value is None:
        values: list[Any] = [fit(field, text or "")] * len(rows)
    elif value.kind in (Kind.TEXT, Kind.CODE):
        found = rows.texts(value, tick.now)
        values = [None if v is None else fit(field, v) for v in found]
    else:
        numbers, valid = rows.numbers(value, tick.now)
        values = [
            v if good else None for v, good in zip(numbers.tolist(), valid.tolist(), strict=True)
        ]
        if field.kind in (Kind.INT, Kind.NUMBER):
            values = [None if v is None else refit(field, v, value.scale) for v in values]
    return _addresses(tick.state, field, values)


def _addresses(state: State, field: Field, values: list[Any]) -> list[Any]:
    """E-mail addresses and phone numbers in their one form; None for what is no address."""
    if field.name == "email":
        normal, _ = normalise_emails(pa.array(values, pa.string()))
    elif field.name == "phone":
        assert state.plan is not None
        country = state.plan.workspace.account.country
        normal, _ = normalise_phones(pa.array(values, pa.string()), country)
    else:
        return values
    addresses: list[Any] = normal.to_pylist()
    return addresses


def _without_taken(
    state: State, contacts: Array, worked_out: list[tuple[Field, list[Any]]], fits: Array
) -> Array:
    """`fits` (bool[]) without the rows that would get what is another contact's.

    That is what somebody else had before the step, and what an earlier row of it takes.
    """
    keys: list[list[tuple[str, bytes]]] = []
    for field, values in worked_out:
        if field.name in ADDRESSES:
            index = state.directory.indexes[ADDRESSES.index(field.name)]
            owners = index.find(pa.array(values, pa.string()))
            fits = fits & ((owners < 0) | (owners == contacts))
            texts = [b"" if value is None else value.encode() for value in values]
            keys.append([(field.name, t.lower() if index.fold else t) for t in texts])
    if not keys:
        return fits
    left, taken = fits.copy(), set[tuple[str, bytes]]()
    for row in np.flatnonzero(fits).tolist():
        mine = {column[row] for column in keys}
        left[row] = taken.isdisjoint(mine)
        if left[row]:
            taken |= mine
    return left


def _number_of(state: State, field: Field, contacts: Array) -> Array:
    """The field's values, with the default (or 0) where one is missing."""
    column = state.column(("field", field.name))
    start = default_of(field) or 0
    return np.where(column.take_valid(contacts), column.take(contacts), start)


def _add(tick: Decisions, journey: JourneyState, step: AddStep, runs: Array) -> None:
    contacts = journey.contacts(runs)
    fits = np.ones(len(runs), bool)
    sums = []
    for field, amount_text in step.amounts:
        amount = fit(field, amount_text)
        assert isinstance(amount, int | float)
        before = _number_of(tick.state, field, contacts)
        with np.errstate(over="ignore"):
            total: Array = before + amount
        if field.kind is Kind.INT:
            # Two's complement: an overflow shows as a sign that neither addend had.
            fits &= ((before ^ total) & (np.full_like(total, amount) ^ total)) >= 0
        else:
            fits &= np.isfinite(total)
        sums.append((field, total))
    if fits.any():
        for field, total in sums:
            _write(tick, field, contacts[fits], total[fits])
    tick.go(journey, step.then, runs[fits])
    tick.go(journey, step.otherwise if step.otherwise != UNSET else step.then, runs[~fits])


def _reset(tick: Decisions, journey: JourneyState, step: ResetStep, runs: Array) -> None:
    """Back to the default; a number keeps what was added since the run entered."""
    contacts = journey.contacts(runs)
    for field in step.fields:
        default = default_of(field)
        if field.kind not in (Kind.INT, Kind.NUMBER):
            _write(tick, field, contacts, [default] * len(contacts))
            continue
        now_value = _number_of(tick.state, field, contacts)
        kept = journey.table.column(("at entry", field.name))
        at_entry = np.where(kept.take_valid(runs), kept.take(runs), default or 0)
        _write(tick, field, contacts, now_value - at_entry + (default or 0))
    tick.go(journey, step.then, runs)
