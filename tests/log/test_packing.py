"""Packed arrays: every dtype and scheme, exact round trips, and bytes that lie."""

from __future__ import annotations

import contextlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.errors import LogCorrupt
from blaster.log.packing import ROWS_MAX, SCHEME_NAMES, pack, scheme_of, unpack
from tests.volume import cases

DTYPES = ["bool", "uint8", "int32", "uint32", "int64", "uint64", "float64"]


def round_trip(values: np.ndarray) -> bytes:
    packed = pack(values)
    back, end = unpack(b"head" + packed + b"tail", 4)
    assert end == 4 + len(packed)
    assert back.dtype == values.dtype
    assert back.tobytes() == np.ascontiguousarray(values).tobytes()
    assert not back.flags.writeable
    assert back.flags.c_contiguous
    return packed


def elements(dtype: str) -> st.SearchStrategy[list]:
    kind = np.dtype(dtype)
    if dtype == "bool":
        each = st.booleans()
    elif dtype == "float64":
        each = st.floats(width=64) | st.integers(-100, 100).map(float)
    else:
        low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
        each = st.integers(low, high) | st.integers(0, 3) | st.sampled_from([low, high])
    return st.lists(each, max_size=200)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=cases(60), deadline=None)
def test_round_trip_of_anything(dtype, data):
    """Whatever the values, they come back bit for bit."""
    round_trip(np.array(data.draw(elements(dtype)), dtype))


SHAPES = {
    "range": np.arange(5, 50_005, 3),
    "constant": np.full(10_000, 7, np.uint32),
    "never": np.full(10_000, 0xFFFFFFFF, np.uint32),
    "falling": np.arange(1000, 0, -1, dtype=np.int32),
    "raw": np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 1000),
    "planes": np.round(np.random.default_rng(2).random(1000) * 100),
    "bits": np.random.default_rng(3).integers(-5, 60, 1000),
    "bools": np.random.default_rng(4).random(1000) < 0.5,
    "delta": np.sort(np.random.default_rng(5).choice(10**9, 1000, replace=False)),
    "runs": np.repeat(np.random.default_rng(6).integers(0, 10**9, 20), 100),
    "wide bits": np.random.default_rng(7).integers(0, 2**62, 1000, dtype=np.uint64),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_scheme_that_fits_is_chosen(name):
    """Each shape of numbers has its scheme, and none costs more than the raw bytes and a head."""
    values = SHAPES[name]
    packed = round_trip(values)
    expected = {
        "constant": "range",
        "never": "planes",  # one byte fewer than its varint
        "falling": "range",
        "bools": "bits",
        "wide bits": "bits",
    }
    assert scheme_of(packed) == expected.get(name, name)
    assert len(packed) <= values.nbytes + 4


def test_every_scheme_is_covered():
    assert {scheme_of(pack(values)) for values in SHAPES.values()} == set(SCHEME_NAMES)


@pytest.mark.parametrize("width", range(1, 65))
def test_every_width_of_bits(width):
    """A word boundary falls everywhere within a value."""
    rng = np.random.default_rng(width)
    values = rng.integers(0, 2**width - 1, 131, dtype=np.uint64, endpoint=True)
    values[:2] = 0, 2**width - 1
    round_trip(values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_single_and_strided(dtype):
    assert len(round_trip(np.array([], dtype))) == 2
    round_trip(np.array([1], dtype))
    round_trip(np.arange(100).astype(dtype)[::7])
    round_trip(np.frombuffer(b"\1" + np.arange(9).astype(dtype).tobytes(), dtype, 9, 1))


def test_extremes_do_not_overflow():
    round_trip(np.array([-(2**63), 2**63 - 1, 0, -1]))
    round_trip(np.array([2**64 - 1, 0, 2**63], np.uint64))
    round_trip(np.array([2**31 - 1, -(2**31)], np.int32))


@pytest.mark.parametrize(
    "values",
    [np.zeros(3, np.int16), np.zeros((2, 2)), np.array(["a"]), np.zeros(3, ">i8")],
    ids=["int16", "two dimensions", "texts", "big-endian"],
)
def test_other_arrays_are_refused(values):
    with pytest.raises(TypeError):
        pack(values)


def test_too_many_rows_are_refused():
    values = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (ROWS_MAX + 1,), (0,))
    with pytest.raises(ValueError, match="at most"):
        pack(values)


@pytest.mark.parametrize("name", list(SHAPES))
def test_cut_anywhere_is_corrupt(name):
    """Every prefix is refused: no scheme reads on past the end."""
    packed = pack(SHAPES[name][:60])
    for size in range(len(packed)):
        with pytest.raises(LogCorrupt):
            unpack(packed[:size])


def test_random_bytes_are_refused_or_an_array():
    """Thirty thousand lies: nothing but LogCorrupt, and never more rows than asked for."""
    chance = random.Random(20_260_101)
    refused = 0
    for _ in range(30_000):
        data = bytearray(chance.randbytes(chance.randrange(40)))
        if len(data) > 1 and chance.random() < 0.9:
            data[0] = chance.randrange(1, 8) | chance.randrange(6) << 4
            data[1] = chance.randrange(128)
        try:
            values, end = unpack(bytes(data), 0, 1000)
        except LogCorrupt:
            refused += 1
        else:
            assert len(values) <= 1000
            assert end <= len(data)
            assert values.dtype != np.bool_ or set(values.view(np.uint8).tolist()) <= {0, 1}
    assert 1000 < refused < 29_000


def test_flipped_bits_of_real_arrays_never_escape():
    for values in SHAPES.values():
        packed = bytearray(pack(values[:40]))
        for bit in range(8 * len(packed)):
            packed[bit // 8] ^= 1 << bit % 8
            with contextlib.suppress(LogCorrupt):
                unpack(bytes(packed), 0, 10_000)
            packed[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize(
    "data",
    [
        bytes([5 | 1 << 4, 0xFF, 0xFF, 0xFF, 0x7F]),  # 2**28 - 1 raw rows in no bytes
        bytes([5 | 0 << 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0]),  # more rows than ROWS_MAX
        bytes([5 | 4 << 4, 1, *[0xFF] * 10]),  # a varint of more than 64 bits
        bytes([5 | 4 << 4, 1, *[0xFF] * 9, 2]),  # bit 64
        bytes([1 | 1 << 4, 1, 2]),  # a bool that is 2
        bytes([1 | 2 << 4, 1, 1, 0, 2]),  # the same in a plane
        bytes([2 | 0 << 4, 2, 200, 2, 200, 2]),  # a range past 255
        bytes([3 | 4 << 4, 1, 0xFE, 0xFF, 0xFF, 0xFF, 0x1F]),  # 2**32 in an int32
        bytes([5 | 3 << 4, 1, 65, 0, 0]),  # 65 bits
        bytes([5 | 5 << 4, 2, 0, 3]),  # a run longer than the array
        bytes([5 | 5 << 4, 2, 0, 0]),  # a run of nothing
        bytes([2 | 2 << 4, 1, 2, 0, 0]),  # a plane that the dtype does not have
        bytes([9, 0]),
        bytes([5 | 7 << 4, 0]),
        b"",
    ],
    ids=range(15),
)
def test_crafted_lies(data):
    with pytest.raises(LogCorrupt):
        unpack(data)


def test_offsets_outside_are_refused():
    packed = pack(np.arange(3))
    for offset in (-1, len(packed), 10**9):
        with pytest.raises(LogCorrupt):
            unpack(packed, offset)
