"""From the orders of a tick to what the transport gets: batches of numbers and addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.plan import SendStep
from blaster.core.rows import distinct
from blaster.core.runs import JourneyState
from blaster.core.sends import ADDRESS_FIELDS
from blaster.core.state import State
from blaster.model.orders import OrderBatch
from blaster.model.records import Entry, Ordered

Array = np.ndarray[Any, Any]


def orders_of(state: State, entry: Entry) -> list[OrderBatch]:
    """One batch per `Ordered` of this entry, which was the last one applied."""
    batches = []
    for operation in entry.operations:
        if not isinstance(operation, Ordered):
            continue
        journey = state.by_version[operation.journey]
        batches.append(_batch(state, journey, operation.step, operation.numbers))
    return batches


def orders_in_flight(state: State) -> list[OrderBatch]:
    """Every order without an outcome, in batches: what an engine that starts has to hand over."""
    numbers = state.orders.numbers()
    found = state.orders.find(numbers)
    batches = []
    for version, journey in enumerate(state.versions):
        mine = found["version"] == version
        for step in distinct(found["step"][mine]).tolist():
            chosen = numbers[mine & (found["step"] == step)]
            batches.append(_batch(state, journey, step, chosen))
    return batches


def _batch(state: State, journey: JourneyState, index: int, numbers: Array) -> OrderBatch:
    step = journey.plan.steps[index]
    assert isinstance(step, SendStep)
    contacts = state.orders.find(numbers)["contact"].copy()
    field = ADDRESS_FIELDS.get(step.outgoing.channel)
    if field is None:
        addresses = pa.nulls(len(contacts), pa.string())
    else:
        addresses = pa.array(state.column(("field", field)).take(contacts), pa.string())
    return OrderBatch(step.outgoing.channel, step.outgoing.name, numbers, contacts, addresses)
