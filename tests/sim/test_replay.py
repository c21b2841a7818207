"""A replayed log gives the state back, at any point and in any slices, and goes on the same."""

from __future__ import annotations

import random

import pytest

from blaster.engine.machine import Machine
from blaster.log import MemoryLog
from blaster.model import definitions as model
from tests.core.world import DAY, Play
from tests.sim.worlds import END, LIMITS, by_instant, make_history, play_instant, start_engine
from tests.volume import cases


def same(play: Play) -> Machine:
    """The machine recovered from the log, after a look at its digest and its caches."""
    machine = Machine.recover(play.log)
    assert machine.state.digest() == play.state.digest()
    assert machine.state.next_due() == play.state.next_due()
    assert set(machine.state.readers) == set(play.state.readers)
    return machine


def twin(play: Play) -> Play:
    """Another play that goes on from the log as it is now."""
    log = MemoryLog()
    for _, entry in play.log.read():
        log.append(entry)
    other = object.__new__(Play)
    other.__dict__ |= play.__dict__
    other.log, other.machine = log, Machine.recover(log)
    other.sent, other.batches = list(play.sent), list(play.batches)
    other.entries, other.accepted = list(play.entries), list(play.accepted)
    return other


def replay(seed: int) -> None:
    draw = random.Random(seed)
    contacts = draw.choice([1, 3, 8, 30])
    groups = by_instant(make_history(seed, contacts))
    caps = draw.choice(
        [(), (model.Cap(1, DAY),), (model.Cap(2, 3 * DAY, channel="email", drop=True),)]
    )
    play = start_engine(seed, contacts, caps, limit=draw.choice(LIMITS))
    play.room = draw.choice([{}, {}, {"email": 2}, {"sms": 1}])
    split = draw.randrange(len(groups))
    for at, deeds in groups[:split]:
        play_instant(play, at, deeds)
        if draw.random() < 0.2:
            same(play)
    play.hold = draw.random() < 0.3
    other = twin(play)
    for at, deeds in groups[split:]:
        for each in (play, other):
            play_instant(each, at, deeds)
        assert other.state.digest() == play.state.digest()
    for each in (play, other):
        each.at(END)
    assert other.sent == play.sent
    assert same(other).state.digest() == play.state.digest()


def in_the_middle(seed: int) -> None:
    """Recovery between any two slices of one instant, with facts still queued."""
    draw = random.Random(seed)
    contacts = draw.choice([2, 8])
    groups = by_instant(make_history(seed, contacts))
    play = start_engine(seed, contacts, limit=draw.choice([1, 2, 7]))
    stop = draw.randrange(len(groups))
    for at, deeds in groups[:stop]:
        play_instant(play, at, deeds)
    at, deeds = groups[stop]
    play_instant(play, at, [])
    from tests.sim.worlds import operation

    for deed in deeds:
        play.accept(operation(play, deed))
    other = twin(play)
    for _ in range(10_000):
        assert other.state.digest() == play.state.digest()
        if not play.machine.has_work(play.now, {}):
            break
        for each in (play, other):
            _, _, batches = each.machine.tick(each.now, {}, each.limit)
            each.take(batches)
        other = twin(other) if draw.random() < 0.3 else other
    assert not other.machine.has_work(other.now, {})


@pytest.mark.parametrize("block", range(6))
def test_a_replayed_log_is_the_same_engine(block: int) -> None:
    """Digest at several points, and after the same further inputs."""
    for seed in range(block * 10, block * 10 + cases(10)):
        try:
            replay(seed)
        except BaseException:
            print(f"seed {seed}")
            raise


@pytest.mark.parametrize("block", range(3))
def test_recovery_between_slices_goes_on_the_same(block: int) -> None:
    """A crash between two slices of one instant loses nothing and repeats nothing."""
    for seed in range(block * 10, block * 10 + cases(10)):
        try:
            in_the_middle(seed)
        except BaseException:
            print(f"seed {seed}")
            raise


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_replay_at_length(block: int) -> None:
    """Sixteen hundred more worlds of each kind."""
    for seed in range(1000 + block * 40, 1040 + block * 40):
        try:
            replay(seed)
            in_the_middle(seed)
        except BaseException:
            print(f"seed {seed}")
            raise
