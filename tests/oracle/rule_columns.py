"""Rows to the vectors that compiled rules read, and answers back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules import Fact, Vector, to_bools, vector_of
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
) -> list[Vector]:
    """One vector per fact; row i of it is `rows[order[i]]`."""
    out: list[Vector] = []
    for fact in facts:
        distinct = [stored(row[fact.space, *fact.key], fact.kind) for row in rows]
        out.append(vector_of(fact.kind, [distinct[place] for place in order]))
    return out


def answers(words: npt.NDArray[np.uint64], length: int) -> list[bool]:
    """The rows of a bitmap; its tail must be empty."""
    assert words.dtype == np.uint64
    assert len(words) == (length + 63) // 64
    assert not to_bools(words, 64 * len(words))[length:].any()
    found: list[bool] = to_bools(words, length).tolist()
    return found
