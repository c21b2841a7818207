"""Columns of attributes made again before definitions that declare them otherwise come into force.

A pass over what history and the log say of an event, some contacts at a time, on a thread of its
own; between slices of the engine each piece becomes a record (`Filled`), so that the state stays
the fold of the log. Which happening of the state a recorded one is follows from their order: those
of a contact are in the same. A recorded one that did not count (its key had been there) is told by
its instant and its key (`counted`). Laws: the definitions are published when all is filled, and
not before; a fill that is broken off, by a crash as well, is begun again by the next publication.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import Chains, Wanted, chains_of, hash_pairs
from blaster.engine.machine import Machine
from blaster.engine.past import Past
from blaster.errors import LogCorrupt
from blaster.limits import FILL_BYTES, FILL_ROWS, HISTORY_SLICE_BYTES, HISTORY_SLICE_ROWS
from blaster.log import gather, weight
from blaster.model.fields import BATCH_ROWS
from blaster.model.records import Array, Filled, Happened

Run = Callable[[Callable[[Machine, int], Any]], Awaitable[Any]]
GATHERED = 1_024
"""Operations whose rows are put together while the past is read."""
_HAPPENED = frozenset({Happened.KIND})


class Preparing(msgspec.Struct, frozen=True):
    """A publication waits: attributes (`EVENT.NAME`) are filled, of `done` contacts of `of`."""

    attributes: tuple[str, ...]
    done: int
    of: int


class Task(NamedTuple):
    """What is to be filled, as the engine stood when that began.

    Of so many inputs and contacts; `rows` are the happenings by event.
    """

    wanted: Wanted
    inputs: int
    contacts: int
    rows: dict[str, int]


def task_of(machine: Machine, wanted: Wanted) -> Task:
    """To be asked right after the filling began."""
    state = machine.state
    rows = {event: state.happened_rows(("event", event)) for event in wanted}
    return Task(wanted, state.inputs, state.contacts.rows, rows)


async def fill(run: Run, past: Past, task: Task, tell: Callable[[Preparing], None]) -> None:
    """Fills all of it; `tell` hears how far it is.

    Raises LogError or LogCorrupt, and what `run` does: then nothing is in force.
    """
    attributes = tuple(
        f"{event}.{each.name}" for event, fields in task.wanted.items() for each in fields
    )
    unsure = _Unsure()
    for low, high in _ranges(past, task):
        tell(Preparing(attributes, low, task.contacts))
        for found in await asyncio.to_thread(recorded, past, task, low, high):
            await _bring(run, task, found, unsure, None)
    if unsure.contacts:
        bringers = await asyncio.to_thread(_bringers, past, task, unsure)
        for event, contacts in unsure.contacts.items():
            for contact in contacts:
                for found in await asyncio.to_thread(recorded, past, task, contact, contact):
                    if found.event == event:
                        await _bring(run, task, found, unsure, bringers)


def _ranges(past: Past, task: Task) -> list[tuple[int, int]]:
    """Contacts from one to another: together they have about HISTORY_SLICE_ROWS happenings, and
    HISTORY_SLICE_BYTES of files of history.
    """
    rows, nbytes = past.size(_HAPPENED)
    rows = max(rows, *task.rows.values())
    count = max(1, -(-rows // HISTORY_SLICE_ROWS), -(-nbytes // HISTORY_SLICE_BYTES))
    size = -(-task.contacts // count)
    return [
        (low, min(low + size, task.contacts) - 1) for low in range(0, task.contacts, max(1, size))
    ]


# --- what was recorded ----------------------------------------------------------------------------


class Recorded(NamedTuple):
    """Recorded happenings of one event, by contact and in order: instants, the hashes of their keys
    (0: none), and in which of `batches` the attributes stand, and where.
    """

    event: str
    contacts: Array
    at: Array
    keys: Array
    batch: Array
    place: Array
    batches: list[pa.RecordBatch]


def recorded(past: Past, task: Task, low: int, high: int) -> list[Recorded]:
    """What is recorded of these contacts (both ends in) and the task's events."""
    found = {event: _Gathered() for event in task.wanted}
    for at, _, operation, mine in _happened(past, task, low, high):
        event, count = operation.name, len(mine)
        keys = np.zeros(count, np.uint64)
        if operation.keys:
            keys = _hashes(operation, mine)
        names = {each.name for each in task.wanted[event]}
        names &= set(operation.columns.schema.names)
        batch = operation.columns.select(sorted(names))
        if batch.num_columns and count < len(operation.contacts):
            batch = batch.take(pa.array(mine))
        found[event].add(operation.contacts[mine], np.full(count, at, np.uint32), keys, batch)
    return [_in_order(event, *each.all()) for event, each in found.items() if each]


@dataclass(slots=True)
class _Open:
    """A batch in the making: which one, of what, and its rows and bytes."""

    number: int
    parts: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    nbytes: int = 0


class _Gathered:
    """Rows of one event, those of GATHERED operations in a batch, or of FILL_BYTES."""

    def __init__(self) -> None:
        self._rows: list[tuple[Array, ...]] = []
        self._few: list[tuple[Array, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._open: dict[pa.Schema, _Open] = {}

    def __bool__(self) -> bool:
        return bool(self._rows or self._few)

    def add(self, contacts: Array, at: Array, keys: Array, batch: pa.RecordBatch) -> None:
        size = weight(batch)
        here = self._open.get(batch.schema)
        if here is not None and here.nbytes + size > FILL_BYTES:
            self._close(batch.schema)
            here = None
        if here is None:
            here = self._open[batch.schema] = _Open(len(self._batches))
            self._batches.append(batch)
        places = np.arange(here.rows, here.rows + len(contacts))
        self._few.append((contacts, at, keys, np.full(len(contacts), here.number), places))
        here.parts.append(batch)
        here.rows += len(contacts)
        here.nbytes += size
        if len(here.parts) == GATHERED or here.rows >= BATCH_ROWS:
            self._close(batch.schema)
        if len(self._few) == GATHERED:
            self._join()

    def _close(self, schema: pa.Schema) -> None:
        done = self._open.pop(schema)
        self._batches[done.number] = (
            pa.concat_batches(done.parts) if schema.names else done.parts[0]
        )

    def _join(self) -> None:
        self._rows.append(tuple(np.concatenate(each) for each in zip(*self._few, strict=True)))
        self._few = []

    def all(self) -> tuple[list[tuple[Array, ...]], list[pa.RecordBatch]]:
        for schema in list(self._open):
            self._close(schema)
        if self._few:
            self._join()
        return self._rows, self._batches


def _happened(
    past: Past, task: Task, low: int, high: int
) -> Iterator[tuple[int, int, Happened, Array]]:
    """(instant, input, operation, the positions of these contacts in it), in order."""
    for told in past.between(_HAPPENED, low, high):
        operation = told.operation
        if not isinstance(operation, Happened) or told.input > task.inputs:
            continue
        if operation.space == "event" and operation.name in task.wanted:
            contacts = operation.contacts
            mine = np.flatnonzero((contacts >= low) & (contacts <= high))
            if len(mine):
                yield told.at, told.input, operation, mine


def _hashes(operation: Happened, mine: Array) -> Array:
    given = [operation.keys[position] for position in mine.tolist()]
    hashes = hash_pairs(np.zeros(len(given), np.int64), tuple(given))
    return np.where(np.array([key != "" for key in given]), hashes, np.uint64(0))


def _in_order(
    event: str, parts: list[tuple[Array, ...]], batches: list[pa.RecordBatch]
) -> Recorded:
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    contacts, at, keys, batch, place = (column[order] for column in columns)
    # Of a key that came again from the same contact only the first may have counted.
    again = np.zeros(len(keys), bool)
    keyed = np.flatnonzero(keys)
    by_key = keyed[np.lexsort((keyed, keys[keyed], contacts[keyed]))]
    same = (keys[by_key[1:]] == keys[by_key[:-1]]) & (contacts[by_key[1:]] == contacts[by_key[:-1]])
    again[by_key[1:][same]] = True
    left = ~again
    return Recorded(event, contacts[left], at[left], keys[left], batch[left], place[left], batches)


# --- which of it the state has --------------------------------------------------------------------


class _Unsure:
    """Contacts by event of whom a second look must say what counted, and the keys it hangs on."""

    def __init__(self) -> None:
        self.contacts: dict[str, list[int]] = {}
        self.keys: dict[str, set[int]] = {}

    def add(self, event: str, contact: int, keys: Array) -> None:
        self.contacts.setdefault(event, []).append(contact)
        self.keys.setdefault(event, set()).update(keys[keys != 0].tolist())


Bringers = dict[tuple[str, int], tuple[int, int, frozenset[int]]]
"""By event and key the first input and round in which it came, and the contacts who brought it."""


def _bringers(past: Past, task: Task, unsure: _Unsure) -> Bringers:
    found: Bringers = {}
    for low, high in _ranges(past, task):
        for _, number, operation, mine in _happened(past, task, low, high):
            wanted = unsure.keys.get(operation.name)
            if not wanted or not operation.keys:
                continue
            turns: dict[int, int] = {}
            for contact, key in zip(
                operation.contacts[mine].tolist(), _hashes(operation, mine).tolist(), strict=True
            ):
                turn = turns[contact] = turns.get(contact, -1) + 1
                if key not in wanted:
                    continue
                here = (number, turn)
                first = found.get((operation.name, key))
                if first is None or here < first[:2]:
                    found[operation.name, key] = (*here, frozenset((contact,)))
                elif here == first[:2]:
                    found[operation.name, key] = (*here, first[2] | {contact})
    return found


async def _bring(
    run: Run, task: Task, found: Recorded, unsure: _Unsure, bringers: Bringers | None
) -> None:
    """Has everything recorded of these filled."""
    event = found.event
    contacts, starts = np.unique(found.contacts, return_index=True)
    ends = np.r_[starts[1:], len(found.contacts)]
    first = 0
    while first < len(contacts):
        # As many contacts as have FILL_ROWS rows, one at least.
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + FILL_ROWS, "right")))
        asked = contacts[first:last]

        def look(machine: Machine, now: int, asked: Array = asked) -> Chains:
            return chains_of(machine.state, event, asked, task.rows[event])

        chains: Chains = await run(look)
        rows, places = [], []
        for number, contact in enumerate(asked.tolist()):
            low, high = int(starts[first + number]), int(ends[first + number])
            at = chains.at[chains.offsets[number] : chains.offsets[number + 1]]
            if not len(at):  # erased
                continue
            mine = np.arange(low, high)
            if high - low != len(at):
                verdict = None if bringers is None else _verdict(event, contact, found.keys[mine],
                                                                 bringers)  # fmt: skip
                chosen = counted(found.at[mine], found.keys[mine], at, verdict)
                if chosen is None:
                    unsure.add(event, contact, found.keys[mine])
                    continue
                mine = mine[chosen]
            rows.append(mine)
            places.append(np.arange(len(mine)))
        if rows:
            await _record(run, found, np.concatenate(rows), np.concatenate(places))
        first = last


def _verdict(event: str, contact: int, keys: Array, bringers: Bringers) -> Array:
    """int8[]: how likely each counted: 2 for certain, 1 it may, 0 somebody else was before it."""
    found = np.full(len(keys), 2, np.int8)
    for place, key in enumerate(keys.tolist()):
        if key:
            whose = bringers[event, key][2]
            found[place] = 0 if contact not in whose else 1
    return found


def counted(at: Array, keys: Array, known: Array, verdict: Array | None = None) -> Array | None:
    """Positions of those of a contact's recorded happenings that are the `known` ones (instants).

    None: their instants and keys alone do not say. With a `verdict` (see `_verdict`) they do.
    Raises LogCorrupt when fewer are recorded than there are.
    """
    chosen = []
    for instant, need in zip(*np.unique(known, return_counts=True), strict=True):
        here = np.flatnonzero(at == instant)
        if len(here) < need:
            raise LogCorrupt("history and log hold fewer events of a contact than the state")
        plain = here[keys[here] == 0]
        if len(here) == need:
            chosen.append(here)
        elif len(plain) == need:
            chosen.append(plain)
        elif verdict is None:
            return None
        else:
            likely = here[np.argsort(-verdict[here], kind="stable")]
            chosen.append(np.sort(likely[:need]))
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


async def _record(run: Run, found: Recorded, rows: Array, places: Array) -> None:
    """`Filled` records of these rows, FILL_ROWS at most and of one schema each."""
    has = np.array([batch.num_columns > 0 for batch in found.batches])
    told = has[found.batch[rows]]
    rows, places = rows[told], places[told]
    schemas: dict[str, int] = {}
    of_batch = np.array(
        [schemas.setdefault(str(batch.schema), len(schemas)) for batch in found.batches]
    )
    for schema in range(len(schemas)):
        alike = np.flatnonzero(of_batch[found.batch[rows]] == schema)
        for some, columns in _pieces(found, rows, alike):
            filled = Filled(found.event, found.contacts[rows[some]], places[some], columns)

            def command(machine: Machine, now: int, filled: Filled = filled) -> None:
                # Whoever was erased meanwhile is told of no more.
                alive = ~machine.state.erased(filled.contacts)
                left = Filled(
                    filled.event, filled.contacts[alive], filled.places[alive],
                    filled.columns.filter(pa.array(alive)),
                )  # fmt: skip
                machine.accept(now, (left,))

            await run(command)


def _pieces(found: Recorded, rows: Array, chosen: Array) -> Iterator[tuple[Array, pa.RecordBatch]]:
    """The chosen of the rows, some at a time, with their attributes.

    FILL_ROWS and FILL_BYTES at most, unless a single row has more.
    """
    firsts = range(0, len(chosen), FILL_ROWS)
    waiting = [chosen[first : first + FILL_ROWS] for first in firsts][::-1]
    while waiting:
        some = waiting.pop()
        here = rows[some]
        columns = gather(found.batches, found.batch[here], found.place[here], FILL_BYTES)
        if columns is None or (columns.nbytes > FILL_BYTES and len(some) > 1):
            waiting += np.array_split(some, 2)[::-1]
        else:
            yield some, columns
