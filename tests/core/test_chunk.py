"""A chunk is read-only memory that knows how many readers hold it."""

from __future__ import annotations

import struct
import threading

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from blaster.core.chunk import Chunk


def test_memory_is_zeroed_aligned_and_read_only() -> None:
    chunk = Chunk(1_000)
    assert chunk.nbytes == 1_000
    assert chunk.address % 64 == 0
    assert bytes(chunk) == bytes(1_000)
    view = memoryview(chunk)
    assert view.readonly
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises(TypeError):
        struct.pack_into("b", chunk, 0, 1)


def test_an_empty_chunk_is_a_buffer_too() -> None:
    chunk = Chunk(0)
    assert bytes(chunk) == b""
    assert len(pa.py_buffer(chunk)) == 0
    assert chunk.pins == 0


def test_negative_and_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        Chunk(-1)
    with pytest.raises(MemoryError):
        Chunk(2**62)


def test_a_refused_buffer_leaves_no_pin() -> None:
    chunk = Chunk(8)
    with pytest.raises(TypeError, match="read-write"):
        struct.pack_into("b", chunk, 0, 1)
    assert chunk.pins == 0


def test_slices_of_slices_keep_one_pin_until_the_last_is_gone() -> None:
    chunk = Chunk(64)
    buffer = pa.py_buffer(chunk)
    assert buffer.address == chunk.address
    part = buffer.slice(8, 16)
    numbers = np.frombuffer(part, np.int64)
    assert chunk.pins == 1
    del buffer, part
    assert chunk.pins == 1
    assert numbers.ctypes.data == chunk.address + 8
    del numbers
    assert chunk.pins == 0


def test_polars_keeps_the_pin() -> None:
    chunk = Chunk(80)
    array = pa.Array.from_buffers(pa.int64(), 10, [None, pa.py_buffer(chunk)])
    series = pl.Series(array)
    tail = series.slice(5)
    del array, series
    assert chunk.pins == 1
    assert tail.to_list() == [0] * 5
    del tail
    assert chunk.pins == 0


def test_a_pin_may_be_released_on_another_thread() -> None:
    chunk = Chunk(64)
    held = [pa.py_buffer(chunk).slice(0, 8), memoryview(chunk)[3:]]
    assert chunk.pins == 2
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert chunk.pins == 0


def test_a_reader_outlives_the_chunk_object() -> None:
    view = np.frombuffer(memoryview(Chunk(16)), np.uint8)
    assert view.sum() == 0


def test_a_copy_is_other_memory_without_pins() -> None:
    chunk = Chunk(16)
    with memoryview(chunk):
        other = chunk.copy()
        assert (chunk.pins, other.pins) == (1, 0)
    assert other.address != chunk.address
    assert bytes(other) == bytes(chunk)
