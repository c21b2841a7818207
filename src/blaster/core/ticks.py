"""The tick: what happened, then what is due, then what may be sent.

Pure: a function of the state, `now`, `room` and `limit`; it applies its own decisions as it goes
and answers with them as one log entry. Facts of one contact are taken one after another, each with
all its consequences (exits, then waits, then entries) before the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from blaster.core.binding import Rows
from blaster.core.broadcasting import direct
from blaster.core.decide import Decisions, Travellers
from blaster.core.departures import depart
from blaster.core.entering import fire, publish, trigger
from blaster.core.inputs import rows_of
from blaster.core.moving import Level, Way
from blaster.core.onward import advance
from blaster.core.ordering import queue, withhold
from blaster.core.parts import Parts
from blaster.core.plan import UNSET, LookStep, PlanStep, SendStep, WaitStep
from blaster.core.releasing import release
from blaster.core.routes import OTHER
from blaster.core.rows import distinct
from blaster.core.runs import JourneyState
from blaster.core.sending import expire, may_send, revoke_left, send
from blaster.core.sites import Room
from blaster.core.state import Change, Settled, State
from blaster.core.steps import act, arrive
from blaster.core.timing import too_late, wait_target
from blaster.core.waves import ready
from blaster.limits import TICK_IMMEDIATE_ROUNDS_MAX
from blaster.model import records
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]

NOBODY: Array = np.zeros(0, bool)


def tick(
    state: State,
    now: int,
    room: Mapping[str, int],
    limit: int,
    watch: Callable[[records.Withheld | records.Revoked], None] | None = None,
    threads: int = 1,
) -> records.Entry:
    """Decides about `limit` rows at most; `room` is orders per gate (see `Room`).

    The entry names the room of the gates that were looked at. A slice is a whole tick: what it does
    not reach is still queued or due. `watch` is told of each send that is finally not made before
    that is applied. What is decided is the same for any number of threads.
    """
    decisions, open_room = Decisions(state, now, watch, threads), Room(room)
    while state.inbox and decisions.rows < limit:
        queued = state.inbox[0]
        decisions.emit(records.Took(queued.number, queued.turn))
        decisions.rows += 1
        settle(decisions)
    _due(decisions, limit)
    settle(decisions)
    direct(decisions, limit)
    expire(decisions, limit)
    settle(decisions)
    send(decisions, open_room, limit)
    settle(decisions)
    while revoke_left(decisions):
        settle(decisions)
    queue(decisions)
    return records.Entry(now, tuple(decisions.operations), open_room.seen, limit)


def has_work(state: State, now: int, room: Mapping[str, int]) -> bool:
    """Whether a tick at `now` would get on: decide something, or move who waits in the queues.

    Law: yes only then. Whoever ticks as long as it says yes comes to an end.
    """
    return bool(state.inbox) or state.next_due() <= now or may_send(state, Room(room), now)


# --- consequences ---------------------------------------------------------------------------------


def settle(tick: Decisions) -> None:
    """Follows every change to its readers and every run to where it stays."""
    for _ in range(TICK_IMMEDIATE_ROUNDS_MAX):
        while tick.effects:
            effects, tick.effects = tick.effects, []
            _wake(tick, effects)
        if not tick.arrivals and not tick.parked:
            return
        parked = [(step, each.journey, _still(tick, step, each)) for step, each in tick.parked]
        tick.parked = []
        arrivals, tick.arrivals = tick.arrivals, []
        for step, journey, runs in parked:
            act(tick, journey, step, runs)
        for travellers in arrivals:
            _arrive(tick, travellers.left(tick.ended))
    while tick.effects:
        effects, tick.effects = tick.effects, []
        _wake(tick, effects)
    _park(tick)


def _arrive(tick: Decisions, travellers: Travellers) -> None:
    """Into steps that change nothing everybody goes at once, into the others step by step."""
    journey, runs, targets = travellers.journey, travellers.runs, travellers.targets
    if not len(runs):
        return
    way = travellers.way
    if way is not None and OTHER not in journey.routes.kinds_in(way.level.into()):
        advance(tick, journey, runs, targets, way)
        return
    other = journey.routes.kind[targets] == OTHER if journey.routes.any_other else NOBODY
    if other.any():
        for index in distinct(targets[other]).tolist():
            arrive(tick, journey, index, runs[targets == index])
        runs, targets = runs[~other], targets[~other]
    if len(runs):
        advance(tick, journey, runs, targets)


def _still(tick: Decisions, step: PlanStep, travellers: Travellers) -> Array:
    """Parked runs that nothing led away meanwhile."""
    journey, runs = travellers.journey, travellers.left(tick.ended).runs
    here: Array = runs[journey.column("step").take(runs) == step.index]
    return tick.staying(journey, here)


def _park(tick: Decisions) -> None:
    """Too long a chain for one tick: the runs stand where they go, due now, and go on next time."""
    tick.parked.clear()
    arrivals, tick.arrivals = tick.arrivals, []
    for travellers in arrivals:
        left = travellers.left(tick.ended)
        journey = travellers.journey
        for index in distinct(left.targets).tolist():
            step, runs = journey.plan.steps[index], left.runs[left.targets == index]
            if isinstance(step, SendStep):
                tick.arrive_send(journey, step, runs)
            else:
                tick.move(journey, index, runs, tick.now, NEVER)


def _wake(tick: Decisions, effects: list[Change | Settled]) -> None:
    """Exits, then waits and finished sends, then entries."""
    changes = [effect for effect in effects if isinstance(effect, Change)]
    if tick.state.find(("erased",)) is not None:
        changes = _living(tick, changes)
    for change in changes:
        if change.key[0] == "published":
            publish(tick, tick.state.by_version[change.key[1]])
        for journey in tick.state.readers.get(change.key, ()):
            for index in journey.plan.readers[change.key].exits:
                tick.exit(journey, index, distinct(journey.runs_of(change.contacts)[0]))
    for change in changes:
        for journey in tick.state.readers.get(change.key, ()):
            _wake_steps(tick, journey, change)
    for effect in effects:
        if isinstance(effect, Settled):
            _go_on(tick, effect)
    for change in changes:
        for journey in tick.state.versions:
            if journey.open and journey.plan.entries:
                trigger(tick, journey, change)


def _living(tick: Decisions, changes: list[Change]) -> list[Change]:
    """What changed, without those who were erased: nobody looks at what becomes of them."""
    for change in changes:
        if change.key == ("erased",):
            release(tick, change.contacts)
    living = []
    for change in changes:
        left = ~tick.state.erased(change.contacts)
        if left.all():
            living.append(change)
        elif left.any():
            columns = rows_of(change.columns, np.flatnonzero(left))
            living.append(Change(change.key, change.contacts[left], columns))
    return living


def _wake_steps(tick: Decisions, journey: JourneyState, change: Change) -> None:
    """Looks again at the runs that wait on what changed."""
    waiting = journey.plan.readers[change.key].steps
    if not waiting or not journey.running:
        return
    runs = distinct(journey.runs_of(change.contacts)[0])
    steps = journey.column("step").take(runs)
    for index in waiting:
        mine = runs[steps == index]
        mine = tick.staying(journey, mine)
        if not len(mine):
            continue
        step = journey.plan.steps[index]
        if isinstance(step, LookStep):
            tick.look(journey, step, mine, woken=True)
        elif isinstance(step, WaitStep):
            target = wait_target(step, Rows.of_runs(tick.state, journey, mine), tick.now)
            tick.place_wait(journey, step, mine, target)


def _go_on(tick: Decisions, settled: Settled) -> None:
    """The sends of these runs are done, one way or the other."""
    journey, runs = settled.journey, settled.runs
    tick.exits_of_time(journey, runs)
    steps = journey.column("step").take(runs)
    for index in distinct(steps[steps >= 0]).tolist():
        step = journey.plan.steps[index]
        mine = steps == index
        tick.go(journey, step.then, runs[mine & settled.sent])
        tick.go(journey, step.otherwise, runs[mine & ~settled.sent], "failed")


# --- what is due ----------------------------------------------------------------------------------


def _due(tick: Decisions, limit: int) -> None:
    """Triggers whose instant has come, then runs."""
    state, now = tick.state, tick.now
    for journey in list(state.versions):
        if journey.open:
            for entry in journey.plan.entries:
                armed = state.find(("armed", journey.version, str(entry.index)))
                if armed is not None and armed.minimum() <= now:
                    contacts = armed.due_before(now, limit - tick.rows)
                    if len(contacts):
                        fire(tick, journey, entry, contacts)
                        settle(tick)
    for journey in list(state.versions):
        if not journey.running:
            continue
        most = max(0, limit - tick.rows)
        if not journey.routes.timed:
            _due_at_once(tick, journey, most)
        elif journey.column("due").minimum() <= now:
            runs = journey.column("due").due_before(now, most)
            if len(runs):
                _due_runs(tick, journey, runs)


def _due_at_once(tick: Decisions, journey: JourneyState, most: int) -> None:
    """As `_due_runs`, of a journey that nobody leaves by time alone."""
    column, onward = journey.column, journey.routes.onward
    parts, targets, left, shifts = depart(
        column("due"), column("until"), column("step"), column("contact"), onward,
        tick.now, UNSET, most, tick.threads,
    )  # fmt: skip
    tick.rows += len(targets)
    sources = np.flatnonzero(left.sum(axis=0))
    if not len(sources):
        return
    if sources[-1] == len(onward) or (onward[sources] < 0).any():
        _go(tick, journey, parts.rows, targets)
        return
    came = np.zeros((parts.count, len(onward)), np.int64)
    for source in sources.tolist():
        came[:, onward[source]] += left[:, source]
    ways = (sources, onward[sources], left.sum(axis=0)[sources])
    pairs = list(zip(*(way.tolist() for way in ways), strict=True))
    tick.set_off(journey, targets, Way(parts, Level(targets, came, pairs), shifts))


def _due_runs(tick: Decisions, journey: JourneyState, runs: Array) -> None:
    """Who waited long enough goes on together; then the other steps, one after another."""
    runs = tick.exits_of_time(journey, runs)
    tick.rows += len(runs)
    step, until, routes = journey.column("step"), journey.column("until"), journey.routes
    targets, _ = ready(step, until, Parts(runs), routes.onward, tick.now, UNSET, tick.threads)
    _go(tick, journey, runs, targets)


def _go(tick: Decisions, journey: JourneyState, runs: Array, targets: Array) -> None:
    """On to the targets; who has none (UNSET) is looked at by his step."""
    over = targets != UNSET
    tick.go_on(journey, runs[over], targets[over])
    runs = runs[~over]
    steps = journey.column("step").take(runs)
    for index in distinct(steps[steps >= 0]).tolist():
        mine = runs[steps == index]
        step = journey.plan.steps[index]
        if isinstance(step, SendStep):
            _due_sends(tick, journey, step, mine)
        elif isinstance(step, LookStep):
            _due_looks(tick, journey, step, mine)
        elif isinstance(step, WaitStep):
            _due_waits(tick, journey, step, mine)
        else:
            act(tick, journey, step, mine)


def _due_sends(tick: Decisions, journey: JourneyState, step: SendStep, runs: Array) -> None:
    """Sends that policy held back look again; after too long they are finally not made."""
    until = journey.column("until").take(runs)
    over = until <= tick.now
    withhold(tick, journey, step, runs[over], "policy_expired")
    tick.move(journey, step.index, runs[~over], NEVER, until[~over])


def _due_looks(tick: Decisions, journey: JourneyState, step: LookStep, runs: Array) -> None:
    if not step.waits:
        tick.look(journey, step, runs)
        return
    parked = journey.column("until").take(runs) == NEVER
    parked &= step.span is not None
    tick.arrive_look(journey, step, runs[parked])
    tick.look(journey, step, runs[~parked])


def _due_waits(tick: Decisions, journey: JourneyState, step: WaitStep, runs: Array) -> None:
    """Waits looked at because of an exit, only now begun, or whose end may be too long ago."""
    until = journey.column("until").take(runs)
    parked = until == NEVER
    if parked.any():
        tick.arrive_wait(journey, step, runs[parked])
    over = until <= tick.now
    if over.any():
        lost = over & too_late(until, step.late_s, tick.now)
        tick.go(journey, step.then, runs[over & ~lost])
        tick.go(journey, step.otherwise, runs[lost])
    early = ~parked & ~over
    if early.any():
        tick.place_wait(journey, step, runs[early], until[early].astype(np.int64))
