"""A contact's past in words: what happened, what was decided, and the facts as they were.

The contact's own operations are folded again, and before each decision is applied its rule is
looked at on the state of that instant; so a field that changed later still shows its old value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import (
    LookStep,
    Rows,
    SendStep,
    State,
    apply_operation,
    only,
    redacted,
    requested_message,
)
from blaster.engine.intake import plain
from blaster.log import Told
from blaster.model import records
from blaster.model.definitions import OnDate
from blaster.model.fields import NEVER
from blaster.model.outcomes import OutcomeCode
from blaster.rules import Explained, Rule

Array = np.ndarray[Any, Any]


class TimelineItem(msgspec.Struct, frozen=True):
    """One thing that happened or was decided; `details` are its facts, a line each.

    `local` is the contact's own time; `sequence` the log entry it stands in.
    """

    at: int
    local: str
    kind: str
    text: str
    details: tuple[str, ...] = ()
    sequence: int = 0


def timeline(past: Iterable[Told], contact: int, *, erased: bool = False) -> list[TimelineItem]:
    """Everything in these operations that concerns the contact, in order.

    Of one who was `erased` what happened and when, without facts and values: also where they still
    stand in the log.
    """
    state = State()
    items: list[TimelineItem] = []
    event = _NO_EVENT
    for sequence, _, at, number, operation in past:
        state.now = max(state.now, at)
        mine = only(state, operation, contact)
        if mine is None:
            continue
        if erased:
            mine = redacted(mine)
        lines = list(tell(state, at, contact, mine, event))
        if number:  # inputs are numbered over everybody's; `Took` names them by that number
            state.inputs = number - 1
        effects = apply_operation(state, at, mine)
        if isinstance(mine, records.Took):
            event = _event_of(effects)
        local = _local(state, contact, at)
        items += [
            TimelineItem(at, local, kind, text, () if erased else details, sequence)
            for kind, text, details in lines
        ]
    return items


def _local(state: State, contact: int, at: int) -> str:
    rows = Rows(state, np.array([contact], np.int64))
    here = np.array([at], np.int64)
    zone = rows.zones() if contact < state.contacts.rows else None
    day = int(state.zones.local_day(here, zone)[0])
    second = int(state.zones.local_seconds(here, zone)[0])
    moment = datetime.fromtimestamp(day * 86_400 + second, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


# --- one operation in words -----------------------------------------------------------------------

Line = tuple[str, str, tuple[str, ...]]


_NO_EVENT = pa.RecordBatch.from_arrays([], names=[])


def _event_of(effects: list[Any]) -> pa.RecordBatch:
    """The attributes of the input just taken: what its decisions were made on."""
    found = [e.columns for e in effects if getattr(e, "columns", _NO_EVENT).num_rows == 1]
    return found[0] if found else _NO_EVENT


def tell(
    state: State,
    at: int,
    contact: int,
    operation: records.Operation,
    event: pa.RecordBatch = _NO_EVENT,
) -> Iterator[Line]:
    """(kind, text, details) of an operation that concerns only this contact, before it applies.

    `event`: the attributes, in one row, of the input that it follows from.
    """
    match operation:
        case records.Published() | records.Took() | records.Armed() | records.Steered():
            return
        case records.Filling() | records.Filled():
            return
        case records.Launched():
            yield from _launched(contact, operation)
        case records.Upserted() | records.FieldsSet() | records.Wrote():
            yield _fields(state, contact, operation)
        case records.Joined(list=name, leaving=leaving, source=source):
            yield ("list", f"{'left' if leaving else 'joined'} list {name}", _by(source))
        case records.Listed(join=join, leave=leave):
            parts = [f"left list {leave}"] * bool(leave) + [f"joined list {join}"] * bool(join)
            yield ("list", ", ".join(parts), ())
        case records.Happened(space=space, name=name, columns=columns):
            for row in (
                columns.to_pylist() if columns.num_columns else [{}] * len(operation.contacts)
            ):
                yield (space, f"{space} {name}", _pairs(row))
        case records.Consented(channel=channel, topics=topics, given=given, evidence=evidence):
            about = f" for {', '.join(topics)}" if topics else ""
            verb = "given" if given else "withdrawn"
            yield ("consent", f"consent to {channel}{about} {verb}", _pairs(evidence))
        case records.Suppressed(channel=channel, scope=scope, reason=reason):
            yield ("suppressed", f"no more {scope} on {channel}", _by(reason))
        case records.Noted(channel=channel, message=message, fact=fact, texts=texts):
            who = "".join(f" by {word}" for word in operation.classes if word)
            yield ("message", f"{channel} {message} {fact}{who}", tuple(t for t in texts if t))
        case records.Received(texts=texts):
            for text in texts:
                yield ("message", f"inbound text: {text}", ())
        case records.Erased():
            yield ("erased", "contact erased", ())
        case records.Started():
            yield from _started(operation)
        case records.Outcomes():
            yield from _outcomes(state, operation)
        case records.Postponed() | records.Resumed() | records.Revoked():
            yield from _tries(state, contact, operation)
        case _:
            yield from _decisions(state, at, contact, operation, event)


def _started(operation: records.Started) -> Iterator[Line]:
    columns, name = operation.columns, operation.journey
    what = name if requested_message(name) is not None else f"start of journey {name}"
    rows = columns.to_pylist() if columns.num_columns else [{}] * len(operation.contacts)
    for row in rows:
        yield ("request", f"{what} requested", (*_by(operation.source), *_pairs(row)))


def _launched(contact: int, operation: records.Launched) -> Iterator[Line]:
    if operation.first <= contact < operation.first + operation.count:
        bits = pa.decompress(operation.audience, -(-operation.count // 8), codec="zstd")
        place = contact - operation.first
        if memoryview(bits)[place // 8] >> (place % 8) & 1:
            yield ("campaign", f"in the audience of campaign {operation.campaign}", ())


def _by(source: str) -> tuple[str, ...]:
    return (f"by {source}",) if source else ()


def _pairs(values: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name} = {value}" for name, value in values.items() if value is not None)


def _fields(
    state: State, contact: int, operation: records.Upserted | records.FieldsSet | records.Wrote
) -> Line:
    values: dict[str, Any] = {}
    for row in operation.columns.to_pylist():
        values |= {n: v for n, v in row.items() if not n.startswith("invalid:")}
    values = {name: _shown(state, contact, name, value) for name, value in values.items()}
    clears = not isinstance(operation, records.Upserted)
    details = tuple(
        f"{name} = {'(cleared)' if value is None else value}"
        for name, value in values.items()
        if clears or value is not None
    )
    if isinstance(operation, records.Upserted) and operation.created.any():
        return ("created", "contact created", (*_by(operation.source), *details))
    return ("fields", "fields changed", details)


def _shown(state: State, contact: int, name: str, value: Any) -> Any:
    """A field's value as people write it; an instant in the contact's own time."""
    shown = plain(state.field(name), value)
    if not isinstance(shown, datetime):
        return shown
    return _local(state, contact, int(shown.timestamp()))


def _outcomes(state: State, operation: records.Outcomes) -> Iterator[Line]:
    found = state.orders.find(operation.orders)
    for row, order in enumerate(found):
        what = _message_of(state.sender_at(int(order["version"])), order["step"])
        code = OutcomeCode(int(operation.codes[row]))
        reason = operation.reasons[row] if operation.reasons else ""
        number = f"order {int(operation.orders[row])}"
        if code is OutcomeCode.ACCEPTED:
            yield ("sent", f"{what} sent", (number,))
        else:
            yield ("not sent", f"{what} not sent: {reason or code.name.lower()}", (number,))


def _tries(
    state: State,
    contact: int,
    operation: records.Postponed | records.Resumed | records.Revoked,
) -> Iterator[Line]:
    """Orders that were not taken at their first try."""
    for row, order in enumerate(state.orders.find(operation.orders)):
        what = _message_of(state.sender_at(int(order["version"])), order["step"])
        number = f"order {int(operation.orders[row])}"
        match operation:
            case records.Postponed(due=due, reasons=reasons):
                again = _local(state, contact, int(due[row]))
                why = (reasons[row],) if reasons and reasons[row] else ()
                text = f"{what} not taken; tried again at {again}"
                yield ("deferred", text, (*why, number, f"try {order['tries']}"))
            case records.Resumed():
                yield (
                    "ordered",
                    f"{what} handed over again",
                    (number, f"try {order['tries'] + 1}"),
                )
            case records.Revoked(reason=reason):
                yield ("not sent", f"{what} not sent: {reason}", (number,))


def _decisions(
    state: State, at: int, contact: int, operation: records.Operation, event: pa.RecordBatch
) -> Iterator[Line]:
    journey: Any = state.sender(operation.journey)  # type: ignore[attr-defined]
    name = journey.version
    match operation:
        case records.Entered():
            yield from _entered(state, at, journey, operation, event)
        case records.Moved(step=target, runs=runs):
            for run in _each(runs):
                yield from _moved(state, at, journey, run, target)
        case records.Ended(runs=runs, how=how, rule=index):
            for run in _each(runs):
                rule = journey.plan.exits[index][0] if index >= 0 else None
                rows = Rows.of_runs(state, journey, run)
                details = explain_rule(state, at, rule, rows) if rule else _why(
                    state, at, journey, run
                )  # fmt: skip
                yield (how, f"{_ENDS[how]} journey {name}", details)
        case records.Ordered(step=index, numbers=numbers):
            what = _message_of(journey, index)
            for number in numbers.tolist():
                yield ("ordered", f"{what} handed over", (f"order {number}", f"in {name}"))
        case records.Withheld(step=index, runs=runs, reason=reason):
            what = _message_of(journey, index)
            for _ in runs:
                yield ("not sent", f"{what} not sent: {reason}", (f"in {name}",))
        case records.Deferred(step=index, due=due):
            what = _message_of(journey, index)
            for instant in due.tolist():
                until = _local(state, contact, instant)
                if instant != NEVER:
                    held = f"{what} held back by policy until {until}"
                    yield ("deferred", held, (f"in {name}",))
        case records.Crossed(entry=entry, values=values):
            rule = journey.plan.entries[entry].when
            if rule is not None:
                rows = Rows(state, np.array([contact], np.int64), journey)
                became = "true" if values[0] else "false"
                why = explain_rule(state, at, rule, rows)
                yield ("rule", f"rule of {name} became {became}", why)
        case records.Dropped(entry=entry, contacts=contacts):
            on = journey.plan.entries[entry].on
            bounded = isinstance(on, OnDate) and on.late_within_s is not None
            ending = ": again, or too late" if bounded else " again"
            for _ in contacts:
                yield ("dropped", f"not let into journey {name}{ending}", ())


def _each(runs: Array) -> list[Array]:
    """A contact may be in one operation with several runs: each is told."""
    return [runs[row : row + 1] for row in range(len(runs))]


def _entered(
    state: State, at: int, journey: Any, operation: records.Entered, event: pa.RecordBatch
) -> Iterator[Line]:
    rule = journey.plan.entries[operation.entry].only_if
    columns = operation.columns
    for row in range(len(operation.runs)):
        here = columns.slice(row, 1) if columns.num_columns else columns
        data = _pairs(here.to_pylist()[0]) if here.num_columns else ()
        about = (f"key {operation.keys[row]}",) if operation.keys and operation.keys[row] else ()
        why: tuple[str, ...] = ()
        if rule is not None:
            looked = Rows(
                state, operation.contacts[row : row + 1], columns=event if event.num_rows else here
            )
            why = explain_rule(state, at, rule, looked)
        yield ("entered", f"entered journey {journey.version}", (*why, *about, *data))


_ENDS = {"finished": "finished", "exited": "exited", "failed": "failed in"}


def _message_of(journey: Any, index: int) -> str:
    step = journey.plan.steps[index]
    assert isinstance(step, SendStep)
    return f"{step.outgoing.channel} {step.outgoing.name}"


def _moved(state: State, at: int, journey: Any, runs: Array, target: int) -> Iterator[Line]:
    """A step inside one step as written is not told; a wait that goes on waiting neither."""
    before = int(journey.column("step").take(runs)[0])
    source = journey.plan.steps[before].source if before >= 0 else None
    step = journey.plan.steps[target]
    if source == step.source and before == target:
        return
    kind = type(step).__name__.removesuffix("Step").lower()
    kind = "wait until" if isinstance(step, LookStep) and step.waits else kind
    kind = {"look": "branch", "member": "lists"}.get(kind, kind)
    yield (
        "step", f"{journey.version}: to step {step.source} ({kind})",
        _why(state, at, journey, runs),
    )  # fmt: skip


def _why(state: State, at: int, journey: Any, runs: Array) -> tuple[str, ...]:
    """Of the step that the run comes from: its rules as they are now, or why nothing was sent."""
    before = int(journey.column("step").take(runs)[0])
    step = journey.plan.steps[before] if before >= 0 else None
    if isinstance(step, SendStep):
        return _why_not_sent(state, step, journey.contacts(runs))
    if not isinstance(step, LookStep):
        return ()
    rows = Rows.of_runs(state, journey, runs)
    lines: list[str] = []
    for rule in step.rules:
        lines += explain_rule(state, at, rule, rows)
    if step.waits and journey.column("until").take(runs)[0] <= at:
        lines.append("the time of the wait is over")
    return tuple(lines)


def _why_not_sent(state: State, step: SendStep, contacts: Array) -> tuple[str, ...]:
    column = state.find((*step.outgoing.key, "reason"))
    if column is None or column.dictionary is None or not column.take_valid(contacts)[0]:
        return ()
    reason = column.dictionary.values[int(column.take(contacts)[0])]
    return (f"{step.outgoing.channel} {step.outgoing.name} not sent: {reason}",)


def explain_rule(state: State, at: int, rule: Rule, rows: Rows) -> tuple[str, ...]:
    """The rule's parts with their truth and values for the first of the rows, a line each."""
    answer = rule.explain(rows.vectors(rule.facts), 0, at, state.zones)
    lines = list(_lines(answer, 0))
    for fact in rule.facts:
        if fact.key[0] == "list" and fact.key[2] == "member":
            lines += _membership(state, fact.key[1], rows)
    return tuple(lines)


def _lines(answer: Explained, depth: int) -> Iterator[str]:
    truth = f"{answer.truth}: " if answer.truth else ""
    value = f" = {answer.value}" if answer.value else ""
    yield f"{'  ' * depth}{truth}{answer.text}{value}"
    for child in answer.children:
        yield from _lines(child, depth + 1)


def _membership(state: State, name: str, rows: Rows) -> list[str]:
    contact = rows.contacts[:1]
    times = []
    for what in ("joined", "left"):
        column = state.find(("list", name, what))
        if column is not None and column.take_valid(contact)[0]:
            when = _local(state, int(contact[0]), int(column.take(contact)[0]))
            times.append(f"{name}: {what} {when}")
    return times or [f"{name}: never joined"]
