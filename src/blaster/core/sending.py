"""What may be sent: as many as there is room for, in one total order within each gate.

Category first, then what was tried already before what is new, then the journey's priority, then
how long they wait, then contact. Consent, suppression, address and caps are looked at here, with
the facts of this instant. What waits behind a closed gate is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blaster.core.campaigns import RUNNING, CampaignState
from blaster.core.decide import Decisions
from blaster.core.onward import Wave
from blaster.core.ordering import order_wave, queue, standing, withhold
from blaster.core.orderstates import LEFT
from blaster.core.plan import Outgoing, SendStep
from blaster.core.queues import Look, Place, Queues
from blaster.core.retries import overdue
from blaster.core.rows import distinct, occurrences
from blaster.core.runs import JourneyState
from blaster.core.sends import CLASSES, capped, is_allowed
from blaster.core.sites import Room
from blaster.core.state import Sender, State
from blaster.model import records
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows (runs, contacts of a campaign, or numbers of orders) taken off one queue.

    `key` is what counts their room.
    """

    sender: Sender
    step: SendStep
    place: Place
    key: str
    rows: Array


Taker = Callable[[Sender, SendStep, Place, int], Array]
"""Takes up to so many rows off the queue at this place."""


def may_send(state: State, room: Room, now: int) -> bool:
    """Whether there is room for anybody who waits.

    Law: only then does `send` get on: it decides something, or the queues are other ones after it.
    """
    for sender in state.senders():
        for queues in _open_queues(sender, now):
            _file(state, sender)
            for place in queues.places():
                outgoing = state.outgoing_of(_step(sender, place[0]))
                if room.at(room.key(outgoing.channel, outgoing.category, place[1]), 1) > 0:
                    return True
        if _may_feed(state, sender, room, now):
            return True
    return False


def _open_queues(sender: Sender, now: int) -> list[Queues]:
    """The queues from which may be taken at all: those of tries, and of what is new."""
    if isinstance(sender, CampaignState):
        if sender.phase != RUNNING:
            return []
        return [sender.tries, *([sender.queues] if sender.allowance(now) > 0 else [])]
    return [queues for queues in (sender.tries, sender.queues) if queues]


def _may_feed(state: State, sender: Sender, room: Room, now: int) -> bool:
    """Whether a campaign has people that are in no queue yet, and room for some of them."""
    if not isinstance(sender, CampaignState) or not sender.gives or sender.is_fed:
        return False
    keys = _keys_of_unfed(state, sender, room)
    return sender.allowance(now) > 0 and any(room.at(key, 1) > 0 for key in keys)


def _keys_of_unfed(state: State, campaign: CampaignState, room: Room) -> list[str]:
    """All that those who are in no queue yet may be counted by."""
    outgoing = state.outgoing_of(campaign.plan.steps[0])
    if state.sites.differ(outgoing.channel):
        return room.keys_of(outgoing.channel, outgoing.category)
    site = state.sites.of_everybody(outgoing.channel)
    return [room.key(outgoing.channel, outgoing.category, site)]


def waits_for_room(state: State) -> bool:
    """Whether anybody waits for nothing but room, as far as the queues know."""
    for sender in state.senders():
        if isinstance(sender, CampaignState):
            new = sender.gives and bool(sender.queues or not sender.is_fed)
            if new and sender.allowance(state.now) > 0:
                return True
            if sender.phase == RUNNING and sender.tries:
                return True
        elif sender.queues or sender.tries:
            return True
    return False


def waits_for_rate(state: State) -> bool:
    """Whether anybody waits for nothing but the rate of his campaign, as far as the queues know."""
    return any(
        campaign.gives
        and bool(campaign.queues or not campaign.is_fed)
        and campaign.allowance(state.now) <= 0
        for campaign in state.campaigns.values()
    )


def expire(tick: Decisions, limit: int) -> None:
    """Ends what waited too long, with an order or without one; no gate has to open for that."""
    state = tick.state
    _find_due(tick, limit)
    for sender in state.senders():
        _file(state, sender)
        if isinstance(sender, JourneyState):
            for place in list(sender.queues.places()):
                step, most = _step(sender, place[0]), max(0, limit - tick.rows)
                look = sender.queued(step.index)
                rows = sender.queues.take_older(place, tick.now, most, look)
                rows = tick.exits_of_time(sender, rows)
                withhold(tick, sender, step, rows, records.EXPIRED)
        for place in list(sender.tries.places()):
            step, most = _step(sender, place[0]), max(0, limit - tick.rows)
            bound = tick.now - state.life_of(step)
            rows = sender.tries.take_older(place, bound, most, _orders_waiting(state))
            _still_wanted(tick, Taken(sender, step, place, "", rows))


def send(tick: Decisions, room: Room, limit: int) -> None:
    """Decides who is sent now, and who is not sent for good."""
    at_once = _at_once(tick, room, limit)
    queue(tick)
    for sender in tick.state.senders():
        _feed(tick, sender, room, limit)
        _file(tick.state, sender)

    def take_tries(sender: Sender, step: SendStep, place: Place, most: int) -> Array:
        look = _at_site(tick.state, sender.tries, step, place, _orders_waiting(tick.state))
        return sender.tries.take(place, most, look)

    def take_rows(sender: Sender, step: SendStep, place: Place, most: int) -> Array:
        look = _at_site(tick.state, sender.queues, step, place, sender.queued(step.index))
        rows = sender.queues.take(place, most, look)
        return tick.exits_of_time(sender, rows) if isinstance(sender, JourneyState) else rows

    for category in CLASSES:
        for found in _take(tick, room, limit, category, take_tries, tries=True):
            _resume(tick, found, room)
        for wave, outgoing in at_once:
            if outgoing.category == category:
                order_wave(tick, wave, outgoing, room)
        for found in _take(tick, room, limit, category, take_rows, tries=False):
            _order(tick, found, room)


def _take(
    tick: Decisions, room: Room, limit: int, category: str, take: Taker, *, tries: bool
) -> list[list[Taken]]:
    """What the queues of a category give, at most as much as there is room; by priority."""
    by_priority: dict[int, list[Taken]] = {}
    for sender in tick.state.senders():
        queues = sender.tries if tries else sender.queues
        if queues not in _open_queues(sender, tick.now):
            continue
        left = limit if tries or isinstance(sender, JourneyState) else sender.allowance(tick.now)
        for place in list(queues.places()):
            step = _step(sender, place[0])
            outgoing = tick.state.outgoing_of(step)
            if outgoing.category != category:
                continue
            key = room.key(outgoing.channel, category, place[1])
            most = room.at(key, max(0, min(left, limit - tick.rows)))
            rows = take(sender, step, place, most)
            left -= len(rows)
            if len(rows):
                mine = by_priority.setdefault(-sender.priority, [])
                mine.append(Taken(sender, step, place, key, rows))
    return [found for _, found in sorted(by_priority.items())]


def _feed(tick: Decisions, sender: Sender, room: Room, limit: int) -> None:
    """Brings people of a campaign into its queues, as long as an open gate has too few of them.

    At most as many rows are read as the tick may decide, or a batch.
    """
    read = 0
    while _may_feed(tick.state, sender, room, tick.now) and read < max(1, limit):
        assert isinstance(sender, CampaignState)
        _file(tick.state, sender)
        outgoing = tick.state.outgoing_of(sender.plan.steps[0])
        wanted = max(0, min(sender.allowance(tick.now), limit - tick.rows))
        queued: Counter[str] = Counter()
        for place in sender.queues.places():
            key = room.key(outgoing.channel, outgoing.category, place[1])
            queued[key] += sender.queues.count(place)
        keys = _keys_of_unfed(tick.state, sender, room)
        if all(queued[key] >= room.at(key, wanted) for key in keys):
            return
        read += sender.feed()


def _at_once(tick: Decisions, room: Room, limit: int) -> list[tuple[Wave, Outgoing]]:
    """Who came into a send step in this tick and needs no queue: nobody of them has to wait.

    That is, nobody waited before them, there is room for all, and no cap counts them.
    """
    state, found = tick.state, []
    if any(wave.journey.routes.timed for wave in tick.waves):
        return []
    if waits_for_room(state) and room.left:
        return []
    rows, needed = tick.rows, Counter[str]()
    for wave in standing(tick):
        for outgoing, mine in _by_class(state, wave):
            if outgoing.caps or state.sites.differ(outgoing.channel):
                tick.waves.append(mine)
                continue
            site = state.sites.of_everybody(outgoing.channel)
            key = room.key(outgoing.channel, outgoing.category, site)
            needed[key] += len(mine.runs)
            rows += len(mine.runs)
            found.append((mine, outgoing))
    if rows > limit or any(room.at(key, count) < count for key, count in needed.items()):
        tick.waves += [wave for wave, _ in found]
        return []
    return sorted(found, key=lambda pair: -pair[0].journey.plan.definition.priority)


def _by_class(state: State, wave: Wave) -> list[tuple[Outgoing, Wave]]:
    """The wave by what policy asks of its messages: channel, category, topic and caps."""
    present = np.flatnonzero(np.bincount(wave.steps)).tolist()
    classes: dict[tuple[Any, ...], list[int]] = {}
    for index in present:
        out = state.outgoing_of(_step(wave.journey, index))
        classes.setdefault((out.channel, out.category, out.topic, out.caps), []).append(index)
    if len(classes) == 1:
        return [(state.outgoing_of(_step(wave.journey, present[0])), wave)]
    numbered = np.zeros(len(wave.journey.plan.steps), np.int8)
    parts = []
    for number, indices in enumerate(classes.values()):
        numbered[indices] = number
    for number, indices in enumerate(classes.values()):
        mine = wave.only(numbered[wave.steps] == number)
        parts.append((state.outgoing_of(_step(wave.journey, indices[0])), mine))
    return parts


def _step(sender: Sender, index: int) -> SendStep:
    step = sender.plan.steps[index]
    assert isinstance(step, SendStep)
    return step


# --- queues ---------------------------------------------------------------------------------------


def _file(state: State, sender: Sender) -> None:
    """Brings what came into the queues since the last look to its sites."""
    for queues, is_row in ((sender.queues, True), (sender.tries, False)):
        for index in sorted(queues.fresh):
            step = _step(sender, index)
            look = sender.queued(index) if is_row else _orders_waiting(state)
            queues.file(index, _splitter(state, step), look)


def _splitter(state: State, step: SendStep) -> Callable[[Array], list[tuple[str, Array]]]:
    emails = state.column(("field", "email"))
    return lambda contacts: state.sites.split(step.outgoing.channel, emails, contacts)


def _at_site(state: State, queues: Queues, step: SendStep, place: Place, look: Look) -> Look:
    """Only who still belongs to this site; who has another address now is filed again."""
    if not state.sites.differ(step.outgoing.channel):
        return look

    def here(rows: Array) -> tuple[Array, Array, Array]:
        rows, since, contacts = look(rows)
        mine = np.zeros(len(rows), bool)
        for site, positions in _splitter(state, step)(contacts):
            mine[positions] = site == place[1]
        queues.add(step.index, rows[~mine])
        return rows[mine], since[mine], contacts[mine]

    return here


def _orders_waiting(state: State) -> Look:
    """Which orders wait for their next try, in the order they were made, then of contacts."""

    def look(orders: Array) -> tuple[Array, Array, Array]:
        found = state.orders.find(orders.astype(np.uint64))
        waiting = found["open"] & found["found"] & (found["due"] != NEVER)
        found = found[waiting]
        return orders[waiting], found["at"].astype(np.int64), found["contact"].copy()

    return look


def _find_due(tick: Decisions, limit: int) -> None:
    """Orders whose next try has come, into the queues of their steps."""
    state = tick.state
    numbers = state.orders.find_due(tick.now, limit)
    found = state.orders.find(numbers)
    for version in distinct(found["version"]).tolist():
        for index in distinct(found["step"][found["version"] == version]).tolist():
            mine = (found["version"] == version) & (found["step"] == index)
            state.sender_at(version).tries.add(index, numbers[mine].astype(np.int64))


# --- what was tried already -----------------------------------------------------------------------


def _resume(tick: Decisions, found: list[Taken], room: Room) -> None:
    """Hands over again what still may be sent; the rest is final."""
    state = tick.state
    kept = [_still_wanted(tick, taken) for taken in found]
    which = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    orders = np.concatenate(kept).astype(np.uint64)
    facts = state.orders.find(orders)
    order = np.lexsort((facts["contact"], facts["at"]))
    which, orders = which[order], orders[order]
    fits = _within(room, found, which, np.ones(len(orders), bool))
    if fits.any():
        tick.emit(records.Resumed(orders[fits]))
        tick.rows += int(fits.sum())
    for number, taken in enumerate(found):
        back = orders[~fits & (which == number)].astype(np.int64)
        look = _orders_waiting(state)
        taken.sender.tries.put(taken.place, *look(back))


def _still_wanted(tick: Decisions, taken: Taken) -> Array:
    """Revokes the orders that may not be sent any more; answers with the others."""
    state, sender = tick.state, taken.sender
    orders = taken.rows.astype(np.uint64)
    found = state.orders.find(orders)
    here = np.ones(len(orders), bool)
    if isinstance(sender, JourneyState):
        runs = found["run"].copy()
        here = sender.column("order").take(runs) == orders
        tick.exits_of_time(sender, runs[here])
        here[here] = np.isin(runs[here], tick.staying(sender, runs[here]))
        here &= sender.column("order").take(runs) == orders
    reasons = is_allowed(state, state.outgoing_of(taken.step), found["contact"].copy())
    reasons[overdue(state, orders, tick.now)] = records.EXPIRED
    reasons[~here] = LEFT
    for reason in sorted(set(reasons.tolist()) - {""}):
        tick.emit(records.Revoked(orders[reasons == reason], reason))
        tick.rows += int((reasons == reason).sum())
    kept: Array = taken.rows[reasons == ""]
    return kept


def revoke_left(tick: Decisions) -> bool:
    """Takes back the orders of this tick whose run left in the same tick; whether there were any.

    A run that is gone has no values any more, and its row may be another one's.
    """
    state, any_left = tick.state, False
    made, any_moved = [], False
    for operation in tick.operations:
        if isinstance(operation, records.Ordered):
            made.append(operation.numbers)
        elif isinstance(operation, records.Resumed):
            made.append(operation.orders)
        elif made and isinstance(operation, records.Moved | records.Ended):
            any_moved = True
    if not any_moved:
        return False
    numbers = np.concatenate(made)
    found = state.orders.find(numbers)
    numbers, found = numbers[found["open"]], found[found["open"]]
    for version in distinct(found["version"][found["version"] >= 0]).tolist():
        mine = found["version"] == version
        orders = state.versions[version].column("order").take(found["run"][mine].copy())
        left = numbers[mine][orders != numbers[mine]]
        if len(left):
            any_left = True
            tick.emit(records.Revoked(left, LEFT))
    return any_left


# --- what is new ----------------------------------------------------------------------------------


def _order(tick: Decisions, found: list[Taken], room: Room) -> None:
    """One pass per send of the same contact, so that each sees the reservations before it."""
    which = np.repeat(np.arange(len(found)), [len(taken.rows) for taken in found])
    runs = np.concatenate([taken.rows for taken in found])
    contacts = np.concatenate([taken.sender.contacts(taken.rows) for taken in found])
    since = np.concatenate([taken.sender.since(taken.rows) for taken in found])
    order = np.lexsort((contacts, since))
    which, runs, contacts = which[order], runs[order], contacts[order]
    passes = occurrences(contacts)
    back = np.zeros(len(runs), bool)
    for turn in range(int(passes.max()) + 1):
        allowed = passes == turn
        for number, taken in enumerate(found):
            mine = np.flatnonzero(allowed & (which == number))
            allowed[mine] = _passes(tick, taken.sender, taken.step, runs[mine])
        fits = _within(room, found, which, allowed)
        back |= allowed & ~fits
        for number, taken in enumerate(found):
            _emit_orders(tick, taken.sender, taken.step, runs[fits & (which == number)])
    for number, taken in enumerate(found):
        look = taken.sender.queued(taken.step.index)
        taken.sender.queues.put(taken.place, *look(runs[back & (which == number)]))


def _within(room: Room, found: list[Taken], which: Array, wanted: Array) -> Array:
    """bool[]: those of the wanted rows that there is room for, first come first served; uses it."""
    fits = wanted.copy()
    for key in sorted({taken.key for taken in found}):
        served = [number for number, taken in enumerate(found) if taken.key == key]
        rows = np.flatnonzero(wanted & np.isin(which, served))
        most = room.at(key, len(rows))
        fits[rows[most:]] = False
        room.use(key, most)
    return fits


def _passes(tick: Decisions, sender: Sender, step: SendStep, runs: Array) -> Array:
    """Withholds or defers sends (all of different contacts); bool[]: those that may be made."""
    state, outgoing = tick.state, tick.state.outgoing_of(step)
    contacts = sender.contacts(runs)
    reasons = is_allowed(state, outgoing, contacts)
    for reason in sorted(set(reasons.tolist()) - {""}):
        withhold(tick, sender, step, runs[reasons == reason], reason)
    allowed: Array = reasons == ""
    if outgoing.caps and allowed.any():
        later, drop = capped(state, outgoing, contacts, tick.now)
        withhold(tick, sender, step, runs[allowed & drop], "cap")
        held = allowed & (later > tick.now) & ~drop
        if held.any():
            until = sender.deadline(runs[held], tick.now)
            due = np.minimum(later[held], until).astype(np.uint32)
            tick.emit(records.Deferred(sender.version, step.index, runs[held], due))
        allowed &= ~held & ~drop
    return allowed


def _emit_orders(tick: Decisions, sender: Sender, step: SendStep, runs: Array) -> None:
    if len(runs):
        first = tick.state.orders.next
        numbers = np.arange(first, first + len(runs), dtype=np.uint64)
        tick.emit(records.Ordered(sender.version, step.index, runs, numbers))
        tick.rows += len(runs)
