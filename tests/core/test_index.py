"""The hash index against a dict, and its hash against the published one."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.core.index import ArrowReader, Index, KeyReader
from blaster.core.keys import Keys, hash_keys, string_array
from tests.volume import cases

_MASK = (1 << 64) - 1


def _spread(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _siphash13(data: bytes, k0: int, k1: int) -> int:
    """SipHash-1-3 as its paper has it."""
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def rotate(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (64 - bits))) & _MASK

    def turn() -> None:
        v[0] = (v[0] + v[1]) & _MASK
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & _MASK
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & _MASK
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & _MASK
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        turn()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        turn()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _fold(key: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in key)


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(0, _MASK), st.booleans())
def test_the_hash_is_siphash_1_3(keys: list[str], seed: int, fold: bool) -> None:
    """Stable for ever: the same words and seed give what the paper's algorithm gives."""
    k0 = _spread((seed + 0x9E3779B97F4A7C15) & _MASK)
    k1 = _spread((seed + 0x3C6EF372FE94F82A) & _MASK)
    expected = [_siphash13((_fold(k) if fold else k).encode(), k0, k1) for k in keys]
    assert hash_keys(keys, seed, fold).tolist() == expected


def test_the_hash_of_a_null_is_zero() -> None:
    """A null has no hash, wherever it stands."""
    assert hash_keys([None, "a", None])[[0, 2]].tolist() == [0, 0]


def test_arrays_of_every_make_are_read() -> None:
    """Sequences, slices, chunks and wider or coded strings give the same keys."""
    plain = hash_keys(["b", None, "cc"]).tolist()
    sliced = pa.array(["a", "b", None, "cc", "d"])[1:4]
    assert hash_keys(sliced).tolist() == plain
    assert hash_keys(pa.chunked_array([["b"], [None, "cc"]])).tolist() == plain
    assert hash_keys(pa.array(["b", None, "cc"], pa.large_string())).tolist() == plain
    assert hash_keys(sliced.dictionary_encode()).tolist() == plain
    assert hash_keys(pa.chunked_array([], pa.string())).tolist() == []
    assert len(Keys(sliced)) == 3
    assert len(Keys(pa.array([None, None], pa.string()))) == 2
    assert string_array(sliced) is sliced


_KEYS = st.text("abAB0@א", max_size=3)
_CHANGES = st.lists(st.tuples(st.booleans(), _KEYS, st.integers(0, 50)), max_size=120)


@settings(deadline=None)
@given(_CHANGES, st.booleans(), st.integers(0, _MASK))
def test_an_index_is_a_dict(changes: list[tuple[bool, str, int]], fold: bool, seed: int) -> None:
    """Inserting, removing and finding, in any order, as a dict of key to row does it."""
    stored: list[str | None] = [None] * 51
    model: dict[str, int] = {}
    reader = ArrowReader(stored)
    index = Index(reader, seed, fold)
    for adding, key, row in changes:
        known = _fold(key) if fold else key
        if adding and known not in model and stored[row] is None:
            stored[row] = key
            model[known] = row
            index.insert([key], np.array([row]))
        elif not adding and known in model:
            row = model.pop(known)
            index.remove([stored[row]], np.array([row]))
            stored[row] = None
        reader.show(stored)
        assert len(index) == len(model)
    wanted = sorted({key for _, key, _ in changes} | {"", "zz"})
    expected = [model.get(_fold(key) if fold else key, -1) for key in wanted]
    assert index.find(wanted).tolist() == expected


def test_many_keys_grow_the_table_and_leave_it() -> None:
    """Many keys in, found, half of them out; memory within the promise."""
    count = cases(20_000)
    keys = pa.array([f"user{n}@example.co.il" for n in range(count)])
    rows = np.arange(count)
    index = Index(ArrowReader(keys))
    index.insert(keys, rows)
    assert len(index) == count
    assert index.nbytes <= 13 * count
    assert (index.find(keys) == rows).all()
    assert (index.find(pa.array([f"nobody{n}" for n in range(1000)])) == -1).all()
    index.remove(keys.take(pa.array(rows[::2])), rows[::2])
    found = index.find(keys)
    assert (found[::2] == -1).all()
    assert (found[1::2] == rows[1::2]).all()
    assert len(index) == count // 2


def test_order_of_insertion_does_not_matter() -> None:
    """Rows that share a key are found lowest first, whoever came first."""
    keys = ["same"] * 300
    rows = list(range(300))
    index = Index(ArrowReader(keys))
    random.Random(7).shuffle(rows)
    index.insert(keys, np.array(rows))
    assert index.find(["same"]).tolist() == [0]
    index.remove(keys[:299], np.arange(299))
    assert index.find(["same"]).tolist() == [299]
    assert len(index) == 1


@settings(max_examples=cases(20), deadline=None)
@given(st.integers(0, _MASK))
def test_runs_at_the_end_of_the_table_do_not_wrap(seed: int) -> None:
    """Many rows under each of a few keys: the longest runs there can be."""
    names = [f"k{n}" for n in range(8)]
    keys = [name for name in names for _ in range(200)]
    index = Index(ArrowReader(keys), seed)
    index.insert(keys, np.arange(len(keys)))
    assert index.find(names).tolist() == [200 * n for n in range(8)]
    for start in range(0, len(keys), 100):
        index.remove(keys[start : start + 100], np.arange(start, start + 100))
    assert len(index) == 0
    assert index.find(names).tolist() == [-1] * 8


@pytest.mark.parametrize("fold", [False, True])
def test_built_at_once_is_the_same_index(fold: bool) -> None:
    """Nulls, folded and repeated keys included; and it goes on growing and shrinking."""
    count = cases(5_000)
    keys = [None if n % 7 == 0 else f"{'User' if n % 2 else 'user'}{n // 3}" for n in range(count)]
    rows = np.arange(count)
    index, other = (Index(ArrowReader(keys), 5, fold) for _ in range(2))
    index.build(count)
    other.insert(keys, rows)
    assert len(index) == len(other)
    assert index.find(keys).tolist() == other.find(keys).tolist()
    assert index.nbytes <= 13 * len(index) + 1000
    for each in (index, other):
        each.remove(keys[::2], rows[::2])
        each.insert(keys[: count // 4], rows[: count // 4])
    assert index.find(keys).tolist() == other.find(keys).tolist()
    with pytest.raises(ValueError, match="that has keys"):
        index.build(count)
    with pytest.raises(ValueError, match="out of range"):
        Index(ArrowReader(keys)).build(-1)


def test_built_of_few_keys_with_many_rows_each() -> None:
    """The longest runs there can be, at the end of the table too."""
    keys = [f"k{n}" for n in range(8) for _ in range(200)]
    for seed in range(20):
        index = Index(ArrowReader(keys), seed)
        index.build(len(keys))
        assert index.find([f"k{n}" for n in range(8)]).tolist() == [200 * n for n in range(8)]
    nothing = Index(KeyReader())
    nothing.build(100)
    assert len(nothing) == 0


def test_the_same_again_and_the_absent_change_nothing() -> None:
    """Insert and remove can be repeated; nulls are passed over."""
    index = Index(ArrowReader(["a", None]))
    index.insert(["a", None], np.array([0, 1]))
    index.insert(["a", None], np.array([0, 1]))
    index.remove(["b", None], np.array([0, 1]))
    assert len(index) == 1
    assert index.find(["a", None, "b"]).tolist() == [0, -1, -1]


def test_a_stale_row_is_no_hit() -> None:
    """The tag alone never decides: the stored key does."""
    reader = ArrowReader(["a", "b"])
    index = Index(reader)
    index.insert(["a", "b"], np.array([0, 1]))
    reader.show(["x"])
    assert index.find(["a", "b"]).tolist() == [-1, -1]
    nothing = Index(KeyReader())
    nothing.insert(["a"], np.array([0]))
    assert nothing.find(["a"]).tolist() == [-1]


@pytest.mark.parametrize("row", [-1, 2**32 - 1])
def test_a_row_out_of_range_is_refused(row: int) -> None:
    """Nothing of the call is applied."""
    index = Index(ArrowReader(["a", "b"]))
    with pytest.raises(ValueError, match="out of range"):
        index.insert(["a", "b"], np.array([0, row]))
    with pytest.raises(ValueError, match="2 keys for 1 rows"):
        index.insert(["a", "b"], np.array([0]))
    assert len(index) == 0
