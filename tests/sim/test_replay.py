"""A replayed log gives the state back, at any point and in any slices, and goes on the same."""

from __future__ import annotations

import random

import pytest

from blaster.engine.machine import Machine
from blaster.log import MemoryLog
from tests.core.world import Play
from tests.sim.twins import begin, in_the_middle, twin
from tests.sim.worlds import END, play_instant
from tests.volume import cases


def same(play: Play) -> Machine:
    """The machine recovered from the log, after a look at its digest and its caches."""
    machine = Machine.recover(play.log)
    assert machine.state.digest() == play.state.digest()
    assert machine.state.next_due() == play.state.next_due()
    assert set(machine.state.readers) == set(play.state.readers)
    return machine


def replayed(play: Play) -> Play:
    """Another play that goes on from the log as it is now."""
    log = MemoryLog()
    for _, entry in play.log.read():
        log.append(entry)
    return twin(play, Machine.recover(log))


def goes_on(seed: int) -> None:
    draw = random.Random(seed)
    play, groups = begin(seed, draw)
    split = draw.randrange(len(groups))
    for at, deeds in groups[:split]:
        play_instant(play, at, deeds)
        if draw.random() < 0.2:
            same(play)
    play.hold = draw.random() < 0.3
    other = replayed(play)
    for at, deeds in groups[split:]:
        for each in (play, other):
            play_instant(each, at, deeds)
        assert other.state.digest() == play.state.digest()
    for each in (play, other):
        each.at(END)
    assert other.sent == play.sent
    assert same(other).state.digest() == play.state.digest()


@pytest.mark.parametrize("block", range(6))
def test_a_replayed_log_is_the_same_engine(block: int) -> None:
    """Digest at several points, and after the same further inputs."""
    for seed in range(block * 10, block * 10 + cases(10)):
        print(f"seed {seed}")
        goes_on(seed)


@pytest.mark.parametrize("block", range(3))
def test_recovery_between_slices_goes_on_the_same(block: int) -> None:
    """A crash between two slices of one instant loses nothing and repeats nothing."""
    for seed in range(block * 10, block * 10 + cases(10)):
        print(f"seed {seed}")
        in_the_middle(seed, replayed)


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_replay_at_length(block: int) -> None:
    """Sixteen hundred more worlds of each kind."""
    for seed in range(1000 + block * 40, 1040 + block * 40):
        print(f"seed {seed}")
        goes_on(seed)
        in_the_middle(seed, replayed)
