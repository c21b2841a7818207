"""The verbs of an open engine, by noun: contacts and lists. Each runs on the engine thread.

Answers come when what they rest on is durable. Nothing of a refused call is applied.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import ALL_TOPICS, Column, State, erasure_of
from blaster.engine.conversion import Place
from blaster.engine.finding import account_of, find_all, find_contact, place_of
from blaster.engine.gathering import Bring, Refusing
from blaster.engine.importer import ADDRESS_FIELDS, ImportBatch, Reject, read, write_rejects
from blaster.engine.intake import (
    one_name,
    one_text,
    plain,
    resolve,
    shown,
    typed_batch,
    typed_rows,
    upserted,
)
from blaster.engine.machine import Machine
from blaster.engine.selecting import Selection, count_contacts, no_rows, part_of, selection_of
from blaster.errors import Busy, InputError
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, Field, Kind

Array = np.ndarray[Any, Any]
Run = Callable[[Callable[[Machine, int], Any]], Awaitable[Any]]
Given: TypeAlias = "Sequence[Mapping[str, object]] | pa.Table | pa.RecordBatch"

BUSY_S = 60.0
"""How long a call of many parts, once begun, goes on trying against a log that is full."""
CHANNELS = ("email", "sms")


class Upserts(msgspec.Struct, frozen=True):
    """What an upsert did, each counted on its own; `contacts` int64[] row by row, -1: a conflict.

    A conflict is a row whose id, e-mail and phone belong to different contacts: it was left out.
    """

    read: int
    created: int
    updated: int
    conflicts: int
    contacts: Array


class ImportReport(msgspec.Struct, frozen=True):
    """Rows of a file: read = accepted (new) + merged (into known contacts) + rejected."""

    read: int
    accepted: int
    merged: int
    rejected: int
    rejects_path: str | None = None


class Erasure(msgspec.Struct, frozen=True):
    """Who was erased, when, and until when nothing of them is on disk any more."""

    contacts: tuple[int, ...]
    at: int
    until: int


def known_fields(state: State) -> dict[str, Any]:
    from blaster.core import fields_of

    return state.plan.fields if state.plan is not None else fields_of(model.Workspace())


class Contacts:
    """`engine.contacts`."""

    def __init__(self, run: Run, bring: Bring) -> None:
        self._run = run
        self._bring = bring

    async def upsert(self, rows: Given, *, source: str = "api") -> Upserts:
        """Creates contacts, or updates those found by id, else e-mail, else phone.

        `rows` are mappings, or Arrow columns, named for fields; a missing or null value leaves the
        field as it is. Raises InputError naming row and field for the first value that does not
        fit; then nothing of the call is applied.
        """
        one_text(source, "a source")
        parts = _parts(rows)
        if len(parts) == 1:
            totals = [await self._run(lambda m, now: _upsert(m, now, _typed(m, parts[0]), source))]
        else:
            # All of it is looked at before the first part is taken.
            fields, place = await self._run(
                lambda m, now: (known_fields(m.state), place_of(m.state))
            )
            typed = await asyncio.to_thread(_typed_parts, fields, place, parts)
            totals = [
                await patiently(self._run, partial(_upsert, columns=part, source=source))
                for part in typed
            ]
        return Upserts(
            sum(t.read for t in totals),
            sum(t.created for t in totals),
            sum(t.updated for t in totals),
            sum(t.conflicts for t in totals),
            np.concatenate([t.contacts for t in totals]) if totals else np.empty(0, np.int64),
        )

    async def set(self, contact: str | int, values: Mapping[str, object]) -> None:
        """Sets fields of one contact; None clears one."""

        def command(machine: Machine, now: int) -> None:
            state = machine.state
            row = find_all(state, [contact])
            columns = typed_rows(known_fields(state), [values], place_of(state))
            refuse_taken(state, row, columns)
            machine.accept(now, (records.FieldsSet(row, columns),))

        await self._run(command)

    async def get(self, contact: str | int) -> dict[str, Any]:
        """The contact's fields that have a value, its number and its lists."""

        def command(machine: Machine, now: int) -> dict[str, Any]:
            return describe(machine.state, find_contact(machine.state, contact))

        return dict(await self._run(command))

    async def count(self, rule: str | None = None) -> int:
        """How many contacts there are, or for how many the rule is true. Raises DefinitionError."""
        return int(await self._run(lambda m, now: count_contacts(m.state, rule, now)))

    async def select(
        self, rule: str, columns: Sequence[str] | None = None
    ) -> AsyncIterator[pa.RecordBatch]:
        """The contacts for whom a rule is true, in batches that are not empty but for the first.

        `columns` are names of fields (None: id, email, phone and all declared ones). The rule is
        looked at, and the columns are read, batch by batch: each batch is of one instant, a later
        one of a later. Contacts are those there are at the beginning. Raises DefinitionError for a
        bad rule, InputError for a column that there is not.
        """
        chosen = await self._run(lambda m, now: selection_of(m.state, rule, columns))
        if not chosen.batches:
            yield no_rows(chosen)
        for batch in range(chosen.batches):
            part = partial(_part, selection=chosen, batch=batch)
            found, mask = await self._run(part)
            matching = await asyncio.to_thread(found.filter, mask)
            del found  # and with it the pins
            if matching.num_rows or not batch:
                yield matching

    async def consent(
        self,
        contacts: str | int | Sequence[str | int],
        channel: model.Channel,
        *,
        topics: Sequence[str] = (),
        given: bool = True,
        evidence: Mapping[str, str] | None = None,
    ) -> None:
        """Records permission given, or withdrawn, with its evidence (asset, wording, address).

        `contacts` is one, or several who did so in the same way at the same instant.
        """
        one_channel(channel)
        proof = proof_of(evidence)
        for topic in topics:
            if one_name(topic, "topic") == ALL_TOPICS:
                raise InputError(f"{topic!r} is no topic; without topics it is about everything")

        def command(machine: Machine, now: int) -> None:
            rows = find_all(machine.state, _several(contacts))
            operation = records.Consented(rows, channel, tuple(topics), given, proof)
            machine.accept(now, (operation,))

        await self._run(command)

    async def suppress(
        self,
        contacts: str | int | Sequence[str | int],
        channel: model.Channel,
        reason: str,
        *,
        scope: Literal["marketing", "all"] = "marketing",
    ) -> None:
        """Sends these contacts no more marketing and sales messages on the channel, or nothing."""
        one_channel(channel)
        one_text(reason, "a reason")
        if scope not in ("marketing", "all"):
            raise InputError(f"{scope!r} is no scope; there are marketing and all")
        if isinstance(contacts, str | int):
            await self._bring(Refusing(contacts, channel, scope, reason))
            return

        def command(machine: Machine, now: int) -> None:
            rows = find_all(machine.state, _several(contacts))
            machine.accept(now, (records.Suppressed(rows, channel, scope, reason),))

        await self._run(command)

    async def erase(self, contacts: str | int | Sequence[str | int]) -> Erasure:
        """Erases contacts for good; their numbers stay, and are nobody's.

        At once they are found by nothing, chosen by no rule and sent nothing; on disk their values
        are gone by the instant that is answered (see `erase_within`). Whoever comes back with one
        of their addresses is a new contact, to whom marketing and sales are closed until he permits
        them. There is no way back. Raises InputError for a contact that there is not; then nobody
        is erased.
        """
        wanted = _several(contacts)

        def command(machine: Machine, now: int) -> Erasure:
            state = machine.state
            rows = np.unique(find_all(state, wanted))
            if len(rows):
                seed = int.from_bytes(os.urandom(8), "little") >> 1 | 1
                machine.accept(now, (erasure_of(state, rows, seed),))
            at = max(now, state.now)
            return Erasure(tuple(rows.tolist()), at, at + account_of(state).erase_within_s)

        erased: Erasure = await self._run(command)
        return erased

    async def import_file(
        self,
        path: str | Path,
        *,
        list: str | None = None,  # noqa: A002 - the verb's own word, as on the command line
        encoding: str = "utf-8",
        source: str = "import",
        progress: Callable[[int], None] | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> ImportReport:
        """Imports a CSV or Parquet file; rejected rows go to FILE.rejected.csv.

        `progress` gets the rows read so far. While the disk is full or slow the import waits:
        `waiting` is told why, each time before it tries again; without it Busy is raised after a
        minute. Raises InputError for a file that cannot be read or a column that no field has; then
        nothing is imported.
        """
        if list is not None:
            one_name(list, "list")
        await asyncio.to_thread(_check_place, Path(path))
        one_text(source, "a source")
        fields, place = await self._run(lambda m, now: (known_fields(m.state), place_of(m.state)))
        batches = read(
            path, fields=fields, encoding=encoding, country=place.country, zone=place.zone
        )
        totals = {"read": 0, "accepted": 0, "merged": 0, "rejected": 0}
        rejects_path: Path | None = None
        while True:
            batch = await asyncio.to_thread(next, batches, None)
            if batch is None:
                break
            take = partial(_take_import, batch=batch, list_name=list, source=source)
            counts, conflicts = await patiently(self._run, take, waiting)
            for name, count in counts.items():
                totals[name] += count
            rejects = sorted((*batch.rejects, *conflicts), key=lambda reject: reject.row)
            if rejects:
                rejects_path = await asyncio.to_thread(
                    write_rejects, path, batch.header, rejects, append=rejects_path is not None
                )
            if progress is not None:
                progress(totals["read"])
        return ImportReport(**totals, rejects_path=str(rejects_path) if rejects_path else None)


def _part(machine: Machine, now: int, selection: Selection, batch: int) -> Any:
    return part_of(machine.state, selection, batch, now)


def _check_place(path: Path) -> None:
    """Before anything is taken: a rejected row must have somewhere to go."""
    if path.is_file() and not os.access(path.resolve().parent, os.W_OK):
        raise InputError(f"{path}: its rejected rows could not be written beside it")


def _parts(rows: Given) -> list[Any]:
    """A call's rows in batches of bounded size. Raises InputError for what are no rows."""
    if isinstance(rows, pa.Table):
        return list(rows.to_batches(max_chunksize=BATCH_ROWS))
    if isinstance(rows, pa.RecordBatch):
        return [rows.slice(i, BATCH_ROWS) for i in range(0, rows.num_rows, BATCH_ROWS)]
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Sequence):
        raise InputError("rows are a list of mappings, a pyarrow.Table or a RecordBatch")
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise InputError(f"row {position}: {shown(row)} does not map field names to values")
    return [rows[i : i + BATCH_ROWS] for i in range(0, len(rows), BATCH_ROWS)]


async def patiently(
    run: Run,
    command: Callable[[Machine, int], Any],
    waiting: Callable[[str], None] | None = None,
) -> Any:
    """Waits where the log is full: a file half imported helps nobody.

    For as long as it takes where somebody is told why, else for BUSY_S.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return await run(command)
        except Busy as busy:
            if waiting is not None:
                waiting(str(busy))
            elif time.monotonic() >= deadline:
                raise
            await asyncio.sleep(busy.retry_after_s)


def _several(contacts: str | int | Sequence[str | int]) -> Sequence[str | int]:
    return [contacts] if isinstance(contacts, str | int) else contacts


def one_channel(channel: str) -> None:
    if channel not in CHANNELS:
        raise InputError(f"{channel!r} is no channel; there are {' and '.join(CHANNELS)}")


def proof_of(evidence: Mapping[str, str] | None) -> dict[str, str]:
    return {
        one_text(name, "evidence"): one_text(value, f"the evidence {name!r}")
        for name, value in (evidence or {}).items()
    }


def _typed_parts(fields: Mapping[str, Field], place: Place, parts: list[Any]) -> list[Any]:
    return [_typed_rows(fields, place, p, n * BATCH_ROWS) for n, p in enumerate(parts)]


def _typed(machine: Machine, rows: Any) -> pa.RecordBatch:
    return _typed_rows(known_fields(machine.state), place_of(machine.state), rows, 0)


def _typed_rows(
    fields: Mapping[str, Field], place: Place, rows: Any, first_row: int
) -> pa.RecordBatch:
    """Typed columns; every row has something to know its contact by."""
    columns = (
        typed_batch(fields, rows, place, first_row)
        if isinstance(rows, pa.RecordBatch)
        else typed_rows(fields, rows, place, first_row)
    )
    nobody = np.ones(len(rows), bool)
    for name in ADDRESS_FIELDS:
        if name in columns.schema.names:
            nobody &= columns.column(name).is_null().to_numpy(zero_copy_only=False)
    if nobody.any():
        raise InputError(f"row {first_row + int(nobody.argmax())} has no id, e-mail or phone")
    return columns


def refuse_taken(state: State, rows: Array, columns: pa.RecordBatch) -> None:
    """One address has one owner: it cannot be set on somebody else."""
    for name, index in zip(ADDRESS_FIELDS, state.directory.indexes, strict=True):
        if name in columns.schema.names:
            owners = index.find(columns.column(name))
            taken = (owners >= 0) & (owners != rows)
            if taken.any():
                row = int(taken.argmax())
                value = columns.column(name)[row].as_py()
                raise InputError(f"{name} {value!r} belongs to contact #{int(owners[row])}")


def _upsert(machine: Machine, now: int, columns: pa.RecordBatch, source: str) -> Upserts:
    state = machine.state
    found = resolve(state, columns)
    operation = upserted(columns, found, source)
    if len(operation.contacts):
        machine.accept(now, (operation,))
    created, conflicts = int(found.created.sum()), int(found.conflict.sum())
    updated = len(found.contacts) - created - conflicts
    return Upserts(len(found.contacts), created, updated, conflicts, found.contacts)


def _take_import(
    machine: Machine, now: int, batch: ImportBatch, list_name: str | None, source: str
) -> tuple[dict[str, int], list[Any]]:
    """One batch of a file: contacts, then their membership, as one entry."""
    found = resolve(machine.state, batch.columns)
    operation = upserted(batch.columns, found, source)
    operations: list[records.Operation] = [operation]
    if list_name is not None:
        operations.append(records.Joined(list_name, operation.contacts, False, source))
    if len(operation.contacts):
        machine.accept(now, operations)
    conflicts = [
        Reject(
            int(batch.row_numbers[row]),
            "id, e-mail and phone belong to different contacts",
            tuple(
                "" if value is None else str(value)
                for value in batch.columns.slice(row, 1).to_pylist()[0].values()
            ),
        )
        for row in np.flatnonzero(found.conflict).tolist()
    ]
    created = int((found.created & ~found.conflict).sum())
    counts = {
        "read": batch.read,
        "accepted": created,
        "merged": int((~found.created & ~found.conflict).sum()),
        "rejected": batch.rejected + len(conflicts),
    }
    return counts, conflicts


def describe(state: State, row: int) -> dict[str, Any]:
    """What is known of a contact, in words and numbers."""
    rows = np.array([row], np.int64)
    known: dict[str, Any] = {"number": row}
    lists = []
    for key in state.contacts.names:
        if not isinstance(key, tuple):
            continue
        column = state.contacts.column(key)
        if key[0] == "field" and column.take_valid(rows)[0]:
            known[key[1]] = plain(state.field(key[1]), _stored(column, rows))
        elif key[0] == "list" and key[2] == "member" and column.take(rows)[0]:
            lists.append(key[1])
    known["lists"] = sorted(lists)
    return known


def _stored(column: Column, rows: Array) -> Any:
    """The first row's value: a word for a code, else what the column holds."""
    value = column.take(rows)[0]
    if column.kind is Kind.CODE and column.dictionary is not None:
        return column.dictionary.values[value]
    return value.item() if isinstance(value, np.generic) else value


class Lists:
    """`engine.lists`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def join(self, name: str, contacts: Sequence[str | int], *, source: str = "api") -> None:
        """Contacts become members; those who are already stay as they are."""
        await self._change(name, contacts, source, leaving=False)

    async def leave(self, name: str, contacts: Sequence[str | int], *, source: str = "api") -> None:
        """Contacts are members no more."""
        await self._change(name, contacts, source, leaving=True)

    async def _change(
        self, name: str, contacts: Sequence[str | int], source: str, *, leaving: bool
    ) -> None:
        one_name(name, "list")
        one_text(source, "a source")
        if isinstance(contacts, str | bytes) or not isinstance(contacts, Sequence):
            raise InputError("contacts are a list; put a single one into brackets")

        def command(machine: Machine, now: int) -> None:
            rows = find_all(machine.state, contacts)
            machine.accept(now, (records.Joined(name, rows, leaving, source),))

        await self._run(command)

    async def members(self, name: str) -> int:
        """How many members the list has."""
        return int(await self._run(lambda m, now: m.state.counts["list", name]))
