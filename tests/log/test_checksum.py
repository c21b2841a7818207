"""The checksum is zlib's, whatever the size and wherever the bytes are cut: files depend on it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.log.checksum import crc32

NOISE = bytes((n * n * 31 + n) % 251 for n in range(70_000))


@pytest.mark.parametrize("size", [*range(80), 255, 256, 257, 1023, 4096, 65_535, 70_000])
def test_every_size(size):
    assert crc32(NOISE[:size]) == zlib.crc32(NOISE[:size])


@given(st.binary(max_size=600), st.integers(0, 600), st.integers(0, 15))
def test_in_parts_and_at_any_place(data, cut, offset):
    view = memoryview(bytearray(NOISE[:offset] + data))[offset:]  # aligned to nothing
    assert crc32(view[cut:], crc32(view[:cut])) == zlib.crc32(data)
    assert crc32(data, 0xFFFFFFFF) == zlib.crc32(data, 0xFFFFFFFF)
