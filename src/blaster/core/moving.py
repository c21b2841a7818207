"""Applying moves: counts per step, and the columns; one after another, or many as one.

Law: `move_on` leaves the state as `apply` would that is given each move by itself, but for the
queues, which are a cache: the tick files what it does not send.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from blaster.core.orderstates import CAME, GONE_AWAY, LEFT, count
from blaster.core.parts import Parts
from blaster.core.plan import SendStep
from blaster.core.runs import JourneyState
from blaster.core.state import State
from blaster.core.waves import place

Array = np.ndarray[Any, Any]


class Level(NamedTuple):
    """One move of many runs, each to a step of its own."""

    keys: Array  # int32[], by run: the step it went to; below 0 none
    came: Array  # int64[], by part of the runs and step: how many went there
    pairs: list[tuple[int, int, int]]  # source (-1: none), target, how many

    def into(self) -> Array:
        """int64[], by step: how many came."""
        total: Array = self.came.sum(axis=0)
        return total


class Way(NamedTuple):
    """What is known of runs that set off together: where they lie, from where to where they go."""

    parts: Parts
    level: Level
    shifts: Array  # int64[], by part: see `waves.survey`


class Stay(NamedTuple):
    """Where runs come to stand: a step each, and by step the instants that they wait for."""

    keys: Array
    due: Array
    until: Array


def move_on(
    state: State, journey: JourneyState, parts: Parts, levels: list[Level], stay: Stay, threads: int
) -> None:
    """Runs went on through steps: `levels` says from where to where, one move at a time."""
    steps = journey.plan.steps
    _leave_sends(state, journey, parts.rows, levels[0])
    for level in levels:
        for source, target, number in level.pairs:
            count_steps(state, journey, source, target, number)
            into = steps[target]
            if isinstance(into, SendStep):
                count(state, journey, into, CAME, number)
    journey.changes += 1
    column = journey.column
    place(
        column("step"), column("due"), column("until"), column("order"), parts, *stay, threads
    )  # fmt: skip


def _leave_sends(state: State, journey: JourneyState, runs: Array, first: Level) -> None:
    """Who leaves a send step before it was decided, or comes into it again."""
    origin: Array | None = None
    for index in sorted({source for source, _, _ in first.pairs if source >= 0}):
        step = journey.plan.steps[index]
        if not isinstance(step, SendStep):
            continue
        if origin is None:
            origin = journey.column("step").take(runs)
        here = origin == index
        waiting = here.copy()
        waiting[here] = journey.is_undecided(runs[here])
        stays = waiting & (first.keys == index)
        count(state, journey, step, GONE_AWAY, int(waiting.sum() - stays.sum()), LEFT)
        count(state, journey, step, CAME, -int(stays.sum()))  # he is looked at again in his place


def count_steps(
    state: State, journey: JourneyState, step: int, target: int, number: int, how: str = "passed"
) -> None:
    """Per step as written: who arrived, and how who left it left. Moves inside one do not count."""
    name = journey.plan.name
    source = None if step < 0 else journey.plan.steps[step].source
    into = None if target < 0 else journey.plan.steps[target].source
    if source == into:
        return
    if source is not None:
        state.counts["step", name, source, how] += number
    if into is not None:
        state.counts["step", name, into, "entered"] += number
