"""Snapshots and cold starts: what a capture costs, how long it takes to write and to open again.

The contacts are those of `population`; the log is empty but for an entry.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from bench.macro.population import AT, FIELDS, fill
from blaster.clock import SystemClock
from blaster.core import Catalogue, Index
from blaster.engine.machine import Machine
from blaster.engine.recovery import Recovered, encode_operation, recover
from blaster.engine.snapshotting import Snapshotter
from blaster.log import EmbeddedLog, Snapshots
from blaster.model.definitions import Workspace
from blaster.model.records import Published

TARGETS = {"contacts_per_s": "2,000,000 (aim 4,000,000)", "pause_ms": "10"}


def measure(options):
    """A snapshot of everything, one after a broadcast, and opening from it."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return _measure(Path(folder), options.rows)


def _measure(folder, contacts):
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
    }
