"""Erasing contacts: nothing of what was known of them stays in the columns and indexes.

What stays is the number, which is never given again, when it was erased, what they are counted in
(counts, the bits of campaigns, sendings and happenings without anything of theirs), and the keyed
hashes of their addresses (`forgotten`). Their runs end and their sends are taken back by the tick
that takes the erasure (`releasing`): until then the columns of runs are left.
Laws: an erased contact is found by nothing and chosen by no rule; what is recorded of him later
changes nothing. Words of dictionaries that nobody holds any more go later (`forget_words`), since
finding them is a look at whole columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.column import Column
from blaster.core.consent import flag
from blaster.core.forgotten import hash_addresses
from blaster.core.sends import ADDRESS_FIELDS
from blaster.core.state import ADDRESSES, Change, Effect, State
from blaster.core.table import Table
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, Kind
from blaster.rules import Dictionary, is_blank

Array = np.ndarray[Any, Any]

_KEPT = frozenset({"runs", "campaign", "erased"})
"""Columns of contacts by the first word of their key: links to runs, and what counts."""


def erasure_of(state: State, contacts: Array, seed: int) -> records.Erased:
    """The record that erases these contacts (each given once); `seed` keys the first hashes."""
    seed = state.forgotten.seed or seed
    hashes, codes = {}, np.zeros(len(contacts), np.uint8)
    for channel, name in ADDRESS_FIELDS.items():
        addresses = state.column(("field", name)).texts(contacts)
        hashes[channel] = hash_addresses(channel, addresses, seed)
        never = flag(state, ("opt-out", channel, "all"), contacts)
        never |= flag(state, ("bounced", channel), contacts)
        codes[never] |= records.NOTHING_BITS[channel]
    return records.Erased(contacts, seed, hashes["email"], hashes["sms"], codes)


def take_erased(state: State, at: int, operation: records.Erased, positions: Array) -> list[Effect]:
    """Whoever was erased before stays as he is."""
    contacts, codes = operation.contacts[positions], operation.codes[positions]
    state.forgotten.seed = state.forgotten.seed or operation.seed
    for channel, hashes in (("email", operation.emails), ("sms", operation.phones)):
        never = codes & records.NOTHING_BITS[channel] != 0
        state.forgotten.close(channel, "all", hashes[positions][never])
        state.forgotten.close(channel, "marketing", hashes[positions][~never])
    _leave_directory(state, contacts)
    _forget_happenings(state, contacts)
    for key in state.fact_keys():
        column = state.column(key)
        if key[0] == "list" and key[2] == "member":
            state.counts["list", key[1]] -= int(column.take(contacts).sum())
        if key[0] not in _KEPT:
            column.scrub(contacts)
    for journey in state.versions:
        _forget_runs(journey.table, contacts)
    state.column(("erased",)).put(contacts, at)
    state.counts["contacts",] -= len(contacts)
    state.counts["erased",] += len(contacts)
    return [Change(("erased",), contacts)]


def _leave_directory(state: State, contacts: Array) -> None:
    keys = [state.column(("field", name)).take(contacts) for name in ADDRESSES]
    state.directory.remove(contacts, *(pa.array(texts, pa.string()) for texts in keys))


def _forget_happenings(state: State, contacts: Array) -> None:
    """What came with their events; that there were so many, and when, stays."""
    for key, happenings in state.happenings.items():
        newest = state.find(("newest", *key))
        if newest is not None:
            _, rows = happenings.lists(newest.take(contacts), None)
            for name in happenings.table.names:
                if isinstance(name, tuple) and name[0] in ("attribute", "filling"):
                    happenings.table.column(name).scrub(rows)


def _forget_runs(table: Table, contacts: Array) -> None:
    """What runs keep of what started them and happened in them, of those that ended as well.

    The row of a run that ended holds it until it is used again.
    """
    owners = table.column("contact")
    found = [np.empty(0, np.int64)]
    for first in range(0, table.rows, BATCH_ROWS):
        rows = np.arange(first, min(first + BATCH_ROWS, table.rows), dtype=np.int64)
        found.append(rows[np.isin(owners.take(rows), contacts)])
    rows = np.concatenate(found)
    for name in table.names:
        if name == "key" or isinstance(name, tuple):
            table.column(name).scrub(rows)


# --- what hides in memory -------------------------------------------------------------------------


def forget_words(state: State) -> Iterator[None]:
    """Lets go of texts and words that nobody holds any more; to be gone through piece by piece.

    Nothing else of the state changes. Between two pieces the state may be used; each is a look at
    all rows of a few columns. What was erased before the first piece is in no column after the
    last.
    """
    for journey in state.versions:
        for name in journey.table.names:
            journey.table.column(name).tidy()
        yield
    for dictionary, columns in _dictionaries(state):
        _forget_unused(dictionary, columns)
        yield


def _dictionaries(state: State) -> list[tuple[Dictionary, list[Column]]]:
    """The dictionaries of people's words, each with all the columns over it.

    Not those of definitions' words: messages' names, and what fields declare.
    """
    found: dict[int, tuple[Dictionary, list[Column]]] = {}
    tables = [state.contacts, *(journey.table for journey in state.versions)]
    tables += [happenings.table for happenings in state.happenings.values()]
    for table in tables:
        for name in table.names:
            column = table.column(name)
            words = column.dictionary
            if words is not None and words is not state.sms_messages:
                found.setdefault(id(words), (words, []))[1].append(column)
    return list(found.values())


def _forget_unused(dictionary: Dictionary, columns: list[Column]) -> None:
    used = np.zeros(len(dictionary), bool)
    for column in columns:
        used |= column.codes_used()
        if column.kind is Kind.CODE and column.never_missing:
            used[dictionary.find(column.default)] = True
    unused = np.flatnonzero(~used).tolist()
    if any(not is_blank(dictionary.values[code]) for code in unused):
        dictionary.forget(unused)
