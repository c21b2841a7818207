"""The log becomes history behind a running engine: nothing twice, nothing lost."""

from __future__ import annotations

import errno
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blaster
from blaster.engine import archiving, snapshotting
from blaster.engine import archiving as module
from blaster.engine.archiving import Archiver, HistoryStatus, move, trim
from blaster.engine.machine import Machine
from blaster.engine.past import Past
from blaster.engine.recovery import recover
from blaster.engine.snapshotting import Snapshotter
from blaster.engine.timeline import timeline
from blaster.errors import LogCorrupt, LogError, LogVersionError
from blaster.limits import HISTORY_RETRY_S
from blaster.log import EmbeddedLog, GivenUp, History, Snapshots
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Joined, Outcomes, Postponed, Published
from tests.engine.support import (
    START,
    WAIT_S,
    FakeClock,
    drain,
    people,
    published,
    workspace,
    write,
)
from tests.log.support import HastyDisk
from tests.log.test_history import event

ALL = np.arange(2, dtype=np.int64)


class Rig:
    """An account whose log is in many small files, with its snapshots and its history."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.now = START
        self.open()
        if self.machine.state.plan is None:
            self.machine.accept(START, (published(workspace(folder / "workspace")),))

    def open(self) -> None:
        self.log = EmbeddedLog.open(
            self.folder / "log", disk=HastyDisk(), group_ms=0, file_bytes_max=1500
        )
        self.snapshots = Snapshots(self.folder / "snapshots", disk=HastyDisk())
        found = recover(self.log, self.snapshots)
        self.machine: Machine = found.machine
        self.archiver = Archiver(self.folder / "history", self.snapshots, self.log, self.clock)
        self.snapshots.prune(*self.archiver.needed())
        self.snapshotter = Snapshotter(
            self.snapshots, found, self.log, self.clock, self.archiver.needed
        )

    def close(self) -> None:
        self.archiver.close()
        self.snapshotter.close(None)
        self.log.close()

    def live(self, rounds: int = 1) -> None:
        """New people, who join; mail that is put off, tried again and sent; then a day goes by."""
        for _ in range(rounds):
            first = self.machine.state.contacts.rows
            contacts = ALL + first
            self.machine.accept(self.now, (people(first, 2),))
            self.machine.accept(self.now, (Joined("club", contacts, False, "test"),))
            (batch,) = drain(self.machine, self.now)
            due = np.full(1, self.now + 600, np.uint32)
            self.machine.accept(self.now, (Postponed(batch.numbers[:1], due, ("451 later",)),))
            self.now += 600
            (again,) = drain(self.machine, self.now)
            for numbers in (batch.numbers[1:], again.numbers):
                codes = np.full(len(numbers), OutcomeCode.ACCEPTED, np.uint8)
                self.machine.accept(self.now, (Outcomes(numbers, codes, ()),))
            drain(self.machine, self.now)
            self.now += 86_400

    def snapshot(self) -> int:
        self.snapshotter.begin(self.machine)
        self.snapshotter.wait()
        assert self.snapshotter.status.warning == ""
        return self.snapshotter.status.sequence

    def archive(self) -> str:
        """Moves what the newest snapshot allows; answers with what went wrong."""
        self.archiver.look(self.snapshotter.status.sequence)
        self.archiver.wait()
        return self.archiver.status.warning

    def pasts(self) -> list[Any]:
        past, rows = Past(self.log, self.archiver.history), self.machine.state.contacts.rows
        return [timeline(past.of(row), row) for row in (0, 1, rows // 2, rows - 1)]


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.close()


def test_the_log_becomes_history_and_goes(rig):
    """Every past is the same before and after, line for line."""
    for turn in range(3):
        rig.live(2)
        sequence = rig.snapshot()
        rig.live()
        before = rig.pasts()
        assert rig.archive() == ""
        assert rig.archiver.status.sequence == sequence
        assert rig.archiver.needed() == (sequence, sequence)
        assert rig.pasts() == before
        assert (rig.log.first > 1) == (turn > 0)
    assert len({item.text for past in before for item in past}) > 8
    assert len(rig.snapshots.numbers()) == 2


def test_history_of_nobody_in_particular(rig):
    """A ledger is listed also where all that was moved concerns no contact."""
    rig.snapshot()
    assert rig.archive() == ""
    assert rig.archiver.status.sequence
    past = Past(rig.log, rig.archiver.history)
    for kinds in (frozenset([Published.KIND]), frozenset[int]()):
        found = [(within, list(told)) for within, told in past.slices(kinds, None)]
        assert [within for within, _ in found] == [None]
        assert bool(found[0][1]) == bool(kinds)


def test_it_goes_on_after_a_restart(rig):
    for _ in range(2):
        rig.live(2)
        rig.snapshot()
        assert rig.archive() == ""
        before = rig.pasts()
        rig.close()
        rig.open()
        assert rig.pasts() == before
        assert rig.archive() == ""  # there is nothing to do
    digest = rig.machine.state.digest()
    rig.close()
    rig.open()
    assert rig.machine.state.digest() == digest


def test_a_move_that_was_cut_off_is_made_again(rig):
    """Snapshots go on meanwhile; the one that says whose everything was is kept for it."""
    rig.live(2)
    base = rig.snapshot()
    rig.archive()
    for _ in range(3):
        rig.live()
        newest = rig.snapshot()
    with pytest.raises(GivenUp):
        move(rig.archiver.history, rig.snapshots, rig.log, newest, lambda: True)
    sequences = [rig.snapshots.load(number).sequence for number in rig.snapshots.numbers()]
    assert sequences[-1] == base
    before = rig.pasts()
    assert rig.archive() == ""
    assert rig.pasts() == before
    assert rig.archiver.status.sequence == newest
    rig.live()
    rig.snapshot()
    sequences = [rig.snapshots.load(number).sequence for number in rig.snapshots.numbers()]
    assert base not in sequences


def test_nothing_is_trimmed_with_one_snapshot(rig):
    """Should it be damaged, the log must still begin at its beginning."""
    rig.live(4)
    rig.snapshot()
    assert rig.archive() == ""
    assert rig.log.first == 1
    with rig.archiver.history.view() as view:
        rig.live(2)
        rig.snapshot()
        rig.archive()
        assert rig.log.first <= view.sequence + 1  # somebody still reads from there
        kept = rig.log.first
        rig.live(2)
        rig.snapshot()
        rig.archive()
        assert rig.log.first <= view.sequence + 1
    trim(rig.archiver.history, rig.snapshots, rig.log)
    assert rig.log.first > kept


def test_nothing_is_trimmed_before_a_snapshot_is_there_to_go_on_from(rig):
    """While the first entries were moved, newer snapshots came, and theirs was removed."""
    rig.live(3)
    rig.snapshot()
    first = rig.snapshotter.status.sequence
    for _ in range(2):
        rig.live(3)
        rig.snapshot()
    assert first not in [rig.snapshots.load(number).sequence for number in rig.snapshots.numbers()]
    before = rig.pasts()
    move(rig.archiver.history, rig.snapshots, rig.log, first)
    trim(rig.archiver.history, rig.snapshots, rig.log)
    assert (rig.archiver.history.sequence, rig.log.first) == (first, 1)
    assert rig.archive() == ""
    assert rig.archiver.history.sequence > first
    assert rig.log.first > 1
    assert rig.pasts() == before


def test_the_snapshot_up_to_which_history_is_moved_is_kept(rig, monkeypatch):
    """Newer ones come while the move is under way; history goes on from its own after it."""
    rig.live(3)
    first = rig.snapshot()
    goes_on = threading.Event()

    def slow(*given):
        assert goes_on.wait(WAIT_S)
        move(*given)

    monkeypatch.setattr(archiving, "move", slow)
    rig.archiver.begin(first)
    for _ in range(3):
        rig.live(3)
        rig.snapshot()
    before = rig.pasts()
    goes_on.set()
    rig.archiver.wait()
    assert (rig.archiver.status.sequence, rig.archiver.status.warning) == (first, "")
    assert rig.log.first > 1
    assert rig.archive() == ""
    assert rig.archiver.status.sequence > first
    assert rig.pasts() == before


def test_a_damaged_base_leaves_the_log_alone(rig):
    rig.live(3)
    rig.snapshot()
    rig.archive()
    for _ in range(2):
        rig.live(3)
        rig.snapshot()
    rig.log.trim(rig.archiver.history.sequence)
    assert rig.log.first > 1
    (base,) = (n for n in rig.snapshots.numbers() if rig.snapshots.load(n).sequence
               == rig.archiver.history.sequence)  # fmt: skip
    (rig.snapshots.folder / f"{base:06d}.manifest").write_bytes(b"")
    first, before = rig.log.first, rig.pasts()
    assert "history stays behind: whose the runs and orders were" in rig.archive()
    assert rig.log.first == first
    assert rig.pasts() == before
    rig.archiver.look(rig.snapshotter.status.sequence)
    assert rig.archiver._thread is None  # not before some time has gone by
    rig.clock.ran += HISTORY_RETRY_S
    assert rig.archive() != ""


def test_another_base_where_there_is_one(rig):
    """Any whole snapshot from before will do, or the log's beginning."""
    rig.live()
    rig.snapshot()
    rig.live()
    rig.snapshot()
    rig.archive()
    rig.live()
    rig.snapshot()
    (number,) = (n for n in rig.snapshots.numbers()
                 if rig.snapshots.load(n).sequence == rig.archiver.history.sequence)  # fmt: skip
    for segment, _ in rig.snapshots.load(number).segments:
        path = rig.snapshots.folder / f"{segment:06d}.segment"
        path.write_bytes(path.read_bytes()[:-8])
    before = rig.pasts()
    assert rig.archive() == ""
    assert rig.pasts() == before


def test_history_that_was_lost(rig):
    """A gap is said, by whoever reads and by the engine; the account opens all the same."""
    rig.live(4)
    rig.snapshot()
    rig.archive()
    rig.live(4)
    rig.snapshot()
    rig.archive()
    assert rig.log.first > 1
    rig.close()
    shutil.rmtree(rig.folder / "history")
    rig.open()
    assert "history stays behind" in rig.archive()
    with pytest.raises(LogError, match="the log begins at entry"):
        rig.pasts()


def test_damaged_history_does_not_keep_the_account_closed(rig):
    rig.live()
    rig.snapshot()
    rig.archive()
    rig.close()
    path = rig.folder / "history" / "manifest"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    rig.open()
    assert "the log is not trimmed any more: the manifest" in rig.archiver.status.warning
    assert rig.archiver.needed() == (rig.snapshotter.status.sequence,)
    rig.archive()
    with pytest.raises(LogCorrupt, match="fails its checksum"):
        rig.pasts()


def test_an_older_log_beside_newer_history_is_refused(rig):
    """It would grow past the end of history, and nobody could tell any more that it is another."""
    rig.live()
    rig.close()
    for name in ("log", "history"):
        shutil.copytree(rig.folder / name, rig.folder / f"older-{name}")
    rig.open()
    rig.live()
    upto = rig.snapshot()
    assert rig.archive() == ""
    before = rig.log.last
    rig.close()
    shutil.rmtree(rig.folder / "snapshots")
    put_back(rig.folder, "log")
    with pytest.raises(LogError, match=f"history holds everything up to entry {upto}: the log was"):
        rig.open()
    rig.log.close()
    put_back(rig.folder, "history")
    rig.open()
    assert rig.archiver.status == HistoryStatus()
    assert rig.log.last < before
    assert rig.pasts()


def put_back(folder: Path, name: str) -> None:
    shutil.rmtree(folder / name)
    (folder / f"older-{name}").rename(folder / name)


def test_history_that_comes_back_goes_on(rig):
    """Starts that could not read it leave a snapshot that it can go on from, and not ever more."""
    for _ in range(3):
        rig.live(2)
        rig.snapshot()
        assert rig.archive() == ""
    assert rig.log.first > 1
    rig.close()
    path = rig.folder / "history" / "manifest"
    whole = path.read_bytes()
    path.write_bytes(b"x" + whole[1:])
    for _ in range(3):
        rig.open()
        assert "the oldest snapshots are kept" in rig.archiver.status.warning
        for _ in range(3):
            rig.live()
            rig.snapshot()
        assert len(rig.snapshots.numbers()) == 4
        rig.close()
    path.write_bytes(whole)
    rig.open()
    before = rig.pasts()
    assert rig.archive() == ""
    assert rig.archiver.status.sequence == rig.snapshotter.status.sequence
    assert rig.pasts() == before
    rig.snapshots.prune(*rig.archiver.needed())
    assert len(rig.snapshots.numbers()) == 2


def test_an_account_is_not_opened_while_the_machine_keeps_history_closed(rig, monkeypatch):
    """Too many open files are no damage: nothing is changed, and the next start has all of it."""
    for _ in range(3):
        rig.live(2)
        rig.snapshot()
        assert rig.archive() == ""
    before, kept = rig.pasts(), rig.snapshots.numbers()
    rig.close()

    def refuse(folder: Path) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("blaster.log.history.read_contents", refuse)
        with pytest.raises(LogError, match=r"Too many open files.*nothing was changed"):
            rig.open()
    rig.log.close()
    rig.open()
    assert rig.snapshots.numbers() == kept
    assert rig.pasts() == before
    assert rig.archive() == ""


class Removing(HastyDisk):
    """Refuses to remove files of history, so often."""

    refused = 0

    def remove(self, path: Path) -> None:
        if self.refused and path.suffix == ".parquet":
            self.refused -= 1
            raise OSError(errno.EIO, "the disk says no")
        super().remove(path)


def test_files_of_history_that_stayed_are_removed_with_the_next_move(rig):
    rig.live()
    rig.snapshot()
    assert rig.archive() == ""
    history = rig.archiver.history
    history._disk = disk = Removing()
    draft = history.begin()
    draft.put(event(history.sequence + 1, 1))
    draft._flush()
    disk.refused = 2
    draft.drop()
    assert history.replaced
    rig.live()
    rig.snapshot()
    assert "files that were history are still there" in rig.archive()
    rig.clock.ran += HISTORY_RETRY_S
    rig.live()
    rig.snapshot()
    assert rig.archive() == ""
    assert not history.replaced


def test_nothing_is_over_while_a_file_of_history_is_there(rig):
    """Whoever read it could not get rid of it; the end of the sweep that waited for him does."""
    rig.live(2)
    upto = rig.snapshot()
    assert rig.archive() == ""
    history = rig.archiver.history
    history._disk = disk = Removing()
    with history.view():
        held = rig.archiver.empty(ALL, lambda: False)
        assert rig.archiver.is_held(held, upto)
        disk.refused = 2
    assert history.replaced == held
    assert not rig.archiver.is_held(held, upto)
    with pytest.raises(OSError, match="the disk says no"):
        rig.archiver.cut(upto)
    rig.archiver.cut(upto)
    assert not history.replaced
    here = {path.name for path in history.folder.glob("*.parquet")}
    assert here == {file.name for file in history.files}


def test_history_of_a_newer_release_is_refused(rig, monkeypatch):
    monkeypatch.setattr("blaster.log.historymanifest.FORMAT", 2)
    History(rig.folder / "newer")
    monkeypatch.undo()
    with pytest.raises(LogVersionError):
        Archiver(rig.folder / "newer", rig.snapshots, rig.log, rig.clock)


def test_it_lets_others_have_the_processor(monkeypatch):
    monkeypatch.setattr(module, "HISTORY_STRIDE_S", 0.0)
    strides = module._Strides(lambda: False)
    assert not strides()
    assert module._Strides(lambda: True)()


# --- in an engine ---------------------------------------------------------------------------------


async def test_an_engine_explains_from_history(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshotting, "SNAPSHOT_LOG_ENTRIES", 4)
    write(tmp_path)
    async with blaster.open(tmp_path) as engine:
        await engine.publish()
        for number in range(8):
            await engine.contacts.upsert([{"email": f"c{number}@example.com"}])
            await engine.lists.join("club", [f"c{number}@example.com"])
            await engine.quiet()
        told = [await engine.explain(row) for row in (0, 7)]
        assert engine.warning == ""
    async with blaster.open(tmp_path) as engine:
        assert engine.history.sequence > 0
        assert engine.history.files > 0
        assert [await engine.explain(row) for row in (0, 7)] == told
        assert [item.kind for item in told[0]][:3] == ["created", "list", "entered"]
