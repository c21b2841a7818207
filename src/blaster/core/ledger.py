"""The ledger of the steps that send: everybody who came is in exactly one term.

Who came and how it ended is counted by `orderstates`, per journey and step as written, over all
versions (`state.counts`, keys ("ledger", JOURNEY, STEP, CHANNEL, MESSAGE, TERM[, REASON])); who
waits without an order is counted by the journeys (`undecided`), open orders by `orders`. So no term
is what the others leave over. A campaign's terms are bits of its contacts, which are counted.
Laws: a run comes into a step once per order that may be made for it. A run that leaves before an
order was made is suppressed, "left_journey"; once there is an order the order decides, and while
that waits for its next try it counts as waiting, also when its run has left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

from blaster.core.campaigns import CampaignState
from blaster.core.orderstates import SendState, states_of, undecided_sends
from blaster.core.plan import SendStep
from blaster.core.state import State
from blaster.model.fields import BATCH_ROWS
from blaster.model.ledger import StepLedger

Array = np.ndarray[Any, Any]
Line = tuple[str, str, str]
"""Step as written, channel, message."""

_TERMS = ("accepted", "failed", "expired", "unknown")


def line_of(step: SendStep) -> Line:
    """The line that a step belongs to."""
    return step.source, step.outgoing.channel, step.outgoing.name


def ledger_of(state: State, name: str) -> list[StepLedger]:
    """The lines of a journey, those of its current version first; empty if it is unknown."""
    if name in state.campaigns:
        return [_campaign_line(state, state.campaigns[name])]
    versions = [v for v in reversed(state.versions) if v.plan.name == name]
    waiting: dict[Line, int] = {}
    in_flight: dict[Line, int] = {}
    for journey in versions:
        for step in journey.plan.steps:
            if isinstance(step, SendStep):
                line, number = line_of(step), state.number_of(journey)
                handed, tried = state.orders.counts_of(number, step.index)
                undecided = journey.undecided[step.index]
                waiting[line] = waiting.get(line, 0) + undecided + tried
                in_flight[line] = in_flight.get(line, 0) + handed
    return [_line(state, name, line, waiting[line], in_flight[line]) for line in waiting]


class OpenSends(NamedTuple):
    """Sends of one step without an outcome; `numbers` and `at` are of their orders, 0 for none."""

    step: SendStep
    contacts: Array
    numbers: Array
    at: Array


def open_sends(state: State, name: str) -> Iterator[tuple[SendState, OpenSends]]:
    """Who waits and who is in flight in a journey, step by step and version by version."""
    for journey in [version for version in state.versions if version.plan.name == name]:
        for step, runs in undecided_sends(journey):
            none = np.zeros(len(runs), np.int64)
            found = OpenSends(step, journey.contacts(runs), none.astype(np.uint64), none)
            yield SendState.WAITING, found
    numbers = state.orders.numbers()
    orders = state.orders.find(numbers)
    states = states_of(orders)
    pairs = np.stack([orders["version"], orders["step"]], axis=1)
    for version, index in np.unique(pairs, axis=0).tolist():
        plan = state.sender_at(version).plan
        step = plan.steps[index]
        if version < 0 or plan.name != name or not isinstance(step, SendStep):
            continue
        for term in (SendState.WAITING, SendState.IN_FLIGHT):
            mine = (pairs == (version, index)).all(axis=1) & (states == term)
            if mine.any():
                at = orders["at"][mine].astype(np.int64)
                yield term, OpenSends(step, orders["contact"][mine], numbers[mine], at)


def _campaign_line(state: State, campaign: CampaignState) -> StepLedger:
    """Each term by itself: the bits of the contacts, and the open orders."""
    number, step = state.number_of(campaign), campaign.plan.steps[0]
    in_flight, tried = state.orders.counts_of(number, step.index)
    count = campaign.count
    return StepLedger(
        campaign.plan.name, *line_of(step), count("audience"), count("waiting") + tried, in_flight,
        count("accepted"), count("failed"),
        {reason: count("suppressed", reason) for reason in sorted(campaign.reasons)},
        count("expired"), count("unknown"),
    )  # fmt: skip


def campaign_sends(
    state: State, campaign: CampaignState, batch: int, terms: Collection[str]
) -> Iterator[tuple[str, str, str, str, Array, Array]]:
    """The sends of one batch of contacts in these terms: term, reason, channel, message, contacts
    and the numbers of their orders (0: none, or settled).
    """
    out = campaign.plan.steps[0].outgoing
    whats: list[tuple[str, str, tuple[str, ...]]] = [
        (term, "", (term,)) for term in ("waiting", "accepted", "failed", "expired", "unknown")
    ]
    whats += [("suppressed", reason, ("suppressed", reason)) for reason in campaign.reasons]
    for term, reason, what in whats:
        if term in terms:
            contacts = campaign.bits(batch, *what)
            if len(contacts):
                none = np.zeros(len(contacts), np.uint64)
                yield term, reason, out.channel, out.name, contacts, none
    number = state.number_of(campaign)
    numbers = state.orders.of_contacts(number, batch * BATCH_ROWS, BATCH_ROWS)
    orders = state.orders.find(numbers)
    states = states_of(orders)
    for open_term in (SendState.WAITING, SendState.IN_FLIGHT):
        here = states == open_term
        if open_term in terms and here.any():
            contacts = orders["contact"][here].copy()
            yield open_term.value, "", out.channel, out.name, contacts, numbers[here]


def _line(state: State, name: str, line: Line, waiting: int, in_flight: int) -> StepLedger:
    head = ("ledger", name, *line)
    terms = {t: state.counts[(*head, t)] for t in ("audience", *_TERMS)}
    suppressed = {
        key[6]: number
        for key, number in state.counts.items()
        if key[:6] == (*head, "suppressed") and number
    }
    return StepLedger(
        name, *line, terms["audience"], waiting, in_flight, terms["accepted"], terms["failed"],
        dict(sorted(suppressed.items())), terms["expired"], terms["unknown"],
    )  # fmt: skip
