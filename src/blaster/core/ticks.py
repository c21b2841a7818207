"""The tick: what happened, then what is due, then what may be sent.

Pure: a function of the state, `now`, `room` and `limit`; it applies its own decisions as it goes
and answers with them as one log entry. Facts of one contact are taken one after another, each with
all its consequences (exits, then waits, then entries) before the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from blaster.core.binding import Rows
from blaster.core.decide import Decisions, Travellers
from blaster.core.entering import fire, publish, trigger
from blaster.core.plan import LookStep, Outgoing, PlanStep, SendStep, WaitStep
from blaster.core.rows import distinct, occurrences
from blaster.core.runs import JourneyState
from blaster.core.sends import CLASSES, capped, is_allowed
from blaster.core.state import Change, Settled, State
from blaster.core.steps import act, arrive
from blaster.core.timing import wait_target
from blaster.limits import TICK_IMMEDIATE_ROUNDS_MAX
from blaster.model import records
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]

NO_ROOM: Mapping[str, int] = {}


def tick(state: State, now: int, room: Mapping[str, int], limit: int) -> records.Entry:
    """Decides about `limit` rows at most; `room` is orders per channel, unbounded where unnamed.

    A slice is a whole tick: what it does not reach is still queued or due.
    """
    decisions = Decisions(state, now)
    while state.inbox and decisions.rows < limit:
        queued = state.inbox[0]
        decisions.emit(records.Took(queued.number, queued.turn))
        decisions.rows += 1
        settle(decisions)
    _due(decisions, limit)
    settle(decisions)
    _send(decisions, room, limit)
    settle(decisions)
    return records.Entry(now, tuple(decisions.operations), dict(room), limit)


def has_work(state: State, now: int, room: Mapping[str, int]) -> bool:
    """Whether a tick at `now` would have anything to do."""
    if state.inbox or state.next_due() <= now:
        return True
    return any(
        journey.queues.get(step.index) and room.get(step.outgoing.channel, 1) > 0
        for journey in state.versions
        for step in journey.plan.steps
        if isinstance(step, SendStep)
    )


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
        for index, travellers in arrivals:
            arrive(tick, travellers.journey, index, travellers.left())
    while tick.effects:
        effects, tick.effects = tick.effects, []
        _wake(tick, effects)
    _park(tick)


def _still(tick: Decisions, step: PlanStep, travellers: Travellers) -> Array:
    """Parked runs that nothing led away meanwhile."""
    journey, runs = travellers.journey, travellers.left()
    here: Array = runs[journey.column("step").take(runs) == step.index]
    return tick.staying(journey, here)


def _park(tick: Decisions) -> None:
    """Too long a chain for one tick: the runs stand where they go, due now, and go on next time."""
    tick.parked.clear()
    arrivals, tick.arrivals = tick.arrivals, []
    for index, travellers in arrivals:
        journey, step = travellers.journey, travellers.journey.plan.steps[index]
        if isinstance(step, SendStep):
            tick.arrive_send(journey, step, travellers.left())
        else:
            tick.move(journey, index, travellers.left(), tick.now, NEVER)


def _wake(tick: Decisions, effects: list[Change | Settled]) -> None:
    """Exits, then waits and finished sends, then entries."""
    changes = [effect for effect in effects if isinstance(effect, Change)]
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
    _exits_of_time(tick, journey, runs)
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
                    contacts = armed.due_before(now)[: max(0, limit - tick.rows)]
                    if len(contacts):
                        fire(tick, journey, entry, contacts)
                        settle(tick)
    for journey in list(state.versions):
        if not journey.running or journey.column("due").minimum() > now:
            continue
        runs = journey.column("due").due_before(now)[: max(0, limit - tick.rows)]
        if len(runs):
            _due_runs(tick, journey, runs)


def _exits_of_time(tick: Decisions, journey: JourneyState, runs: Array) -> Array:
    """Exits that may have become true by time alone; answers with the runs that stay in place."""
    for index, (rule, _) in enumerate(journey.plan.exits):
        if rule.time_dependent:
            tick.exit(journey, index, runs[journey.column("step").take(runs) >= 0])
    return tick.staying(journey, runs[journey.column("step").take(runs) >= 0])


def _due_runs(tick: Decisions, journey: JourneyState, runs: Array) -> None:
    runs = _exits_of_time(tick, journey, runs)
    steps = journey.column("step").take(runs)
    tick.rows += len(runs)
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
    _withhold(tick, journey, step, runs[over], "policy_expired")
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
    until = journey.column("until").take(runs)
    parked = until == NEVER
    if parked.any():
        tick.arrive_wait(journey, step, runs[parked])
    reached = until <= tick.now
    tick.go(journey, step.then, runs[reached])
    early = ~reached & ~parked
    if early.any():
        tick.place_wait(journey, step, runs[early], until[early].astype(np.int64))


# --- what may be sent -----------------------------------------------------------------------------


def _send(tick: Decisions, room: Mapping[str, int], limit: int) -> None:
    """Takes sends by class, then priority, then how long they wait, then contact."""
    left = dict(room)
    for category in CLASSES:
        found: list[tuple[JourneyState, SendStep, Array]] = []
        for journey in tick.state.versions:
            for index in sorted(journey.queues):
                step = journey.plan.steps[index]
                if isinstance(step, SendStep) and _outgoing(tick, step).category == category:
                    most = min(left.get(step.outgoing.channel, limit), max(0, limit - tick.rows))
                    runs = _exits_of_time(tick, journey, journey.take_queued(index, most))
                    if len(runs):
                        found.append((journey, step, runs))
        for priority in sorted({-journey.plan.definition.priority for journey, _, _ in found}):
            _take_sends(
                tick, [f for f in found if -f[0].plan.definition.priority == priority], left
            )


def _outgoing(tick: Decisions, step: SendStep) -> Outgoing:
    """The message as it is published now: its class and its caps may have changed since."""
    assert tick.state.plan is not None
    outgoing = step.outgoing
    return tick.state.plan.outgoing.get((outgoing.channel, outgoing.name), outgoing)


def _take_sends(
    tick: Decisions, found: list[tuple[JourneyState, SendStep, Array]], left: dict[str, int]
) -> None:
    """One pass per send of the same contact, so that each sees the reservations before it."""
    which = np.concatenate([np.full(len(runs), n) for n, (_, _, runs) in enumerate(found)])
    runs = np.concatenate([runs for _, _, runs in found])
    contacts = np.concatenate([journey.contacts(part) for journey, _, part in found])
    since = np.concatenate([journey.column("until").take(part) for journey, _, part in found])
    order = np.lexsort((contacts, since))
    which, runs, contacts = which[order], runs[order], contacts[order]
    passes = occurrences(contacts)
    back = np.zeros(len(runs), bool)
    for turn in range(int(passes.max()) + 1):
        allowed = passes == turn
        for number, (journey, step, _) in enumerate(found):
            mine = np.flatnonzero(allowed & (which == number))
            allowed[mine] = _may_send(tick, journey, step, runs[mine])
        for channel in left:
            served = [n for n, (_, step, _) in enumerate(found) if step.outgoing.channel == channel]
            wanted = np.flatnonzero(allowed & np.isin(which, served))
            over = wanted[left[channel] :]
            allowed[over], back[over] = False, True
            left[channel] -= len(wanted) - len(over)
        for number, (journey, step, _) in enumerate(found):
            _order(tick, journey, step, runs[allowed & (which == number)])
    for number, (journey, step, _) in enumerate(found):
        journey.put_back(step.index, runs[back & (which == number)])


def _may_send(tick: Decisions, journey: JourneyState, step: SendStep, runs: Array) -> Array:
    """Withholds or defers sends (all of different contacts); bool[]: those that may be made."""
    state, outgoing = tick.state, _outgoing(tick, step)
    contacts = journey.contacts(runs)
    reasons = is_allowed(state, outgoing, contacts)
    for reason in sorted(set(reasons.tolist()) - {""}):
        _withhold(tick, journey, step, runs[reasons == reason], reason)
    allowed: Array = reasons == ""
    if outgoing.caps and allowed.any():
        later, drop = capped(state, outgoing, contacts, tick.now)
        _withhold(tick, journey, step, runs[allowed & drop], "cap")
        held = allowed & (later > tick.now) & ~drop
        if held.any():
            until = journey.column("until").take(runs[held]).astype(np.int64)
            due = np.minimum(later[held], until).astype(np.uint32)
            tick.emit(records.Deferred(journey.version, step.index, runs[held], due))
        allowed &= ~held & ~drop
    return allowed


def _order(tick: Decisions, journey: JourneyState, step: SendStep, runs: Array) -> None:
    if len(runs):
        first = tick.state.orders.next
        numbers = np.arange(first, first + len(runs), dtype=np.uint64)
        tick.emit(records.Ordered(journey.version, step.index, runs, numbers))
        tick.rows += len(runs)


def _withhold(
    tick: Decisions, journey: JourneyState, step: SendStep, runs: Array, reason: str
) -> None:
    if len(runs):
        tick.emit(records.Withheld(journey.version, step.index, runs, reason))
        tick.go(journey, step.otherwise, runs, "failed")
