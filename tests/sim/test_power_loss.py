"""Power lost under a running engine, at any call that reaches the disk: what was promised is there.

Every write that was not synced is dropped, torn, done out of order, or done. Whatever opens the
folder then has a log that is the beginning of the one there was, with everything that was
acknowledged in it, and every snapshot that was published, whole; its ledgers balance; engine time
has not gone back, whatever the clock chip says; and it goes on: what left a second time is what was
in flight, and the log says so of each.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from blaster.log import EmbeddedLog
from blaster.model.definitions import Workspace
from tests.engine.support import workspace
from tests.log.disks import WAYS, Picture, Way, WeakDisk
from tests.log.support import HastyDisk
from tests.sim.durable import (
    BOOTS,
    CLOCK,
    DAY,
    FILES,
    LOG,
    Post,
    Told,
    World,
    doubted,
    frames_of,
    recovered,
    settle,
    sound,
)

TURNS = 12
CALLS = 1_000
"""That such a world makes of its disk, more or less."""
SNAPSHOT_ENTRIES = 12
PAYLOAD_BYTES = 1_000
"""Larger frames go to the payload file here, so that small worlds have some."""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("workspace"), FILES)


@pytest.fixture(autouse=True)
def payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blaster.log.files.LOG_PAYLOAD_INLINE_BYTES_MAX", PAYLOAD_BYTES)
    monkeypatch.setattr("blaster.log.chain.CHECKPOINT_BYTES", 3_000)
    monkeypatch.setattr("blaster.engine.snapshotting.SNAPSHOT_LOG_ENTRIES", SNAPSHOT_ENTRIES)
    monkeypatch.setattr("blaster.engine.snapshotting.SNAPSHOT_RETRY_S", 0.0)


def filmed(
    folder: Path, space: Workspace, seed: int, cuts: int
) -> tuple[World, list[Picture], list[bytes]]:
    """A world that was played to its end, and pictures of its disk on the way."""
    dice = random.Random(f"cuts {seed}")
    disk = WeakDisk(folder / "data")
    disk.at = set(dice.sample(range(1, CALLS), cuts * 3))
    world = World(folder, space, seed, disk)
    disk.tell = world.told
    world.open()
    try:
        world.begin()
        world.play(TURNS)
        frames = frames_of(world.log)
    finally:
        world.close()
    pictures = dice.sample(disk.pictures, min(cuts, len(disk.pictures)))
    assert len(pictures) >= min(cuts, 10), f"seed {seed}: {disk.calls} calls"
    return world, pictures, frames


def cut(
    folder: Path, world: World, picture: Picture, frames: list[bytes], way: Way, *, go_on: bool
) -> int:
    """Opens what the power cut left, and looks at it; how many orders were in doubt."""
    dice = random.Random(f"{picture.call} {way}")
    picture.lay_out(folder / "data", way, dice)
    promised: Told = picture.told
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        assert log.last >= max(promised.acknowledged, promised.durable)
        assert frames_of(log) == frames[: log.last]
        machine = recovered(folder, log, promised.snapshot)
        recorded = machine.state.now
        in_flight = set(machine.unanswered().tolist())
    if not go_on:
        return len(in_flight)
    after = World(folder, world.space, picture.call, HastyDisk())
    keep_clock(folder / CLOCK, promised.clock, way, dice)
    after.system.true = promised.true
    after.system.reboot(wall=dice.choice([None, 0.0, promised.true - 3600, promised.true + DAY]))
    rings = folder.with_name(f"{folder.name}-post")
    Post(rings, BOOTS[0], dice).start(lambda batch: None)  # as it was before the cut
    after.post = Post(rings, BOOTS[1], dice, silent=0.0)
    after.open()
    try:
        assert after.clock.now() >= recorded
        settle(after)
        machine = after.thread._machine
        sound(machine)
        assert not len(machine.unanswered())
        doubts = set(doubted(after.log))
    finally:
        after.close()
    before = world.post.left[: promised.left]
    repeated = set(before) & set(after.post.left)
    assert repeated <= in_flight
    assert repeated <= doubts
    assert len(after.post.left) == len(set(after.post.left))
    return len(in_flight)


def keep_clock(path: Path, content: bytes, way: Way, dice: random.Random) -> None:
    """The file is never synced: it is as it was, or gone, or some of it."""
    if way == "lost" or not content:
        return
    path.write_bytes(content if way == "kept" else content[: dice.randrange(len(content))])


def lose_power(tmp_path: Path, space: Workspace, seed: int, cuts: int, every: int) -> int:
    """`every`-th cut goes on to the end; how many orders were in flight in all."""
    print(f"seed {seed}")
    world, pictures, frames = filmed(tmp_path / f"{seed}", space, seed, cuts)
    doubts = 0
    for number, picture in enumerate(pictures):
        way = WAYS[number % len(WAYS)]
        print(f"{way} at call {picture.call}, before: {picture.about}")
        folder = tmp_path / f"{seed}-{number}"
        doubts += cut(folder, world, picture, frames, way, go_on=number % every == 0)
    return doubts


def test_power_lost_under_a_running_engine(tmp_path: Path, space: Workspace) -> None:
    """A world, a dozen cuts."""
    assert lose_power(tmp_path, space, 1, 12, 4)


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_power_lost_at_length(tmp_path: Path, space: Workspace, block: int) -> None:
    """Four worlds of fifty cuts in each of twenty blocks: four thousand."""
    doubts = sum(
        lose_power(tmp_path, space, seed, 50, 5) for seed in range(block * 4, block * 4 + 4)
    )
    assert doubts
