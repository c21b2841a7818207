"""From the orders of a tick to what the engine makes batches of: whose they are, and where they go.

Law: the run of an order that is handed over stands in the order's step, so that its values can be
looked at; an order whose run has left is not handed over any more, nor one of a stopped campaign.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.binding import Rows
from blaster.core.campaigns import STOPPED, STOPPED_BY_COMMAND
from blaster.core.orders import picked
from blaster.core.orderstates import LEFT
from blaster.core.plan import SendStep
from blaster.core.rows import distinct
from blaster.core.runs import JourneyState
from blaster.core.sends import ADDRESS_FIELDS, is_allowed
from blaster.core.sites import texts_of
from blaster.core.state import Sender, State
from blaster.limits import HANDOVER_ROWS_MAX
from blaster.model.fields import NEVER
from blaster.model.records import Array, Entry, Ordered, Resumed


@dataclass(frozen=True, slots=True)
class Handover:
    """Orders of one step to one site, at most HANDOVER_ROWS_MAX, row by row.

    `numbers` uint64, `runs` and `contacts` int64, `made` int64: when each order was first made, in
    seconds of engine time; `addresses` is a string array: e-mail addresses or phone numbers as they
    are now, null for calls. `step` is the index in the journey's plan, `category` the message's as
    it is published now.
    """

    channel: str
    name: str
    category: str
    site: str
    sender: Sender
    step: int
    numbers: Array
    runs: Array
    contacts: Array
    made: Array
    addresses: pa.Array

    def rows(self, state: State) -> Rows:
        """What slots and rules of the message are evaluated on; good until the next tick."""
        if self.journey is None:
            return Rows(state, self.contacts)
        return Rows(state, self.contacts, self.journey, self.runs)

    @property
    def journey(self) -> JourneyState | None:
        """The version of the journey that sends; None of a campaign, where there are no runs."""
        return self.sender if isinstance(self.sender, JourneyState) else None


def orders_of(state: State, entry: Entry) -> list[Handover]:
    """The orders that this entry, the last one applied, made or made again."""
    handovers: list[Handover] = []
    for operation in entry.operations:
        if isinstance(operation, Ordered | Resumed):
            numbers = operation.numbers if isinstance(operation, Ordered) else operation.orders
            for sender, step, mine, found in _by_step(state, numbers):
                handovers += _handovers(state, sender, step, mine, found)
    return handovers


def orders_in_flight(
    state: State, numbers: Array | None = None
) -> tuple[list[Handover], dict[str, Array]]:
    """What an engine that starts has to hand over again, and what it must not, by reason.

    `numbers`: only these of the orders that the transport had; None is all of them. The second
    part, numbers by reason (uint64[]), is to be answered as suppressed: the run has left meanwhile
    ("left_journey"), or consent, suppression or address forbid it now.
    """
    handovers: list[Handover] = []
    refused: dict[str, list[Array]] = {}
    chosen = state.orders.with_transport() if numbers is None else numbers
    for sender, step, mine, found in _by_step(state, chosen):
        reasons = _refusals(state, sender, step, mine, found)
        for reason in sorted(set(reasons.tolist()) - {""}):
            refused.setdefault(reason, []).append(mine[reasons == reason])
        kept = reasons == ""
        handovers += _handovers(state, sender, step, mine[kept], found[kept])
    return handovers, {reason: np.concatenate(parts) for reason, parts in sorted(refused.items())}


def may_still(state: State, numbers: Array) -> Array:
    """bool[]: the orders with the transport that nothing forbids now: see `orders_in_flight`."""
    allowed = np.zeros(len(numbers), bool)
    for sender, step, mine, found in _by_step(state, numbers):
        reasons = _refusals(state, sender, step, mine, found)
        allowed |= np.isin(numbers, mine[reasons == ""])
    return allowed


def _refusals(state: State, sender: Sender, step: SendStep, numbers: Array, found: Array) -> Array:
    """Why orders of one step must not leave (any more); "" for none."""
    reasons = is_allowed(state, state.outgoing_of(step), found["contact"].copy())
    if isinstance(sender, JourneyState):
        reasons[sender.column("order").take(found["run"].copy()) != numbers] = LEFT
    elif sender.phase == STOPPED:
        reasons[:] = STOPPED_BY_COMMAND
    return reasons


def _by_step(
    state: State, numbers: Array
) -> Iterator[tuple[Sender, SendStep, Array, np.ndarray[Any, Any]]]:
    """The numbers that are with the transport, and their orders, by version and step."""
    found = state.orders.find(numbers)
    live = found["open"] & (found["due"] == NEVER)
    numbers, found = numbers[live], picked(found, live)
    for version in distinct(found["version"]).tolist():
        sender = state.sender_at(version)
        for index in distinct(found["step"][found["version"] == version]).tolist():
            step = sender.plan.steps[index]
            assert isinstance(step, SendStep)
            mine = (found["version"] == version) & (found["step"] == index)
            yield sender, step, numbers[mine], picked(found, mine)


def _handovers(
    state: State, sender: Sender, step: SendStep, numbers: Array, found: Array
) -> Iterator[Handover]:
    """Orders of one step, by site and in pieces."""
    outgoing = state.outgoing_of(step)
    runs, contacts = found["run"].copy(), found["contact"].copy()
    made = found["at"].astype(np.int64)
    emails = state.column(("field", "email"))
    for site, positions in state.sites.split(outgoing.channel, emails, contacts):
        for first in range(0, len(positions), HANDOVER_ROWS_MAX):
            rows = positions[first : first + HANDOVER_ROWS_MAX]
            yield Handover(
                outgoing.channel, outgoing.name, outgoing.category, site, sender, step.index,
                numbers[rows], runs[rows], contacts[rows], made[rows],
                _addresses(state, outgoing.channel, contacts[rows]),
            )  # fmt: skip


def _addresses(state: State, channel: str, contacts: Array) -> pa.Array:
    field = ADDRESS_FIELDS.get(channel)
    if field is None:
        return pa.nulls(len(contacts), pa.string())
    return texts_of(state.column(("field", field)), contacts)
