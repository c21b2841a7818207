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
from blaster.core.groups import grouped, sift
from blaster.core.lives import POLICY_WAIT_S
from blaster.core.moving import Level, Stay, Way
from blaster.core.parts import Parts
from blaster.core.routes import BRANCH, SEND, WAIT
from blaster.core.runs import JourneyState
from blaster.core.timing import as_times
from blaster.core.waves import choose, spread, survey
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER
from blaster.rules import RuleSet, evaluate_many

if TYPE_CHECKING:
    from blaster.core.decide import Decisions

Array = np.ndarray[Any, Any]

DENSE_SHARE = 12
"""A batch of which one row in so many is looked at is read whole."""
STEP_ROWS = 256
"""Gathered rows per branch from which on each branch is looked at with its own facts only."""
LOOKS_MAX = 64
"""Batches that are looked at together: so many may lie gathered at a time."""
Look = tuple[Array, int]
"""Bitmap words by rule, and the bit of a part's first row; below 0: a row's place in its batch."""


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


def advance(
    tick: Decisions, journey: JourneyState, runs: Array, targets: Array, way: Way | None = None
) -> None:
    """Brings runs on their way into waits, send steps and branches to where they stay."""
    parts, level, shifts = way or _surveyed(tick, journey, runs, targets)
    routes, column, threads = journey.routes, journey.column, tick.threads
    levels, final, here = [level], level.keys, level.came.copy()
    away: list[tuple[Array, Array]] = []
    if BRANCH in routes.kinds_in(levels[0].into()):
        rules, slots = routes.asked(levels[0].into())
        looks = _look(tick, journey, parts, shifts, rules, final)
        final = final.copy()
    while BRANCH in routes.kinds_in(levels[-1].into()):
        values = routes.values(far=len(levels) > LEVELS_MAX)
        keys, came, taken = choose(
            parts, levels[-1].keys, looks, routes.first, slots, values, final, here, threads
        )
        tick.rows += int(taken.sum())
        if taken[values < 0].any():
            gone = np.flatnonzero(keys < -1)
            away.append((parts.rows[gone], -3 - keys[gone]))
        edges = np.flatnonzero((taken > 0) & (values >= 0))
        ways = (routes.edge_source[edges], values[edges], taken[edges])
        levels.append(Level(keys, came, list(zip(*(way.tolist() for way in ways), strict=True))))
    stay = _stay(tick, journey, final)
    moves = _moves(tick, journey, parts, levels, stay)
    at_once = tick.emit_moves(journey, moves, parts, levels, stay)
    if at_once and SEND in routes.kinds_in(here.sum(axis=0)):
        sent = sift(parts, final, column("contact"), routes.is_send, here, threads)
        tick.waves.append(Wave(journey, *sent, journey.changes))
    for who, where in away:
        tick.rows -= len(who)
        tick.go_on(journey, who, where)


def _surveyed(tick: Decisions, journey: JourneyState, runs: Array, targets: Array) -> Way:
    """The same runs in row order."""
    parts = Parts(runs)
    if not parts.ascending:
        order = np.argsort(runs)
        parts, targets = Parts(runs[order]), targets[order]
    step, contact = journey.column("step"), journey.column("contact")
    steps = len(journey.routes.kind)
    pairs, came, shifts = survey(step, contact, parts, targets, steps, tick.threads)
    return Way(parts, Level(targets, came, _pairs_of(pairs)), shifts)


def _pairs_of(table: Array) -> list[tuple[int, int, int]]:
    """Of counts by source (from -1 on) and target those that are not 0, with both."""
    sources, targets = np.nonzero(table)
    counts = table[sources, targets]
    return list(zip((sources - 1).tolist(), targets.tolist(), counts.tolist(), strict=True))


def _stay(tick: Decisions, journey: JourneyState, final: Array) -> Stay:
    """The instants of each step for who comes into it now."""
    routes = journey.routes
    waits, sends = routes.kind == WAIT, routes.kind == SEND
    due = np.full(len(routes.kind), tick.now, np.int64)
    due[waits] += routes.span[waits]
    until = due.copy()
    due[sends] = NEVER
    until[sends] = tick.now + POLICY_WAIT_S
    return Stay(final, as_times(due), as_times(until))


def _moves(
    tick: Decisions, journey: JourneyState, parts: Parts, levels: list[Level], stay: Stay
) -> list[records.Operation]:
    """The moves step by step, for the log."""
    moves: list[records.Operation] = []
    for level in levels:
        rows, bounds = grouped(parts, level.keys, level.came, tick.threads)
        for index in np.flatnonzero(np.diff(bounds)).tolist():
            mine = rows[bounds[index] : bounds[index + 1]]
            times = stay.due[index : index + 1], stay.until[index : index + 1]
            moves.append(records.Moved(journey.version, index, mine, *times))
    return moves


# --- branches -------------------------------------------------------------------------------------


def _look(
    tick: Decisions, journey: JourneyState, parts: Parts, shifts: Array, rules: RuleSet, keys: Array
) -> list[Look]:
    """Where the rules are surely true, part by part: whole batches where many are asked.

    Of a run that stands in a branch (`keys`) only the rules that it may meet need be answered.
    """
    state, bounds = tick.state, parts.bounds
    looks: list[Look] = [(np.empty((0, 0), np.uint64), 0)] * parts.count
    groups: list[tuple[list[int], Rows | None]] = []
    few: list[int] = []
    rows_of_few, counts = 0, np.diff(bounds).tolist()
    for part in range(parts.count):
        batch, count = int(parts.rows[bounds[part]]) // BATCH_ROWS, counts[part]
        whole = _whole(tick, journey, batch, count, int(shifts[part]))
        if whole is not None:
            groups.append(([part], whole))
            continue
        if rows_of_few + count > BATCH_ROWS:
            groups.append((few, None))
            few, rows_of_few = [], 0
        few.append(part)
        rows_of_few += count
    if few:
        groups.append((few, None))
    for first in range(0, len(groups), LOOKS_MAX):
        asked = groups[first : first + LOOKS_MAX]
        answers: list[Array | None] = [
            None if whole is not None else _by_step(tick, journey, parts, mine, rules, keys)
            for mine, whole in asked
        ]
        left = [look for look, words in zip(asked, answers, strict=True) if words is None]
        rows = [whole or _gathered(tick, journey, parts, mine) for mine, whole in left]
        batches = [(each.vectors(rules.facts), len(each)) for each in rows]
        found = iter(evaluate_many(rules, batches, tick.now, state.zones, tick.threads))
        for (mine, whole), answer in zip(asked, answers, strict=True):
            words, bit = next(found) if answer is None else answer, 0
            for part in mine:
                looks[part] = words, bit if whole is None else -1
                bit += int(bounds[part + 1] - bounds[part])
    return looks


def _by_step(
    tick: Decisions,
    journey: JourneyState,
    parts: Parts,
    mine: list[int],
    rules: RuleSet,
    keys: Array,
) -> Array | None:
    """The rows of these parts, branch by branch: bits where the branch's own rules are true.

    Only the facts that these read are gathered. None where there are too few rows for that.
    """
    positions = _positions(parts, mine)
    standing = keys[positions]
    counts = np.bincount(standing, minlength=len(journey.routes.kind))
    steps = np.flatnonzero(counts[: len(journey.routes.kind)] * (journey.routes.kind == BRANCH))
    if not len(steps) or len(positions) < STEP_ROWS * len(steps):
        return None
    order = np.argsort(standing.astype(np.min_scalar_type(len(counts))), kind="stable")
    starts = np.cumsum(counts) - counts
    numbers = {id(rule): number for number, rule in enumerate(rules.rules)}
    words = np.zeros((len(rules.rules), (len(positions) + 63) // 64), np.uint64)
    for step in steps.tolist():
        here = order[starts[step] : starts[step] + counts[step]]
        own = journey.routes.asked_in(step)
        rows = Rows.of_runs(tick.state, journey, parts.rows[positions[here]])
        batch = rows.vectors(own.facts), len(rows)
        (found,) = evaluate_many(own, [batch], tick.now, tick.state.zones, tick.threads)
        spread(found, here, np.array([numbers[id(rule)] for rule in own.rules], np.int32), words)
    return words


def _whole(
    tick: Decisions, journey: JourneyState, batch: int, count: int, shift: int
) -> Rows | None:
    """The batch of runs, if so many of its rows are asked that reading all of them is less work."""
    length = min(journey.table.rows - batch * BATCH_ROWS, BATCH_ROWS)
    if shift < 0 or count * DENSE_SHARE < length:
        return None
    other = batch + shift // BATCH_ROWS
    if min(tick.state.contacts.rows - other * BATCH_ROWS, BATCH_ROWS) != length:
        return None
    return Rows.of_run_batch(tick.state, journey, batch, other)


def _gathered(tick: Decisions, journey: JourneyState, parts: Parts, mine: list[int]) -> Rows:
    """The rows of these parts, one after another."""
    return Rows.of_runs(tick.state, journey, parts.rows[_positions(parts, mine)])


def _positions(parts: Parts, mine: list[int]) -> Array:
    """Where the rows of these parts stand, one after another."""
    bounds = parts.bounds
    return np.concatenate([np.arange(bounds[part], bounds[part + 1]) for part in mine])
