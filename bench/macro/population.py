"""Contacts of 24 columns (8 texts, of which 3 repeat), 40 lists, 10 facts.

`fill` writes them straight into the columns of a state, batch by batch; no log sees them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.inputs import grow_contacts
from blaster.model.fields import BATCH_ROWS, Field

TEXTS, CODES, LISTS, FACTS = 5, 3, 40, 10
KINDS = ("integer", "number", "date", "instant", "boolean")
FIELDS = (
    *(Field(f"text{n}") for n in range(TEXTS - 3)),
    *(Field(f"code{n}", repeats=True) for n in range(CODES)),
    *(Field(f"{kind}{n}", kind) for kind in KINDS for n in range(3)),
    Field("number3", "number"),
)
AT = 1_800_000_000


def texts(rows, pattern):
    """A text a row: the pattern with the row's number in it."""
    numbers = pa.array(rows).cast(pa.string())
    before, after = pattern.split("{}")
    return pc.binary_join_element_wise(pa.scalar(before), numbers, pa.scalar(after), "")


def values_of(field, rows):
    """A batch of a field: nine in ten have a value."""
    kind = field.type
    if kind == "boolean":
        return rows % 3 == 0
    if kind == "number":
        return rows * 0.25
    if kind == "date":
        return (rows % 20_000).astype(np.int32)
    return rows * 7


def fill(state, contacts):
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
