"""A contact's past, for one who has 1,000 records among all the others with ten each.

A year of history is written and merged as the engine does it, in ten kinds of operations; behind it
is a log of as many entries as ever are in no history. What is measured is what `blaster explain`
does once the engine is open.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import Owners
from blaster.engine.past import Past
from blaster.engine.timeline import timeline
from blaster.limits import SNAPSHOT_LOG_ENTRIES
from blaster.log import History, Part, decode_entry, encode_entry
from blaster.model import records
from blaster.model.definitions import Workspace
from blaster.model.fields import BATCH_ROWS, Field
from blaster.model.records import Entry, Operation

AT = 1_767_225_600
MONTH_S = 30 * 86_400
MONTHS, EACH, MINE = 12, 10, 1_000
TARGETS = {"explain_s": "2"}
FIELDS = (Field("city"), Field("visits", "integer"))


class Tail:
    """A log of entries behind history, as frames."""

    def __init__(self, first: int, contacts: int) -> None:
        draw = np.random.default_rng(3)
        who = draw.integers(0, contacts, SNAPSHOT_LOG_ENTRIES)
        self._first = first
        self._frames = [
            encode_entry(Entry(AT + MONTHS * MONTH_S, (event(who[n : n + 1]),)))
            for n in range(SNAPSHOT_LOG_ENTRIES)
        ]

    def read(self, from_sequence: int = 1, about: int | None = None) -> Iterator[tuple[int, Entry]]:
        assert from_sequence == self._first
        for number, frame in enumerate(self._frames):
            yield self._first + number, decode_entry(frame, about)


def event(contacts: Any) -> records.Happened:
    count = len(contacts)
    columns = pa.record_batch({"total": pa.array(contacts % 977), "place": ["shop"] * count})
    return records.Happened("event", "purchase", contacts, columns)


def kinds_of(contacts: Any) -> Iterator[Operation]:
    """What happens to some contacts in a month, in turn."""
    count = len(contacts)
    none = np.zeros(count, np.uint64)
    fields = pa.record_batch({"city": ["Haifa"] * count, "visits": contacts % 50})
    while True:
        yield event(contacts)
        yield records.Noted("email", "offer", "opened", contacts, none, ())
        yield records.FieldsSet(contacts, fields)
        yield records.Joined("club", contacts, False, "shop")
        yield records.Consented(contacts, "email", (), True, {"ip": "192.0.2.1"})
        yield records.Received(contacts, ("hello",) * count)
        yield records.Wrote(contacts, fields.select(["visits"]))
        yield records.Listed("guests", "", contacts)


class Writer:
    """Puts operations into history, one entry each, as they come from the log."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._draft = history.begin()
        self._owners = Owners()
        self.sequence = 0
        self.records = 0

    def put(self, at: int, operation: Operation) -> None:
        before = self._owners.inputs
        contacts = self._owners.of(operation)
        number = self._owners.inputs if self._owners.inputs > before else 0
        self.sequence += 1
        self.records += len(contacts)
        self._draft.put(Part(self.sequence, 0, at, number, contacts, operation))
        if number:
            self.put(at, records.Took(number, 0))

    def publish(self) -> None:
        self._draft.publish(self.sequence, self._owners.inputs)
        self._draft = self._history.begin()


def write(history: History, contacts: int, subject: int) -> Writer:
    writer = Writer(history)
    writer.put(AT, records.Published(msgspec.json.encode(Workspace(fields=FIELDS))))
    for first in range(0, contacts, BATCH_ROWS):
        who = np.arange(first, min(first + BATCH_ROWS, contacts), dtype=np.int64)
        ids = pa.record_batch({"id": pa.array(who).cast(pa.string())})
        writer.put(AT, records.Upserted(who, np.ones(len(who), bool), ids, "import"))
    draw = np.random.default_rng(2)
    alone = np.array([subject], np.int64)
    for month in range(MONTHS):
        at, mine = AT + month * MONTH_S, kinds_of(alone)
        many = contacts * EACH // MONTHS // 2  # each input is also taken
        for first in range(0, many, BATCH_ROWS):
            some = np.sort(draw.choice(contacts, min(BATCH_ROWS, many - first), replace=False))
            operations = kinds_of(some.astype(np.int64))
            for _ in range(first // BATCH_ROWS % 8):
                next(operations)
            writer.put(at + first, next(operations))
        for turn in range(MINE // MONTHS // 2):
            writer.put(at + many + turn, next(mine))
        writer.publish()
    return writer


def measure(options: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        history = History(Path(name))
        subject = options.rows * 2 // 3
        began = time.perf_counter()
        writer = write(history, options.rows, subject)
        wrote = time.perf_counter()
        while history.merge():
            pass
        merged = time.perf_counter()
        past = Past(Tail(writer.sequence + 1, options.rows), history)  # type: ignore[arg-type]
        seconds, items = [], 0
        for _ in range(3):
            start = time.perf_counter()
            items = len(timeline(past.of(subject), subject))
            seconds.append(time.perf_counter() - start)
        with history.view() as view:
            start = time.perf_counter()
            told = len(view.operations(subject, subject))
            reading = time.perf_counter() - start
        return {
            "explain_s": round(sorted(seconds)[1], 3),
            "of_which_history_s": round(reading, 3),
            "first_s": round(seconds[0], 3),
            "operations": told,
            "lines": items,
            "tail_entries": SNAPSHOT_LOG_ENTRIES,
            "history_rows": writer.records,
            "history_bytes_per_row": round(history.nbytes / writer.records, 2),
            "files": len(history.files),
            "move_rows_per_s": round(writer.records / (wrote - began)),
            "merge_rows_per_s": round(writer.records / (merged - wrote)),
        }
