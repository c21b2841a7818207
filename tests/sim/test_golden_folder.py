"""A data folder of the first format, kept for ever: whatever opens it finds the same account in it.

`python -m tests.sim.test_golden_folder` writes the folder where there is none. Its log files are
never written anew: a new format gets a folder of its own beside it, and this one goes on to be
opened. In `expected.json` stands what it must come to: entries, counts and positions are facts of
the account; `digest` is made anew only when what the digest is made of changes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from blaster.core import ledger_of
from blaster.engine import Machine, verify
from blaster.log import EmbeddedLog
from blaster.log.layout import FORMAT, FORMAT_NAME
from tests.core.world import positions
from tests.log.support import HastyDisk
from tests.sim.worlds import by_instant, make_history, play_instant, start_engine

FOLDER = Path(__file__).parents[1] / "golden" / "folders"
SEED, CONTACTS = 11, 4
FILE_BYTES = 4_000
PAYLOAD_BYTES = 2_000
"""Larger frames are in the payload file, so that a small folder has some."""


class Fixed:
    """No time passes while the folder is made."""

    def now(self) -> float:
        return 1_772_000_000.0

    def monotonic(self) -> float:
        return 0.0


def write(folder: Path) -> None:
    """Half of a history; what it sends towards the end stays in flight."""
    log = EmbeddedLog.open(
        folder, clock=Fixed(), disk=HastyDisk(), file_bytes_max=FILE_BYTES, free_bytes_min=0
    )
    with log:
        play = start_engine(SEED, CONTACTS, log=log)
        groups = by_instant(make_history(SEED, CONTACTS))
        for number, (at, deeds) in enumerate(groups):
            play.hold = number > len(groups) // 2
            play_instant(play, at, deeds)
    (folder / "lock").unlink()  # it would name this machine


def found(folder: Path) -> dict[str, Any]:
    """What there is in a folder."""
    with EmbeddedLog.open(folder, disk=HastyDisk(), free_bytes_min=0) as log:
        state = Machine.recover(log).state
        checked = verify(log)
        journeys = sorted({version.plan.name for version in state.versions})
        return {
            "entries": log.last,
            "digest": state.digest(),
            "again": checked.digest,
            "verified": checked.difference,
            "files": len(log._chain.files),
            "payloads": len(list(folder.glob("*.payload"))),
            "in_flight": state.orders.in_flight,
            "counts": {" | ".join(map(str, k)): n for k, n in sorted(state.counts.items()) if n},
            "positions": [list(each) for each in positions(state)],
            "balanced": all(line.balanced for name in journeys for line in ledger_of(state, name)),
        }


def folders() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*") if path.is_dir())


@pytest.mark.parametrize("kept", folders(), ids=lambda path: path.name)
def test_a_kept_folder_is_what_it_was(tmp_path: Path, kept: Path) -> None:
    folder = tmp_path / "log"
    shutil.copytree(kept / "log", folder)
    expected = json.loads((kept / "expected.json").read_text(encoding="utf-8"))
    assert found(folder) == expected
    assert (folder / FORMAT_NAME).read_text().startswith(f"blaster {FORMAT} ")
    assert found(folder) == expected


def test_the_kept_folder_says_something() -> None:
    expected = json.loads((FOLDER / f"{FORMAT}" / "expected.json").read_text(encoding="utf-8"))
    assert expected["files"] > 1
    assert expected["payloads"]
    assert expected["in_flight"]
    assert expected["verified"] == ""
    assert expected["again"] == expected["digest"]


def make() -> None:
    kept = FOLDER / f"{FORMAT}"
    if kept.exists():
        return
    write(kept / "log")
    copy = kept / "copy"
    shutil.copytree(kept / "log", copy)
    text = json.dumps(found(copy), indent=1, ensure_ascii=False)
    shutil.rmtree(copy)
    (kept / "expected.json").write_text(f"{text}\n", encoding="utf-8")
    print(kept)


if __name__ == "__main__":
    import blaster.log.files

    blaster.log.files.LOG_PAYLOAD_INLINE_BYTES_MAX = PAYLOAD_BYTES
    FOLDER.mkdir(parents=True, exist_ok=True)
    make()
