"""What the core hands over and what it gets back, batch by batch: the same for every channel."""

from __future__ import annotations

from collections.abc import Container

import msgspec
import pyarrow as pa

from blaster.model.letters import Letter
from blaster.model.records import Array


def gate(channel: str, category: str, site: str) -> str:
    """What a transport's room is counted by; a site is named by its `host:port`."""
    return f"{channel}/{category}/{site}"


def key_of(room: Container[str], channel: str, category: str, site: str) -> str:
    """By which of its names a room counts such an order.

    The category where it has a number of its own (one that is held back has 0), else its gate, else
    the channel.
    """
    if category in room:
        return category
    named = gate(channel, category, site)
    return named if named in room else channel


class OrderBatch(msgspec.Struct, frozen=True):
    """Orders of one message (or one crm or webhook call) to one site, row by row.

    `numbers` uint64, `contacts` int64; `made` int64: when each order was first made, in seconds of
    engine time, the same at every try; `addresses` is a string array: the e-mail address or phone
    number as it was at hand-over (null for calls). `site` is `host:port`, or "" where the channel
    has none. `slots` holds per slot of the letter the texts, None where missing; `flags` per rule
    of the letter whether it is true. A set bit of `mask` that an address has in the suppression
    table forbids the message.
    """

    channel: str
    name: str
    numbers: Array
    contacts: Array
    made: Array
    addresses: pa.Array
    category: str = "operational"
    site: str = ""
    letter: Letter | None = None
    slots: tuple[tuple[str | None, ...], ...] = ()
    flags: tuple[tuple[bool, ...], ...] = ()
    mask: int = 1


class OutcomeBatch(msgspec.Struct, frozen=True):
    """What became of orders: `codes` are `OutcomeCode` values (uint8); `reasons` per row, or ().

    `waits` (seconds per row, or ()) says of deferred ones how long they must wait at least; 0
    leaves it to the schedule.
    """

    numbers: Array
    codes: Array
    reasons: tuple[str, ...] = ()
    waits: tuple[int, ...] = ()
