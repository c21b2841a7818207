"""An account of the first format of history, kept for ever: trimmed log, snapshots, Parquet files.

`python -m tests.sim.test_golden_history` writes the account where there is none: NAME.tar.xz, since
a snapshot of few contacts is mostly zeros, and what it must come to, NAME.json. Its files are never
written anew: a new format gets an account of its own, and this one goes on to be opened. `pasts`
are what is told of contacts from the beginning, line for line, and change only with the words of
`engine/timeline`; `digest` is made anew only when what the digest is made of changes.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blaster.clock import SystemClock
from blaster.engine import snapshotting
from blaster.engine.archiving import Archiver
from blaster.engine.past import Past
from blaster.engine.recovery import recover
from blaster.engine.timeline import timeline
from blaster.log import EmbeddedLog, Snapshots, examine, survey, survey_history
from tests.engine.support import workspace
from tests.log.support import HastyDisk
from tests.sim.durable import DAY, FILES, HISTORY, LOG, SNAPSHOTS, World

HISTORIES = Path(__file__).parents[1] / "golden" / "histories"
SEED, TURNS, PARTS = 3, 3, 3
MONTH_S = 31 * DAY
TOLD = (0, 3, 7, 9)
"""Contacts whose past is kept."""
BYTES_MAX = 150_000


def write(folder: Path) -> None:
    """Two months that are history, and what came after; files were merged."""
    space = workspace(folder.with_name("workspace"), FILES)
    snapshotting.SNAPSHOT_AGE_S = float("inf")  # only those that are made here
    world = World(folder, space, SEED, HastyDisk(), file_bytes=3_000, history=True)
    world.open()
    world.begin()
    for part in range(PARTS):
        if part:
            world.run(MONTH_S)
        world.play(TURNS)
        world.archive()
    world.play(1)
    world.close()
    assert world.archiver is not None
    assert world.archiver.status.warning == ""
    shutil.rmtree(folder.with_name("workspace"))
    shutil.rmtree(folder.with_name(f"{folder.name}-post"))
    (folder / LOG / "lock").unlink()  # it would name this machine


def found(folder: Path) -> dict[str, Any]:
    """What there is in an account, and what it tells of some contacts from the beginning."""
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
        recovered = recover(log, snapshots)
        assert recovered.manifest is not None
        archiver = Archiver(folder / HISTORY, snapshots, log, SystemClock(), HastyDisk())
        past = Past(log, archiver.history)
        files = archiver.history.files
        return {
            "first": log.first,
            "entries": log.last,
            "sequence": recovered.manifest.sequence,
            "damage": [*recovered.said, archiver.status.warning],
            "digest": recovered.machine.state.digest(),
            "contacts": recovered.machine.state.contacts.rows,
            "history": [archiver.history.sequence, archiver.history.inputs],
            "rows": {file.name: file.rows for file in files},
            "months": sorted({file.month for file in files}),
            "kinds": sorted({file.kind for file in files}),
            "pasts": {
                str(who): [msgspec.to_builtins(item) for item in timeline(past.of(who), who)]
                for who in TOLD
            },
        }


def histories() -> list[Path]:
    return sorted(HISTORIES.glob("*.tar.xz"))


def expected_of(kept: Path) -> Any:
    return json.loads(kept.with_name(kept.name.replace("tar.xz", "json")).read_text("utf-8"))


def unpack(kept: Path, folder: Path) -> Path:
    with tarfile.open(kept) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("kept", histories(), ids=lambda path: path.name)
def test_a_kept_history_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Path
) -> None:
    """Again and again; and it goes on: the rest of the log is moved, and says the same."""
    monkeypatch.setattr(snapshotting, "SNAPSHOT_AGE_S", float("inf"))
    folder = unpack(kept, tmp_path / "account")
    assert examine(folder / LOG).said == ()
    assert {seen.state for seen in survey(folder / SNAPSHOTS)} == {"whole"}
    seen = survey_history(folder / HISTORY)
    assert seen is not None
    assert seen.damaged == ()
    expected = expected_of(kept)
    for _ in range(2):
        assert json.loads(json.dumps(found(folder))) == expected
    on = World(folder, workspace(tmp_path / "w", FILES), SEED, HastyDisk(), history=True)
    on.open()
    on.archive()
    assert on.archiver is not None
    assert on.archiver.status.sequence >= expected["entries"]
    on.close()
    told = json.loads(json.dumps(found(folder)))["pasts"]
    assert all(told[who][: len(items)] == items for who, items in expected["pasts"].items())


def test_the_first_one_says_something() -> None:
    expected = expected_of(HISTORIES / "1.tar.xz")
    assert 1 < expected["first"] <= expected["sequence"] + 1
    assert expected["history"][0] < expected["entries"]
    assert expected["history"][1]
    assert len(expected["months"]) > 1
    assert len(expected["kinds"]) > 10
    assert expected["damage"] == [""]
    assert all(items[0]["kind"] == "created" for items in expected["pasts"].values())
    assert expected["pasts"]["0"][0]["sequence"] < expected["first"]
    assert sum(path.stat().st_size for path in HISTORIES.glob("1.*")) < BYTES_MAX


def make() -> None:
    kept = HISTORIES / "1.tar.xz"
    if kept.exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch) / "made")
        HISTORIES.mkdir(parents=True, exist_ok=True)
        with tarfile.open(kept, "w:xz") as packed:
            packed.add(Path(scratch) / "made" / "data", "data", filter=_nobodys)
        text = json.dumps(found(unpack(kept, Path(scratch) / "copy")), indent=1, ensure_ascii=False)
    kept.with_name("1.json").write_text(f"{text}\n", encoding="utf-8")


def _nobodys(file: tarfile.TarInfo) -> tarfile.TarInfo:
    file.uid = file.gid = 0
    file.uname = file.gname = ""
    return file


if __name__ == "__main__":
    make()
