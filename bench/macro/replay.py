"""Replaying a log of single events: an entry for each, of one contact, with one attribute.

As an engine that got its events one by one would have written them; the time is that of reading,
checking, decoding and applying, from a cold process but a warm disk. `rows` are events.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from bench.macro.common import folder_bytes, timed
from blaster.core import State
from blaster.engine.machine import Machine
from blaster.log import EmbeddedLog
from blaster.model import definitions as model
from blaster.model import records

AT = 1_800_000_000
CONTACTS = 100_000
TARGETS = {"records_per_s": "300,000"}


def measure(options):
    """`rows` events of a hundred thousand contacts."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        with EmbeddedLog.open(folder) as log:
            machine = Machine(log)
            write(machine, options.rows)
            digest = machine.state.digest()
            del machine
        with EmbeddedLog.open(folder) as log:
            seconds, cpu_s, state = timed(lambda: Machine.recover(log).state)
            assert isinstance(state, State)
            assert state.digest() == digest
        log_bytes = folder_bytes(Path(folder))
    return {
        "replay_s": round(seconds, 2),
        "records_per_s": round(options.rows / seconds),
        "cpu_us_per_record": round(cpu_s / options.rows * 1e6, 2),
        "log_bytes_per_record": round(log_bytes / options.rows),
    }


def write(machine, events):
    """Each event is accepted, and taken by a tick of its own."""
    machine.accept(AT, (records.Published(msgspec.json.encode(model.Workspace())),))
    everybody = np.arange(CONTACTS, dtype=np.int64)
    ids = pa.RecordBatch.from_arrays([pa.array([f"c{n}" for n in everybody])], names=["id"])
    machine.accept(AT, (records.Upserted(everybody, np.ones(CONTACTS, bool), ids, "bench"),))
    machine.tick(AT, {}, 1 << 30)
    dice = np.random.default_rng(1)
    columns = pa.RecordBatch.from_arrays([pa.array([5])], names=["amount"])
    for number, contact in enumerate(dice.integers(0, CONTACTS, events).tolist()):
        now = AT + number // 1000
        row = np.array([contact], np.int64)
        machine.accept(now, (records.Happened("event", "seen", row, columns),), 60.0)
        machine.tick(now, {}, 1 << 30)
