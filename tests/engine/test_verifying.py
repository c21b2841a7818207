"""A log verified: the same digest twice, and the tick takes the recorded decisions."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from blaster.engine import verify, verify_folder
from blaster.engine.recovery import recover
from blaster.engine.snapshotting import Snapshotter
from blaster.errors import LogError
from blaster.log import EmbeddedLog, MemoryLog, Snapshots
from blaster.model import definitions as model
from blaster.model import records
from tests.core.world import DAY, Play, journey, on_event, send, wait, workspace
from tests.engine.support import START, FakeClock, published
from tests.engine.support import workspace as written
from tests.engine.test_recovery import live
from tests.log.support import HastyDisk
from tests.sim.worlds import LIMITS, make_history, run_engine
from tests.volume import cases


def played(seed: int) -> Play:
    draw = random.Random(seed)
    contacts = draw.choice([1, 3, 8])
    caps = draw.choice([(), (model.Cap(1, DAY),)])
    history = make_history(seed, contacts)
    return run_engine(seed, contacts, history, caps=caps, limit=draw.choice(LIMITS))


@pytest.mark.parametrize("block", range(3))
def test_what_was_decided_is_decided_again(block: int) -> None:
    """In any world, in any slices."""
    for seed in range(block * 5, block * 5 + cases(5)):
        play = played(seed)
        found = verify(play.log)
        assert found.difference == "", f"seed {seed}: entry {found.sequence}: {found.difference}"
        assert found.digest == play.state.digest()
        assert (found.entries, found.ticks) == (play.log.last, sum(map(_ticked, play.entries)))


def _ticked(entry: records.Entry) -> bool:
    return bool(entry.operations)


def changed(play: Play, change) -> tuple[MemoryLog, int]:
    """The log with one operation replaced by what `change` makes of it, and the entry's number."""
    log, at = MemoryLog(), 0
    for sequence, entry in play.log.read():
        made = entry
        if not at:
            for place, operation in enumerate(entry.operations):
                other = change(operation)
                if other is not None:
                    operations = list(entry.operations)
                    operations[place : place + 1] = other
                    made = msgspec.structs.replace(entry, operations=tuple(operations))
                    at = sequence
                    break
        log.append(made)
    assert at
    return log, at


def gone(operation):
    return [] if isinstance(operation, records.Ordered) else None


def test_a_decision_that_is_another_is_named() -> None:
    """An order that is missing in the record."""
    play = next(p for p in map(played, range(20)) if len(p.sent) > 3)
    log, at = changed(play, gone)
    found = verify(log)
    assert found.sequence == at
    assert "Ordered" in found.difference
    assert found.difference.startswith("operation ")


def test_a_restart_is_no_difference() -> None:
    """Queues are made anew by it: what is looked at may be another gate first, or one fewer."""
    play = Play(
        workspace(
            journey("letters", on_event("x"), send("bill"), wait("w", span=(1, 0, 0))),
            journey("texts", on_event("x"), send("note", channel="sms")),
        )
    )
    play.create(5)
    play.room = {"email": 2, "sms": 1}
    play.event("x", 0, 1, 2, 3)
    play.machine = play.recovered()
    play.after(60)
    log, rooms = MemoryLog(), 0
    for _, entry in play.log.read():
        rooms += len(entry.room) > 1
        log.append(msgspec.structs.replace(entry, room=dict(reversed(entry.room.items()))))
    assert rooms > 0
    assert verify(play.log).difference == verify(log).difference == ""


def test_progress_is_told_and_never_goes_back() -> None:
    play, told = played(3), []
    log = MemoryLog()
    for _ in range(600):
        log.append(records.Entry(play.now, ()))
    assert verify(log, told.append).difference == ""
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1
    assert len(told) == 6


def test_a_log_that_cannot_be_read_is_said() -> None:
    with pytest.raises(LogError, match="keeps nothing"):
        verify(MemoryLog(keep=False))


def test_a_log_without_its_front_is_verified_from_a_snapshot_on(tmp_path: Path) -> None:
    """From the oldest that it goes on from; without one nothing can be said."""
    log = EmbeddedLog.open(tmp_path / "data/log", disk=HastyDisk(), group_ms=0, file_bytes_max=300)
    with log:
        snapshots = Snapshots(tmp_path / "data/snapshots", disk=HastyDisk())
        found = recover(log, snapshots)
        snapshotter = Snapshotter(snapshots, found, log, FakeClock())
        found.machine.accept(START, (published(written(tmp_path / "workspace")),))
        for first in (0, 5, 10):
            live(found.machine, first)
            snapshotter.begin(found.machine)
            snapshotter.wait()
        live(found.machine, 15)
        digest, last = found.machine.state.digest(), log.last
        snapshots.prune()
        (_, older) = snapshots.numbers()
        since = snapshots.load(older).sequence
        log.trim(since + 1)
        assert log.first > 1
    verified = verify_folder(tmp_path)
    assert (verified.difference, verified.digest) == ("", digest)
    assert (verified.since, verified.entries) == (since, last - since)
    assert verified.ticks
    for path in (tmp_path / "data/snapshots").iterdir():
        path.unlink()
    with pytest.raises(LogError, match="no whole snapshot goes up to it: there is none"):
        verify_folder(tmp_path)
