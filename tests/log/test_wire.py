"""The small change of a frame, and columns of texts, read from bytes that lie."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.errors import LogCorrupt
from blaster.log.batches import put_batch, take_batch
from blaster.log.packing import pack
from blaster.log.texts import put_column, take_column, take_tuple
from blaster.log.wire import INTEGER_MAX, INTEGER_MIN, Reader, put_integer, put_varint


@given(st.integers(INTEGER_MIN, INTEGER_MAX))
def test_integers(value):
    out = bytearray()
    put_integer(out, value)
    reader = Reader(bytes(out))
    assert reader.integer() == value
    assert reader.left == 0
    for size in range(len(out)):
        with pytest.raises(LogCorrupt):
            Reader(bytes(out[:size])).integer()


@pytest.mark.parametrize("value", [2 * (INTEGER_MAX + 1), -2 * INTEGER_MIN + 1])
def test_integers_of_more_than_64_bits(value):
    out = bytearray()
    put_varint(out, value)
    with pytest.raises(LogCorrupt, match="64 bits"):
        Reader(bytes(out)).integer()


def test_small_lies():
    with pytest.raises(LogCorrupt):
        Reader(b"\xff" * 20).varint()
    with pytest.raises(LogCorrupt, match="flag"):
        Reader(b"\2").flag()
    with pytest.raises(LogCorrupt, match="UTF-8"):
        Reader(b"\1\xff").text()
    with pytest.raises(LogCorrupt, match="count"):
        Reader(b"\5abc").count(1)


@given(st.lists(st.none() | st.sampled_from(["", "a", "אב"]) | st.text(max_size=8), max_size=60))
def test_columns_of_texts(values):
    out = bytearray()
    put_column(out, pa.array([*values, "tail"], pa.string()).slice(0, len(values)))
    reader = Reader(bytes(out))
    column = take_column(reader)
    column.validate(full=True)
    assert column.to_pylist() == values
    assert reader.left == 0


def lengths(*values: int) -> bytes:
    return pack(np.array(values, np.uint32))


@pytest.mark.parametrize(
    "data",
    [
        b"\1\x08" + lengths(1) + b"\1a",  # an unknown flag
        b"\1\0" + lengths(1, 1) + b"\2ab",  # two lengths for one text
        b"\1\0" + pack(np.array([1])) + b"\1a",  # lengths of another dtype
        b"\1\0" + lengths(2) + b"\1a",  # more length than bytes
        b"\1\0" + lengths(1) + b"\1\xff",  # no UTF-8
        b"\2\0" + lengths(2**31 - 1, 2**31 - 1) + b"\1a",  # 4 GB
        b"\1\2" + pack(np.array([1], np.int32)) + b"\1" + lengths(1) + b"\1a",  # no such code
        b"\1\4" + lengths(9) + b"\5\1a",  # two sizes before compression
        b"\1\4" + lengths(9) + b"\x09\1a",  # nothing that zstd wrote
    ],
    ids=range(9),
)
def test_columns_that_lie(data):
    with pytest.raises(LogCorrupt):
        take_column(Reader(data))


def test_a_tuple_has_no_missing_texts():
    out = bytearray()
    put_column(out, pa.array(["a", None] * 20))
    with pytest.raises(LogCorrupt, match="missing"):
        take_tuple(Reader(bytes(out)))


def test_a_stream_of_another_length():
    out = bytearray()
    put_batch(out, pa.record_batch({"a": pa.array([1, 2], pa.int8())}))
    out[0] = 3
    with pytest.raises(LogCorrupt, match="number of rows"):
        take_batch(Reader(bytes(out)))
