"""What subscribers are told: outcomes of orders, and what recipients did, once they are durable."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from blaster.core import CampaignState, JourneyState, SendStep, State, requested_message, verdict_of
from blaster.model import records
from blaster.model.outcomes import OutcomeCode

Array = np.ndarray[Any, Any]


class Notice(msgspec.Struct, frozen=True):
    """A fact of one message, for some contacts: `fact` is "accepted", "failed", "opened", ...

    Of an order it is "accepted", "failed", "suppressed", "expired" or "unknown", or, as often as it
    is to be tried again, "deferred". `contacts` int64[] and `orders` uint64[] (0: policy let none
    be made) are aligned, and `reasons` (a reply, a link, why) with them, or there are none.
    `keys` are those of single sends that were requested with one ("": none), or there are none.
    `sequence` is the log's.
    """

    sequence: int
    at: int
    fact: str
    channel: str
    message: str
    contacts: Array
    orders: Array
    reasons: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def notices_of(
    state: State, sequence: int, at: int, operations: tuple[records.Operation, ...]
) -> list[Notice]:
    """What inputs, sends withheld and orders taken back give; asked before they are applied."""
    notices: list[Notice] = []
    for operation in operations:
        if isinstance(operation, records.Noted):
            notices.append(
                Notice(
                    sequence, at, operation.fact, operation.channel, operation.message,
                    operation.contacts, operation.orders, operation.texts,
                )
            )  # fmt: skip
        elif isinstance(operation, records.Outcomes):
            notices.extend(_outcomes(state, sequence, at, operation))
        elif isinstance(operation, records.Postponed):
            codes = np.full(len(operation.orders), OutcomeCode.DEFERRED, np.uint8)
            told = records.Outcomes(operation.orders, codes, operation.reasons)
            notices.extend(_outcomes(state, sequence, at, told))
        elif isinstance(operation, records.Revoked):
            notices.extend(_outcomes(state, sequence, at, _as_outcomes(state, operation)))
        elif isinstance(operation, records.Withheld):
            notices.append(_withheld(state, sequence, at, operation))
    return notices


def _withheld(state: State, sequence: int, at: int, operation: records.Withheld) -> Notice:
    """Sends for which no order was made; their orders are 0."""
    journey = state.sender(operation.journey)
    step = journey.plan.steps[operation.step]
    assert isinstance(step, SendStep)
    contacts = journey.contacts(operation.runs)
    outgoing, count = step.outgoing, len(contacts)
    fact = "expired" if operation.reason == records.EXPIRED else "suppressed"
    return Notice(
        sequence, at, fact, outgoing.channel, outgoing.name, contacts,
        np.zeros(count, np.uint64), (operation.reason,) * count,
        _keys(journey, operation.runs, np.zeros(count, np.uint64)),
    )  # fmt: skip


def _keys(journey: JourneyState | CampaignState, runs: Array, orders: Array) -> tuple[str, ...]:
    """The keys that single sends were requested with; none of journeys that somebody wrote.

    A run that left, and whose row may be another one's, has not this order (0: none yet) any more.
    """
    if not isinstance(journey, JourneyState) or requested_message(journey.plan.name) is None:
        return ()
    here = journey.column("order").take(runs) == orders
    codes = np.where(here, journey.column("key").take(runs), -1).tolist()
    keys = tuple(journey.keys.values[code] if code >= 0 else "" for code in codes)
    return keys if any(keys) else ()


def _as_outcomes(state: State, operation: records.Revoked) -> records.Outcomes:
    """What the tick takes back has come to its end, too."""
    codes, reasons = verdict_of(state, operation)
    return records.Outcomes(operation.orders, codes, tuple(reasons.tolist()))


def _outcomes(state: State, sequence: int, at: int, operation: records.Outcomes) -> list[Notice]:
    found = state.orders.find(operation.orders)
    notices = []
    live = found["open"]
    kinds = np.stack([found["version"], found["step"], operation.codes.astype(np.int32)], axis=1)
    for version, step, code in np.unique(kinds[live], axis=0).tolist():
        mine = live & (kinds == (version, step, code)).all(axis=1)
        journey = state.sender_at(version)
        sends = journey.plan.steps[step]
        assert isinstance(sends, SendStep)
        outgoing = sends.outgoing
        notices.append(
            Notice(
                sequence, at, OutcomeCode(code).name.lower(), outgoing.channel, outgoing.name,
                found["contact"][mine], operation.orders[mine],
                _chosen(operation.reasons, mine),
                _keys(journey, found["run"][mine].copy(), operation.orders[mine]),
            )
        )  # fmt: skip
    return notices


def _chosen(reasons: tuple[str, ...], mine: Array) -> tuple[str, ...]:
    """The reasons of some rows; none when there is nothing in them."""
    chosen = tuple(reasons[row] for row in np.flatnonzero(mine).tolist()) if reasons else ()
    return chosen if any(chosen) else ()
