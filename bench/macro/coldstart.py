"""Snapshots and cold starts: what a capture costs, how long it takes to write and to open again.

The contacts are those of `population`; the log is empty but for an entry.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
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
from blaster.model.fields import BATCH_ROWS
from blaster.model.records import Published

BLOCK_BYTES = 8 * BATCH_ROWS
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
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        recovered = recover(log, snapshots)
        opened, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        assert recovered.machine.state.digest() == digest
        state = recovered.machine.state
        began = time.perf_counter()
        for index in state.directory.indexes:
            Index(index.reader, 0, index.fold).build(contacts)
        indexes = time.perf_counter() - began
        fresh = _fresh_memory_s(first.nbytes)
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
        "open_user_s": round(used.ru_utime - before.ru_utime, 2),
        "open_system_s": round(used.ru_stime - before.ru_stime, 2),
        "open_page_faults": used.ru_minflt - before.ru_minflt,
        "fresh_memory_s": round(fresh, 2),
        "open_to_fresh_memory": round(opened / fresh, 2),
        "indexes_one_by_one_s": round(indexes, 2),
    }


def _fresh_memory_s(nbytes):
    """The peer: the system gives as much memory as the snapshot fills, to as many threads.

    Nothing is read, and nothing is worked out.
    """
    threads = len(os.sched_getaffinity(0))
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        kept = list(pool.map(_touched, [nbytes // threads // BLOCK_BYTES] * threads))
    seconds = time.perf_counter() - began
    del kept
    return seconds


def _touched(blocks):
    """So many blocks of memory, of the size of a column's batch of 8-byte values."""
    return [np.full(BLOCK_BYTES, 1, np.uint8) for _ in range(blocks)]
