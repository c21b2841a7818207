"""Applying records: the only way the state changes. It cannot fail and it never decides.

An input is queued when it is applied and enters the columns round by round, with each `Took`. A
decision is carried out as recorded. Replaying a log through `apply_entry` gives the state back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.fields import write_fields
from blaster.core.filling import begin_filling, fill
from blaster.core.happenings import SPACES
from blaster.core.inputs import TAKERS, change_lists, rounds
from blaster.core.messages import note_not_sent, note_not_sent_to
from blaster.core.moving import count_steps
from blaster.core.numberset import NumberSet, hash_pairs
from blaster.core.orderstates import (
    CAME,
    ORDERED,
    RAN_OUT,
    RESUMED,
    WITHHELD,
    applies,
    carry,
    carry_moves,
)
from blaster.core.outcomes import settle_orders, verdict_of
from blaster.core.plan import Key, ResetStep, SendStep
from blaster.core.requested import REQUEST_KEY
from blaster.core.rows import rounds_of
from blaster.core.runs import JourneyState
from blaster.core.state import Change, Effect, Queued, State, default_of
from blaster.model import records
from blaster.model.fields import NEVER, Kind

Array = np.ndarray[Any, Any]


def apply_entry(state: State, entry: records.Entry) -> None:
    """Applies one log entry."""
    state.now = max(state.now, entry.at)
    for operation in entry.operations:
        apply_operation(state, entry.at, operation)


def apply_operation(state: State, at: int, operation: records.Operation) -> list[Effect]:
    """Applies one operation; answers with what changed (replay ignores that)."""
    if isinstance(operation, records.EVIDENCE):
        return []
    if type(operation) in TAKERS:
        state.inputs += 1
        turns = rounds(state, operation)
        if turns:
            state.inbox.append(Queued(state.inputs, at, operation, turns))
        return []
    return _DECISIONS[type(operation)](state, at, operation)


def _took(state: State, at: int, operation: records.Took) -> list[Effect]:
    item = state.inbox[0]
    positions = item.rounds.popleft()
    item.turn += 1
    if not item.rounds:
        state.inbox.popleft()
    if hasattr(item.operation, "contacts"):
        if state.find(("erased",)) is not None:
            positions = positions[~state.erased(item.operation.contacts[positions])]
            if not len(positions):
                return []
        count_afresh(state, item.operation.contacts[positions], at)
    effects = TAKERS[type(item.operation)](state, item.at, item.operation, positions)
    return effects + _echoes(state, effects)


def _echoes(state: State, effects: list[Effect]) -> list[Effect]:
    """Facts made of many others, of the contacts for whom one of those changed."""
    return [
        Change(key, effect.contacts)
        for effect in effects
        if isinstance(effect, Change)
        for key in _ECHOES.get(effect.key[0], ())
        if state.is_read(key)
    ]


_ECHOES: dict[str, tuple[Key, ...]] = {
    "message": (("messages", "each"), ("last_activity",)),
    **dict.fromkeys(SPACES, (("last_activity",),)),
}


def count_afresh(state: State, contacts: Array, at: int | Array) -> None:
    """The bound on entries within an instant is on what follows from one input, not on inputs.

    An outcome begins nothing: two journeys may start each other by their sends too.
    """
    when = state.find(("entries at",))
    if when is not None:
        known = contacts < when.rows
        at = at if isinstance(at, int) else at[known]
        counted = contacts[known][when.take(contacts[known]) == at]
        if len(counted):
            when.put(counted, NEVER)


def _entered(state: State, at: int, operation: records.Entered) -> list[Effect]:
    journey = state.by_version[operation.journey]
    name, contacts, runs = journey.plan.name, operation.contacts, operation.runs
    # Several runs of one contact are linked one after another.
    for positions in rounds_of(contacts):
        journey.enter(runs[positions], operation.numbers[positions], contacts[positions], at)
    for floor in journey.floors:
        journey.table.column(floor).put(runs, state.happened_rows(floor[1:]))
    journey.keep(runs, operation.keys, operation.columns)
    for field in journey.plan.resets:
        column = state.column(("field", field.name))
        if column.kind in (Kind.INT, Kind.NUMBER):
            kept = journey.table.column(("at entry", field.name))
            kept.put(runs, column.take(contacts), column.take_valid(contacts))
    state.column(("journey", name, "entered")).put(contacts, at)
    state.column(("journey", name, "running")).put(contacts, True)
    _count_entries(state, contacts, at)
    if operation.keys:
        known = state.keys_entered.setdefault(name, NumberSet())
        hashes = hash_pairs(contacts, operation.keys)
        if journey.plan.entries[operation.entry].key == REQUEST_KEY:
            hashes = hashes[np.fromiter((key != "" for key in operation.keys), bool, len(hashes))]
        known.add(hashes)
    if len(operation.numbers):
        state.next_run = max(state.next_run, int(operation.numbers.max()) + 1)
    state.counts["journey", name, "entered"] += len(runs)
    return [Change(("journey", name), contacts)]


def _count_entries(state: State, contacts: Array, at: int) -> None:
    """How often each contact entered anything at this instant since its last input."""
    when, count = state.column(("entries at",)), state.column(("entries",))
    for positions in rounds_of(contacts):
        rows = contacts[positions]
        before = np.where(when.take(rows) == at, count.take(rows), 0)
        count.put(rows, before + 1)
        when.put(rows, at)


def _moved(state: State, at: int, operation: records.Moved) -> list[Effect]:
    journey = state.by_version[operation.journey]
    carry_moves(state, journey, at, operation.runs, operation.step)
    _count_leaving(state, journey, operation.runs, "passed", operation.step)
    _count_anew(state, journey, operation.runs)
    journey.move(operation.runs, operation.step, operation.due, operation.until)
    if journey.plan.name in state.steps_read:
        return [Change(("journey", journey.plan.name), journey.contacts(operation.runs))]
    return []


def _count_anew(state: State, journey: JourneyState, runs: Array) -> None:
    """Who leaves a reset has the default behind it: a second one keeps what was added to that."""
    if not journey.plan.resets:
        return
    steps = journey.column("step").take(runs)
    for step in journey.plan.steps:
        if isinstance(step, ResetStep):
            left = runs[steps == step.index]
            for field in step.fields:
                if field.kind in (Kind.INT, Kind.NUMBER):
                    kept = journey.table.column(("at entry", field.name))
                    kept.put(
                        left, np.full(len(left), default_of(field) or 0, kept.take(left).dtype)
                    )


def _count_leaving(state: State, journey: JourneyState, runs: Array, how: str, target: int) -> None:
    steps, counts = np.unique(journey.column("step").take(runs), return_counts=True)
    for step, count in zip(steps.tolist(), counts.tolist(), strict=True):
        count_steps(state, journey, step, target, count, how)


def _ended(state: State, at: int, operation: records.Ended) -> list[Effect]:
    journey = state.by_version[operation.journey]
    name = journey.plan.name
    runs = operation.runs
    how = "exited" if operation.how == "exited" else "passed"
    carry_moves(state, journey, at, runs, -1)
    _count_leaving(state, journey, runs, how, -1)
    contacts = journey.contacts(runs)
    journey.end(runs)
    state.column(("journey", name, "finished")).put(contacts, at)
    running = np.zeros(len(contacts), bool)
    for version in state.versions:
        if version.plan.name == name:
            running |= version.heads.take(contacts) >= 0
    state.column(("journey", name, "running")).put(contacts, running)
    state.counts["journey", name, operation.how] += len(runs)
    if not journey.open and journey.running == 0:
        state.index_readers()
    return [Change(("journey", name), contacts)]


def _wrote(state: State, at: int, operation: records.Wrote) -> list[Effect]:
    return list(write_fields(state, at, operation.contacts, operation.columns, keep_null=False))


def _listed(state: State, at: int, operation: records.Listed) -> list[Effect]:
    return change_lists(state, at, operation.join, operation.leave, operation.contacts)


def _ordered(state: State, at: int, operation: records.Ordered) -> list[Effect]:
    sender = state.sender(operation.journey)
    step = sender.plan.steps[operation.step]
    assert isinstance(step, SendStep)
    runs, numbers = operation.runs, operation.numbers
    contacts = sender.contacts(runs)
    if isinstance(sender, JourneyState):
        sender.column("order").put(runs, numbers)
    else:
        sender.spend(len(runs), at)
    version = state.number_of(sender)
    state.orders.add(numbers, runs, contacts, version, operation.step, at)
    for positions in rounds_of(contacts):
        mine = numbers[positions]
        carry(state, sender, step, ORDERED, at, runs[positions], numbers=mine)
    return []


def _withheld(state: State, at: int, operation: records.Withheld) -> list[Effect]:
    sender = state.sender(operation.journey)
    step = sender.plan.steps[operation.step]
    assert isinstance(step, SendStep)
    key, runs = step.outgoing.key, operation.runs
    way = RAN_OUT if operation.reason == records.EXPIRED else WITHHELD
    if isinstance(sender, JourneyState):
        note_not_sent(state, sender, key, runs, operation.reason, at)
    elif operation.reason != records.ERASED:
        note_not_sent_to(state, key, runs, operation.reason, at)
    carry(state, sender, step, way, at, runs, reasons=operation.reason)
    if isinstance(sender, JourneyState):
        sender.column("until").put(runs, NEVER)
    return [Change(key, sender.contacts(runs))]


def _deferred(state: State, at: int, operation: records.Deferred) -> list[Effect]:
    sender = state.sender(operation.journey)
    if isinstance(sender, JourneyState):
        sender.column("due").put(operation.runs, operation.due)
    else:
        sender.hold(operation.runs, operation.due, at)
    return []


def _launched(state: State, at: int, operation: records.Launched) -> list[Effect]:
    campaign = state.campaigns[operation.campaign]
    size = -(-operation.count // 8)
    bits = np.frombuffer(pa.decompress(operation.audience, size, codec="zstd"), np.uint8)
    flags = np.unpackbits(bits, count=operation.count, bitorder="little")
    contacts = np.flatnonzero(flags) + operation.first
    carry(state, campaign, campaign.plan.steps[0], CAME, at, contacts)
    campaign.take_part(operation.first + operation.count, operation.of, at)
    return []


def _resumed(state: State, at: int, operation: records.Resumed) -> list[Effect]:
    found = state.orders.find(operation.orders)
    state.orders.resume(operation.orders[applies(RESUMED, found)])
    return []


def _revoked(state: State, at: int, operation: records.Revoked) -> list[Effect]:
    effects: list[Effect] = []
    codes, reasons = verdict_of(state, operation)
    for positions in rounds_of(state.orders.find(operation.orders)["contact"]):
        effects += settle_orders(
            state, at, operation.orders[positions], codes[positions], reasons[positions]
        )
    return effects


def _crossed(state: State, at: int, operation: records.Crossed) -> list[Effect]:
    key = ("when", operation.journey, str(operation.entry))
    state.column(key).put(operation.contacts, operation.values)
    return []


def _armed(state: State, at: int, operation: records.Armed) -> list[Effect]:
    key = ("armed", operation.journey, str(operation.entry))
    state.column(key).put(operation.contacts, operation.due)
    return []


def _dropped(state: State, at: int, operation: records.Dropped) -> list[Effect]:
    name = state.by_version[operation.journey].plan.name
    state.counts["journey", name, "dropped"] += len(operation.contacts)
    return []


def _diverted(state: State, at: int, operation: records.Diverted) -> list[Effect]:
    table = state.by_version[operation.journey].table
    table.column(("exit", str(operation.rule))).put(operation.runs, operation.values)
    return []


_DECISIONS: dict[type[records.Operation], Callable[[State, int, Any], list[Effect]]] = {
    records.Took: _took,
    records.Entered: _entered,
    records.Moved: _moved,
    records.Ended: _ended,
    records.Wrote: _wrote,
    records.Listed: _listed,
    records.Ordered: _ordered,
    records.Withheld: _withheld,
    records.Deferred: _deferred,
    records.Crossed: _crossed,
    records.Armed: _armed,
    records.Dropped: _dropped,
    records.Diverted: _diverted,
    records.Resumed: _resumed,
    records.Revoked: _revoked,
    records.Launched: _launched,
    records.Filling: begin_filling,
    records.Filled: fill,
}
