"""Batches of orders and outcomes, cut and checked where they pass the engine's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from blaster.core import distinct
from blaster.limits import OUTCOME_WAIT_MAX_S
from blaster.model.orders import OutcomeBatch, key_of
from blaster.model.outcomes import OutcomeCode, cut_reason
from blaster.model.records import Array

NO_LIMIT = 1 << 62
"""The room of a channel that takes any number."""


class Gated(Protocol):
    """What stands at one gate."""

    @property
    def channel(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def site(self) -> str: ...


def gate_of(room: Mapping[str, int], batch: Gated) -> str:
    """What the room of a batch is counted by."""
    return key_of(room, batch.channel, batch.category, batch.site)


def room_of(room: Mapping[str, int], batch: Gated) -> int:
    return room.get(gate_of(room, batch), NO_LIMIT)


def union(parts: list[Array]) -> Array:
    """Contacts of several operations, each once, ascending."""
    return distinct(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def chosen(reasons: list[str], mine: Array) -> tuple[str, ...]:
    """The reasons of some rows; none when there is nothing in them."""
    kept = tuple(reasons[row] for row in np.flatnonzero(mine).tolist())
    return kept if any(kept) else ()


def checked(batch: OutcomeBatch) -> OutcomeBatch:
    """The batch in its proper types, of reasons what is kept. Raises ValueError for what can be no
    outcomes.
    """
    numbers = np.asarray(batch.numbers, np.uint64)
    codes = np.asarray(batch.codes, np.uint8)
    reasons, waits = tuple(batch.reasons), tuple(int(wait) for wait in batch.waits)
    if len(waits) not in (0, len(numbers)) or any(
        not 0 <= wait <= OUTCOME_WAIT_MAX_S for wait in waits
    ):
        raise ValueError(f"{numbers.shape} orders cannot wait {waits[:3]} seconds")
    if numbers.ndim != 1 or codes.shape != numbers.shape or len(reasons) not in (0, len(numbers)):
        raise ValueError(f"{numbers.shape} orders, {codes.shape} codes, {len(reasons)} reasons")
    if not all(isinstance(reason, str) for reason in reasons):
        raise ValueError("a reason is a text")
    strange = set(np.unique(codes).tolist()) - {int(code) for code in OutcomeCode}
    if strange:
        raise ValueError(f"outcome codes {sorted(strange)} mean nothing")
    return OutcomeBatch(numbers, codes, tuple(map(cut_reason, reasons)), waits)
