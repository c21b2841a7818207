"""Contacts at rest: what they take, beside the same data as a pyarrow table.

The table is what the columns give when they are exported (`string`, `dictionary<int32>`,
`timestamp[s]`, `date32`, `int64`, `bool`); the bound is 1.15 times the table, 1.6 times its texts,
and 24 bytes a contact for the indexes. `resident` is what the process grew by.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa

from bench.macro.common import resident_bytes, timed
from bench.macro.population import AT, FIELDS, fill
from blaster.engine.machine import Machine
from blaster.log import MemoryLog
from blaster.model.definitions import Workspace
from blaster.model.records import Published

OTHERS, TEXTS, INDEX_BYTES = 1.15, 1.6, 24
TARGETS = {"resident_to_bound": "1.0"}


def measure(options):
    """`rows` contacts of 24 columns, 40 lists and 10 facts of messages."""
    machine = Machine(MemoryLog())
    machine.accept(AT, (Published(msgspec.json.encode(Workspace(fields=FIELDS))),))
    machine.tick(AT, {}, 1 << 30)
    before = resident_bytes()
    fill_s, _, _ = timed(lambda: fill(machine.state, options.rows))
    resident = resident_bytes() - before
    state = machine.state
    texts = others = own_texts = own_others = 0
    for name in state.contacts.names:
        table, own, is_text = _sizes(state.contacts, name)
        if is_text:
            texts, own_texts = texts + table, own_texts + own
        else:
            others, own_others = others + table, own_others + own
    bound = OTHERS * others + TEXTS * texts + INDEX_BYTES * options.rows
    return {
        "columns": len(state.contacts.names),
        "fill_s": round(fill_s, 1),
        "resident_bytes": resident,
        "resident_per_contact": round(resident / options.rows, 1),
        "table_per_contact": round((texts + others) / options.rows, 1),
        "texts_to_table": round(own_texts / texts, 2),
        "others_to_table": round(own_others / others, 2),
        "index_bytes_per_contact": round(state.directory.nbytes / options.rows, 1),
        "bound_per_contact": round(bound / options.rows, 1),
        "resident_to_bound": round(resident / bound, 2),
    }


def _sizes(contacts, name):
    """Bytes of a column in a table, and here; and whether it is plain text."""
    table, is_text = 0, False
    for batch in range(contacts.batches):
        array = contacts.export(batch, [name]).column(0)
        if pa.types.is_dictionary(array.type):
            table += array.indices.nbytes + (array.dictionary.nbytes if batch == 0 else 0)
        else:
            is_text = pa.types.is_string(array.type)
            table += array.nbytes
    return table, contacts.column(name).nbytes, is_text
