"""Single sends in the place of failed ones: how they are asked for, and which of them failed too.

What failed in a journey is sent again by a request with the key `retry "NAME" ORDER [KEY]`, ORDER
being that of the send that failed first, however often it is tried, and NAME a JSON string, so that
no key is of two journeys. A send in the place of another is never retried in its turn: who failed
again is tried again under the name of the journey where he failed first. What becomes of the
request is told by the records of another journey, that of the single send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import partial

from blaster.core import REQUEST_KEY
from blaster.log import Told
from blaster.model import records
from blaster.reports.sends import WITH_DATA, Within, is_of, list_sends

RETRY_SOURCE = "retry"
Named = Callable[[str], bool]
Slices = Callable[[frozenset[int], Named | None], Iterable[tuple[Within | None, Iterable[Told]]]]
"""The operations of some kinds, for some contacts at a time; of journeys only the named ones."""


def retry_keys(name: str, orders: Iterable[int], key: str) -> tuple[str, ...]:
    """The keys of the requests in the place of these orders of a journey."""
    suffix = f" {key}" if key else ""
    return tuple(f"{_head(name)}{order}{suffix}" for order in orders)


def is_retry(key: str | None) -> bool:
    """Whether a request with this key is in the place of another send, of whatever journey."""
    return re.match(r'retry "(?:[^"\\]|\\.)*" [0-9]+(?: |\Z)', key or "") is not None


def retried_order(name: str, key: str | None) -> int:
    """In whose place a request with this key is; 0 for one that is no retry of this journey."""
    found = re.match(rf"{re.escape(_head(name))}([0-9]+)(?: |\Z)", key or "")
    return int(found[1]) if found is not None else 0


def _head(name: str) -> str:
    return f"retry {json.dumps(name, ensure_ascii=False)} "


def tried_again(slices: Slices, name: str) -> frozenset[int]:
    """The orders of a journey in whose place something was sent that has not failed (yet)."""
    asked: dict[str, int] = {}
    journeys: set[str] = set()
    for _, past in slices(frozenset({records.Started.KIND}), None):
        for told in past:
            operation = told.operation
            if isinstance(operation, records.Started) and operation.source == RETRY_SOURCE:
                mine = {key: retried_order(name, key) for key in _keys(operation) if key}
                mine = {key: number for key, number in mine.items() if number}
                asked |= mine
                journeys |= {operation.journey} if mine else set()
    for journey in sorted(journeys):
        for within, past in slices(WITH_DATA, partial(is_of, journey)):
            for sends in list_sends(past, journey, ("failed",), within=within, with_data=True):
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
