"""A state that was captured at any instant, and restored, is the same and goes on the same."""

from __future__ import annotations

import random
from typing import Any

import pytest

from blaster.core import Catalogue
from blaster.engine.machine import Machine
from blaster.log import MemoryLog
from blaster.model import definitions as model
from tests.core.box import Box, catalogue
from tests.core.world import DAY, Play, wakes_as
from tests.sim.worlds import (
    END,
    LIMITS,
    by_instant,
    make_history,
    operation,
    play_instant,
    start_engine,
)  # fmt: skip
from tests.volume import cases


def twin(play: Play, state: Any) -> Play:
    """Another play that goes on from a restored state."""
    other = object.__new__(Play)
    other.__dict__ |= play.__dict__
    other.log = MemoryLog()
    other.machine = Machine(other.log, state)
    other.sent, other.batches = list(play.sent), list(play.batches)
    other.entries, other.accepted = list(play.entries), list(play.accepted)
    return other


def restored(play: Play, box: Box, shelves: Catalogue) -> tuple[Play, Catalogue]:
    """Captured and restored: the same as what it was captured from, and as a full capture."""
    state, known = box.restored(*box.commit(shelves.capture(play.state)))
    assert state.digest() == play.state.digest()
    assert wakes_as(state, play.state)
    assert set(state.readers) == set(play.state.readers)
    full = Box()
    whole, _ = full.restored(*full.commit(catalogue().capture(play.state)))
    assert whole.digest() == state.digest()
    assert whole.next_due() == state.next_due()
    return twin(play, state), known


def goes_on(seed: int) -> None:
    draw = random.Random(seed)
    contacts = draw.choice([1, 3, 8, 30])
    groups = by_instant(make_history(seed, contacts))
    caps = draw.choice(
        [(), (model.Cap(1, DAY),), (model.Cap(2, 3 * DAY, channel="email", drop=True),)]
    )
    play = start_engine(seed, contacts, caps, limit=draw.choice(LIMITS))
    play.room = draw.choice([{}, {}, {"email": 2}, {"sms": 1}])
    box, shelves = Box(), catalogue()
    split = draw.randrange(len(groups))
    for at, deeds in groups[:split]:
        play_instant(play, at, deeds)
        if draw.random() < 0.2:
            late = shelves.capture(play.state)
            digest = play.state.digest()
            play_instant(play, at, deeds)  # goes on while it is written
            state, _ = box.restored(*box.commit(late))
            assert state.digest() == digest
    play.hold = draw.random() < 0.3
    other, known = restored(play, box, shelves)
    for at, deeds in groups[split:]:
        for each in (play, other):
            play_instant(each, at, deeds)
        assert other.state.digest() == play.state.digest()
        if draw.random() < 0.1:  # once more, from what was restored
            other, known = restored(other, box, known)
    for each in (play, other):
        each.at(END)
    assert other.sent == play.sent
    assert other.state.digest() == play.state.digest()


def in_the_middle(seed: int) -> None:
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
    box, shelves = Box(), catalogue()
    other, shelves = restored(play, box, shelves)
    for _ in range(10_000):
        assert other.state.digest() == play.state.digest()
        if not play.machine.has_work(play.now, {}):
            break
        for each in (play, other):
            _, _, batches = each.machine.tick(each.now, {}, each.limit)
            each.take(batches)
        if draw.random() < 0.3:
            other, shelves = restored(other, box, shelves)
    assert not other.machine.has_work(other.now, {})


@pytest.mark.parametrize("block", range(4))
def test_a_restored_state_goes_on_the_same(block: int) -> None:
    """Whatever it holds, and however often it was captured before."""
    for seed in range(block * 10, block * 10 + cases(6)):
        try:
            goes_on(seed)
        except BaseException:
            print(f"seed {seed}")
            raise


@pytest.mark.parametrize("block", range(2))
def test_a_capture_between_two_slices(block: int) -> None:
    """Inputs that are half taken come back with the rounds that are left."""
    for seed in range(block * 10, block * 10 + cases(6)):
        try:
            in_the_middle(seed)
        except BaseException:
            print(f"seed {seed}")
            raise


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_captures_at_length(block: int) -> None:
    """Sixteen hundred more worlds of each kind."""
    for seed in range(3000 + block * 40, 3040 + block * 40):
        try:
            goes_on(seed)
            in_the_middle(seed)
        except BaseException:
            print(f"seed {seed}")
            raise
