"""A broadcast to everybody: what it adds to the log and to memory, and how long it is replayed.

One campaign to all contacts, by the engine's own machine and log on disk. Orders are made in
slices, and each slice is answered as a whole, one in a hundred refused with a reply of its own
(`--refused` is another share); the time of workers and of the wire is no part of it. Then all of
the log is read again by another machine, which must come to the same state. `--slice` is how many
orders a slice has.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from bench.macro.common import resident_bytes, timed
from bench.macro.population import texts
from blaster.core import Replay, State
from blaster.engine.machine import Machine
from blaster.log import EmbeddedLog
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS
from blaster.model.outcomes import OutcomeCode

AT = 1_800_000_000
EVERYBODY = 1 << 40
SLICE = 4_096
SLICES_A_SECOND = 20
REFUSED = 0.01
TARGETS = {
    "log_bytes_per_contact": "50",
    "replay_us_per_contact": "3",
    "memory_bytes_per_contact": "30",
}


def workspace():
    """Two messages by mail, and a campaign to everybody of each."""
    return model.Workspace(
        messages=tuple(
            model.Message(name, "email", "operational", "text") for name in ("before", "news")
        ),
        campaigns=tuple(
            model.Campaign(name, model.RuleText("email != ''"), "email", name)
            for name in ("before", "news")
        ),
    )


def people(machine, rows):
    """So many contacts with an address, through the log."""
    for first in range(0, rows, BATCH_ROWS):
        numbers = np.arange(first, min(first + BATCH_ROWS, rows), dtype=np.int64)
        columns = pa.RecordBatch.from_arrays(
            [texts(numbers, "person{}@example.com")], names=["email"]
        )
        created = np.ones(len(numbers), bool)
        machine.accept(AT, (records.Upserted(numbers, created, columns, "bench"),), 60.0)
        machine.tick(AT, {"email": 0}, EVERYBODY)


def answers(dice, numbers, refused):
    """What a transport says of these orders, in any order: one in a hundred is refused."""
    numbers = dice.permutation(numbers)
    codes = np.full(len(numbers), OutcomeCode.ACCEPTED, np.uint8)
    reasons = [""] * len(numbers)
    for place in np.flatnonzero(dice.random(len(numbers)) < refused).tolist():
        codes[place] = OutcomeCode.FAILED
        reasons[place] = f"452 4.2.2 <person{numbers[place]}@example.com> mailbox full"
    return records.Outcomes(numbers, codes, tuple(reasons))


def send_to_all(machine, campaign, at, size, refused):
    """The campaign from its start to its end; answers how many entries that took."""
    first = machine.log.last
    machine.accept(at, (records.Steered(campaign, "start", ""),), 60.0)
    machine.tick(at, {"email": 0}, EVERYBODY)
    dice = np.random.default_rng(1)
    for number in range(1 << 40):
        now = at + number // SLICES_A_SECOND
        _, entry, _ = machine.tick(now, {"email": size}, EVERYBODY)
        orders = [each.numbers for each in entry.operations if isinstance(each, records.Ordered)]
        if not orders:
            break
        numbers = np.concatenate(orders)
        machine.accept(now, (answers(dice, numbers, refused),), 60.0)
    found = machine.state.campaigns[campaign]
    assert found.waiting == 0
    return machine.log.last - first


def measure(options):
    """`rows` contacts that had another broadcast before, which is the standing state."""
    rows, size = options.rows, options.slice or SLICE
    refused = REFUSED if options.refused is None else options.refused
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "log"
        with EmbeddedLog.open(path) as log:
            machine = Machine(log)
            machine.accept(AT, (records.Published(msgspec.json.encode(workspace())),))
            machine.tick(AT, {}, EVERYBODY)
            people(machine, rows)
            send_to_all(machine, "before", AT, max(size, 20_000), REFUSED)
            _wait(log)
            standing, bytes_before = resident_bytes(), log.appended
            columns_before = _columns(machine.state)
            send_s, send_cpu_s, entries = timed(
                partial(send_to_all, machine, "news", AT + 90_000, size, refused)
            )
            _wait(log)
            added, log_bytes = resident_bytes() - standing, log.appended - bytes_before
            digest, first = machine.state.digest(), log.last - entries + 1
            columns = _columns(machine.state) - columns_before
            del machine
        with EmbeddedLog.open(path) as log:
            state = State()
            entries_read = log.read()
            _replay(state, islice(entries_read, first - 1))
            replay_s, _, _ = timed(lambda: _replay(state, entries_read))
            assert state.digest() == digest
    return {
        "slice": size,
        "refused": refused,
        "entries": entries,
        "log_bytes": log_bytes,
        "log_bytes_per_contact": round(log_bytes / rows, 2),
        "send_s": round(send_s, 2),
        "send_us_per_contact": round(send_cpu_s / rows * 1e6, 2),
        "replay_s": round(replay_s, 2),
        "replay_us_per_contact": round(replay_s / rows * 1e6, 2),
        "memory_bytes_per_contact": round(added / rows, 1),
        "columns_bytes_per_contact": round(columns / rows, 1),
    }


def _replay(state, entries):
    replay = Replay(state)
    for _, entry in entries:
        replay.apply(entry)
    replay.finish()


def _columns(state):
    """Memory of contacts and sendings, without what the allocator adds."""
    return state.contacts.nbytes + state.sendings.table.nbytes


def _wait(log):
    while log.durable < log.last:
        time.sleep(0.01)
