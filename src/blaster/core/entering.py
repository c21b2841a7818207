"""Triggers: who enters a journey because of what changed, and when dates and time look again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.binding import Rows
from blaster.core.decide import Decisions
from blaster.core.inputs import rows_of
from blaster.core.numberset import NumberSet, hash_pairs
from blaster.core.plan import PlanEntry
from blaster.core.requested import REQUEST_KEY
from blaster.core.runs import JourneyState
from blaster.core.state import NO_COLUMNS, Change
from blaster.core.timing import as_times, date_occurrence, too_late
from blaster.limits import ENTRIES_PER_INSTANT_MAX
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER

Array = np.ndarray[Any, Any]


def publish(tick: Decisions, journey: JourneyState) -> None:
    """A new version: notes what its rules are now and arms its dates; enters nobody."""
    for entry in journey.plan.entries:
        if entry.when is None and not isinstance(entry.on, model.OnDate):
            continue
        for start in range(0, tick.state.contacts.rows, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, tick.state.contacts.rows)
            contacts = np.arange(start, stop, dtype=np.int64)
            contacts = contacts[~tick.state.erased(contacts)]
            if entry.when is None:
                arm_date(tick, journey, entry, contacts, late=False)
            else:
                cross(tick, journey, entry, contacts)


def trigger(tick: Decisions, journey: JourneyState, change: Change) -> None:
    """Looks at every entry of an open version that this change may concern."""
    readers = journey.plan.readers.get(change.key)
    for entry in journey.plan.entries:
        read = readers is not None and entry.index in readers.entries
        if entry.when is not None:
            if read or change.key == ("created",):
                fresh = cross(tick, journey, entry, change.contacts)
                enter(tick, journey, entry, fresh, NO_COLUMNS)
        elif isinstance(entry.on, model.OnDate):
            if read:
                arm_date(tick, journey, entry, change.contacts)
        elif _matches(journey, entry.on, change):
            contacts, columns = change.contacts, change.columns
            if isinstance(entry.on, model.OnCreated) and entry.on.source is not None:
                keep = _from_source(columns, entry.on.source, len(contacts))
                contacts, columns = contacts[keep], NO_COLUMNS
            enter(tick, journey, entry, contacts, columns)


def _matches(journey: JourneyState, on: model.Trigger, change: Change) -> bool:
    match on:
        case model.OnList():
            return change.key == ("left" if on.leaving else "joined", on.list)
        case model.OnCreated():
            return change.key == ("created",)
        case model.OnEvent():
            return change.key == ("event", on.event)
        case model.OnForm():
            return change.key == ("form", on.form)
        case model.OnApi():
            return change.key == ("started", journey.plan.name)
    return False


def _from_source(columns: pa.RecordBatch, source: str, count: int) -> Array:
    if "source" not in columns.schema.names:
        return np.zeros(count, bool)
    sources = columns.column("source").to_pylist()
    return np.fromiter((s == source for s in sources), bool, count)


def cross(tick: Decisions, journey: JourneyState, entry: PlanEntry, contacts: Array) -> Array:
    """Looks at a `when:` rule for these contacts; answers with those for whom it became true."""
    assert entry.when is not None
    state = tick.state
    rows = Rows(state, contacts, journey)
    truth = rows.true(entry.when, tick.now)
    key = ("when", journey.version, str(entry.index))
    column = state.find(key)
    before = np.zeros(len(contacts), bool) if column is None else column.take(contacts)
    changed = truth != before
    if changed.any():
        tick.emit(records.Crossed(journey.version, entry.index, contacts[changed], truth[changed]))
    if entry.when.time_dependent:
        _arm(tick, journey, entry, contacts, rows.next_change(entry.when, tick.now))
    crossed: Array = contacts[changed & truth]
    return crossed


def arm_date(
    tick: Decisions,
    journey: JourneyState,
    entry: PlanEntry,
    contacts: Array,
    *,
    again: bool = False,
    late: bool = True,
) -> None:
    """Works out when a date trigger next enters these contacts."""
    assert isinstance(entry.on, model.OnDate)
    rows = Rows(tick.state, contacts)
    due = as_times(date_occurrence(rows, entry.on, tick.now, again=again, late=late))
    _arm(tick, journey, entry, contacts, due)


def _arm(
    tick: Decisions, journey: JourneyState, entry: PlanEntry, contacts: Array, due: Array
) -> None:
    """Records the instants that differ from those already armed."""
    column = tick.state.find(("armed", journey.version, str(entry.index)))
    before = np.full(len(contacts), NEVER, np.uint32) if column is None else column.take(contacts)
    moved = due != before
    if moved.any():
        tick.emit(records.Armed(journey.version, entry.index, contacts[moved], due[moved]))


def fire(tick: Decisions, journey: JourneyState, entry: PlanEntry, contacts: Array) -> None:
    """The armed instant of these contacts has come."""
    if entry.when is not None:
        fresh = cross(tick, journey, entry, contacts)
        enter(tick, journey, entry, fresh, NO_COLUMNS)
        return
    assert isinstance(entry.on, model.OnDate)
    armed = tick.state.column(("armed", journey.version, str(entry.index))).take(contacts)
    lost = too_late(armed, entry.on.late_within_s, tick.now)
    arm_date(tick, journey, entry, contacts, again=True)
    if lost.any():
        tick.emit(records.Dropped(journey.version, entry.index, contacts[lost]))
    enter(tick, journey, entry, contacts[~lost], NO_COLUMNS)


# --- entering -------------------------------------------------------------------------------------


def enter(
    tick: Decisions,
    journey: JourneyState,
    entry: PlanEntry,
    contacts: Array,
    columns: pa.RecordBatch,
) -> None:
    """Starts runs for those whom `if`, `again` and `key` let in; the rest is counted as dropped."""
    if not len(contacts):
        return
    if entry.only_if is not None:
        wanted = Rows(tick.state, contacts, columns=columns).true(entry.only_if, tick.now)
        contacts, columns = contacts[wanted], rows_of(columns, np.flatnonzero(wanted))
    keys = _keys(entry, columns, len(contacts))
    let_in = _let_in(tick, journey, entry, contacts, keys)
    if not let_in.all():
        dropped = contacts[~let_in]
        tick.emit(records.Dropped(journey.version, entry.index, dropped))
        positions = np.flatnonzero(let_in)
        contacts, columns = contacts[let_in], rows_of(columns, positions)
        keys = tuple(keys[position] for position in positions.tolist()) if keys else ()
    if not len(contacts):
        return
    kept = [name for name in columns.schema.names if name in journey.plan.attributes]
    columns = columns.select(kept) if kept else NO_COLUMNS
    runs = journey.free_rows(len(contacts))
    first = tick.state.next_run
    numbers = np.arange(first, first + len(contacts), dtype=np.uint64)
    tick.emit(records.Entered(journey.version, entry.index, contacts, runs, numbers, keys, columns))
    tick.rows += len(contacts)
    for index in range(len(journey.plan.exits)):
        tick.exit(journey, index, runs[journey.column("number").take(runs) == numbers])
    runs = runs[journey.column("number").take(runs) == numbers]
    tick.go(journey, 0 if journey.plan.steps else -1, runs)


def _keys(entry: PlanEntry, columns: pa.RecordBatch, count: int) -> tuple[str, ...]:
    """The key of each row; an event without the attribute has the empty key."""
    if entry.key is None:
        return ()
    if entry.key not in columns.schema.names:
        return ("",) * count
    values = columns.column(entry.key).cast(pa.string()).to_pylist()
    return tuple("" if value is None else value for value in values)


def _yearly(entry: PlanEntry) -> bool:
    return isinstance(entry.on, model.OnDate) and entry.on.yearly


def _let_in(
    tick: Decisions,
    journey: JourneyState,
    entry: PlanEntry,
    contacts: Array,
    keys: tuple[str, ...],
) -> Array:
    """Whom `again` and `key` allow, and the bound on entries within one instant."""
    state, name = tick.state, journey.plan.name
    # A yearly date enters at each occurrence, whatever `again` says.
    again = "each time" if _yearly(entry) else journey.plan.definition.again
    allowed = np.ones(len(contacts), bool)
    if keys:
        known = state.keys_entered.get(name, NumberSet())
        fresh = ~known.contains(hash_pairs(contacts, keys))
        if entry.key == REQUEST_KEY:  # a request need not have one
            fresh |= np.fromiter((key == "" for key in keys), bool, len(keys))
        allowed &= fresh
    elif again == "never":
        entered = state.find(("journey", name, "entered"))
        if entered is not None:
            allowed &= entered.take(contacts) == NEVER
    if again == "after finishing":
        running = state.find(("journey", name, "running"))
        if running is not None:
            allowed &= ~running.take(contacts)
    when, count = state.find(("entries at",)), state.find(("entries",))
    if when is not None and count is not None:
        busy = (when.take(contacts) == tick.now) & (count.take(contacts) >= ENTRIES_PER_INSTANT_MAX)
        allowed &= ~busy
    return allowed
