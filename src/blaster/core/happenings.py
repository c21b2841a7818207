"""What happened to anybody, by name, and every sending that left: happenings in order.

A table each, appended when the input is taken, so that it is a fold of the log. A row knows the row
of its contact's happening before it (`before`), and a column of the contacts the newest one, so
that a contact's happenings are a walk. Rows count up for ever: where a table ended when a run was
entered says exactly what came after (`floors`), also within one second. Links and contacts are row
numbers in the four bytes of a TIME column.
Memory: 12 bytes a happening and its attributes; 20 bytes a sending, of a broadcast 16, and 4 for
each way in which anybody near it engaged; 4 bytes a contact for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.attributes import Attributes
from blaster.core.chains import find_linked, walk
from blaster.core.codes import Hasher
from blaster.core.column import Column
from blaster.core.plan import Outgoing
from blaster.core.rows import is_ascending
from blaster.core.table import Table
from blaster.model.fields import BATCH_ROWS, Field, Kind
from blaster.rules import Dictionary, EventLists, Vector
from blaster.rules.facts import Item

Array = np.ndarray[Any, Any]

SPACES = ("event", "form", "page", "file")
ENGAGED = ("opened", "clicked", "replied")


class Happenings:
    """One event, form, page or file.

    `wanted` are attributes as the next definitions declare them: `filling` has their columns until
    those are in force, see `core.filling`.
    """

    def __init__(self) -> None:
        self.table = Table()
        for name in ("contact", "at", "before"):
            self.table.add(name, Kind.TIME)
        self.attributes = Attributes(self.table)
        self.filling = Attributes(self.table, "filling")
        self.wanted: dict[str, Field] = {}

    def adopt(
        self,
        table: Table,
        fields: dict[str, Field | None],
        filling: dict[str, Field | None],
        wanted: dict[str, Field],
    ) -> None:
        """These are the happenings, as they were; `fields` says how their attributes are read."""
        self.table = table
        self.attributes, self.filling = Attributes(table), Attributes(table, "filling")
        self.attributes.fields.update(fields)
        self.filling.fields.update(filling)
        self.wanted = dict(wanted)

    @property
    def rows(self) -> int:
        return self.table.rows

    def append(
        self,
        newest: Column,
        contacts: Array,
        at: int | Array,
        columns: pa.RecordBatch,
        declared: Mapping[str, Field],
    ) -> None:
        """It happened to these contacts, in this order; `columns` are the attributes.

        `at` is one for all, or of each (uint32[]).
        """
        if not len(contacts):
            return
        rows = _link(self.table, newest, contacts)
        self.table.column("contact").put(rows, contacts.astype(np.uint32))
        self.table.column("at").put(rows, at)
        self.attributes.append(rows, columns, declared)
        if self.wanted:
            self.fill(rows, columns)

    def fill(self, rows: Array, columns: pa.RecordBatch) -> None:
        """What came with these rows, of the attributes that are wanted."""
        names = [name for name in columns.schema.names if name in self.wanted]
        self.filling.append(rows, columns.select(names), self.wanted)

    def lists(self, heads: Array, floors: Array | None) -> tuple[Array, Array]:
        """Where each list begins and ends, and the rows of all of them."""
        return walk(self.table.column("before"), heads, floors)

    def gather(self, offsets: Array, rows: Array, items: tuple[Item, ...]) -> EventLists:
        """The lists as rules read them."""
        at = self.table.column("at").gather(rows)
        return EventLists(offsets, at, tuple(self.attributes.take(rows, item) for item in items))

    def digest_into(self, hasher: Hasher) -> None:
        hasher.update(self.table.rows.to_bytes(8, "little"))
        self.table.digest_into(hasher)
        self.attributes.digest_into(hasher)
        if self.wanted:
            hasher.update(repr(sorted(self.wanted.items())).encode())
            self.filling.digest_into(hasher)


class Sendings:
    """Every sending that was accepted, with what its recipient did with it.

    `message` is a code of channel, name, category and topic as they were when it left.
    """

    def __init__(self) -> None:
        self.table = Table()
        self.messages = Dictionary()
        self.words = {name: Dictionary() for name in ("channel", "name", "category", "topic")}
        self.codes: dict[str, list[int]] = {name: [] for name in self.words}
        self.table.add("message", Kind.CODE, dictionary=self.messages)
        self.table.add("order", Kind.ID)
        for name in ("at", "before", *ENGAGED):
            self.table.add(name, Kind.TIME)

    def adopt(
        self, table: Table, words: Mapping[str, list[str]], codes: Mapping[str, list[int]]
    ) -> None:
        """These are the sendings, as they were; `words` and `codes` say what a message was."""
        messages = table.column("message").dictionary
        assert messages is not None
        self.table, self.messages = table, messages
        self.words = {name: Dictionary(words[name]) for name in self.words}
        self.codes = {name: list(codes[name]) for name in self.codes}

    @property
    def rows(self) -> int:
        return self.table.rows

    def append(
        self, newest: Column, contacts: Array, orders: Array, at: int, outgoing: Outgoing
    ) -> None:
        """These orders, each of another contact, were accepted."""
        if not len(contacts):
            return
        rows = _link(self.table, newest, contacts)
        self.table.column("at").put(rows, at)
        self.table.column("order").put(rows, orders)
        code, messages = self._code(outgoing), self.table.column("message")
        messages.put(rows, np.full(len(rows), code, np.int32))
        # Of a broadcast whole batches are alike.
        for batch in range(int(rows[0]) // BATCH_ROWS, self.table.rows // BATCH_ROWS):
            messages.share(batch)

    def _code(self, outgoing: Outgoing) -> int:
        parts = (outgoing.channel, outgoing.name, outgoing.category, outgoing.topic)
        code = self.messages.add("\x1f".join(part for part in parts if part is not None))
        if code == len(self.codes["name"]):
            for (name, words), part in zip(self.words.items(), parts, strict=True):
                self.codes[name].append(-1 if part is None else words.add(part))
        return code

    def note(self, heads: Array, orders: Array, facts: tuple[str, ...], at: int) -> None:
        """What the recipients of these orders did, for the first time."""
        rows = find_linked(self.table.column("before"), self.table.column("order"), heads, orders)
        rows = rows[rows >= 0]
        for fact in facts:
            if fact in ENGAGED:
                column = self.table.column(fact)
                column.put(rows[~column.take_valid(rows)], at)

    def lists(self, heads: Array, floors: Array | None) -> tuple[Array, Array]:
        """Where each list begins and ends, and the rows of all of them."""
        return walk(self.table.column("before"), heads, floors)

    def gather(self, offsets: Array, rows: Array, items: tuple[Item, ...]) -> EventLists:
        """The lists as rules read them."""
        at = self.table.column("at").gather(rows)
        return EventLists(offsets, at, tuple(self._item(rows, item) for item in items))

    def _item(self, rows: Array, item: Item) -> Vector:
        if item.name in ENGAGED:
            return self.table.column(item.name).gather(rows)
        if item.name not in self.words:
            return Vector.missing(item.kind, len(rows))
        of_message = np.array([*self.codes[item.name], -1], np.int32)
        column = Column(Kind.CODE, dictionary=self.words[item.name])
        column.grow(len(rows))
        places = np.arange(len(rows), dtype=np.int64)
        column.put(places, of_message[self.table.column("message").take(rows)])
        return column.gather(places)

    def digest_into(self, hasher: Hasher) -> None:
        hasher.update(self.table.rows.to_bytes(8, "little"))
        self.table.digest_into(hasher)


def _link(table: Table, newest: Column, contacts: Array) -> Array:
    """New rows at the end of a table, each behind its contact's newest one."""
    first = table.rows
    table.grow(first + len(contacts))
    rows = np.arange(first, table.rows, dtype=np.int64)
    before = newest.take(contacts)
    if not is_ascending(contacts):
        order = np.argsort(contacts, kind="stable")
        again = np.flatnonzero(contacts[order[1:]] == contacts[order[:-1]])
        before[order[again + 1]] = rows[order[again]]
    table.column("before").put(rows, before)
    newest.put(contacts, rows.astype(np.uint32))
    return rows


def kept_lists(offsets: Array, rows: Array, keep: Array) -> tuple[Array, Array]:
    """The lists without the rows that are not kept (bool[], row by row)."""
    sums = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(keep, out=sums[1:])
    return sums[offsets], rows[keep]
