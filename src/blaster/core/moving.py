"""Applying moves: counts per step, and the columns; one after another, or many as one.

Law: `move_on` leaves the state as `apply` would that is given each move by itself, but for the
queues, which are a cache: the tick files what it does not send.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.ledger import LEFT, count_sends, waits
from blaster.core.plan import SendStep
from blaster.core.runs import JourneyState
from blaster.core.state import State
from blaster.core.waves import place, tally

Array = np.ndarray[Any, Any]


def move_on(
    state: State,
    journey: JourneyState,
    levels: list[tuple[Array, Array, Array]],
    final: Array,
    due: Array,
    until: Array,
) -> None:
    """Runs went on through steps: `levels` says who, from where, to where, one move at a time.

    `final` is where each run of the first level came to stand; `due` and `until` are by step.
    """
    steps = journey.plan.steps
    runs, origin, _ = levels[0]
    for index in np.flatnonzero(np.bincount(origin + 1, minlength=len(steps) + 1)[1:]).tolist():
        step = steps[index]
        if isinstance(step, SendStep):
            here = origin == index
            undecided = here.copy()
            undecided[here] = waits(journey, runs[here])
            stays = undecided & (levels[0][2] == index)
            count_sends(
                state, journey, step, int(undecided.sum() - stays.sum()), "suppressed", LEFT
            )
            count_sends(state, journey, step, -int(stays.sum()), "audience")
    for _, sources, targets in levels:
        counts = tally(sources, targets, len(steps))
        for source, target in zip(*np.nonzero(counts), strict=True):
            count_steps(
                state, journey, int(source) - 1, int(target) - 1, int(counts[source, target])
            )
        for index, came in enumerate(counts.sum(axis=0)[1:].tolist()):
            into = steps[index]
            if isinstance(into, SendStep):
                count_sends(state, journey, into, came, "audience")
    journey.changes += 1
    column = journey.column
    place(
        column("step"), column("due"), column("until"), column("order"), runs, final, due, until
    )  # fmt: skip


def count_steps(
    state: State, journey: JourneyState, step: int, target: int, count: int, how: str = "passed"
) -> None:
    """Per step as written: who arrived, and how who left it left. Moves inside one do not count."""
    name = journey.plan.name
    source = None if step < 0 else journey.plan.steps[step].source
    into = None if target < 0 else journey.plan.steps[target].source
    if source == into:
        return
    if source is not None:
        state.counts["step", name, source, how] += count
    if into is not None:
        state.counts["step", name, into, "entered"] += count
