"""`kill -9` while snapshots are written all the time: what opens is what the whole log gives."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from blaster.engine.machine import Machine
from blaster.engine.recovery import recover
from blaster.log import EmbeddedLog, Snapshots
from tests.crash.writers import LONG, SEED, SHORT, kill_again_and_again, newest_told

REPORTS_MAX = 12

WRITER = """
import os, sys
from pathlib import Path
from blaster.clock import SystemClock
from blaster.engine.recovery import recover
from blaster.engine.snapshotting import Snapshotter
from blaster.log import EmbeddedLog, Snapshots
from tests.engine.support import START, published, workspace
from tests.engine.test_recovery import live
folder = Path(sys.argv[1])
log = EmbeddedLog.open(folder / "log", group_ms=0, file_bytes_max=100_000)
found = recover(log, Snapshots(folder / "snapshots"))
machine = found.machine
snapshotter = Snapshotter(Snapshots(folder / "snapshots"), found, log, SystemClock())
if machine.state.plan is None:
    machine.accept(START, (published(workspace(folder / "workspace")),))
while True:
    live(machine, machine.state.contacts.rows)
    if snapshotter._thread is None or not snapshotter._thread.is_alive():
        snapshotter.begin(machine)
        os.write(1, b"%d\\n" % snapshotter.status.number)
"""


def kill(folder: Path, number: int, reports: int) -> int:
    """Kills after so many snapshots were begun; answers with the newest that is there."""
    published = newest_told(WRITER, folder, reports)
    snapshots = Snapshots(folder / "snapshots")
    with EmbeddedLog.open(folder / "log") as log:
        found = recover(log, snapshots)
        assert found.said == []
        newest = found.manifest.number if found.manifest is not None else 0
        assert newest >= published
        assert found.machine.state.digest() == Machine.recover(log).state.digest()
    snapshots.prune()
    assert len(snapshots.numbers()) <= 2
    return newest


def test_killed_while_snapshots_are_written(tmp_path: Path) -> None:
    kill_again_and_again(SEED, SHORT, REPORTS_MAX, partial(kill, tmp_path))


@pytest.mark.long
def test_killed_often(tmp_path: Path) -> None:
    for part in range(LONG // 10):
        kill_again_and_again(SEED + 1 + part, 10, REPORTS_MAX, partial(kill, tmp_path / str(part)))
