"""A growing set of 64-bit numbers (hashes): sorted blocks, merged as they grow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from blaster.core.rows import distinct

Array = np.ndarray[Any, Any]


def hash_pairs(numbers: Array, texts: tuple[str, ...]) -> Array:
    """A stable 64-bit hash of each (number, text), as uint64. Collisions: one in 2**64 per pair."""
    return np.fromiter(
        (
            int.from_bytes(
                hashlib.blake2b(
                    text.encode(), digest_size=8, key=int(number).to_bytes(8, "little")
                ).digest(),
                "little",
            )
            for number, text in zip(numbers.tolist(), texts, strict=True)
        ),
        np.uint64,
        len(texts),
    )


class NumberSet:
    """Blocks sorted by themselves, each at least twice the next: O(log n) blocks to search.

    A block is never changed, only taken away.
    """

    def __init__(self, blocks: Sequence[Array] = ()) -> None:
        self.blocks: list[Array] = list(blocks)

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def contains(self, numbers: Array) -> Array:
        """bool[] per number."""
        found = np.zeros(len(numbers), bool)
        for block in self.blocks:
            at = np.minimum(np.searchsorted(block, numbers), len(block) - 1)
            found |= block[at] == numbers
        return found

    def add(self, numbers: Array) -> None:
        """Adds numbers; those already there change nothing."""
        fresh = distinct(numbers[~self.contains(numbers)])
        if not len(fresh):
            return
        self.blocks.append(fresh)
        while len(self.blocks) > 1 and len(self.blocks[-1]) * 2 > len(self.blocks[-2]):
            last = self.blocks.pop()
            self.blocks[-1] = np.union1d(self.blocks[-1], last)

    def digest(self) -> bytes:
        """A hash of the numbers in it, whatever the order they came in."""
        whole = np.sort(np.concatenate(self.blocks)) if self.blocks else np.empty(0, np.uint64)
        return hashlib.blake2b(whole.tobytes(), digest_size=16).digest()
