"""Columns where Arrow lends them: offsets, bitmaps, and memory that stays."""

from __future__ import annotations

import gc

import numpy as np
import pyarrow as pa
import pytest

from blaster.rules.lent import plain, words_at

ROWS = 201


def lent(batch: pa.RecordBatch) -> object:
    return batch.__arrow_c_array__()[1]


def bits(buffer: object, rows: int) -> list[bool]:
    packed = np.frombuffer(buffer, np.uint8)  # type: ignore[call-overload]
    assert len(packed) == (rows + 7) // 8
    return np.unpackbits(packed, count=rows, bitorder="little").astype(bool).tolist()


@pytest.mark.parametrize("first", [0, 1, 7, 8, 9, 63, 64, 130])
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 64, 70])
def test_slices(first: int, rows: int) -> None:
    dice = np.random.default_rng(first * 100 + rows)
    numbers = [int(n) if n % 3 else None for n in dice.integers(0, 99, ROWS)]
    truths = [bool(n % 2) if n % 5 else None for n in dice.integers(0, 99, ROWS)]
    whole = pa.record_batch({"n": pa.array(numbers, pa.int16()), "t": pa.array(truths)})
    cut = whole.slice(first, rows)
    for place, width, wanted in ((0, 2, numbers), (1, 0, truths)):
        part = wanted[first : first + rows]
        count, values, valid = plain(lent(cut), place, width)
        assert count == rows
        if not rows:
            assert values is None
            continue
        set_rows = [True] * rows if valid is None else bits(valid, rows)
        assert set_rows == [value is not None for value in part]
        found = np.frombuffer(values, np.int16).tolist() if width else bits(values, rows)
        assert [v for v, ok in zip(found, set_rows, strict=True) if ok] == [
            value for value in part if value is not None
        ]


def test_nothing_missing_has_no_bitmap() -> None:
    batch = pa.record_batch({"n": pa.array([1, None, 3], pa.int32())})
    assert plain(lent(batch), 0, 4)[2] is not None
    assert plain(lent(pa.record_batch({"n": pa.array([1, 2], pa.int32())})), 0, 4)[2] is None


def test_memory_stays_while_a_view_does() -> None:
    values = plain(lent(pa.record_batch({"n": pa.array(range(1000), pa.int64())})), 0, 8)[1]
    kept = np.frombuffer(values, np.int64)
    del values
    gc.collect()
    again = pa.array(np.full(1000, -1))  # would lie where the other lay
    assert kept.tolist() == list(range(1000))
    assert len(again) == 1000
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_words_are_known_by_where_they_lie() -> None:
    column = pa.array(["a", "b", "a"]).dictionary_encode()
    place = words_at(lent(pa.record_batch({"w": column})), 0)
    assert place[1:] == (0, 2)
    assert place == words_at(lent(pa.record_batch({"w": column.slice(1)})), 0)
    other = pa.array(["a", "c"]).dictionary_encode()
    assert place != words_at(lent(pa.record_batch({"w": other})), 0)


def test_what_is_no_such_column() -> None:
    capsule = lent(pa.record_batch({"text": ["a"], "n": [1]}))
    for place in (-1, 2):
        with pytest.raises(IndexError, match="no column"):
            plain(capsule, place, 8)
    with pytest.raises(TypeError, match="3 buffers"):
        plain(capsule, 0, 4)
    with pytest.raises(TypeError, match="no dictionary"):
        words_at(capsule, 1)
    with pytest.raises(ValueError, match="PyCapsule"):
        plain(object(), 0, 8)
