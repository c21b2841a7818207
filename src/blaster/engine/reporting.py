"""`engine.reports`: who is behind each term of a ledger, and the retry of those that failed.

A journey's sends are listed from history and the log, which are read beside the engine; a
campaign's from its bitmaps, batch by batch. Either streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import (
    CAMPAIGN_STEP,
    REQUEST_KEY,
    NumberSet,
    State,
    campaign_sends,
    hash_pairs,
    requested_message,
    requested_name,
)
from blaster.engine.accounts import Run
from blaster.engine.intake import one_text
from blaster.engine.machine import Machine
from blaster.engine.past import Past
from blaster.engine.requests import check_ledger
from blaster.errors import InputError
from blaster.model import records
from blaster.model.records import Array
from blaster.reports import (
    KINDS,
    RETRY_SOURCE,
    TERMS,
    WITH_DATA,
    Sends,
    is_of,
    is_retry,
    list_sends,
    retry_keys,
    tried_again,
)

_NAME = "the name of a journey or campaign"
ROWS = 8_192
"""Rows that are put together before they are given out."""
SCHEMA = pa.schema([
    ("contact", pa.int64()), ("id", pa.string()), ("address", pa.string()), ("step", pa.string()),
    ("message", pa.string()), ("term", pa.string()), ("reason", pa.string()),
    ("order", pa.uint64()), ("at", pa.timestamp("s")),
])  # fmt: skip


class Reports:
    """`engine.reports`."""

    def __init__(self, run: Run, past: Callable[[], Past]) -> None:
        self._run = run
        self._past = past
        self._retrying = asyncio.Lock()

    async def sends(
        self, name: str, terms: Collection[str] = TERMS
    ) -> AsyncIterator[pa.RecordBatch]:
        """The sends of a journey or campaign that are in these terms of its ledger, in batches.

        Columns are those of SCHEMA: `order` is 0 where none was made, `address` what the contact
        has now, `at` null where it is not known. Raises InputError for an unknown name or term.
        """
        one_text(name, _NAME)
        strange = set(terms) - set(TERMS)
        if strange:
            known = ", ".join(TERMS)
            raise InputError(f"no ledger has a term {min(strange)!r}; there are {known}")
        sends = await self._all(name, terms)
        yield _no_rows()
        waiting: list[Sends] = []
        async for each in sends:
            waiting.append(each)
            if sum(len(part.contacts) for part in waiting) >= ROWS:
                yield await self._shown(waiting)
                waiting = []
        if waiting:
            yield await self._shown(waiting)

    async def retry(self, name: str, key: str = "") -> int:
        """Sends again what failed in a journey or campaign; answers how many are tried again.

        Each failed send is tried again once per `key`, whoever asks how often: a second call with
        the same key tries only what failed since, and another key those whose every try failed. In
        a campaign the send goes back to waiting; a journey's run went on, so that its message is
        sent singly (`send CHANNEL MESSAGE`), with the data that the run had. Raises InputError for
        an unknown name, a stopped campaign, and when all that failed cannot be sent singly: calls,
        and messages that are published no more.
        """
        one_text(name, _NAME)
        one_text(key, "the key of a retry")
        async with self._retrying:  # each knows what the one before it asked for
            return await self._retry(name, key)

    async def _retry(self, name: str, key: str) -> int:
        if await self._run(lambda machine, now: name in machine.state.campaigns):
            return int(await self._run(lambda machine, now: _steer_retry(machine, now, name, key)))
        count, any_message, other = 0, False, ""
        past = await self._past_of(name)
        done = await asyncio.to_thread(tried_again, past.slices, name)
        async for sends in _streamed(_of_journey(past, name, ("failed",), with_data=True)):
            given = _to_try(sends, done)

            def command(machine: Machine, now: int, given: Sends = given) -> int | None:
                return _again(machine, now, name, given, key)

            again = await self._run(command)
            if again is None:
                other = f"{sends.channel} {sends.message}"
            else:
                count, any_message = count + again, True
        if other and not any_message:
            raise InputError(f"{other} cannot be sent singly: it is no message that is published")
        return count

    async def _past_of(self, name: str) -> Past:
        await self._run(lambda machine, now: check_ledger(machine.state, name))
        return self._past()

    async def _all(self, name: str, terms: Collection[str]) -> AsyncIterator[Sends]:
        def command(machine: Machine, now: int) -> int:
            campaign = machine.state.campaigns.get(name)
            return -1 if campaign is None else campaign.batches

        batches = int(await self._run(command))
        if batches < 0:
            return _streamed(_of_journey(await self._past_of(name), name, terms))
        return self._of_campaign(name, terms, batches)

    async def _of_campaign(
        self, name: str, terms: Collection[str], batches: int
    ) -> AsyncIterator[Sends]:
        for batch in range(batches):

            def command(machine: Machine, now: int, batch: int = batch) -> list[Sends]:
                state = machine.state
                return [
                    _campaign_rows(*found)
                    for found in campaign_sends(state, state.campaigns[name], batch, terms)
                ]

            for each in await self._run(command):
                yield each

    async def _shown(self, sends: list[Sends]) -> pa.RecordBatch:
        def command(machine: Machine, now: int) -> pa.RecordBatch:
            return _batch_of(machine.state, sends)

        batch: pa.RecordBatch = await self._run(command)
        return batch


def _of_journey(
    past: Past, name: str, terms: Collection[str], *, with_data: bool = False
) -> Iterator[Sends]:
    """A journey's sends in these terms; of very many contacts, some at a time."""
    kinds = WITH_DATA if with_data else KINDS
    for within, told in past.slices(kinds, partial(is_of, name)):
        yield from list_sends(told, name, terms, within=within, with_data=with_data)


async def _streamed(sends: Iterator[Sends]) -> AsyncIterator[Sends]:
    """A look at the log on another thread, a step at a time."""
    nothing = object()
    while True:
        found: Any = await asyncio.to_thread(next, sends, nothing)
        if found is nothing:
            return
        yield found


def _no_rows() -> pa.RecordBatch:
    arrays = [pa.array([], field.type) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _batch_of(state: State, sends: list[Sends]) -> pa.RecordBatch:
    parts = []
    for each in sends:
        count = len(each.contacts)
        field = {"email": "email", "sms": "phone"}.get(each.channel, "id")
        at = np.asarray(each.at, np.int64)
        arrays = [
            pa.array(each.contacts),
            pa.array(state.column(("field", "id")).take(each.contacts), pa.string()),
            pa.array(state.column(("field", field)).take(each.contacts), pa.string()),
            *(pa.array([text] * count, pa.string()) for text in (
                each.step, f"{each.channel} {each.message}", each.term
            )),
            pa.array(each.reasons, pa.string()),
            pa.array(each.orders),
            pa.array(at, pa.int64(), mask=at == 0).cast(pa.timestamp("s")),
        ]  # fmt: skip
        parts.append(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return whole


def _campaign_rows(
    term: str, reason: str, channel: str, message: str, contacts: Array, orders: Array
) -> Sends:
    count = len(contacts)
    none = np.zeros(count, np.int64)
    return Sends(term, CAMPAIGN_STEP, channel, message, contacts, orders, none, (reason,) * count)


# --- retry ----------------------------------------------------------------------------------------


def _steer_retry(machine: Machine, now: int, name: str, key: str) -> int:
    campaign = machine.state.campaigns[name]
    if campaign.phase == "stopped":
        raise InputError(f"campaign {name!r} is stopped: nothing of it is sent any more")
    count = campaign.retryable(key)
    if count:
        machine.accept(now, (records.Steered(name, "retry", key),))
    return count


def _to_try(sends: Sends, done: Collection[int]) -> Sends:
    """Without those that stand in the place of one that failed before, or have one in theirs."""
    numbers = sends.orders.tolist()
    requested = sends.data.get(REQUEST_KEY, (None,) * len(numbers))
    rows = [
        row
        for row, (number, own) in enumerate(zip(numbers, requested, strict=True))
        if number not in done and not is_retry(own)
    ]
    data = {each: tuple(values[row] for row in rows) for each, values in sends.data.items()}
    return msgspec.structs.replace(
        sends, contacts=sends.contacts[rows], orders=sends.orders[rows], data=data
    )


def _again(machine: Machine, now: int, name: str, sends: Sends, key: str) -> int | None:
    """Requests single sends in the place of failed ones, each by a key that names its order.

    None: there is no such message.
    """
    plan = machine.state.plan
    journey = requested_name(sends.channel, sends.message)
    is_there = plan is not None and (sends.channel, sends.message) in plan.outgoing
    if requested_message(journey) is None or not is_there:
        return None
    keys = retry_keys(name, sends.orders.tolist(), key)
    known = machine.state.keys_entered.get(journey, NumberSet())
    fresh = np.flatnonzero(~known.contains(hash_pairs(sends.contacts, keys)))
    if not len(fresh):
        return 0
    rows = fresh.tolist()
    columns: dict[str, tuple[str | None, ...]] = {REQUEST_KEY: tuple(keys[row] for row in rows)}
    for attribute, values in sends.data.items():
        if attribute != REQUEST_KEY and any(values[row] is not None for row in rows):
            columns[attribute] = tuple(values[row] for row in rows)
    data = pa.RecordBatch.from_arrays(
        [pa.array(values, pa.string()) for values in columns.values()], names=list(columns)
    )
    started = records.Started(journey, sends.contacts[fresh], data, RETRY_SOURCE)
    machine.accept(now, (started,))
    return len(rows)
