"""A whole account of the first formats, kept for ever: log, snapshots and clock, with a campaign.

`python -m tests.sim.test_golden_account` writes the account where there is none. Its files are
never written anew: a new format gets an account of its own, and this one goes on to be opened.
In `expected.json` stands what it must come to: numbers and ledgers are facts of the account;
`digest` is made anew only when what the digest is made of changes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import blaster.log.files
from blaster.core import ledger_of
from blaster.engine import Machine
from blaster.engine.engineclock import EngineClock
from blaster.engine.recovery import recover
from blaster.log import EmbeddedLog, Snapshots, examine, survey
from blaster.model.ledger import StepLedger
from tests.engine.machines import ScriptedSystem
from tests.engine.support import workspace
from tests.log.support import HastyDisk
from tests.sim.durable import CAMPAIGN, FILES, LOG, SNAPSHOTS, World, sound

ACCOUNTS = Path(__file__).parents[1] / "golden" / "accounts"
SEED, TURNS = 8, 4
JOURNEYS = ("welcome", "bought", "birthday")
LATER_S = 90.0


def write(folder: Path) -> float:
    """Its snapshots lie before its end, and something is in flight; the time that it ends at."""
    blaster.log.files.LOG_PAYLOAD_INLINE_BYTES_MAX = 1_000
    space = workspace(folder.with_name("workspace"), FILES)
    world = World(folder, space, SEED, HastyDisk(), file_bytes=3_000)
    world.open()
    world.begin()
    assert world.thread is not None
    assert world.snapshotter is not None
    for part in range(3):
        world.play(TURNS)
        if part < 2:
            world.thread.run(lambda machine, now: world.snapshotter.begin(machine)).result()
            world.snapshotter.wait()
    world.close()
    shutil.rmtree(folder.with_name("workspace"))
    shutil.rmtree(folder.with_name(f"{folder.name}-post"))
    (folder / LOG / "lock").unlink()  # it would name this machine
    return world.system.true


def found(folder: Path, true: float) -> dict[str, Any]:
    """What there is in an account, opened some seconds later within the same boot."""
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
        recovered = recover(log, snapshots)
        assert recovered.manifest is not None
        state = recovered.machine.state
        system = ScriptedSystem(true)
        system.booted = ScriptedSystem().booted
        system.run(LATER_S)
        names = (CAMPAIGN, *JOURNEYS)
        sound(recovered.machine)
        return {
            "true": true,
            "now": EngineClock(system, state.now, folder).now(),
            "recorded": state.now,
            "entries": log.last,
            "files": len(log._chain.files),
            "payloads": len(list((folder / LOG).glob("*.payload"))),
            "snapshots": snapshots.numbers(),
            "whole": [seen.state for seen in survey(folder / SNAPSHOTS)],
            "sequence": recovered.manifest.sequence,
            "damage": recovered.said,
            "digest": state.digest(),
            "again": Machine.recover(log).state.digest(),
            "in_flight": state.orders.in_flight,
            "ledgers": {name: [_told(line) for line in ledger_of(state, name)] for name in names},
        }


def _told(line: StepLedger) -> dict[str, Any]:
    terms: dict[str, Any] = msgspec.to_builtins(line)
    return terms


def accounts() -> list[Path]:
    return sorted(path for path in ACCOUNTS.glob("*") if path.is_dir())


@pytest.mark.parametrize("kept", accounts(), ids=lambda path: path.name)
def test_a_kept_account_is_what_it_was(tmp_path: Path, kept: Path) -> None:
    folder = tmp_path / "account"
    shutil.copytree(kept / "data", folder / "data")
    assert examine(folder / LOG).said == ()
    expected = json.loads((kept / "expected.json").read_text(encoding="utf-8"))
    for _ in range(2):
        assert found(folder, expected["true"]) == expected


def test_the_first_one_says_something() -> None:
    expected = json.loads((ACCOUNTS / "1" / "expected.json").read_text(encoding="utf-8"))
    assert expected["files"] > 1
    assert expected["payloads"]
    assert len(expected["snapshots"]) == 2
    assert expected["sequence"] < expected["entries"]
    assert expected["damage"] == []
    assert expected["again"] == expected["digest"]
    assert expected["in_flight"]
    assert expected["now"] == expected["true"] + LATER_S
    (line,) = expected["ledgers"][CAMPAIGN]
    assert line["accepted"]
    assert all(lines[0]["audience"] for lines in expected["ledgers"].values())


def make() -> None:
    kept = ACCOUNTS / "1"
    if kept.exists():
        return
    true = write(kept)
    copy = kept.with_name("copy")
    shutil.copytree(kept, copy)
    text = json.dumps(found(copy, true), indent=1, ensure_ascii=False)
    shutil.rmtree(copy)
    (kept / "expected.json").write_text(f"{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    ACCOUNTS.mkdir(parents=True, exist_ok=True)
    make()
