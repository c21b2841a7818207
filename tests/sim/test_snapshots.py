"""A state that was captured at any instant, and restored, is the same and goes on the same."""

from __future__ import annotations

import random

import pytest

from blaster.engine.machine import Machine
from blaster.log import MemoryLog
from tests.core.box import Box, catalogue
from tests.core.world import Play, wakes_as
from tests.sim.twins import begin, in_the_middle, twin
from tests.sim.worlds import END, play_instant
from tests.volume import cases


class Shelf:
    """Captures of one play and of what was restored of it, in one box."""

    def __init__(self) -> None:
        self.box, self.known = Box(), catalogue()

    def restored(self, play: Play) -> Play:
        """What goes on from a capture: the same as what was captured, and as a full capture."""
        written = self.box.commit(self.known.capture(play.state))
        state, self.known = self.box.restored(*written)
        assert state.digest() == play.state.digest()
        assert wakes_as(state, play.state)
        assert set(state.readers) == set(play.state.readers)
        full = Box()
        whole, _ = full.restored(*full.commit(catalogue().capture(play.state)))
        assert whole.digest() == state.digest()
        assert whole.next_due() == state.next_due()
        return twin(play, Machine(MemoryLog(), state))


def goes_on(seed: int) -> None:
    draw = random.Random(seed)
    play, groups = begin(seed, draw)
    shelf = Shelf()
    split = draw.randrange(len(groups))
    for at, deeds in groups[:split]:
        play_instant(play, at, deeds)
        if draw.random() < 0.2:
            late = shelf.known.capture(play.state)
            digest = play.state.digest()
            play_instant(play, at, deeds)  # goes on while it is written
            state, _ = shelf.box.restored(*shelf.box.commit(late))
            assert state.digest() == digest
    play.hold = draw.random() < 0.3
    other = shelf.restored(play)
    for at, deeds in groups[split:]:
        for each in (play, other):
            play_instant(each, at, deeds)
        assert other.state.digest() == play.state.digest()
        if draw.random() < 0.1:  # once more, from what was restored
            other = shelf.restored(other)
    for each in (play, other):
        each.at(END)
    assert other.sent == play.sent
    assert other.state.digest() == play.state.digest()


@pytest.mark.parametrize("block", range(4))
def test_a_restored_state_goes_on_the_same(block: int) -> None:
    """Whatever it holds, and however often it was captured before."""
    for seed in range(block * 10, block * 10 + cases(6)):
        print(f"seed {seed}")
        goes_on(seed)


@pytest.mark.parametrize("block", range(2))
def test_a_capture_between_two_slices(block: int) -> None:
    """Inputs that are half taken come back with the rounds that are left."""
    for seed in range(block * 10, block * 10 + cases(6)):
        print(f"seed {seed}")
        in_the_middle(seed, Shelf().restored)


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_captures_at_length(block: int) -> None:
    """Sixteen hundred more worlds of each kind."""
    for seed in range(3000 + block * 40, 3040 + block * 40):
        print(f"seed {seed}")
        goes_on(seed)
        in_the_middle(seed, Shelf().restored)
