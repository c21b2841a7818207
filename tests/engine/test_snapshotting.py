"""When snapshots are taken, beside a running engine; and that one that fails harms nobody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blaster
from blaster.engine import snapshotting as module
from blaster.engine.machine import Machine
from blaster.engine.recovery import load, recover
from blaster.engine.snapshotting import Snapshotter
from blaster.limits import SNAPSHOT_AGE_S, SNAPSHOT_RETRY_S
from blaster.log import EmbeddedLog, MemoryLog, Snapshots
from blaster.model.records import Joined
from tests.engine.support import START, FakeClock, people, write
from tests.log.support import HastyDisk


class BadDisk(HastyDisk):
    """Fails in the calls it is told; holds a write back while `gate` is closed."""

    def __init__(self) -> None:
        self.fail = ""
        self.gate = threading.Event()
        self.gate.set()

    def write(self, descriptor, data, offset) -> None:
        assert self.gate.wait(20)
        if self.fail == "write":
            raise OSError(28, "No space left on device")
        super().write(descriptor, data, offset)

    def sync(self, descriptor) -> None:
        if self.fail == "sync":
            raise OSError(5, "Input/output error")

    def rename(self, old, new) -> None:
        if self.fail == "rename":
            raise OSError(5, "Input/output error")
        super().rename(old, new)


class Rig:
    """A machine, its log and its snapshotter, without an engine."""

    def __init__(self, folder: Path) -> None:
        self.disk = BadDisk()
        self.clock = FakeClock()
        self.log = EmbeddedLog.open(folder / "log", disk=HastyDisk(), group_ms=0)
        self.snapshots = Snapshots(folder / "snapshots", disk=self.disk)
        recovered = recover(self.log, self.snapshots)
        self.machine: Machine = recovered.machine
        self.snapshotter = Snapshotter(self.snapshots, recovered, self.log, self.clock)

    def live(self, count: int = 1) -> None:
        for _ in range(count):
            self.machine.accept(START, (people(self.machine.state.contacts.rows, 1),))
            while self.machine.has_work(START, {}):
                self.machine.tick(START, {}, 1 << 30)

    def look(self) -> int:
        """Looks, waits for what that began, and answers with the newest snapshot."""
        self.snapshotter.look(self.machine)
        self.snapshotter.wait()
        return self.snapshotter.status.number


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.disk.gate.set()
    made.snapshotter.close(None)
    made.log.close()


def test_by_age_while_anything_happens(rig):
    assert rig.look() == 0
    rig.clock.ran += SNAPSHOT_AGE_S
    assert rig.look() == 0
    rig.live()
    assert rig.look() == 1
    rig.clock.ran += SNAPSHOT_AGE_S
    assert rig.look() == 1
    rig.live()
    assert rig.look() == 2


@pytest.mark.parametrize("bound", ["SNAPSHOT_LOG_ENTRIES", "SNAPSHOT_LOG_BYTES"])
def test_by_what_came(rig, monkeypatch, bound):
    monkeypatch.setattr(module, bound, 6 if bound.endswith("ENTRIES") else 4000)
    rig.live(2)
    assert rig.look() == 0
    rig.live(40)
    assert rig.look() == 1
    assert rig.look() == 1
    rig.live(40)
    assert rig.look() == 2


@pytest.mark.parametrize("call", ["write", "sync", "rename"])
def test_a_failure_is_said_and_tried_again_later(rig, call):
    rig.live(3)
    rig.clock.ran += SNAPSHOT_AGE_S
    rig.disk.fail = call
    assert rig.look() == 0
    assert "no snapshot could be written: [Errno" in rig.snapshotter.status.warning
    assert list(rig.snapshots.folder.iterdir()) == []
    rig.disk.fail = ""
    assert rig.look() == 0
    rig.clock.ran += SNAPSHOT_RETRY_S
    assert rig.look() == 1
    assert rig.snapshotter.status.warning == ""


def test_memory_that_only_a_snapshot_keeps_is_bounded(rig, monkeypatch):
    monkeypatch.setattr(module, "SNAPSHOT_PIN_BYTES_MAX", 1)
    rig.live(3)
    rig.disk.gate.clear()
    rig.snapshotter.begin(rig.machine)
    rig.live(3)
    rig.snapshotter.look(rig.machine)  # one is under way
    rig.disk.gate.set()
    rig.snapshotter.wait()
    assert "changed while it was written" in rig.snapshotter.status.warning
    monkeypatch.undo()
    rig.snapshotter.begin(rig.machine)
    rig.snapshotter.wait()
    assert rig.snapshotter.status.number == 1


def test_a_log_that_is_not_durable_in_time(rig, monkeypatch):
    monkeypatch.setattr(EmbeddedLog, "wait_durable", lambda *_: False)
    rig.live()
    rig.snapshotter.begin(rig.machine)
    rig.snapshotter.wait()
    assert "the log has not got to entry" in rig.snapshotter.status.warning


def test_a_capture_that_fails(rig, monkeypatch):
    def fail(state: Any) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(rig.snapshotter._catalogue, "capture", fail)
    rig.live()
    rig.snapshotter.begin(rig.machine)
    assert "no more" in rig.snapshotter.status.warning


def test_what_is_damaged_on_disk_is_written_again(rig, monkeypatch):
    rig.live(3)
    rig.machine.accept(START, (Joined("club", np.array([0], np.int64), False, "test"),))
    rig.live()
    rig.snapshotter.begin(rig.machine)
    rig.snapshotter.wait()
    (path,) = rig.snapshots.folder.glob("*.segment")
    path.write_bytes(b"rubbish" + path.read_bytes()[7:])
    monkeypatch.setattr("blaster.log.snapshots.SNAPSHOT_SEGMENTS_MAX", 0)
    rig.live(3)
    rig.snapshotter.begin(rig.machine)
    rig.snapshotter.wait()
    assert "000001.segment" in rig.snapshotter.status.warning
    rig.snapshotter.begin(rig.machine)
    rig.snapshotter.wait()
    assert (rig.snapshotter.status.number, rig.snapshotter.status.warning) == (2, "")
    state, _ = load(rig.snapshots, rig.snapshots.load(2))
    assert state.digest() == rig.machine.state.digest()


def test_at_the_end_when_much_came(rig, monkeypatch):
    rig.live(3)
    rig.snapshotter.close(rig.machine)
    assert rig.snapshotter.status.number == 0
    monkeypatch.setattr(module, "SNAPSHOT_CLOSE_ENTRIES", 5)
    rig.snapshotter.close(rig.machine)
    assert rig.snapshotter.status.number == 1


def test_at_the_end_what_is_under_way_stops(rig):
    rig.live(3)
    rig.disk.gate.clear()
    rig.snapshotter.begin(rig.machine)
    closing = threading.Thread(target=rig.snapshotter.close, args=(None,))
    closing.start()
    while not rig.snapshotter._stopping:
        threading.Event().wait(0.001)
    rig.disk.gate.set()
    closing.join(20)
    assert rig.snapshotter.status.number == 0
    assert list(rig.snapshots.folder.iterdir()) == []


# --- in an engine ---------------------------------------------------------------------------------


def test_none_is_begun_while_others_are_removed(rig):
    """What is being written is named by nothing yet, and would be removed with them."""

    class Removing:
        now = True

        def look(self, machine):
            pass

        def is_removing(self):
            return self.now

        def close(self):
            pass

    rig.snapshotter.sweeper = sweeper = Removing()
    rig.live()
    rig.clock.ran += SNAPSHOT_AGE_S
    assert rig.look() == 0
    sweeper.now = False
    assert rig.look() == 1


async def test_an_engine_opens_from_its_snapshot(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SNAPSHOT_LOG_ENTRIES", 3)
    monkeypatch.setattr(module, "SNAPSHOT_CLOSE_ENTRIES", 1)
    write(tmp_path)
    async with blaster.open(tmp_path) as engine:
        await engine.publish()
        for number in range(6):
            await engine.contacts.upsert([{"email": f"c{number}@example.com"}])
            await engine.lists.join("club", [f"c{number}@example.com"])
            await engine.quiet()
        digest = await engine.digest()
    # two, one that says whose everything was where history ends, and one where it goes
    assert len(list((tmp_path / "data/snapshots").glob("*.manifest"))) in (1, 2, 3, 4)
    async with blaster.open(tmp_path) as engine:
        assert engine.snapshot.number > 0
        assert engine.warning == ""
        assert await engine.digest() == digest
        assert await engine.counts("email", "bill") == {"ordered": 6, "sent": 6}


async def test_damage_is_said_by_the_engine(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SNAPSHOT_CLOSE_ENTRIES", 1)
    write(tmp_path)
    async with blaster.open(tmp_path) as engine:
        await engine.publish()
        digest = await engine.digest()
    (manifest,) = (tmp_path / "data/snapshots").glob("*.manifest")
    manifest.write_bytes(manifest.read_bytes()[:-1])
    async with blaster.open(tmp_path) as engine:
        assert "snapshot 1 is damaged and was set aside" in engine.warning
        assert await engine.digest() == digest


async def test_with_a_log_of_the_callers_there_are_none(tmp_path):
    async with blaster.open(write(tmp_path), log=MemoryLog()) as engine:
        await engine.publish()
        assert engine.snapshot.number == 0
    assert not (tmp_path / "data/snapshots").exists()


def test_what_was_read_again_at_the_opening_counts(rig, monkeypatch):
    rig.live(40)
    rig.snapshotter.close(None)
    rig.log.close()
    monkeypatch.setattr(module, "SNAPSHOT_LOG_BYTES", 4000)
    again = Rig(rig.log._chain.folder.parent)
    assert again.log.appended == 0
    assert again.look() == 1
    assert again.look() == 1
    again.snapshotter.close(None)
    again.log.close()
