"""The runs of one journey version: a table of rows, reused when a run is over.

A run row holds its number, contact, step, when it is next looked at (`due`), the instant its step
is about (`until`), its entry, key and order in flight, and one column per fact that its rules read.
The runs of one contact are a doubly linked list through `next` and `prev`, its head a column of the
contacts. Laws: `step` is -1 exactly in free rows; a send step with neither an order nor a due
instant is queued, until its send is over one way or the other (`until` is NEVER then and it goes
on within the tick); free rows are reused last in, first out, so that replay finds the same rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.column import Column
from blaster.core.fitting import fit_attribute
from blaster.core.plan import GONE, JourneyPlan, Key, SendStep
from blaster.core.queues import Look, Queues
from blaster.core.routes import Routes
from blaster.core.rows import rounds_of
from blaster.core.table import Table
from blaster.model import definitions as model
from blaster.model.fields import NEVER, Kind
from blaster.rules import Dictionary

Array = np.ndarray[Any, Any]

_OWN_COLUMNS = (
    ("number", Kind.ID),
    ("contact", Kind.INT),
    ("due", Kind.TIME),
    ("until", Kind.TIME),
    ("entered", Kind.TIME),
    ("order", Kind.ID),
)
_ROW_COLUMNS = ("step", "next", "prev")
"""Numbers of steps and run rows; -1 is none."""
NONE_IS_MINUS_1: dict[str, Any] = {"default": -1, "never_missing": True}


class JourneyState:
    """One version of a journey and everybody inside it. `heads` is a column of the contacts.

    `workspace` is what the plan was made from. `free` holds the rows that no run lies in, the first
    `free_count` of it, as a stack.
    `changes` counts whatever moves, orders or ends runs; only here.
    `queues` are of runs that wait for an order, `tries` of orders (by number) whose next try came.
    `undecided` counts, for each step, the runs that wait in it and have no order.
    """

    def __init__(
        self, version: str, plan: JourneyPlan, heads: Column, workspace: model.Workspace
    ) -> None:
        self.version = version
        self.plan = plan
        self.workspace = workspace
        self.heads = heads
        self.open = True
        self.running = 0
        self.changes = 0
        self.routes = Routes(plan)
        self.table = Table()
        for name, kind in _OWN_COLUMNS:
            self.table.add(name, kind)
        for name in _ROW_COLUMNS:
            self.table.add(name, Kind.INT, **NONE_IS_MINUS_1)
        self.keys = Dictionary()
        self.table.add("key", Kind.CODE, dictionary=self.keys)
        self.queues = Queues()
        self.tries = Queues()
        self.undecided = [0] * len(plan.steps)
        self.message_keys: dict[Key, list[Key]] = {}
        self.floors: list[Key] = []
        self.free = Column(Kind.INT, **NONE_IS_MINUS_1)
        self.free_count = 0
        self._add_fact_columns()

    @property
    def priority(self) -> int:
        """A higher one is served first."""
        return self.plan.definition.priority

    def deadline(self, runs: Array, now: int) -> Array:
        """Until when policy may hold each of these back, in send steps (int64[])."""
        until: Array = self.column("until").take(runs).astype(np.int64)
        return until

    def since(self, runs: Array) -> Array:
        """The place of these in the order of service: when they may wait no longer."""
        return self.deadline(runs, 0)

    def _add_fact_columns(self) -> None:
        for fact in (fact for facts in self.plan.facts() for fact in facts):
            if fact.space != "run" or fact.key == ("entered",) or fact.key[-1] == "step":
                continue
            if fact.kind is Kind.EVENTS:
                self._add_floor(fact.key[:-1])
            else:
                self._add_fact(fact.key, fact.kind)
        for name in sorted(self.plan.attributes):
            self._add_fact(("attribute", name), Kind.TEXT)
        for channel, name in sorted(self.plan.own):
            self._add_fact(("message", channel, name, "order"), Kind.ID)
        for index, (_, target) in enumerate(self.plan.exits):
            if target != GONE:
                self.table.add(("exit", str(index)), Kind.BOOL, never_missing=True)
        for field in self.plan.resets:
            self.table.add(("at entry", field.name), field.kind)

    def _add_fact(self, key: Key, kind: Kind) -> None:
        if self.table.has(key):
            return
        self.table.add(key, kind, dictionary=Dictionary() if kind is Kind.CODE else None)
        if key[0] == "message":
            self.message_keys.setdefault(key[:3], []).append(key)

    def adopt(self, table: Table, free: Column, free_count: int) -> None:
        """These are the runs, as they were; what the plan keeps of a run besides is missing."""
        for name in self.table.names:
            if not table.has(name):
                column = self.table.column(name)
                column.grow(table.rows)
                table.adopt(name, column)
        keys = table.column("key").dictionary
        assert keys is not None
        self.table, self.keys = table, keys
        self.free, self.free_count = free, free_count

    def _add_floor(self, source: Key) -> None:
        """Notes of each run where the happenings of `source` ended when it was entered."""
        if ("floor", *source) not in self.floors:
            self.floors.append(("floor", *source))
            self.table.add(("floor", *source), Kind.TIME)

    def step_codes(self, runs: Array, words: Dictionary) -> Array:
        """int32[]: the steps, as written, that runs stand in, as codes of `words`; -1 for none."""
        of_step = [words.add(step.source) for step in self.plan.steps]
        codes: Array = np.array([*of_step, -1], np.int32)[self.column("step").take(runs)]
        return codes

    def column(self, name: str) -> Column:
        """One of the run's own columns."""
        return self.table.column(name)

    def free_rows(self, count: int) -> Array:
        """The rows that the next `count` runs will lie in; `enter` claims them."""
        reused = min(count, self.free_count)
        top = np.arange(self.free_count - 1, self.free_count - 1 - reused, -1, dtype=np.int64)
        old = self.free.take(top)
        fresh = np.arange(self.table.rows, self.table.rows + count - reused, dtype=np.int64)
        return np.concatenate([old, fresh])

    def enter(self, runs: Array, numbers: Array, contacts: Array, now: int) -> None:
        """Claims the rows and links each run in front of its contact's others (contacts differ)."""
        self.free_count = max(0, self.free_count - int((runs < self.table.rows).sum()))
        if len(runs):
            self.table.grow(max(self.table.rows, int(runs.max()) + 1))
        for name in self.table.names:
            self.table.column(name).put(runs, None)
        column = self.column
        column("number").put(runs, numbers)
        column("contact").put(runs, contacts)
        column("entered").put(runs, now)
        old = self.heads.take(contacts)
        column("next").put(runs, old)
        linked = old >= 0
        column("prev").put(old[linked], runs[linked])
        self.heads.put(contacts, runs)
        self.running += len(runs)

    def keep(self, runs: Array, keys: tuple[str, ...], columns: pa.RecordBatch) -> None:
        """Stores what started the runs: the key, and the attributes that rules read."""
        if keys:
            codes = np.fromiter((self.keys.add(key) for key in keys), np.int32, len(keys))
            self.column("key").put(runs, codes)
        for name in columns.schema.names:
            if self.table.has(("attribute", name)):
                column = self.table.column(("attribute", name))
                values = fit_attribute(column.kind, columns.column(name))
                column.put_arrow(runs, values, keep_null=False)

    def attribute(self, name: str, runs: Array) -> list[str | None]:
        """What these runs keep of an attribute of what started them."""
        key = ("attribute", name)
        if not self.table.has(key):
            return [None] * len(runs)
        values = pa.array(self.table.column(key).take(runs), pa.string())
        texts: list[str | None] = values.to_pylist()
        return texts

    def read_more(self, plan: JourneyPlan) -> None:
        """Of runs that enter from now on, also keeps the attributes that this plan reads.

        The plan is of the same definition: only what its messages read may have changed.
        """
        for name in sorted(plan.attributes):
            if not self.table.has(("attribute", name)):
                self.table.add(("attribute", name), Kind.TEXT)
        self.plan = replace(self.plan, attributes=self.plan.attributes | plan.attributes)

    def move(self, runs: Array, step: int, due: Array, until: Array) -> None:
        """Puts runs into a step; a send step without a due instant queues them.

        `due` and `until` are one each, or one for all.
        An order that is still in flight for the step before is theirs no more.
        """
        self.changes += 1
        self.column("order").put(runs, 0)
        self.column("step").put(runs, step)
        for name, times in (("due", due), ("until", until)):
            self.column(name).put(runs, times if len(times) == len(runs) else times[0])
        if isinstance(self.plan.steps[step], SendStep):
            self.queues.add(step, runs[np.broadcast_to(due == NEVER, len(runs))])

    def end(self, runs: Array) -> None:
        """Frees the rows, in this order."""
        self.changes += 1
        contacts = self.contacts(runs)
        for positions in rounds_of(contacts):
            self._unlink(runs[positions], contacts[positions])
        for name, value in (("step", -1), ("due", NEVER), ("number", 0), ("order", 0)):
            self.column(name).put(runs, value)
        needed = self.free_count + len(runs)
        self.free.grow(max(needed, self.free.rows))
        self.free.put(np.arange(self.free_count, needed, dtype=np.int64), runs)
        self.free_count = needed
        self.running -= len(runs)

    def _unlink(self, runs: Array, contacts: Array) -> None:
        """Takes runs of different contacts out of their lists."""
        after = self.column("next").take(runs)
        before = self.column("prev").take(runs)
        inner, first = before >= 0, before < 0
        self.column("next").put(before[inner], after[inner])
        self.heads.put(contacts[first], after[first])
        followed = after >= 0
        self.column("prev").put(after[followed], before[followed])

    def contacts(self, runs: Array) -> Array:
        """The contact of each run."""
        contacts: Array = self.column("contact").take(runs)
        return contacts

    def runs_of(self, contacts: Array) -> tuple[Array, Array]:
        """Every run of these contacts: run rows, and the position of its contact in `contacts`."""
        rows = self.heads.take(contacts)
        found_rows, found_positions = [], []
        positions = np.arange(len(contacts))
        present = rows >= 0
        while present.any():
            rows, positions = rows[present], positions[present]
            found_rows.append(rows)
            found_positions.append(positions)
            rows = self.column("next").take(rows)
            present = rows >= 0
        if not found_rows:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(found_rows), np.concatenate(found_positions)

    def rebuild_queues(self) -> None:
        """Finds the queued runs again from the columns, and counts them; both are a cache."""
        self.queues.clear()
        self.tries.clear()
        runs = np.arange(self.table.rows, dtype=np.int64)
        steps = self.column("step").take(runs)
        for step in self.plan.steps:
            if isinstance(step, SendStep):
                here = runs[steps == step.index]
                self.undecided[step.index] = int(self.is_undecided(here).sum())
                self.queues.add(step.index, self.queued(step.index)(here)[0])

    def is_undecided(self, runs: Array) -> Array:
        """bool[]: of runs in send steps, those that wait and have no order."""
        until = self.column("until").take(runs)
        waiting: Array = (self.column("order").take(runs) == 0) & (until != NEVER)
        return waiting

    def refile(self, contacts: Array, channel: str) -> None:
        """These contacts have another address on this channel, and perhaps another queue."""
        runs = self.runs_of(contacts)[0]
        steps = self.column("step").take(runs)
        for step in self.plan.steps:
            if isinstance(step, SendStep) and step.outgoing.channel == channel:
                mine = runs[steps == step.index]
                orders = self.column("order").take(mine)
                self.queues.add(step.index, mine[orders == 0])
                self.tries.add(step.index, orders[orders != 0].astype(np.int64))

    def queued(self, step: int) -> Look:
        """Which runs are queued in a send step, and the order in which they are served.

        It is the order of their arrival (their deadline, `until`, says it), then of their contacts.
        """

        def look(runs: Array) -> tuple[Array, Array, Array]:
            until = self.column("until").take(runs)
            queued = (
                (self.column("step").take(runs) == step)
                & (self.column("order").take(runs) == 0)
                & (self.column("due").take(runs) == NEVER)
                & (until != NEVER)
            )
            runs = runs[queued]
            return runs, until[queued].astype(np.int64), self.contacts(runs)

        return look
