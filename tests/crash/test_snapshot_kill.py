"""`kill -9` while snapshots are written all the time: what opens is what the whole log gives."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blaster.engine.machine import Machine
from blaster.engine.recovery import recover
from blaster.log import EmbeddedLog, Snapshots
from tests.cli.support import SOURCES

SEED = int(os.environ.get("BLASTER_CRASH_SEED", "20260301"))
SHORT, LONG = 2, 60
ROOT = Path(__file__).parents[2]

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


def kill_one(folder: Path, reports: int) -> int:
    """Kills after so many snapshots were begun; answers with the newest that is there."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{SOURCES}{os.pathsep}{ROOT}"},
    )
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(reports)]
    child.send_signal(signal.SIGKILL)
    told += child.stdout.read().splitlines(keepends=True)
    child.wait(60)
    child.stdout.close()
    published = max(int(line) for line in told if line.endswith(b"\n"))
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


def kills(folder: Path, seed: int, count: int) -> None:
    """One account, killed so often; it goes on from where it was each time."""
    dice = random.Random(seed)
    newest = 0
    for number in range(count):
        reports = dice.randint(1, 12)
        print(f"seed {seed}, kill {number}: after {reports}")
        before, newest = newest, kill_one(folder, reports)
        assert newest >= before


def test_killed_while_snapshots_are_written(tmp_path: Path) -> None:
    kills(tmp_path, SEED, SHORT)


@pytest.mark.long
def test_killed_often(tmp_path: Path) -> None:
    for part in range(LONG // 10):
        kills(tmp_path / str(part), SEED + 1 + part, 10)
