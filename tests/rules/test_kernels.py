"""Every kernel of every instruction set gives the bits that NumPy gives, and writes no others."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blaster.rules.kernels import anniversary_bits, hashed, levels, present, try_kernel, use
from tests.volume import TRACED

LENGTHS = [*range(0, 201, 13 if TRACED else 1), 65_535, 65_536]
rng = np.random.default_rng(20260301)


@pytest.fixture(params=levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that this machine has; the test's name says which."""
    before = use(request.param)
    yield request.param
    use(before)


def unpacked(words: npt.NDArray[np.uint64], rows: int) -> npt.NDArray[np.bool_]:
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    assert not bits[rows:].any()
    return bits[:rows].astype(bool)


def check(name: str, values: npt.NDArray[Any], want: npt.NDArray[Any], *given: Any) -> None:
    """All lengths, and every place in a cache line where values may begin."""
    for rows in LENGTHS:
        found = unpacked(try_kernel(name, values[:rows], *given), rows)
        assert (found == want[:rows]).all(), rows
    for start in range(1, 64 // values.itemsize + 1):
        others = [
            item[start:] if isinstance(item, np.ndarray) and len(item) == len(values) else item
            for item in given
        ]
        found = unpacked(try_kernel(name, values[start:], *others), len(values) - start)
        assert (found == want[start:]).all(), start


def test_what_this_machine_has() -> None:
    """Plain C is always there; where no test may be left out, so is AVX2."""
    assert levels()[0] == "plain"
    if os.environ.get("BLASTER_NO_SKIPS") and platform.machine() == "x86_64":
        assert "avx2" in levels(), "its kernels cannot be tested on this machine"
    with pytest.raises(ValueError, match="not in list"):
        use("abacus")


@pytest.mark.parametrize("width", [8, 16, 32, 64])
@pytest.mark.parametrize("signed", [False, True])
def test_ranges(level: str, width: int, signed: bool) -> None:
    """Both ends in, at the ends of the type too."""
    dtype = np.dtype(f"{'i' if signed else 'u'}{width // 8}")
    info = np.iinfo(dtype)
    edges = [info.min, info.min + 1, 0, 1, 5, info.max - 1, info.max]
    values = rng.integers(info.min, info.max, 65_600, dtype=dtype, endpoint=True)
    values[::3] = rng.choice(np.array(edges, dtype=dtype), len(values[::3]))
    ends = [(info.min, info.max), (0, 5), (5, 5), (info.min, info.min), (1, info.max)]
    if signed:
        ends += [(-3, 5), (info.min, -1)]
    for low, high in ends:
        want = (values >= low) & (values <= high)
        check(f"range{width}", values, want, low % 2**width, high - low)


@pytest.mark.parametrize("width", [32, 64])
def test_reals(level: str, width: int) -> None:
    """Infinities, both zeros, and what is no number."""
    values = rng.normal(size=65_600).astype(f"f{width // 8}")
    values[::5] = rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5], len(values[::5]))
    for low, high in [(0.0, 0.0), (-np.inf, 0.5), (1.5, np.inf), (-np.inf, np.inf), (1.5, 1.5)]:
        check(f"real{width}", values, (values >= low) & (values <= high), low, high)


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("signed", [False, True])
def test_gaps(level: str, width: int, signed: bool) -> None:
    """Differences are exact where the type could not hold them."""
    dtype = np.dtype(f"{'i' if signed else 'u'}{width // 8}")
    info = np.iinfo(dtype)
    a = rng.integers(info.min, info.max, 65_600, dtype=dtype, endpoint=True)
    b = a + rng.integers(-9, 9, 65_600).astype(dtype)
    b[::4] = rng.choice(np.array([info.min, info.max, 0], dtype=dtype), len(b[::4]))
    exact = a.astype(object) - b.astype(object)
    last, first = 2**63 - 1, -(2**63)
    ends = [(-3, 3), (0, 5), (-5, -1), (first, -1), (1, last), (2, 4), (-9, -4), (0, 0), (4, 2),
            (first, last), (first, 3), (-3, last)]  # fmt: skip
    for low, high in ends:
        # The ends of int64 mean no end.
        above = np.ones(len(a), dtype=bool) if low == first else (exact >= low).astype(bool)
        below = np.ones(len(a), dtype=bool) if high == last else (exact <= high).astype(bool)
        check(f"gap{width}", a, above & below, b, low, high, signed)


@pytest.mark.parametrize("width", [8, 16, 32])
@pytest.mark.parametrize("size", [512, 1024, 40_960])
def test_tables(level: str, width: int, size: int) -> None:
    """Codes behind the table and below 0 are no hit."""
    dtype = np.dtype(f"i{width // 8}")
    info = np.iinfo(dtype)
    flags = rng.random(size) < 0.4
    bits = np.packbits(flags, bitorder="little").view(np.uint32)
    values = rng.integers(0, min(size, info.max), 65_600, dtype=dtype, endpoint=True)
    values[::7] = rng.integers(info.min, info.max, len(values[::7]), dtype=dtype, endpoint=True)
    for base in (0,) if width == 8 else (0, 5, -300):
        places = values.astype(np.int64) - base
        inside = (places >= 0) & (places < size)
        want = inside & flags[np.where(inside, places, 0)]
        check(f"table{width}", values, want, base % 2**64, bits)


def test_hash_tables() -> None:
    """The empty mark is no value of the set."""
    first = -(2**63)
    for values in ([], [5], [first], [first, first + 1, 7], [first, first + 2]):
        table, empty = hashed(np.array(values, dtype=np.int64))
        assert empty not in values
        assert sorted(n for n in table.tolist() if n != empty) == values


def test_anniversary_tables() -> None:
    """29 February is kept on the 28th of a common year."""
    day = (np.datetime64("2026-02-28") - np.datetime64("1970-01-01")).astype(int)
    bits = anniversary_bits(int(day), int(day) + 1, 0, 1024)
    days = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
    dates = [str(np.datetime64("1970-01-01") + int(n)) for n in days]
    assert dates == ["1970-02-28", "1971-02-28", "1972-02-28", "1972-02-29"]


@pytest.mark.parametrize("dtype", [np.uint32, np.float32, np.float64])
def test_rows_whose_value_says_missing(level: str, dtype: type[np.generic]) -> None:
    """NEVER and NaN take their rows out of the validity; without any it stays as it is."""
    mark = np.nan if dtype != np.uint32 else 0xFFFFFFFF
    for rows in (0, 1, 7, 8, 63, 64, 65, 200):
        values = rng.integers(0, 1000, rows).astype(dtype)
        given = rng.random(rows) < 0.5
        valid = np.packbits(given, bitorder="little")
        assert present(values, valid) is valid
        assert present(values, None) is None
        values[~given] = mark
        assert present(values, valid) is valid
        for row in range(rows):
            changed = values.copy()
            changed[row] = mark
            there = np.ones(rows, dtype=bool)
            there[row] = False
            found = present(changed, valid)
            assert (found is valid) == (not given[row])
            assert np.array_equal(
                np.unpackbits(np.asarray(found).view(np.uint8), count=rows, bitorder="little"),
                given & there,
            )
