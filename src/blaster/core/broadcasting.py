"""What a tick decides about campaigns beside sending: their audience, who is held no more, the end.

Law: a campaign's audience is taken in the ticks that follow its start, part by part, as many rows
as the tick may decide (a batch at least); everything else goes through the same look, the same
queues and the same room as what journeys send (`sending`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.binding import Rows
from blaster.core.campaigns import (
    PLANNED,
    RUNNING,
    STOPPED,
    STOPPED_BY_COMMAND,
    TAKING,
    CampaignState,
)
from blaster.core.decide import Decisions
from blaster.core.lives import POLICY_WAIT_S
from blaster.core.ordering import withhold
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER
from blaster.rules import to_bools

Array = np.ndarray[Any, Any]


def direct(tick: Decisions, limit: int) -> None:
    """Everything that time or a command calls for, of each campaign."""
    for campaign in tick.state.campaigns.values():
        if campaign.phase == TAKING or (campaign.phase == PLANNED and campaign.starts <= tick.now):
            _take_audience(tick, campaign, limit)
        elif campaign.phase == STOPPED:
            _stop(tick, campaign, limit)
        elif campaign.phase == RUNNING and campaign.waiting:
            _look_again(tick, campaign, limit)
            _end(tick, campaign, limit)


def _take_audience(tick: Decisions, campaign: CampaignState, limit: int) -> None:
    """The next part of those for whom the rule is true."""
    state, first = tick.state, campaign.taken
    of = campaign.of if campaign.phase == TAKING else state.contacts.rows
    batches = max(1, max(0, limit - tick.rows) // BATCH_ROWS)
    parts = [np.empty(0, bool)]
    for batch in range(
        first // BATCH_ROWS, min(first // BATCH_ROWS + batches, state.contacts.batches)
    ):
        rows = Rows.of_batch(state, batch)
        rule = campaign.plan.audience
        words = rule.evaluate(rows.vectors(rule.facts), len(rows), tick.now, state.zones)
        contacts = np.arange(len(rows), dtype=np.int64) + batch * BATCH_ROWS
        parts.append(to_bools(words, len(rows)) & ~state.erased(contacts))
    found = np.concatenate(parts)[: max(0, of - first)]
    bits = pa.compress(np.packbits(found, bitorder="little").tobytes(), "zstd", asbytes=True)
    tick.emit(records.Launched(campaign.plan.name, first, len(found), of, bits))
    tick.rows += max(1, len(found))


def _waiting(campaign: CampaignState, most: int) -> Array:
    """Some of those who wait, held back or not, the first of them first."""
    found = [np.empty(0, np.int64)]
    for batch in range(campaign.batches):
        if most <= 0:
            break
        found.append(campaign.bits(batch, "waiting")[:most])
        most -= len(found[-1])
    return np.concatenate(found)


def _stop(tick: Decisions, campaign: CampaignState, limit: int) -> None:
    """Nobody of it is sent any more, nor tried again: some in each tick."""
    if campaign.waiting:
        contacts = _waiting(campaign, max(1, limit - tick.rows))
        withhold(tick, campaign, campaign.plan.steps[0], contacts, STOPPED_BY_COMMAND)
        tick.rows += len(contacts)
    number, most = tick.state.number_of(campaign), max(1, limit - tick.rows)
    numbers = tick.state.orders.waiting_of(number, 0, most)
    if len(numbers):
        tick.emit(records.Revoked(numbers, STOPPED_BY_COMMAND))
        tick.rows += len(numbers)


def _look_again(tick: Decisions, campaign: CampaignState, limit: int) -> None:
    """Whom policy held back until now; after too long they are finally not sent."""
    due = campaign.column("due")
    if due.minimum() > tick.now:
        return
    contacts = due.due_before(tick.now, max(1, limit - tick.rows))
    tick.rows += len(contacts)
    still = campaign.column("waiting").take(contacts)
    over = still & (campaign.deadline(contacts, tick.now) <= tick.now)
    never = np.full(len(contacts), NEVER, np.uint32)
    tick.emit(records.Deferred(campaign.version, 0, contacts, never))
    withhold(tick, campaign, campaign.plan.steps[0], contacts[over], "policy_expired")


def _end(tick: Decisions, campaign: CampaignState, limit: int) -> None:
    """It got no room at all for as long as a send may wait."""
    if campaign.moved + POLICY_WAIT_S <= tick.now:
        contacts = _waiting(campaign, max(1, limit - tick.rows))
        withhold(tick, campaign, campaign.plan.steps[0], contacts, records.EXPIRED)
        tick.rows += len(contacts)
