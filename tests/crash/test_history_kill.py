"""`kill -9` while the log becomes history all the time: nothing twice, nothing lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from blaster.clock import SystemClock
from blaster.core import State
from blaster.engine.archiving import Archiver
from blaster.engine.past import Past
from blaster.engine.recovery import recover
from blaster.engine.timeline import timeline
from blaster.log import EmbeddedLog, Snapshots
from blaster.model import records
from blaster.model.records import Array
from tests.crash.writers import LONG, SEED, SHORT, kill_again_and_again, newest_told

REPORTS_MAX = 40
ROUND = 5
"""Contacts that `live` makes at once."""
KINDS = frozenset({records.Upserted.KIND, records.Joined.KIND, records.Ordered.KIND})

WRITER = """
import os, sys
from pathlib import Path
from blaster.clock import SystemClock
from blaster.engine.archiving import Archiver
from blaster.engine.recovery import recover
from blaster.engine.snapshotting import Snapshotter
from blaster.log import EmbeddedLog, Snapshots
from tests.engine.support import START, drain, published, workspace
from tests.engine.test_recovery import live
folder = Path(sys.argv[1])
log = EmbeddedLog.open(folder / "log", group_ms=0, file_bytes_max=4_000)
snapshots = Snapshots(folder / "snapshots")
found = recover(log, snapshots)
machine = found.machine
archiver = Archiver(folder / "history", snapshots, log, SystemClock())
snapshotter = Snapshotter(snapshots, found, log, SystemClock(), archiver.needed)
if machine.state.plan is None:
    machine.accept(START, (published(workspace(folder / "workspace")),))
drain(machine)  # what no tick had taken when the one before was killed
while True:
    live(machine, machine.state.contacts.rows)
    if snapshotter._thread is None or not snapshotter._thread.is_alive():
        snapshotter.begin(machine)
    archiver.look(snapshotter.status.sequence)
    assert archiver.status.warning == "", archiver.status.warning
    os.write(1, b"%d\\n" % archiver.status.sequence)
"""


def kill(folder: Path, number: int, reports: int) -> int:
    """Kills after so many rounds, after so many kills; answers with where history ends."""
    reached = newest_told(WRITER, folder, reports)
    with EmbeddedLog.open(folder / "log") as log:
        snapshots = Snapshots(folder / "snapshots")
        machine = recover(log, snapshots).machine
        archiver = Archiver(folder / "history", snapshots, log, SystemClock())
        assert archiver.status.warning == ""
        assert archiver.status.sequence >= reached
        look(Past(log, archiver.history), accepted(machine.state), number + 1)
    return archiver.status.sequence


def accepted(state: State) -> int:
    """How many contacts there are, with those of an input that no tick has taken yet."""
    ends = [
        int(queued.operation.contacts.max()) + 1
        for queued in state.inbox
        if isinstance(queued.operation, records.Upserted)
    ]
    return max([state.contacts.rows, *ends])


def look(past: Past, contacts: int, cuts: int) -> None:
    """Everybody was made once and joined at most once; each order was made once.

    A round that one of so many kills cut off is five contacts, of whom none joined.
    """
    found: dict[int, list[Array]] = {kind: [] for kind in KINDS}
    for _, told in past.slices(KINDS, None):
        for _, _, _, _, operation in told:
            match operation:
                case records.Upserted() | records.Joined():
                    found[operation.KIND].append(operation.contacts)
                case records.Ordered():
                    found[operation.KIND].append(operation.numbers)
    made, joined, ordered = (
        np.sort(np.concatenate([np.zeros(0, np.int64), *found[make.KIND]]))
        for make in (records.Upserted, records.Joined, records.Ordered)
    )
    assert made.tolist() == list(range(contacts))
    assert len(np.unique(joined)) == len(joined)
    left = np.setdiff1d(made, joined)
    assert len(left) <= ROUND * cuts
    assert (left.reshape(-1, ROUND) % ROUND == np.arange(ROUND)).all()
    assert ordered.tolist() == list(range(1, len(ordered) + 1))
    assert len(joined) - len(ordered) in (0, ROUND)  # the last round may wait for its tick
    for contact in joined[: -ROUND : max(1, len(joined) // 5)].tolist():
        kinds = [item.kind for item in timeline(past.of(contact), contact)]
        assert kinds == ["created", "list", "entered", "step", "ordered"], contact


def test_killed_while_the_log_becomes_history(tmp_path: Path) -> None:
    kill_again_and_again(SEED, SHORT, REPORTS_MAX, partial(kill, tmp_path))


@pytest.mark.long
def test_killed_often(tmp_path: Path) -> None:
    for part in range(LONG // 10):
        kill_again_and_again(SEED + 1 + part, 10, REPORTS_MAX, partial(kill, tmp_path / str(part)))
