"""A set of numbers: what was added is in it, whatever the order it came in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blaster.core.numberset import NumberSet, hash_pairs


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=8), max_size=12))
def test_it_is_a_set(batches: list[list[int]]) -> None:
    """Blocks shrink by half at least, so that there are few of them."""
    known, plain = NumberSet(), set[int]()
    for batch in batches:
        known.add(np.array(batch, np.uint64))
        plain |= set(batch)
        assert len(known) == len(plain)
        sizes = [len(block) for block in known.blocks]
        assert all(a >= 2 * b for a, b in pairwise(sizes))
    asked = np.array([*plain, 7, 2**64 - 1], np.uint64)
    assert known.contains(asked).tolist() == [int(n) in plain for n in asked]
    other = NumberSet()
    other.add(np.array(sorted(plain), np.uint64))
    assert other.digest() == known.digest()


def test_pairs_hash_by_both_parts() -> None:
    """Stable, and of any text."""
    found = hash_pairs(np.array([1, 1, 2, 1]), ("a", "ב", "a", "a"))
    assert len(set(found.tolist())) == 3
    assert found[0] == found[3]
    assert len(hash_pairs(np.empty(0, np.int64), ())) == 0
