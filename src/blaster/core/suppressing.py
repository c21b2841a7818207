"""Suppression scopes: what a transport worker looks at once more, right before it sends.

A scope is a bit: 1 everything, 2 marketing, 4 sales, from 8 on the topics of the published
messages. A contact's scopes are what he is surely not sent; a message's mask has the bits
that forbid it. Laws: where the tick allows a send, mask and scopes have no bit in common; after an
opt-out, or a withdrawal of what the message needs, they have one. Who never permitted anything has
no bit: the tick refuses him, and nothing was on its way.

A topic keeps its bit for as long as the log is kept, so a mask made before a publication means the
same after it. Weakness: a topic past the 61st ever published has no bit of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.consent import flag, permits
from blaster.core.fields import ADDRESS_CHANNELS
from blaster.core.plan import Outgoing
from blaster.core.rows import distinct
from blaster.core.sends import ADDRESS_FIELDS
from blaster.core.state import State
from blaster.model import records
from blaster.model.fields import BATCH_ROWS
from blaster.model.outcomes import OutcomeCode

Array = np.ndarray[Any, Any]

EVERYTHING, MARKETING, SALES = 1, 2, 4
FIRST_TOPIC = 3
"""The place of the first topic's bit."""
TOPICS_MAX = 64 - FIRST_TOPIC


def topics_of(state: State) -> tuple[str, ...]:
    """The topics that have a bit, in its order: that of their first publication."""
    return tuple(state.topics[:TOPICS_MAX])


def mask_of(state: State, outgoing: Outgoing) -> int:
    """The scopes of which each forbids this message."""
    if outgoing.category not in ("marketing", "sales"):
        return EVERYTHING
    mask = EVERYTHING | (MARKETING if outgoing.category == "marketing" else SALES)
    topics = topics_of(state)
    if outgoing.topic in topics:
        mask |= 1 << (FIRST_TOPIC + topics.index(outgoing.topic))
    return mask


def scopes_of(state: State, channel: str, contacts: Array) -> Array:
    """uint64[]: what each of these contacts is not sent on the channel."""
    scopes = np.zeros(len(contacts), np.uint64)
    never = flag(state, ("opt-out", channel, "all"), contacts)
    never |= flag(state, ("bounced", channel), contacts)
    scopes[never] |= np.uint64(EVERYTHING)
    # An opt-out is a withdrawal too: only who took something back has other scopes.
    which = np.flatnonzero(flag(state, ("withdrawn", channel), contacts))
    if len(which):
        rows = contacts[which]
        refuses = flag(state, ("opt-out", channel, "marketing"), rows)
        refuses |= ~flag(state, ("consent", channel), rows)
        scopes[which[refuses]] |= np.uint64(MARKETING | SALES)
        for place, topic in enumerate(topics_of(state), FIRST_TOPIC):
            refused = which[~permits(state, channel, topic, rows)]
            scopes[refused] |= np.uint64(1 << place)
    return scopes


def suppressed_contacts(state: State, channel: str) -> Array:
    """int64[]: the contacts with any scope on the channel."""
    found = [np.empty(0, np.int64)]
    keys = (("opt-out", channel, "all"), ("bounced", channel), ("withdrawn", channel))
    if any(state.find(key) is not None for key in keys):
        for first in range(0, state.contacts.rows, BATCH_ROWS):
            last = min(first + BATCH_ROWS, state.contacts.rows)
            contacts = np.arange(first, last, dtype=np.int64)
            found.append(contacts[scopes_of(state, channel, contacts) != 0])
    return np.concatenate(found)


def addresses_of(state: State, channel: str, contacts: Array) -> pa.StringArray:
    """The contacts' addresses on the channel, as strings; null where there is none."""
    return state.column(("field", ADDRESS_FIELDS[channel])).texts(contacts)


def touched(state: State, channel: str, operations: Iterable[records.Operation]) -> Array:
    """int64[], sorted: the contacts whose scopes or address these operations may change.

    To be asked before they apply: an outcome names its contact only while its order is in flight.
    Inputs change nothing before they are taken; `scopes_of` is asked after that.
    """
    found = [np.empty(0, np.int64)]
    found += [_touched(state, channel, operation) for operation in operations]
    return distinct(np.concatenate(found))


def _touched(state: State, channel: str, operation: records.Operation) -> Array:
    nobody = np.empty(0, np.int64)
    match operation:
        case records.Suppressed() | records.Consented():
            return operation.contacts if operation.channel == channel else nobody
        case records.Noted():
            harm = operation.fact in ("bounced", "complained")
            return operation.contacts if harm and operation.channel == channel else nobody
        case records.Outcomes():
            failed = operation.orders[operation.codes == OutcomeCode.FAILED]
            orders = state.orders.find(failed)
            contacts: Array = orders["contact"][orders["open"]].copy()
            return contacts
        case records.Upserted() | records.FieldsSet() | records.Wrote():
            names = operation.columns.schema.names
            named = any(ADDRESS_CHANNELS.get(name) == channel for name in names)
            return operation.contacts if named else nobody
    return nobody
