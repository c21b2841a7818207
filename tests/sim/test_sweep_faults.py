"""Power lost while erased values leave the files, under an engine that is at work.

People tell secrets and are erased, sweep after sweep, while others go on living; the log is moved
to history and trimmed all the time. At any call that reaches the disk every write and name that was
not synced is dropped, torn, done out of order, or done. Whatever opens the folder then has all that
was acknowledged, and the state that the entries give; where the account says that an erasure is
done, no file holds anything of it, and of every other one none does after the next sweep; what
anybody else's past says is as it was, line for line.
"""

from __future__ import annotations

import concurrent.futures
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from blaster.core import State, apply_entry, erasure_of
from blaster.engine import Machine, read_erasures
from blaster.engine.past import Past, numbered
from blaster.engine.recovery import recover
from blaster.engine.timeline import timeline
from blaster.log import EmbeddedLog, Snapshots, decode_entry, encode_entry, survey_history
from blaster.model import records
from blaster.model.definitions import Workspace
from tests.engine.support import WAIT_S, workspace
from tests.engine.test_sweeping import found_in
from tests.log.disks import WAYS, Picture, Way, WeakDisk
from tests.log.support import HastyDisk
from tests.sim.durable import BOOTS, FILES, HISTORY, LOG, SNAPSHOTS, Post, Told, World, sound
from tests.volume import TRACED

ROUNDS = 2
ACTS = 0.3
"""How likely somebody does something between two looks at a sweep."""
SHARE = 0.03
"""Of the calls that reach the disk in a sweep: so many are filmed, and of these some are cuts."""
LOOK_S = 0.005
"""Between two steps of a sweep; the engine looks so often when it has nothing else to do."""
LOOKED_AT = 4
"""Contacts whose past is held against the log's."""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("workspace"), FILES)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blaster.log.files.LOG_PAYLOAD_INLINE_BYTES_MAX", 1_000)
    monkeypatch.setattr("blaster.log.chain.CHECKPOINT_BYTES", 3_000)
    monkeypatch.setattr("blaster.log.history.HISTORY_MERGE_FILES", 3)
    monkeypatch.setattr("blaster.engine.snapshotting.SNAPSHOT_LOG_ENTRIES", 20)
    monkeypatch.setattr("blaster.engine.snapshotting.SNAPSHOT_RETRY_S", 0.0)
    monkeypatch.setattr("blaster.engine.thread.IDLE_S", LOOK_S)


@dataclass
class Promised:
    """What had been acknowledged by some instant; `erased`: how many of those who told secrets."""

    told: Told
    erased: int


class Sometimes(set[int]):
    """Calls drawn with a chance, while it is `on`."""

    def __init__(self, dice: random.Random, share: float) -> None:
        super().__init__()
        self.dice, self.share, self.on = dice, share, False

    def __contains__(self, call: object) -> bool:
        return self.on and self.dice.random() < self.share


class Secrets:
    """Who told what in a world, and was erased: numbered in that order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.told = self.erased = 0
        self.contacts: list[int] = []

    def tell(self, count: int) -> None:
        first, self.told = self.told, self.told + count
        numbers = range(first, first + count)

        def make(machine: Machine) -> tuple[records.Operation, ...]:
            rows = machine.state.contacts.rows
            who = np.arange(rows, rows + count, dtype=np.int64)
            self.contacts += who.tolist()
            given = pa.RecordBatch.from_pydict(
                {
                    "email": [f"{word(n)}@example.org" for n in numbers],
                    "city": [f"{word(n)} upon Sea" for n in numbers],
                    "tags": [[f"{word(n)} tag"] for n in numbers],
                }
            )
            said = pa.RecordBatch.from_pydict({"room": [f"the {word(n)} room" for n in numbers]})
            return (
                records.Upserted(who, np.ones(count, bool), given, "sim"),
                records.Joined("club", who, False, "sim"),
                records.Happened("event", "purchase", who, said),
            )

        self.world.command(make)

    def erase(self) -> None:
        """All of them, in a command of its own; and others act meanwhile."""
        self.world.wait()
        who = np.array(self.contacts[self.erased :], np.int64)
        self.world.command(lambda machine: (erasure_of(machine.state, who, 77),))
        self.world.wait()
        self.erased = self.told


def word(number: int) -> str:
    return f"secret{number:03d}"


def words(count: int) -> tuple[bytes, ...]:
    return tuple(word(number).encode() for number in range(count))


def swept(world: World, act: Callable[[], None] = lambda: None) -> None:
    """A sweep from its beginning to its end, with something done between any two of its steps."""
    assert world.thread is not None
    done: Future[None] = Future()
    world.thread.run(lambda machine, now: world.sweeper.want(done)).result(WAIT_S)
    while not done.done():
        act()
        concurrent.futures.wait([done], LOOK_S)
    done.result()


def filmed(folder: Path, space: Workspace, seed: int, cuts: int) -> tuple[World, list[Picture]]:
    """A world of some sweeps, and pictures of its disk while it sweeps."""
    dice = random.Random(f"sweeps {seed}")
    disk = WeakDisk(folder / "data")
    drawn = Sometimes(dice, SHARE)
    disk.at = drawn
    world = World(folder, space, seed, disk, file_bytes=6_000, history=True)
    secrets = Secrets(world)
    disk.tell = lambda: Promised(world.told(), secrets.erased)
    world.open()
    try:
        world.begin()
        for _ in range(ROUNDS):
            secrets.tell(2)
            world.play(3)
            secrets.erase()
            drawn.on = True
            swept(world, lambda: world.act() if dice.random() < ACTS else None)
            drawn.on = False
            assert world.sweeper.pending == ()
            world.wait()
    finally:
        world.close()
    assert found_in(folder, words(secrets.told)) == []
    assert len(disk.pictures) > cuts
    return world, dice.sample(disk.pictures, cuts)


def folded(frames: dict[int, bytes], last: int) -> State:
    state = State()
    for sequence in range(1, last + 1):
        apply_entry(state, decode_entry(frames[sequence]))
    return state


def cut(folder: Path, world: World, picture: Picture, way: Way) -> None:
    """Opens what the power cut left, looks at it, sweeps, and looks again."""
    picture.lay_out(folder / "data", way, random.Random(f"{picture.call} {way}"))
    promised: Promised = picture.told
    said = read_erasures(folder)
    assert found_in(folder, words(said.done if said is not None else 0)) == []
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        last = log.last
        assert last >= max(promised.told.acknowledged, promised.told.durable)
        assert all(encode_entry(e) == world.frames[n] for n, e in log.read(log.first))
        found = recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
        assert found.said == []
        state = found.machine.state
        assert state.digest() == folded(world.frames, last).digest()
        assert state.counts["erased",] >= promised.erased
        sound(found.machine)
    survey = survey_history(folder / HISTORY)
    assert survey is None or survey.damaged == ()
    after = World(folder, world.space, picture.call, HastyDisk(), history=True)
    after.frames.update((n, frame) for n, frame in world.frames.items() if n <= last)
    after.system.true = promised.told.true
    after.system.reboot()
    after.post = Post(folder.with_name(f"{folder.name}-post"), BOOTS[1], after.dice)
    after.open()
    try:
        erased = again(after)
    finally:
        after.close()
    assert found_in(folder, words(erased)) == []


def again(after: World) -> int:
    """The next sweep does it all, and nobody else loses anything; how many are erased now."""
    assert after.thread is not None
    assert after.archiver is not None
    swept(after)
    assert after.sweeper.pending == ()
    after.rest()
    digest, last = after.thread.run(
        lambda machine, now: (machine.state.digest(), machine.log.last)
    ).result(WAIT_S)
    assert digest == folded(after.frames, last).digest()
    state = after.thread._machine.state
    past = Past(after.thread.log, after.archiver.history)
    entries = [(n, decode_entry(after.frames[n])) for n in range(1, last + 1)]
    when = state.column(("erased",)).take(np.arange(state.contacts.rows, dtype=np.int64))
    others = np.flatnonzero(when == when.max())
    for contact in others[:: -(-len(others) // LOOKED_AT)].tolist():
        assert timeline(past.of(contact), contact) == timeline(numbered(entries), contact)
    return int(state.counts["erased",])


def lose_power(tmp_path: Path, space: Workspace, seed: int, cuts: int) -> None:
    print(f"seed {seed}")
    world, pictures = filmed(tmp_path / f"{seed}", space, seed, cuts)
    for number, picture in enumerate(pictures):
        way = WAYS[number % len(WAYS)]
        print(f"{way} at call {picture.call}, before: {picture.about}")
        cut(tmp_path / f"{seed}-{number}", world, picture, way)


def test_power_lost_in_a_sweep(tmp_path: Path, space: Workspace) -> None:
    """One world, some cuts."""
    lose_power(tmp_path, space, 1, 4 if TRACED else 8)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 22))
def test_power_lost_in_many_sweeps(tmp_path: Path, space: Workspace, seed: int) -> None:
    """Twenty worlds of forty cuts."""
    lose_power(tmp_path, space, seed, 40)
