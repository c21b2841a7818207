"""Orders for runs that came into send steps in this tick and need not queue, all at once.

A wave is one journey's, in row order; every step's orders are numbered in that order, one step
after another. What `sending` does not send at once goes into the queues.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.decide import Decisions
from blaster.core.groups import counts, grouped, number_orders, starts
from blaster.core.onward import Wave
from blaster.core.orderstates import ORDERED, count
from blaster.core.parts import Parts
from blaster.core.plan import Outgoing, SendStep
from blaster.core.rows import is_ascending
from blaster.core.runs import JourneyState
from blaster.core.sends import is_allowed, permitted
from blaster.core.sites import Room
from blaster.core.state import Sender
from blaster.model import records
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]


def queue(tick: Decisions) -> None:
    """Who came into a send step and is not sent yet waits in its queue."""
    for wave in tick.waves:
        parts = Parts(wave.runs)
        came = counts(parts, wave.steps, len(wave.journey.plan.steps), tick.threads)
        rows, bounds = grouped(parts, wave.steps, came, tick.threads)
        for index in np.flatnonzero(np.diff(bounds)).tolist():
            wave.journey.queues.add(index, rows[bounds[index] : bounds[index + 1]].copy())
    tick.waves.clear()


def standing(tick: Decisions) -> list[Wave]:
    """The tick's waves, a wave for each journey: who still stands there, each run once."""
    by_journey: dict[str, list[Wave]] = {}
    for wave in tick.waves:
        by_journey.setdefault(wave.journey.version, []).append(wave)
    tick.waves.clear()
    found = []
    for waves in by_journey.values():
        wave = waves[0]
        if len(waves) > 1 or wave.changes != wave.journey.changes:
            runs = np.unique(np.concatenate([wave.runs for wave in waves]))
            wave = _looked_up(wave.journey, runs)
        if len(wave.runs):
            found.append(wave)
    return found


def _looked_up(journey: JourneyState, runs: Array) -> Wave:
    steps = journey.column("step").take(runs).astype(np.int32)
    queued = (
        (steps >= 0)
        & (journey.column("order").take(runs) == 0)
        & (journey.column("due").take(runs) == NEVER)
        & (journey.column("until").take(runs) != NEVER)
    )
    sends = np.array([isinstance(step, SendStep) for step in journey.plan.steps])
    queued[queued] = sends[steps[queued]]
    runs = runs[queued]
    return Wave(journey, runs, steps[queued], journey.contacts(runs), journey.changes)


def order_wave(tick: Decisions, wave: Wave, outgoing: Outgoing, room: Room) -> None:
    """Orders what may be sent, withholds the rest. The wave's steps are of one class, `outgoing`'s.

    Two runs of one contact may both be sent: no cap counts them.
    """
    state, journey = tick.state, wave.journey
    if not is_ascending(wave.contacts):
        order = np.argsort(wave.contacts, kind="stable")
        wave = wave.only(order)
    allowed = permitted(state, outgoing, wave.contacts)
    if not allowed.all():
        _withhold(tick, wave.only(~allowed), outgoing)
        wave = wave.only(allowed)
    if not len(wave.runs):
        return
    parts = Parts(wave.runs)
    came = counts(parts, wave.steps, len(journey.plan.steps), tick.threads)
    rows, bounds = grouped(parts, wave.steps, came, tick.threads)
    first = state.orders.next
    numbers = np.arange(first, first + len(rows), dtype=np.uint64)
    made = [
        records.Ordered(
            journey.version,
            index,
            rows[bounds[index] : bounds[index + 1]],
            numbers[bounds[index] : bounds[index + 1]],
        )
        for index in np.flatnonzero(np.diff(bounds)).tolist()
    ]
    site = state.sites.of_everybody(outgoing.channel)
    room.use(room.key(outgoing.channel, outgoing.category, site), len(rows))
    tick.rows += len(rows)
    apply_orders(tick, wave, parts, came)
    tick.operations.extend(made)


def apply_orders(tick: Decisions, wave: Wave, parts: Parts, came: Array) -> None:
    """What applying the wave's `Ordered` one by one gives; no cap covers them.

    `came`: by part of its runs and step, how many there are.
    """
    state, journey = tick.state, wave.journey
    journey.changes += 1
    version, by_step = state.versions.index(journey), came.sum(axis=0)
    first, blocks = state.orders.open_next(version, by_step)
    number_orders(
        journey.column("order"),
        parts,
        wave.contacts,
        wave.steps,
        (starts(came)[1] + first).astype(np.uint64),
        blocks,
        version,
        tick.now,
        tick.threads,
    )
    for index, number in enumerate(by_step.tolist()):
        if number:
            step = journey.plan.steps[index]
            assert isinstance(step, SendStep)
            count(state, journey, step, ORDERED, number)


def _withhold(tick: Decisions, wave: Wave, outgoing: Outgoing) -> None:
    reasons = is_allowed(tick.state, outgoing, wave.contacts)
    for index in np.flatnonzero(np.bincount(wave.steps)).tolist():
        step = wave.journey.plan.steps[index]
        assert isinstance(step, SendStep)
        mine = wave.steps == index
        for reason in sorted(set(reasons[mine].tolist())):
            withhold(tick, wave.journey, step, wave.runs[mine & (reasons == reason)], reason)


def withhold(tick: Decisions, sender: Sender, step: SendStep, runs: Array, reason: str) -> None:
    """These sends are finally not made; the runs go on where that leads."""
    if len(runs):
        tick.emit(records.Withheld(sender.version, step.index, runs, reason))
        if isinstance(sender, JourneyState):
            tick.go(sender, step.otherwise, runs, "failed")
