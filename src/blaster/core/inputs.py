"""Taking inputs into the state, one round at a time: each contact at most once in a round.

Every taker is given the positions of its round and answers with the facts that changed; it never
fails and never decides. `TAKERS` is the table; `rounds` says how an input is cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core.campaigns import PAUSED, RUNNING
from blaster.core.consent import give, opt_out, withdraw
from blaster.core.erasing import take_erased
from blaster.core.fields import ADDRESS_CHANNELS, close_forgotten, write_fields
from blaster.core.filling import take_filled
from blaster.core.fitting import fit_attribute
from blaster.core.happenings import ENGAGED
from blaster.core.messages import first_time, note
from blaster.core.numberset import NumberSet, hash_pairs
from blaster.core.orderstates import RETRIED, carry
from blaster.core.outcomes import presume_sent, take_outcomes, take_postponed
from blaster.core.plan import Key, PlanEntry, make_plan
from blaster.core.requested import follow, open_requested
from blaster.core.rows import distinct, rounds_of
from blaster.core.runs import JourneyState
from blaster.core.sites import Sites
from blaster.core.state import Change, Effect, State
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import Kind
from blaster.rules import Zones

Array = np.ndarray[Any, Any]
Taker = Callable[[State, int, Any, Array], list[Effect]]


def rounds(state: State, operation: records.Operation) -> deque[Array]:
    """Positions per round; an input that speaks of no contacts has one round."""
    if isinstance(operation, records.Published | records.Steered):
        return deque([np.empty(0, np.int64)])
    if isinstance(operation, records.Postponed):
        return deque([np.arange(len(operation.orders))]) if len(operation.orders) else deque()
    if isinstance(operation, records.Outcomes):
        # Two orders of one contact are two facts; an order of nobody in flight is its own.
        contacts = state.orders.find(operation.orders)["contact"]
        return deque(rounds_of(contacts)) if len(contacts) else deque()
    contacts = operation.contacts  # type: ignore[attr-defined]
    return deque(rounds_of(contacts)) if len(contacts) else deque()


def rows_of(columns: pa.RecordBatch, positions: Array) -> pa.RecordBatch:
    """The rows of a round; the batch itself when it is all of them."""
    if columns.num_columns == 0 or len(positions) == columns.num_rows:
        return columns
    return columns.take(pa.array(positions))


def _texts(texts: tuple[str, ...], positions: Array) -> list[str] | None:
    return [texts[position] for position in positions.tolist()] if texts else None


def take_published(
    state: State, at: int, operation: records.Published, positions: Array
) -> list[Effect]:
    """New definitions: unchanged journeys go on as they are, changed ones get a new version."""
    workspace = msgspec.json.decode(operation.workspace, type=model.Workspace)
    before = state.plan
    state.plan = plan = make_plan(workspace)
    take_filled(state)
    state.zones = Zones(workspace.account.zone)
    topics = {message.topic for message in workspace.messages if message.topic is not None}
    state.topics += sorted(topics - set(state.topics))
    for field in workspace.fields:
        is_new = not state.contacts.has(("field", field.name))
        column = state.column(("field", field.name))
        if is_new and column.never_missing and column.rows:
            state.born[field.name] = at
    for name, journey in state.current.items():
        journey.open = name in plan.journeys or follow(state, journey)
    fresh = []
    for name, journey_plan in plan.journeys.items():
        current = state.current.get(name)
        if current is None or not plan.keeps(before, name):
            fresh.append(state.open_version(journey_plan))
        else:
            current.read_more(journey_plan)
    for name, campaign_plan in plan.campaigns.items():
        campaign = state.campaigns.get(name) or state.open_campaign(campaign_plan)
        campaign.publish(campaign_plan, workspace, at)
    for name, campaign in state.campaigns.items():
        if name not in plan.campaigns:
            campaign.withdraw()
    state.index_readers()
    sites = Sites(workspace.account)
    if sites != state.sites:
        state.sites = sites
        state.rebuild_queues()
    return [Change(("published", journey.version), np.empty(0, np.int64)) for journey in fresh]


def take_upserted(
    state: State, at: int, operation: records.Upserted, positions: Array
) -> list[Effect]:
    contacts = operation.contacts[positions]
    columns = rows_of(operation.columns, positions)
    created = operation.created[positions]
    changes: list[Effect] = []
    fresh = contacts[created]
    if len(fresh):
        grow_contacts(state, int(fresh.max()) + 1)
        state.column(("created",)).put(fresh, at)
        batch = columns if created.all() else columns.filter(pa.array(created))
        if "source" not in batch.schema.names and operation.source:
            batch = batch.append_column(
                "source", pa.array([operation.source] * len(fresh), pa.string())
            )
        changes += _write_new(state, fresh, batch)
        state.counts["contacts",] += len(fresh)
        changes.append(Change(("created",), fresh, batch))
    if not created.all():
        known = ~created
        batch = columns if known.all() else columns.filter(pa.array(known))
        changes += write_fields(state, at, contacts[known], batch, keep_null=True)
    return changes


def grow_contacts(state: State, rows: int) -> None:
    """Makes room for contacts up to this number; every column covers all of them."""
    if rows > state.contacts.rows:
        state.contacts.grow(rows)
        state.directory.next = max(state.directory.next, rows)


def _write_new(state: State, contacts: Array, columns: pa.RecordBatch) -> list[Effect]:
    """Writes contacts that did not exist: nothing to compare with, everything given is a change."""
    names = columns.schema.names
    changes: list[Effect] = []
    for name in names:
        values = columns.column(name)
        if name.startswith("invalid:"):
            key: Key = ("invalid", name.removeprefix("invalid:"))
            state.column(key).put(contacts, values.to_numpy(zero_copy_only=False))
            continue
        key = ("field", name)
        state.column(key).put_arrow(contacts, values, keep_null=True)
        if state.is_read(key):
            present = values.is_valid().to_numpy(zero_copy_only=False)
            if present.any():
                changes.append(Change(key, contacts[present]))
    nothing = pa.nulls(len(contacts), pa.string())
    addresses = [
        columns.column(name) if name in names else nothing for name in ("id", "email", "phone")
    ]
    state.directory.insert(contacts, *addresses)
    for name in ADDRESS_CHANNELS:
        if name in names:
            changes += close_forgotten(state, name, contacts, columns.column(name))
    return changes


def take_fields_set(
    state: State, at: int, operation: records.FieldsSet, positions: Array
) -> list[Effect]:
    columns = rows_of(operation.columns, positions)
    return list(write_fields(state, at, operation.contacts[positions], columns, keep_null=False))


def take_joined(state: State, at: int, operation: records.Joined, positions: Array) -> list[Effect]:
    contacts = operation.contacts[positions]
    if operation.leaving:
        return change_lists(state, at, "", operation.list, contacts)
    return change_lists(state, at, operation.list, "", contacts)


def change_lists(state: State, at: int, join: str, leave: str, contacts: Array) -> list[Effect]:
    """Joining, leaving, or both as one change; who is a member already does not join again."""
    changes: list[Effect] = []
    if leave and leave != join:
        member = state.column(("list", leave, "member"))
        gone = contacts[member.take(contacts)]
        if len(gone):
            member.put(gone, False)
            state.column(("list", leave, "left")).put(gone, at)
            state.counts["list", leave] -= len(gone)
            changes.append(Change(("left", leave), gone))
            changes.append(Change(("list", leave), gone))
    if join:
        member = state.column(("list", join, "member"))
        fresh = contacts[~member.take(contacts)]
        if len(fresh):
            member.put(fresh, True)
            state.column(("list", join, "joined")).put(fresh, at)
            state.counts["list", join] += len(fresh)
            changes.append(Change(("joined", join), fresh))
            changes.append(Change(("list", join), fresh))
    return changes


def take_happened(
    state: State, at: int, operation: records.Happened, positions: Array
) -> list[Effect]:
    key = (operation.space, operation.name)
    contacts, columns = happen(state, at, operation, positions)
    _happened_in_runs(state, at, key, contacts, columns)
    # A run whose key came again knows newer attributes now; who waits on them looks again.
    renewed = [name for name in columns.schema.names if state.is_read(("attribute", name))]
    return [
        Change(key, contacts, columns),
        *(Change(("attribute", name), contacts) for name in renewed),
    ]


def happen(
    state: State, at: int | Array, operation: records.Happened, positions: Array
) -> tuple[Array, pa.RecordBatch]:
    """What is known of contacts outside of runs; answers with the rows that counted.

    A contact may stand there again; with `at` of each row (uint32[], never falling) this is as if
    each had happened by itself.
    """
    key = (operation.space, operation.name)
    if operation.keys:
        fresh = _not_seen(state, key, operation.keys, positions)
        at = at if isinstance(at, int) else at[np.searchsorted(positions, fresh)]
        positions = fresh
    contacts = operation.contacts[positions]
    columns = rows_of(operation.columns, positions)
    first_time(state.column((*key, "first")), contacts, at)
    state.column((*key, "last")).put(contacts, at)
    state.column((*key, "count")).add_to(contacts, 1)
    state.counts[(*key, "count")] += len(contacts)
    newest = state.column(("newest", *key))
    declared = state.declared(*key)
    happenings = state.happened(*key)
    happenings.append(newest, contacts, at, columns, declared)
    if operation.space != "event":
        state.column(("activity", operation.space)).put(contacts, at)
    if operation.space == "form":
        for name in columns.schema.names:
            if name in happenings.attributes.fields:  # bounded; of further names there is no answer
                answers = fit_attribute(Kind.TEXT, columns.column(name))
                state.column((*key, "answer", name)).put_arrow(contacts, answers, keep_null=False)
    return contacts, columns


def happens_in_runs(state: State, key: Key) -> bool:
    """Whether there are runs that may know of such a happening."""
    return any(journey.running for journey in state.readers.get(key, ()))


def take_started(
    state: State, at: int, operation: records.Started, positions: Array
) -> list[Effect]:
    """A request; the first for a single send opens the journey that makes it."""
    contacts = operation.contacts[positions]
    columns = rows_of(operation.columns, positions)
    open_requested(state, operation.journey)
    key = ("started", operation.journey)
    _happened_in_runs(state, at, key, contacts, columns)
    renewed = [name for name in columns.schema.names if state.is_read(("attribute", name))]
    return [
        Change(key, contacts, columns),
        *(Change(("attribute", name), contacts) for name in renewed),
    ]


def take_steered(
    state: State, at: int, operation: records.Steered, positions: Array
) -> list[Effect]:
    """A command about a campaign."""
    campaign = state.campaigns.get(operation.campaign)
    if campaign is None:
        return []
    if operation.command == "retry" and campaign.phase in (RUNNING, PAUSED):
        contacts = campaign.retry(operation.key)
        carry(state, campaign, campaign.plan.steps[0], RETRIED, at, contacts)
        campaign.moved = max(campaign.moved, at)
    elif operation.command in ("pause", "resume", "stop") or _is_declared(
        state, campaign.plan.name
    ):
        campaign.steer(operation.command, at)
    return []


def _is_declared(state: State, name: str) -> bool:
    return state.plan is not None and name in state.plan.campaigns


def _not_seen(state: State, key: Key, keys: tuple[str, ...], positions: Array) -> Array:
    """The rows whose idempotency key is new (or empty); remembers the new ones."""
    given = [keys[position] for position in positions.tolist()]
    hashes = hash_pairs(np.zeros(len(given), np.int64), tuple(given))
    keyed = np.fromiter((k != "" for k in given), bool, len(given))
    known = state.keys_entered.setdefault("/".join(key), NumberSet())
    # Two contacts of one round may bring one key: the first row counts.
    first = np.zeros(len(given), bool)
    first[np.unique(hashes, return_index=True)[1]] = True
    fresh = ~keyed | (first & ~known.contains(hashes))
    known.add(hashes[fresh & keyed])
    chosen: Array = positions[fresh]
    return chosen


def _happened_in_runs(
    state: State, at: int, key: Key, contacts: Array, columns: pa.RecordBatch
) -> None:
    """Since entry: the first and last instant; in a keyed run, of events with the run's key."""
    for journey in state.readers.get(key, ()):
        if not journey.running:
            continue
        runs, at_rows = journey.runs_of(contacts)
        for name in sorted({e.key for e in journey.plan.entries if e.key is not None}):
            if name in columns.schema.names and len(runs):
                keep, same = _keyed(journey, columns.column(name), runs, at_rows)
                if any(_starts(journey, entry, name, key) for entry in journey.plan.entries):
                    # The same key again brings what started the run up to date.
                    journey.keep(runs[same], (), columns.take(pa.array(at_rows[same])))
                runs, at_rows = runs[keep], at_rows[keep]
        if journey.table.has((*key, "first")):
            first_time(journey.table.column((*key, "first")), runs, at)
        if journey.table.has((*key, "last")):
            journey.table.column((*key, "last")).put(runs, at)


def _starts(journey: JourneyState, entry: PlanEntry, name: str, key: Key) -> bool:
    """Whether this fact with this key enters by the entry."""
    if isinstance(entry.on, model.OnApi):
        return (entry.key, "started", journey.plan.name) == (name, *key)
    return isinstance(entry.on, model.OnEvent) and (entry.key, "event", entry.on.event) == (
        name,
        *key,
    )


def _keyed(
    journey: JourneyState, values: pa.Array, runs: Array, at_rows: Array
) -> tuple[Array, Array]:
    """Which runs the events count for, and which have the very key of their event.

    An event without the attribute counts for every run, and every event for a run without a key.
    """
    texts = values.cast(pa.string()).to_pylist()
    codes = np.fromiter((-1 if t is None else journey.keys.find(t) for t in texts), np.int64)
    given = np.fromiter((t is not None for t in texts), bool, len(texts))
    own = journey.column("key").take(runs)
    same = (own >= 0) & (own == codes[at_rows])
    return same | (own < 0) | ~given[at_rows], same


def take_consented(
    state: State, at: int, operation: records.Consented, positions: Array
) -> list[Effect]:
    contacts = operation.contacts[positions]
    change = give if operation.given else withdraw
    change(state, operation.channel, operation.topics, contacts)
    return [Change(("consent", operation.channel), contacts)]


def take_suppressed(
    state: State, at: int, operation: records.Suppressed, positions: Array
) -> list[Effect]:
    contacts = operation.contacts[positions]
    opt_out(state, operation.channel, operation.scope, contacts)
    channel = operation.channel
    return [Change(("suppressed", channel), contacts), Change(("consent", channel), contacts)]


def take_noted(state: State, at: int, operation: records.Noted, positions: Array) -> list[Effect]:
    key = ("message", operation.channel, operation.message)
    contacts = operation.contacts[positions]
    orders = operation.orders[positions]
    presume_sent(state, key, contacts, orders, at)
    changes = []
    for machine, mine in _by_machine(operation, positions):
        texts = _texts(operation.texts, positions[mine])
        changes += note(
            state, key, operation.fact, contacts[mine], orders[mine], texts, at, machine
        )
    if operation.fact in ("bounced", "complained") and changes:
        what = "suppressed" if operation.fact == "bounced" else "consent"
        changes.append(Change((what, operation.channel), changes[0].contacts))
    return list(changes)


def _by_machine(operation: records.Noted, positions: Array) -> list[tuple[bool, Array]]:
    """What people did, and what scanners and automatic answers did, by place in the round."""
    if operation.fact not in ENGAGED or not any(operation.classes):
        return [(False, np.arange(len(positions)))]
    given = [operation.classes[position] for position in positions.tolist()]
    machine = np.fromiter((word in records.MACHINES for word in given), bool, len(given))
    found = [(False, np.flatnonzero(~machine)), (True, np.flatnonzero(machine))]
    return [(who, mine) for who, mine in found if len(mine)]


def take_received(
    state: State, at: int, operation: records.Received, positions: Array
) -> list[Effect]:
    """Inbound texts answer the newest text sent to their contact; the rest answer nothing."""
    contacts = operation.contacts[positions]
    texts = _texts(operation.texts, positions) or []
    codes = state.column(("sms", "message")).take(contacts)
    orders = state.column(("sms", "order")).take(contacts)
    state.column(("activity", "replied")).put(contacts, at)
    changes: list[Effect] = []
    for code in distinct(codes[codes >= 0]).tolist():
        mine = codes == code
        answers = [text for text, keep in zip(texts, mine.tolist(), strict=True) if keep]
        key = ("message", "sms", state.sms_messages.values[code])
        changes += note(state, key, "replied", contacts[mine], orders[mine], answers, at)
    if state.is_read(("last_activity",)):
        changes.append(Change(("last_activity",), contacts))
    return changes


TAKERS: dict[type[records.Operation], Taker] = {
    records.Published: take_published,
    records.Upserted: take_upserted,
    records.FieldsSet: take_fields_set,
    records.Joined: take_joined,
    records.Happened: take_happened,
    records.Consented: take_consented,
    records.Suppressed: take_suppressed,
    records.Noted: take_noted,
    records.Received: take_received,
    records.Outcomes: take_outcomes,
    records.Started: take_started,
    records.Postponed: take_postponed,
    records.Erased: take_erased,
    records.Steered: take_steered,
}
