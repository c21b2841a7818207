"""The oldest order of each state and category: whoever runs an account sees here what is stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from blaster.core.lives import POLICY_WAIT_S
from blaster.core.orderstates import SendState, undecided_sends
from blaster.core.plan import PlanStep, SendStep
from blaster.core.state import State
from blaster.model.fields import BATCH_ROWS

Kind = tuple[str, str]
"""State and category."""
SLICE_ROWS = 4 * BATCH_ROWS
"""Runs that are looked at together: 2 to 3 ms."""


class Oldest(msgspec.Struct, frozen=True):
    """Sends in one state ("waiting" or "in flight"): how many, and how long the oldest is there.

    One without an order is as old as its wait in the step, one with an order as old as that.
    """

    state: str
    category: str
    count: int
    age_s: int


class OldestLook:
    """A look at who waits, in slices: of SLICE_ROWS runs, or of a block of orders.

    How many there are is that of the last instant. Between slices the state may change: who came
    since the first one is the oldest of nobody, and who left since may still be.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._since: dict[Kind, int] = {}
        self._slices = _look(state, self._since)

    def go_on(self, now: int) -> list[Oldest] | None:
        """The next slice; None: it is not the last one.

        In the order of states and categories; what there is none of is left out.
        """
        if next(self._slices, True) is None:
            return None
        return [
            Oldest(*kind, count, max(0, now - self._since.get(kind, now)))
            for kind, count in sorted(_counts(self._state).items())
            if count
        ]


def oldest_orders(state: State, now: int) -> list[Oldest]:
    """The whole look at once: it costs a look at every run."""
    look = OldestLook(state)
    while (found := look.go_on(now)) is None:
        pass
    return found


def _counts(state: State) -> Counter[Kind]:
    found = Counter[Kind]()
    for version, index in state.orders.kinds():
        handed, tried = state.orders.counts_of(version, index)
        category = _category(state, state.sender_at(version).plan.steps[index])
        found[SendState.IN_FLIGHT.value, category] += handed
        found[SendState.WAITING.value, category] += tried
    for campaign in state.campaigns.values():
        category = _category(state, campaign.plan.steps[0])
        found[SendState.WAITING.value, category] += campaign.waiting
    for journey in state.versions:
        for step, count in zip(journey.plan.steps, journey.undecided, strict=True):
            if count:
                found[SendState.WAITING.value, _category(state, step)] += count
    return found


def _look(state: State, since: dict[Kind, int]) -> Iterator[None]:
    """Since when the oldest of each kind is there, into `since`."""

    def note(term: SendState, step: PlanStep, at: int) -> None:
        kind = term.value, _category(state, step)
        since[kind] = min(at, since.get(kind, at))

    for found in state.orders.oldest():
        for version, index, handed, at in found:
            term = SendState.IN_FLIGHT if handed else SendState.WAITING
            note(term, state.sender_at(version).plan.steps[index], at)
        yield
    for campaign in state.campaigns.values():
        if campaign.waiting:
            note(SendState.WAITING, campaign.plan.steps[0], campaign.launched)
    for journey in tuple(state.versions):
        for first in range(0, journey.table.rows, SLICE_ROWS):
            if not any(journey.undecided):
                break
            rows = range(first, min(first + SLICE_ROWS, journey.table.rows))
            for step, runs in undecided_sends(journey, rows):
                until = int(journey.column("until").take(runs).min())
                note(SendState.WAITING, step, until - POLICY_WAIT_S)
            yield


def _category(state: State, step: PlanStep) -> str:
    assert isinstance(step, SendStep)
    return state.outgoing_of(step).category
