"""What a tick decides when contacts were erased: their runs end and their sends are taken back.

Orders that the transport has stay until it answers, since they may be out; those that wait for
their next try do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.decide import Decisions
from blaster.core.ordering import withhold
from blaster.core.rows import distinct
from blaster.model import records

Array = np.ndarray[Any, Any]


def release(tick: Decisions, contacts: Array) -> None:
    """These contacts were just erased."""
    state = tick.state
    tick.rows += len(contacts)
    for journey in state.versions:
        runs = distinct(journey.runs_of(contacts)[0])
        if len(runs):
            tick.emit(records.Ended(journey.version, runs, "exited", -1))
    for campaign in state.campaigns.values():
        waiting = contacts[campaign.column("waiting").take(contacts)]
        withhold(tick, campaign, campaign.plan.steps[0], waiting, records.ERASED)
    numbers = state.orders.waiting_for(contacts)
    if len(numbers):
        tick.emit(records.Revoked(numbers, records.ERASED))
