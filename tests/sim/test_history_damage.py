"""One fault in one file of history: named and refused; never a wrong past, or a shorter one.

A bit is flipped, the file cut off, or removed, at many places of the manifest and of the Parquet
files of an account whose log was trimmed behind them. The account opens with the state that there
was all the same; the survey and the repair name the file; a past that is told is the one that there
was, line for line, and any other is refused with the file's name. So it is when more of the log
became history since. Chance is a seed; whoever fails prints the case.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blaster.clock import SystemClock
from blaster.engine.archiving import Archiver
from blaster.engine.past import Past
from blaster.engine.recovery import recover
from blaster.engine.repairing import find_damage
from blaster.engine.timeline import TimelineItem, timeline
from blaster.errors import LogCorrupt, LogError
from blaster.log import EmbeddedLog, Snapshots, survey_history
from tests.engine.support import workspace
from tests.log.support import HastyDisk
from tests.sim.durable import FILES, HISTORY, LOG, SNAPSHOTS, World
from tests.sim.test_damage import CUT, FLIP, MISSING, harm

SEED = 5
EACH = 12
"""Every so many of the files, in the short form."""


@dataclass(frozen=True)
class Lived:
    """An account with history, its state, and what it says of some contacts."""

    folder: Path
    digest: str
    pasts: dict[int, list[TimelineItem]]

    def files(self) -> list[Path]:
        return sorted(path.relative_to(self.folder) for path in (self.folder / HISTORY).iterdir())


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    base = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blaster.engine.snapshotting.SNAPSHOT_AGE_S", float("inf"))
        patch.setattr("blaster.log.historyfile.HISTORY_GROUP_ROWS", 4)
        space = workspace(base / "w", FILES)
        world = World(base / "a", space, SEED, HastyDisk(), file_bytes=6_000, history=True)
        world.open()
        try:
            world.begin()
            for _ in range(4):
                world.play(4)
                world.archive()
            world.play(2)
        finally:
            world.close()
    with EmbeddedLog.open(base / "a" / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        assert log.first > 1
        machine = recover(log, Snapshots(base / "a" / SNAPSHOTS, disk=HastyDisk())).machine
        archiver = archiver_of(base / "a", log)
        pasts = {
            contact: timeline(Past(log, archiver.history).of(contact), contact)
            for contact in range(0, machine.state.contacts.rows, 9)
        }
        assert all(pasts.values())
        return Lived(base / "a", machine.state.digest(), pasts)


def archiver_of(folder: Path, log: EmbeddedLog) -> Archiver:
    snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
    return Archiver(folder / HISTORY, snapshots, log, SystemClock(), HastyDisk())


def name_of(file: Path) -> str:
    return "the manifest of the history" if file.name == "manifest" else file.name


def tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """What it answers, or what it says that is wrong."""
    try:
        return call(), ""
    except LogError as error:
        return None, str(error)


def told(past: Past, lived: Lived, file: Path) -> int:
    """How many pasts are refused, by name; every other one is as it was."""
    refused = 0
    for contact, expected in lived.pasts.items():
        found, said = tried(lambda who=contact: timeline(past.of(who), who))
        assert name_of(file) in said if said else found == expected
        refused += bool(said)
    return refused


def look(folder: Path, lived: Lived, file: Path) -> str:
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0, group_ms=0) as log:
        snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
        found = recover(log, snapshots)
        assert found.said == []
        assert found.machine.state.digest() == lived.digest
        before = sorted((folder / HISTORY).iterdir())
        archiver = archiver_of(folder, log)
        assert sorted((folder / HISTORY).iterdir()) == before
        first = log.first
        past, said = tried(lambda: Past(log, archiver.history))
        if said:
            assert file.name == "manifest"
            assert name_of(file) in said
            assert said == archiver.status.warning
            archiver.look(log.last)
            assert archiver._thread is None
            assert log.first == first
            return "all refused"
        refused = told(past, lived, file)
        archiver.begin(snapshots.load(snapshots.numbers()[0]).sequence)
        archiver.wait()
        assert archiver.status.warning == "" or name_of(file) in archiver.status.warning
        assert told(past, lived, file) == refused
    return "some refused" if refused else "the same"


def named(folder: Path, file: Path) -> None:
    """By whoever looks from outside, and by whoever repairs; nothing is changed."""
    seen, said = tried(lambda: survey_history(folder / HISTORY))
    if file.name == "manifest":
        assert name_of(file) in said
    else:
        assert [name for name, _ in seen.damaged] == [file.name]


def check(folder: Path, lived: Lived, file: Path, way: str, at: int) -> str:
    shutil.copytree(lived.folder, folder)
    try:
        harm(folder / file, way, at)
        named(folder, file)
        word = look(folder, lived, file)
    except BaseException:
        print(f"{way} at {at} of {file}, seed {SEED}")
        raise
    shutil.rmtree(folder)
    return word


def harms(lived: Lived, step: int, most: int) -> Iterator[tuple[Path, str, int]]:
    dice = random.Random(SEED)
    files = lived.files()
    for file in sorted({*files[::step], next(f for f in files if f.name == "manifest")}):
        size = (lived.folder / file).stat().st_size
        yield file, MISSING, 0
        for _ in range(min(most, size)):
            yield file, CUT, dice.randrange(size)
            yield file, FLIP, dice.randrange(8 * size)


WORDS = {"the same", "some refused", "all refused"}


def test_a_fault_in_some_files_of_history(lived: Lived, tmp_path: Path) -> None:
    found = {check(tmp_path / "x", lived, *each) for each in harms(lived, EACH, 1)}
    assert found - {"the same"} == WORDS - {"the same"}


@pytest.mark.long
def test_a_fault_anywhere_in_history(lived: Lived, tmp_path: Path) -> None:
    """Sixteen places of every other file."""
    assert {check(tmp_path / "x", lived, *each) for each in harms(lived, 2, 8)} == WORDS


@pytest.mark.parametrize("way", [MISSING, CUT, FLIP])
@pytest.mark.parametrize("name", ["manifest", "parquet"])
def test_the_repair_names_it(lived: Lived, tmp_path: Path, name: str, way: str) -> None:
    """And says what is lost without history; nothing is changed by that."""
    folder = tmp_path / "a"
    shutil.copytree(lived.folder, folder)
    file = next(file for file in lived.files() if file.name.endswith(name))
    harm(folder / file, way, 100)
    (said,) = find_damage(folder).said
    (choice,) = find_damage(folder).choices
    assert name_of(file) in said
    assert choice.name == "history"
    assert choice.does == "takes what is history away; it cannot begin anew"
    assert choice.loses[0].startswith("what is in the history alone: all before entry ")
    assert choice.loses[1].startswith("explain and lists of journeys, since no past is told")


def test_a_file_that_the_machine_does_not_let_be_read(
    lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, and is no damage; what the disk has lost is."""

    def fails(code: int) -> Any:
        def call(*_: Any) -> Any:
            raise OSError(code, "said so")

        return call

    contact = next(iter(lived.pasts))
    with EmbeddedLog.open(lived.folder / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        past = Past(log, archiver_of(lived.folder, log).history)
        for call in ("os.open", "os.pread"):
            for code, kind in ((24, LogError), (5, LogCorrupt)):
                with monkeypatch.context() as patch:
                    patch.setattr(f"blaster.log.historyfile.{call}", fails(code))
                    with pytest.raises(LogError, match=r"parquet cannot be read: said so") as got:
                        timeline(past.of(contact), contact)
                assert type(got.value) is kind
        assert timeline(past.of(contact), contact) == lived.pasts[contact]
