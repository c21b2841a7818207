"""Single sends in the place of failed ones: how they are asked for, and which of them failed too.

What failed in a journey is sent again by a request with the key `retry NAME ORDER [KEY]`, ORDER
being that of the send that failed first, however often it is tried. What becomes of the request is
told by the log of another journey, that of the single send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from blaster.core import REQUEST_KEY
from blaster.model import records
from blaster.reports.sends import list_sends

RETRY_SOURCE = "retry"
Read = Callable[[], Iterable[tuple[int, records.Entry]]]


def retry_keys(name: str, orders: Iterable[int], key: str) -> tuple[str, ...]:
    """The keys of the requests in the place of these orders of a journey."""
    suffix = f" {key}" if key else ""
    return tuple(f"retry {name} {order}{suffix}" for order in orders)


def retried_order(name: str, key: str | None) -> int:
    """In whose place a request with this key is; 0 for one that is no retry of this journey."""
    found = re.match(rf"retry {re.escape(name)} (\d+)(?: |\Z)", key or "")
    return int(found[1]) if found is not None else 0


def tried_again(read: Read, name: str) -> frozenset[int]:
    """The orders of a journey in whose place something was sent that has not failed (yet)."""
    asked: dict[str, int] = {}
    journeys: set[str] = set()
    for _, entry in read():
        for operation in entry.operations:
            if isinstance(operation, records.Started) and operation.source == RETRY_SOURCE:
                mine = {key: retried_order(name, key) for key in _keys(operation) if key}
                mine = {key: number for key, number in mine.items() if number}
                asked |= mine
                journeys |= {operation.journey} if mine else set()
    for journey in sorted(journeys):
        for sends in list_sends(read(), journey, ("failed",), with_data=True):
            for key in sends.data.get(REQUEST_KEY, ()):
                if key is not None:
                    asked.pop(key, None)
    return frozenset(asked.values())


def _keys(operation: records.Started) -> list[str | None]:
    """The keys of a request, row by row; none where it has none."""
    if REQUEST_KEY not in operation.columns.schema.names:
        return []
    found: list[str | None] = operation.columns.column(REQUEST_KEY).to_pylist()
    return found
