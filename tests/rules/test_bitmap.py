"""Bitmaps: NumPy booleans to words and back."""

from __future__ import annotations

import random

import numpy as np
import pytest

from blaster.rules import count, from_bools, to_bools


@pytest.mark.parametrize("rows", [0, 1, 7, 63, 64, 65, 127, 128, 1000, 65_535, 65_536, 65_537])
def test_round_trip(rows: int) -> None:
    """Words hold the flags, least significant bit first, and nothing behind the last row."""
    rnd = random.Random(rows)
    flags = np.array([rnd.random() < 0.5 for _ in range(rows)], dtype=bool)
    words = from_bools(flags)
    assert len(words) == (rows + 63) // 64
    assert to_bools(words, rows).tolist() == flags.tolist()
    assert count(words) == int(flags.sum())
    if rows:
        row = rows - 1
        assert bool(int(words[row // 64]) >> (row % 64) & 1) == flags[row]
        assert int(words[-1]) >> ((rows - 1) % 64 + 1) == 0


def test_a_slice_with_a_stride_is_packed_right() -> None:
    """Input need not be contiguous."""
    flags = np.array([True, False] * 100)
    assert to_bools(from_bools(flags[::2]), 100).all()


def test_too_few_words() -> None:
    """Asking for more rows than the words hold is an error."""
    with pytest.raises(ValueError, match="65 rows do not fit 1 words"):
        to_bools(np.zeros(1, dtype=np.uint64), 65)
