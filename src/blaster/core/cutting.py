"""One contact's part of the log: each operation cut down to what concerns him.

Applying the cut operations gives a state in which only this contact lives, with the rows and
numbers it has in the whole one; so its past can be looked at without holding everybody else's.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core.campaigns import SUFFIX
from blaster.core.state import State
from blaster.model import records

Array = np.ndarray[Any, Any]


def only(state: State, operation: records.Operation, contact: int) -> records.Operation | None:
    """What concerns `contact` of an operation, given the state before it; None: nothing."""
    if isinstance(operation, records.Published | records.Filling):
        return operation
    if isinstance(operation, records.EVIDENCE):
        return None
    if isinstance(operation, records.Took):
        head = state.inbox[0] if state.inbox else None
        return operation if head is not None and head.number == operation.input else None
    if isinstance(operation, _OF_ORDERS):
        mine = state.orders.find(operation.orders)["open"]
    elif hasattr(operation, "contacts"):
        mine = operation.contacts == contact
    elif isinstance(operation, records.Steered):
        return operation
    elif isinstance(operation, records.Launched):
        return _only_launched(operation, contact)
    elif operation.journey.endswith(SUFFIX):  # type: ignore[attr-defined]
        mine = operation.runs == contact  # type: ignore[attr-defined]
    else:
        journey = state.by_version.get(operation.journey)  # type: ignore[attr-defined]
        if journey is None:  # others asked for it first; this contact was never in it yet
            return None
        runs = operation.runs  # type: ignore[attr-defined]
        mine = np.zeros(len(runs), bool)
        known = runs < journey.table.rows
        rows = runs[known]
        alive = journey.column("number").take(rows) != 0
        mine[known] = alive & (journey.contacts(rows) == contact)
    return _cut(operation, mine) if mine.any() else None


_OF_ORDERS = (records.Outcomes, records.Postponed, records.Resumed, records.Revoked)


def _only_launched(operation: records.Launched, contact: int) -> records.Launched:
    """The audience without anybody else."""
    size = -(-operation.count // 8)
    bits = np.frombuffer(pa.decompress(operation.audience, size, codec="zstd"), np.uint8)
    alone, place = np.zeros_like(bits), contact - operation.first
    if 0 <= place < operation.count:
        alone[place // 8] = bits[place // 8] & (1 << (place % 8))
    audience = pa.compress(alone.tobytes(), "zstd", asbytes=True)
    return msgspec.structs.replace(operation, audience=audience)


def only_rows(operation: records.Operation, mine: Array) -> records.Operation | None:
    """These rows of a record (bool[], one each); None: there are none of them."""
    return _cut(operation, mine) if mine.any() else None


def _cut(operation: records.Operation, mine: Array) -> records.Operation:
    positions = np.flatnonzero(mine)
    changes: dict[str, Any] = {}
    for name in operation.__struct_fields__:
        value = getattr(operation, name)
        if isinstance(value, np.ndarray):
            changes[name] = value[mine] if len(value) == len(mine) else value  # one for all
        elif isinstance(value, pa.RecordBatch) and value.num_columns:
            changes[name] = value.take(pa.array(positions))
        elif isinstance(value, tuple) and name in _PER_ROW and value:
            changes[name] = tuple(value[position] for position in positions.tolist())
    cut: records.Operation = msgspec.structs.replace(operation, **changes)
    return cut


_PER_ROW = frozenset({"keys", "texts", "reasons", "classes"})
"""Tuples of one text per row; others (topics) belong to the whole operation."""
