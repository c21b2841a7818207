"""Runs that go on: past branches, into waits and send steps, everybody at once and in row order.

These steps change nothing that a rule reads; whatever a step does otherwise (`steps`, waits whose
instant differs from run to run) is not this module's. Laws: the moves are recorded step by step, as
if each had been made alone, and what stands in the columns afterwards is what applying those
records gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blaster.core.binding import Rows
from blaster.core.routes import BRANCH, OTHER, SEND, WAIT
from blaster.core.rows import is_ascending
from blaster.core.runs import JourneyState
from blaster.core.sends import POLICY_WAIT_S
from blaster.core.timing import as_times
from blaster.core.waves import choose, counts_of, grouped, shift_of, sift, steps_of
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER

if TYPE_CHECKING:
    from blaster.core.decide import Decisions

Array = np.ndarray[Any, Any]

DENSE_SHARE = 8
"""A batch of which one row in so many is looked at is read whole."""


@dataclass(slots=True)
class Wave:
    """Runs that came into send steps (`steps`, one each) at the same instant, and their contacts.

    `changes` is the journey's when they came: as long as it stands, they stand.
    """

    journey: JourneyState
    runs: Array
    steps: Array
    contacts: Array
    changes: int

    def only(self, which: Array) -> Wave:
        """Some of them: bool[] or positions."""
        runs, steps, contacts = self.runs[which], self.steps[which], self.contacts[which]
        return Wave(self.journey, runs, steps, contacts, self.changes)


LEVELS_MAX = 8
"""Branches that are passed at once; behind so many the tick's next round goes on."""


def advance(tick: Decisions, journey: JourneyState, runs: Array, targets: Array) -> None:
    """Brings runs on their way into waits, send steps and branches to where they stay."""
    routes = journey.routes
    size = len(routes.kind)
    contacts = journey.contacts(runs)
    levels = [(runs, steps_of(journey.column("step"), runs), targets)]
    here: Array | None = None  # positions of those still on the way; None: all of them
    final = targets
    away: list[tuple[Array, Array]] = []
    mine, counts = runs, counts_of(targets, size)
    while BRANCH in routes.kinds_in(counts):
        keys = levels[-1][2]
        if routes.kinds_in(counts) != {BRANCH}:
            branching = routes.kind[keys] == BRANCH
            here = np.flatnonzero(branching) if here is None else here[branching]
            mine, keys = mine[branching], keys[branching]
            counts = counts_of(keys, size)
        asked = contacts if here is None else contacts[here]
        target = _decide(tick, journey, mine, asked, keys, counts)
        tick.rows += len(mine)
        counts = counts_of(target, size)
        far = len(levels) > LEVELS_MAX and BRANCH in routes.kinds_in(counts)
        if far or OTHER in routes.kinds_in(counts):
            stays = (target >= 0) & (routes.kind[target] != OTHER)
            if far:  # perhaps a circle: the tick bounds its rounds
                stays &= routes.kind[target] != BRANCH
            away.append((mine[~stays], target[~stays]))
            here = np.flatnonzero(stays) if here is None else here[stays]
            mine, keys, target = mine[stays], keys[stays], target[stays]
            counts = counts_of(target, size)
        levels.append((mine, keys, target))
        if here is None:
            final = target
        else:
            final = final.copy()
            final[here] = target
    at_once = _record(tick, journey, levels, final)
    if at_once and SEND in routes.kinds_in(counts_of(final, size)):
        sent = sift(runs, final, contacts, (routes.kind == SEND).astype(np.uint8))
        tick.waves.append(Wave(journey, *sent, journey.changes))
    for gone, where in away:
        tick.rows -= len(gone)
        tick.go_on(journey, gone, where)


def _record(
    tick: Decisions, journey: JourneyState, levels: list[tuple[Array, Array, Array]], final: Array
) -> bool:
    """The moves step by step for the log; the columns get where each run ends up.

    Whether they were applied at once: then no queue knows of them yet.
    """
    routes = journey.routes
    waits, sends = routes.kind == WAIT, routes.kind == SEND
    due = np.full(len(routes.kind), tick.now, np.int64)
    due[waits] += routes.span[waits]
    until = due.copy()
    due[sends] = NEVER
    until[sends] = tick.now + POLICY_WAIT_S
    due, until = as_times(due), as_times(until)
    moves: list[records.Operation] = []
    for runs, _, keys in levels:
        rows, bounds = grouped(runs, keys, len(due))
        widths = np.diff(bounds)
        for index in np.flatnonzero(widths).tolist():
            times = [np.full(widths[index], due[index])]
            times.append(
                times[0] if due[index] == until[index] else np.full(widths[index], until[index])
            )
            mine = rows[bounds[index] : bounds[index + 1]]
            moves.append(records.Moved(journey.version, index, mine, *times))
    return tick.emit_moves(journey, moves, levels, final, due, until)


# --- branches -------------------------------------------------------------------------------------


def _decide(
    tick: Decisions, journey: JourneyState, runs: Array, contacts: Array, keys: Array, counts: Array
) -> Array:
    """Where each run's branch leads: the first of its rules that is surely true."""
    routes, state = journey.routes, tick.state
    asked = routes.rules_of(counts)
    none = np.zeros(BATCH_ROWS // 64, np.uint64)
    out = np.empty(len(runs), np.int32)

    def look(part: tuple[int, int, Rows, int, bool]) -> None:
        start, stop, rows, length, dense = part
        words = [
            rule.evaluate(rows.vectors(rule.facts), length, tick.now, state.zones)
            if number in asked
            else none
            for number, rule in enumerate(routes.rules)
        ]
        choose(
            keys, runs, start, stop, dense, words, routes.first, routes.case_rules,
            routes.case_targets, routes.otherwise, out,
        )  # fmt: skip

    for part in _parts(tick, journey, runs, contacts):
        look(part)
    return out


def _parts(
    tick: Decisions, journey: JourneyState, runs: Array, contacts: Array
) -> list[tuple[int, int, Rows, int, bool]]:
    """Row spans to look at together: whole batches where many are asked, else gathered rows."""
    parts: list[tuple[int, int, Rows, int, bool]] = []
    start = 0

    def gather(stop: int) -> None:
        for first in range(start, stop, BATCH_ROWS):
            last = min(first + BATCH_ROWS, stop)
            rows = Rows(tick.state, contacts[first:last], journey, runs[first:last])
            parts.append((first, last, rows, last - first, False))

    if is_ascending(runs):
        batches = range(int(runs[0]) >> 16, (int(runs[-1]) >> 16) + 1) if len(runs) else range(0)
        for batch in batches:
            low = int(np.searchsorted(runs, batch * BATCH_ROWS))
            high = int(np.searchsorted(runs, (batch + 1) * BATCH_ROWS))
            length = min(journey.table.rows - batch * BATCH_ROWS, BATCH_ROWS)
            if (high - low) * DENSE_SHARE < length:
                continue
            shift = shift_of(runs[low:high], contacts[low:high])
            if shift is None:
                continue
            other = batch + shift // BATCH_ROWS
            if min(tick.state.contacts.rows - other * BATCH_ROWS, BATCH_ROWS) != length:
                continue
            gather(low)
            rows = Rows.of_run_batch(tick.state, journey, batch, other)
            parts.append((low, high, rows, length, True))
            start = high
    gather(len(runs))
    return parts
