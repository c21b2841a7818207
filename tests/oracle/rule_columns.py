"""Rows to the vectors that compiled rules read, and answers back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import EventLists, Fact, Vector, to_bools, vector_of
from blaster.rules.vectors import gather
from tests.oracle.rule_facts import Path, Raw

_EPOCH = dt.date(1970, 1, 1)
_LIKE: dict[Kind, Any] = {
    Kind.NUMBER: 0.0, Kind.DATE: _EPOCH, Kind.BOOL: True,
    Kind.INSTANT: dt.datetime(1970, 1, 1, tzinfo=dt.UTC), Kind.TEXT: "",
}  # fmt: skip


def stored(value: Any, kind: Kind) -> Any:
    """A fact's value as its column holds it."""
    if isinstance(value, Raw):
        value = value.fitted(_LIKE[kind])
    if isinstance(value, dt.datetime):
        return int(value.timestamp())
    if isinstance(value, dt.date):
        return (value - _EPOCH).days
    if isinstance(value, Decimal):
        return int(value.scaleb(-int(value.as_tuple().exponent)))
    return value


def vectors_of(
    facts: Sequence[Fact], rows: Sequence[Mapping[Path, Any]], order: Sequence[int]
) -> list[Vector | EventLists]:
    """One vector per fact; row i of it is `rows[order[i]]`."""
    out: list[Vector | EventLists] = []
    for fact in facts:
        if fact.kind == Kind.EVENTS:
            out.append(_events_of(fact, [row[fact.space, *fact.key] for row in rows], order))
            continue
        distinct = [stored(row[fact.space, *fact.key], fact.kind) for row in rows]
        out.append(vector_of(fact.kind, [distinct[place] for place in order]))
    return out


def _events_of(
    fact: Fact, rows: Sequence[Sequence[Mapping[str, Any]]], order: Sequence[int]
) -> EventLists:
    """The happenings of the distinct rows, repeated as the rows are."""
    flat = [one for row in rows for one in row]
    sizes = np.array([len(row) for row in rows], np.int64)
    starts = np.cumsum(sizes) - sizes
    places = [np.arange(starts[row], starts[row] + sizes[row]) for row in order]
    taken = np.concatenate([np.zeros(0, np.int64), *places]).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[list(order)])])
    instants = vector_of(Kind.TIME, [stored(one["time"], Kind.TIME) for one in flat])
    items = [
        vector_of(item.kind, [stored(one.get(item.name), item.kind) for one in flat])
        for item in fact.items
    ]
    return EventLists(
        offsets.astype(np.int64), gather(instants, taken),
        tuple(gather(item, taken) for item in items),
    )  # fmt: skip


def answers(words: npt.NDArray[np.uint64], length: int) -> list[bool]:
    """The rows of a bitmap; its tail must be empty."""
    assert words.dtype == np.uint64
    assert len(words) == (length + 63) // 64
    assert not to_bools(words, 64 * len(words))[length:].any()
    found: list[bool] = to_bools(words, length).tolist()
    return found
