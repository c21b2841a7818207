"""Worlds of which a second one goes on beside the first, from what was read again."""

from __future__ import annotations

import random
from collections.abc import Callable

from blaster.engine.machine import Machine
from blaster.model import definitions as model
from tests.core.world import DAY, Play
from tests.sim.worlds import (
    LIMITS,
    Deed,
    by_instant,
    make_history,
    operation,
    play_instant,
    start_engine,
)  # fmt: skip

CAPS = ((), (model.Cap(1, DAY),), (model.Cap(2, 3 * DAY, channel="email", drop=True),))


def twin(play: Play, machine: Machine) -> Play:
    """Another play of the same clock and room, which goes on from this machine."""
    other = object.__new__(Play)
    other.__dict__ |= play.__dict__
    other.log, other.machine = machine.log, machine
    other.sent, other.batches = list(play.sent), list(play.batches)
    other.entries, other.accepted = list(play.entries), list(play.accepted)
    return other


def begin(seed: int, draw: random.Random) -> tuple[Play, list[tuple[int, list[Deed]]]]:
    """A play before its first instant, and what happens in it, instant by instant."""
    contacts = draw.choice([1, 3, 8, 30])
    groups = by_instant(make_history(seed, contacts))
    play = start_engine(seed, contacts, draw.choice(CAPS), limit=draw.choice(LIMITS))
    play.room = draw.choice([{}, {}, {"email": 2}, {"sms": 1}])
    return play, groups


def in_the_middle(seed: int, again: Callable[[Play], Play]) -> None:
    """Between any two slices of one instant, with inputs that are half taken."""
    draw = random.Random(seed)
    contacts = draw.choice([2, 8])
    groups = by_instant(make_history(seed, contacts))
    play = start_engine(seed, contacts, limit=draw.choice([1, 2, 7]))
    stop = draw.randrange(len(groups))
    for at, deeds in groups[:stop]:
        play_instant(play, at, deeds)
    at, deeds = groups[stop]
    play_instant(play, at, [])
    for deed in deeds:
        play.accept(operation(play, deed))
    other = again(play)
    for _ in range(10_000):
        assert other.state.digest() == play.state.digest()
        if not play.machine.has_work(play.now, {}):
            break
        for each in (play, other):
            _, _, batches = each.machine.tick(each.now, {}, each.limit)
            each.take(batches)
        other = again(other) if draw.random() < 0.3 else other
    assert not other.machine.has_work(other.now, {})
