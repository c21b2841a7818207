"""The orders in flight: handed over, no final outcome yet.

Numbers are issued once, densely; a block of 65,536 is dropped when each of its orders is settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from blaster.core.rows import distinct
from blaster.model.fields import BATCH_ROWS

Array = np.ndarray[Any, Any]

ORDER = np.dtype(
    [
        ("run", np.int64),
        ("contact", np.int64),
        ("version", np.int32),
        ("step", np.int32),
        ("at", np.uint32),
        ("open", np.bool_),
    ]
)


class Orders:
    """Orders by number, from 1."""

    def __init__(self) -> None:
        self.next = 1
        self.in_flight = 0
        self._blocks: dict[int, Array] = {}
        self._open: dict[int, int] = {}

    def add(
        self, numbers: Array, runs: Array, contacts: Array, version: int, step: int, at: int
    ) -> None:
        """Notes that these orders are in flight."""
        for block, positions in _by_block(numbers):
            rows = self._blocks.get(block)
            if rows is None:
                rows = self._blocks[block] = np.zeros(BATCH_ROWS, ORDER)
                self._open[block] = 0
            fresh = np.zeros(len(positions), ORDER)
            fresh["run"], fresh["contact"] = runs[positions], contacts[positions]
            fresh["version"], fresh["step"], fresh["at"], fresh["open"] = version, step, at, True
            rows[_offset(numbers[positions])] = fresh
            self._open[block] += len(positions)
        if len(numbers):
            self.next = max(self.next, int(numbers.max()) + 1)
        self.in_flight += len(numbers)

    def find(self, numbers: Array) -> Array:
        """The orders as structs of ORDER; `open` is false for one that is not in flight."""
        found = np.zeros(len(numbers), ORDER)
        for block, positions in _by_block(numbers):
            rows = self._blocks.get(block)
            if rows is not None:
                found[positions] = rows[_offset(numbers[positions])]
        return found

    def settle(self, numbers: Array) -> None:
        """Forgets orders that are in flight (each given once)."""
        for block, positions in _by_block(numbers):
            self._blocks[block]["open"][_offset(numbers[positions])] = False
            self._open[block] -= len(positions)
            if self._open[block] == 0 and self.next > (block + 1) * BATCH_ROWS:
                del self._blocks[block], self._open[block]
        self.in_flight -= len(numbers)

    def numbers(self) -> Array:
        """Every order in flight, ascending."""
        parts = [
            np.flatnonzero(rows["open"]).astype(np.uint64) + np.uint64(block * BATCH_ROWS + 1)
            for block, rows in sorted(self._blocks.items())
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _offset(numbers: Array) -> Array:
    return (numbers - np.uint64(1)) % np.uint64(BATCH_ROWS)


def _by_block(numbers: Array) -> Iterator[tuple[int, Array]]:
    """Positions per block; numbers of one hand-over are almost always in one."""
    if not len(numbers):
        return
    blocks = ((numbers - np.uint64(1)) // np.uint64(BATCH_ROWS)).astype(np.int64)
    first, last = int(blocks.min()), int(blocks.max())
    if first == last:
        yield first, np.arange(len(numbers))
        return
    for block in distinct(blocks).tolist():
        yield block, np.flatnonzero(blocks == block)
