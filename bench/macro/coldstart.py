"""Snapshots and cold starts: what a capture costs, how long it takes to write and to open again.

    python bench/macro/coldstart.py [CONTACTS ...]

One JSON line per size. The contacts have 24 columns (8 texts, of which 3 repeat), 40 lists and 10
facts of messages, and are written straight into the columns; the log is empty but for an entry.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster import _build
from blaster.clock import SystemClock
from blaster.core import Catalogue, Index, State
from blaster.core.inputs import grow_contacts
from blaster.engine.machine import Machine
from blaster.engine.recovery import Recovered, encode_operation, recover
from blaster.engine.snapshotting import Snapshotter
from blaster.log import EmbeddedLog, Snapshots
from blaster.model.definitions import Workspace
from blaster.model.fields import BATCH_ROWS, Field
from blaster.model.records import Published

SIZES = [int(word) for word in sys.argv[1:]] or [1_000_000]
TEXTS, CODES, LISTS, FACTS = 5, 3, 40, 10
KINDS = ("integer", "number", "date", "instant", "boolean")
FIELDS = (
    *(Field(f"text{n}") for n in range(TEXTS - 3)),
    *(Field(f"code{n}", repeats=True) for n in range(CODES)),
    *(Field(f"{kind}{n}", kind) for kind in KINDS for n in range(3)),
    Field("number3", "number"),
)
AT = 1_800_000_000


def texts(rows: np.ndarray[Any, Any], pattern: str) -> pa.Array:
    numbers = pa.array(rows).cast(pa.string())
    before, after = pattern.split("{}")
    return pc.binary_join_element_wise(pa.scalar(before), numbers, pa.scalar(after), "")


def values_of(field: Field, rows: np.ndarray[Any, Any]) -> Any:
    """A batch of a field: nine in ten have a value."""
    kind = field.type
    if kind == "boolean":
        return rows % 3 == 0
    if kind == "number":
        return rows * 0.25
    if kind == "date":
        return (rows % 20_000).astype(np.int32)
    return rows * 7


def fill(state: State, contacts: int) -> None:
    """So many contacts, batch by batch."""
    words = pa.array([f"word {n}" for n in range(500)])
    grow_contacts(state, contacts)
    for first in range(0, contacts, BATCH_ROWS):
        rows = np.arange(first, min(first + BATCH_ROWS, contacts), dtype=np.int64)
        emails, phones = texts(rows, "person{}@example.com"), texts(rows, "+97250{}")
        ids = texts(rows, "id-{}")
        for name, keys in (("id", ids), ("email", emails), ("phone", phones)):
            state.column(("field", name)).put_arrow(rows, keys, keep_null=False)
        state.directory.insert(rows, ids, emails, phones)
        for field in FIELDS:
            column = state.column(("field", field.name))
            if field.type == "text" and field.repeats:
                column.put_arrow(rows, words.take(pa.array(rows % 500)), keep_null=False)
            elif field.type == "text":
                column.put_arrow(rows, texts(rows, "some text of person {}"), keep_null=False)
            else:
                column.put(rows, values_of(field, rows), rows % 10 != 0)
        for number in range(LISTS):
            mine = rows[rows % (number + 2) == 0]
            state.column(("list", f"l{number}", "member")).put(mine, True)
            state.column(("list", f"l{number}", "joined")).put(mine, AT + number)
        for number in range(FACTS):
            fact = "sent" if number % 2 else "opened"
            state.column(("message", "email", f"m{number // 2}", fact)).put(rows, AT + number)


def measure(folder: Path, contacts: int) -> dict[str, Any]:
    with EmbeddedLog.open(folder / "log") as log:
        snapshots = Snapshots(folder / "snapshots")
        machine = Machine(log)
        machine.accept(AT, (Published(msgspec.json.encode(Workspace(fields=FIELDS))),))
        machine.tick(AT, {}, 1 << 30)
        fill(machine.state, contacts)
        snapshotter = Snapshotter(
            snapshots, Recovered(machine, Catalogue(encode_operation)), log, SystemClock()
        )
        snapshotter.begin(machine)
        snapshotter.wait()
        first = snapshotter.status
        assert first.number == 1, first.warning
        # A broadcast to everybody: two columns, and nothing else.
        rows = np.arange(contacts, dtype=np.int64)
        message = ("message", "email", "m0")
        machine.state.column((*message, "order")).put(rows, (rows + 1).astype(np.uint64))
        machine.state.column((*message, "sent")).put(rows, AT + 1)
        digest = machine.state.digest()
        snapshotter.begin(machine)
        snapshotter.wait()
        second = snapshotter.status
        assert second.number == 2, second.warning
        del machine, snapshotter
        began = time.perf_counter()
        recovered = recover(log, snapshots)
        opened = time.perf_counter() - began
        assert recovered.machine.state.digest() == digest
        state = recovered.machine.state
        began = time.perf_counter()
        for index in state.directory.indexes:
            Index(index.reader, 0, index.fold).build(contacts)
        indexes = time.perf_counter() - began
    return {
        "bench": "coldstart",
        "contacts": contacts,
        "columns": len(state.contacts.names),
        "snapshot_bytes": first.nbytes,
        "pause_ms": round(first.pause_s * 1000, 2),
        "write_s": round(first.seconds, 2),
        "write_bytes_per_s": round(first.written / first.seconds),
        "second_pause_ms": round(second.pause_s * 1000, 2),
        "second_written_bytes": second.written,
        "open_s": round(opened, 2),
        "contacts_per_s": round(contacts / opened),
        "indexes_one_by_one_s": round(indexes, 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "machine": platform.machine(),
    }


def main() -> None:
    if _build.KIND != "release":
        raise SystemExit("bench/ measures the release build only")
    for contacts in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), contacts)), flush=True)


if __name__ == "__main__":
    main()
