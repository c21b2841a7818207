"""The oldest order of each state and category: whoever runs an account sees here what is stuck."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from blaster.core.lives import POLICY_WAIT_S
from blaster.core.orderstates import SendState, undecided
from blaster.core.plan import SendStep
from blaster.core.state import State
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]
Kind = tuple[str, str]


class Oldest(msgspec.Struct, frozen=True):
    """Sends in one state ("waiting" or "in flight"): how many, and how long the oldest is there.

    One without an order is as old as its wait in the step, one with an order as old as that.
    """

    state: str
    category: str
    count: int
    age_s: int


def oldest_orders(state: State, now: int) -> list[Oldest]:
    """In the order of states and categories; what there is none of is left out."""
    found: dict[Kind, tuple[int, int]] = {}
    _orders(state, found)
    _runs(state, found)
    _campaigns(state, found)
    return [
        Oldest(name, category, count, max(0, now - since))
        for (name, category), (count, since) in sorted(found.items())
    ]


def _add(found: dict[Kind, tuple[int, int]], kind: Kind, count: int, since: int) -> None:
    if count:
        before, oldest = found.get(kind, (0, since))
        found[kind] = before + count, min(oldest, since)


def _orders(state: State, found: dict[Kind, tuple[int, int]]) -> None:
    for orders in state.orders.every():
        kinds = np.stack([orders["version"], orders["step"], orders["due"] == NEVER], axis=1)
        for version, index, handed in np.unique(kinds, axis=0).tolist():
            mine = orders["at"][(kinds == (version, index, handed)).all(axis=1)]
            step = state.sender_at(version).plan.steps[index]
            assert isinstance(step, SendStep)
            name = SendState.IN_FLIGHT if handed else SendState.WAITING
            kind = name.value, state.outgoing_of(step).category
            _add(found, kind, len(mine), int(mine.min()))


def _campaigns(state: State, found: dict[Kind, tuple[int, int]]) -> None:
    for campaign in state.campaigns.values():
        step = campaign.plan.steps[0]
        kind = SendState.WAITING.value, state.outgoing_of(step).category
        _add(found, kind, campaign.waiting, campaign.launched)


def _runs(state: State, found: dict[Kind, tuple[int, int]]) -> None:
    for journey in state.versions:
        if not journey.running:
            continue
        runs = np.arange(journey.table.rows, dtype=np.int64)
        steps = journey.column("step").take(runs)
        for step in journey.plan.steps:
            if isinstance(step, SendStep):
                mine = runs[steps == step.index]
                mine = mine[undecided(journey, mine)]
                if len(mine):
                    until = int(journey.column("until").take(mine).min())
                    kind = SendState.WAITING.value, state.outgoing_of(step).category
                    _add(found, kind, len(mine), until - POLICY_WAIT_S)
