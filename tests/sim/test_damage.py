"""One fault in one file of a folder: found, named, set aside or refused; never a wrong state.

A bit is flipped, the file cut off, or removed, at many places of every file that an account's log,
snapshots and clock are made of, while the newest log file still has its write-ahead file. Whatever
opens the folder then has the state that there was, or refuses with a `LogError` that names the
file; a log that is read gives the entries that there were, up to one that it refuses. What the
survey of the log calls whole reads as it was. Chance is a seed; whoever fails prints the case.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from blaster.engine.engineclock import EngineClock
from blaster.engine.recovery import recover
from blaster.errors import LogError
from blaster.log import EmbeddedLog, Snapshots, encode_entry, examine
from tests.engine.machines import ScriptedSystem
from tests.engine.support import people, workspace
from tests.log.support import HastyDisk
from tests.sim.durable import FILES, LOG, SNAPSHOTS, World, frames_of

SEED = 5
FLIP, CUT, MISSING = "flip", "cut", "missing"
UNNAMED = ("mark", "format")
"""A mark that is damaged or missing says nothing, and is written anew; so is a missing `format`."""


@dataclass(frozen=True)
class Lived:
    """A folder as a crash left it, and what is in it."""

    folder: Path
    digest: str
    frames: list[bytes]
    now: int

    def files(self) -> list[Path]:
        return sorted(p.relative_to(self.folder) for p in self.folder.rglob("*") if p.is_file())


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    base = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blaster.log.files.LOG_PAYLOAD_INLINE_BYTES_MAX", 1_000)
        patch.setattr("blaster.engine.snapshotting.SNAPSHOT_LOG_ENTRIES", 25)
        world = World(base / "a", workspace(base / "w", FILES), SEED, HastyDisk(), file_bytes=6_000)
        world.open()
        try:
            world.begin()
            world.play(8)
            assert world.snapshotter is not None
            world.snapshotter.wait()
            world.play(1)
            assert world.thread is not None
            assert world.log is not None
            machine = world.thread._machine
            digest, frames = machine.state.digest(), frames_of(world.log)
            copy(base / "a", base / "b")
        finally:
            world.close()
        yield Lived(base / "b", digest, frames, machine.state.now)


def copy(source: Path, target: Path) -> None:
    """Of a folder in use: again, when a file of it went into another one meanwhile."""
    for _ in range(100):
        try:
            shutil.copytree(source, target)
        except shutil.Error:
            shutil.rmtree(target)
        else:
            return
    raise AssertionError("its files never stood still")


def harm(path: Path, way: str, at: int) -> None:
    if way == MISSING:
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    if way == CUT:
        del data[at:]
    else:
        data[at // 8] ^= 1 << at % 8
    path.write_bytes(data)


def look(folder: Path, lived: Lived, file: Path) -> str:
    """Opens it as an engine does; what came of it, in a word."""
    try:
        log = EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0, group_ms=0)
    except LogError as error:
        return refused(error, file)
    with log:
        snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
        try:
            found = recover(log, snapshots)
        except LogError as error:
            return refused(error, file)
        state = found.machine.state
        assert log.last == len(lived.frames)
        assert state.digest() == lived.digest
        clock = EngineClock(ScriptedSystem(lived.now - 1000.0), state.now, folder)
        assert clock.now() >= lived.now
        word = "set aside" if found.said else "the same"
        assert all("damaged" in said for said in found.said)
        snapshots.prune()
        frames = list(read(log, file))
        assert frames == lived.frames[: len(frames)]
        if len(frames) < log.last:
            word = "seen when it is read"
        found.machine.accept(state.now, (people(state.contacts.rows, 1),))
        log.wait_durable(log.last)
    return word


def read(log: EmbeddedLog, file: Path) -> Iterator[bytes]:
    """The frames up to the first that is refused, by name; of a log that lost its front, none."""
    try:
        for _, entry in log.read():
            yield encode_entry(entry)
    except LogError as error:
        refused(error, file)


def refused(error: LogError, file: Path) -> str:
    """Where the oldest file is missing nothing knows its name, but where the log begins."""
    said = str(error)
    assert file.name.removesuffix("-wal") in said or "the log begins at entry" in said, said
    return "refused"


def examined(folder: Path, lived: Lived, file: Path) -> bool:
    """Whether the survey finds anything wrong; what it calls whole is what there was."""
    before = {path: path.read_bytes() for path in sorted((folder / LOG).iterdir())}
    seen = examine(folder / LOG)
    after = {path: path.read_bytes() for path in sorted((folder / LOG).iterdir())}
    assert {p: c for p, c in before.items() if "-shm" not in p.name} == {
        p: c for p, c in after.items() if "-shm" not in p.name and (p in before or c)
    }, "it changes nothing"
    ends = [0, *(end for run in seen.runs() for end in run)]
    assert all(0 <= end <= len(lived.frames) for end in ends)
    return bool(seen.said or seen.format or seen.spans[0].first > 1)


def check(folder: Path, lived: Lived, file: Path, way: str, at: int) -> str:
    shutil.copytree(lived.folder, folder)
    try:
        harm(folder / file, way, at)
        is_seen = examined(folder, lived, file)
        word = look(folder, lived, file)
        if "log" in file.parts and file.name != "lock":
            assert is_seen == (word != "the same") or file.name in UNNAMED, word
    except BaseException:
        print(f"{way} at {at} of {file}, seed {SEED}")
        raise
    shutil.rmtree(folder)
    return word


def harms(lived: Lived, dice: random.Random, most: int) -> Iterator[tuple[Path, str, int]]:
    """Each file missing, cut at some places and with some bits flipped."""
    for file in lived.files():
        size = (lived.folder / file).stat().st_size
        yield file, MISSING, 0
        for _ in range(min(most, size)):
            yield file, CUT, dice.randrange(size)
            yield file, FLIP, dice.randrange(8 * size)


def test_a_fault_in_any_file(lived: Lived, tmp_path: Path) -> None:
    """Each file missing, cut off somewhere, and with a flipped bit."""
    found = damaged(lived, tmp_path, 1)
    assert found >= {"the same", "refused", "set aside", "seen when it is read"}


@pytest.mark.long
def test_a_fault_anywhere(lived: Lived, tmp_path: Path) -> None:
    """Eight hundred places of every file."""
    assert damaged(lived, tmp_path, 400) == {
        "the same", "refused", "set aside", "seen when it is read"
    }  # fmt: skip


def damaged(lived: Lived, tmp_path: Path, most: int) -> set[str]:
    """What came of so many cuts and flips of each file, in words."""
    dice = random.Random(SEED)
    return {
        check(tmp_path / "x", lived, file, way, at) for file, way, at in harms(lived, dice, most)
    }
