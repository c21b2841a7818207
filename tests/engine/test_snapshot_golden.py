"""A snapshot kept for ever: whatever an older release wrote, today's engine opens the same.

`python -m tests.engine.test_snapshot_golden` writes it where there is none. One that exists is
never rewritten: a changed format is a new one, with a new folder beside the old. A folder is named
by both formats, that of the files and that of the picture in them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from blaster.core import PICTURE_FORMAT, Catalogue, ledger_of
from blaster.engine.recovery import encode_operation, load
from blaster.log import Snapshots, survey
from blaster.log.manifest import FORMAT
from blaster.model import definitions as model
from blaster.model.ledger import StepLedger
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Happened, Steered
from tests.core.world import Play, journey, mail, on_event, rule, send, wait, workspace

GOLDEN = Path(__file__).parents[1] / "golden" / "snapshot"
NAME = f"v{FORMAT}.{PICTURE_FORMAT}"
HOLDS = {"v1.1": (18, 3), "v1.2": (20, 48)}
"""Up to which entry each goes, and how many contacts it has."""


def written() -> Play:
    """A little of everything; an order is in flight, and an input is half taken.

    Most contacts are there so that what few others have is few.
    """
    spring = model.Campaign("spring", rule("visits >= 2"), "email", "ad", rate=model.Rate(1, 60))
    play = Play(
        workspace(
            journey(
                "pay", on_event("x", key="order"), wait("w", "bill", span=(60, 0, 0)), send("bill")
            ),
            messages=[mail("ad")],
            campaigns=(spring,),
        )
    )
    notes = ["a note longer than twelve bytes", "short", None]
    cities = ["Haifa", "Eilat", None]
    play.create(3, city=cities, note=notes, tags=["a,b", None, "b"], visits=[1, 2, 3])
    play.create(45)
    play.event("x", 0, 1, order="7", size=3)
    play.join("club", 1)
    play.hold = True
    play.do(Steered("spring", "start", ""))
    play.outcome([1], OutcomeCode.FAILED, "550 no")
    play.do(Steered("spring", "retry", "again"))
    play.after(60)
    columns = pa.RecordBatch.from_pydict({"order": ["8", "9"]})
    play.accept(Happened("event", "x", np.array([2, 2], np.int64), columns))
    play.machine.tick(play.now, {}, 1)
    return play


@pytest.mark.parametrize("version", sorted(path.name for path in GOLDEN.iterdir()))
def test_the_snapshot_still_means_what_it_meant(version: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / version, tmp_path / version)
    snapshots = Snapshots(tmp_path / version)
    assert [seen.state for seen in survey(snapshots.folder)] == ["whole"]
    manifest = snapshots.load(1)
    state, _ = load(snapshots, manifest)
    state.rebuild_caches()
    rows = np.arange(3, dtype=np.int64)

    def fact(*key: str) -> Any:
        found = state.column(key).take(rows)
        return found if isinstance(found, list) else found.tolist()

    words = state.column(("field", "city")).dictionary
    assert words is not None
    assert (manifest.sequence, state.contacts.rows) == HOLDS[version]
    assert [words.values[code] if code >= 0 else None for code in fact("field", "city")] == [
        "Haifa", "Eilat", None,
    ]  # fmt: skip
    assert fact("field", "note") == ["a note longer than twelve bytes", "short", None]
    assert fact("field", "tags") == [["a", "b"], None, ["b"]]
    assert fact("field", "visits") == [1, 2, 3]
    assert fact("list", "club", "member") == [False, True, False]
    assert state.directory.indexes[1].find(["C1@example.com"]).tolist() == [1]
    assert ledger_of(state, "spring") == [
        StepLedger(
            "spring", "send", "email", "ad",
            audience=2, waiting=0, in_flight=1, accepted=0, failed=0,
            suppressed={"suppressed_bounce": 1}, expired=0, unknown=0,
        )
    ]  # fmt: skip
    assert len(state.campaigns["spring"].retried) == 1
    assert state.orders.numbers().tolist() == [2, 3]
    assert [version.version for version in state.versions] == ["pay@1"]
    assert (state.versions[0].running, state.happened_rows(("event", "x"))) == (2, 3)
    assert state.counts["contacts",] == state.contacts.rows
    assert [len(queued.rounds) for queued in state.inbox] == [1]


def write(folder: Path) -> None:
    play = written()
    snapshots = Snapshots(folder)
    capture = Catalogue(encode_operation).capture(play.state)
    draft = snapshots.begin()
    for kind, content, settle in capture.pieces():
        settle(draft.put(kind, content))
    table = draft.seal(capture.table())
    draft.publish(play.log.last, 1_800_000_000.0, table, capture.root())
    capture.commit(table)


if __name__ == "__main__":
    if not (GOLDEN / NAME).exists():
        write(GOLDEN / NAME)
        print(NAME)
