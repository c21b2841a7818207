"""What the core hands over and what it gets back, batch by batch: the same for every channel."""

from __future__ import annotations

import msgspec
import pyarrow as pa

from blaster.model.records import Array


class OrderBatch(msgspec.Struct, frozen=True):
    """Orders of one message (or one crm or webhook call) for one hand-over, row by row.

    `numbers` uint64, `contacts` int64; `addresses` is a string array: the e-mail address or phone
    number as it was at hand-over (null for calls).
    """

    channel: str
    name: str
    numbers: Array
    contacts: Array
    addresses: pa.Array


class OutcomeBatch(msgspec.Struct, frozen=True):
    """What became of orders: `codes` are `OutcomeCode` values (uint8); `reasons` per row, or ()."""

    numbers: Array
    codes: Array
    reasons: tuple[str, ...] = ()
