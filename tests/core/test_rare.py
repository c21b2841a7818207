"""Rare columns: sparse while few rows have a value, and the same answers when many have one."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from blaster.core import State
from blaster.core.column import Column
from blaster.core.shelves import PLACE, ColumnShelf, end_epoch
from blaster.core.table import Table
from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from tests.core.box import Box, catalogue
from tests.core.column_model import read_export, read_vector, rows_of

Array = np.ndarray[Any, Any]

NOTHING = np.zeros(0, np.int64)
MANY = BATCH_ROWS // 16
ROWS = 2 * BATCH_ROWS + 700


def made(kind: Kind = Kind.TIME, rows: int = ROWS, *, rare: bool = True) -> Column:
    column = Column(kind, rare=rare)
    column.grow(rows)
    return column


def some(dice: np.random.Generator, count: int) -> Array:
    return dice.choice(BATCH_ROWS, count, replace=False).astype(np.int64)


def digest(column: Column) -> str:
    hasher = hashlib.sha256()
    column.digest_into(hasher)
    return hasher.hexdigest()


def size(column: Column) -> int:
    chunk = column.chunk(0)
    assert chunk is not None
    return chunk.nbytes


def piece(column: Column) -> bytes:
    """What a snapshot has of the first batch."""
    chunk = column.chunk(0)
    assert chunk is not None
    return bytes(memoryview(chunk))


def restored(column: Column, content: bytes) -> Column:
    """A column of that kind and length whose first batch is this piece."""
    again = Column(column.kind, dictionary=column.dictionary, rare=column.rare)
    again.grow(column.rows)
    table = np.zeros(column.batches, PLACE)
    table[0] = (1, 0, 0, len(content))

    def read(place: Any, into: memoryview) -> None:
        into[:] = content

    ColumnShelf(again).restore(table, NOTHING, NOTHING, read)
    return again


def test_memory_is_by_what_is_there_until_there_is_much() -> None:
    dice = np.random.default_rng(1)
    column, plain = made(), made(rare=False)
    rows = some(dice, MANY + 1)
    empty = column.nbytes
    for first in range(0, MANY, 64):
        part = rows[first : first + 64]
        for each in (column, plain):
            each.put(part, 7)
        assert column.nbytes - empty <= 544 + 5 * ((first + 64) * 9 // 8 + 64)
    assert digest(column) == digest(plain)
    assert size(column) < size(plain) / 10
    for each in (column, plain):
        each.put(rows[MANY:], 8)
    assert size(column) == size(plain)
    assert digest(column) == digest(plain)
    column.put(rows, None)
    plain.put(rows, None)
    assert digest(column) == digest(plain) == digest(made())


def test_batches_go_their_own_ways_in_one_write() -> None:
    column, plain = made(Kind.CODE), made(Kind.CODE, rare=False)
    dice = np.random.default_rng(2)
    for each in (column, plain):
        assert each.dictionary is not None
        each.dictionary.add("one")
        each.dictionary.add("two")
        each.put(np.arange(BATCH_ROWS, dtype=np.int64), 0)  # of the second batch few get a value
    everywhere = np.concatenate([some(dice, 500), BATCH_ROWS + some(dice, 500)])
    everywhere = dice.permutation(np.append(everywhere, 2 * BATCH_ROWS + np.arange(0, 700, 3)))
    codes = dice.integers(-1, 2, len(everywhere)).astype(np.int32)
    for each in (column, plain):
        each.put(everywhere, codes)
    assert np.array_equal(column.take(everywhere), plain.take(everywhere))
    assert np.array_equal(column.take_valid(everywhere), plain.take_valid(everywhere))
    for batch in range(3):
        assert column.export(batch) == plain.export(batch)
        assert read_vector(column.vector(batch)) == read_vector(plain.vector(batch))
    second, other = column.chunk(1), plain.chunk(1)
    assert second is not None
    assert other is not None
    assert second.nbytes < other.nbytes / 10
    assert digest(column) == digest(plain)


def test_a_row_that_stands_twice() -> None:
    column = made()
    column.put(rows_of(5, 5, 9, 9), np.array([1, 2, 3, NEVER], np.uint32))
    assert column.take(rows_of(5, 9)).tolist() == [2, NEVER]
    column.put(rows_of(5, 5), np.array([NEVER, 4], np.uint32))
    assert column.take(rows_of(5)).tolist() == [4]


def test_a_page_and_a_batch_from_end_to_end() -> None:
    column = made()
    rows = np.array([0, 255, 256, 511, 65_280, 65_535, 65_536, ROWS - 1])
    column.put(rows[::-1].copy(), np.arange(8, dtype=np.uint32))
    assert column.take(rows).tolist() == list(range(7, -1, -1))
    assert np.flatnonzero(column.take(np.arange(ROWS)) != NEVER).tolist() == rows.tolist()


def test_who_clears_what_is_not_there_copies_nothing() -> None:
    column = made()
    column.put(rows_of(1, 2), None)
    assert column.chunk(0) is None
    column.put(rows_of(5), 1)
    end_epoch()
    held = column.chunk(0)
    assert held is not None
    pin = memoryview(held)
    column.put(rows_of(4, 6, BATCH_ROWS), None)
    assert column.chunk(0) is held
    assert column.chunk(1) is None
    column.put(rows_of(4, 5), None)
    assert column.chunk(0) is not held
    assert column.take(rows_of(5)).tolist() == [NEVER]
    pin.release()


def test_who_reads_goes_on_reading_what_he_had() -> None:
    column = made()
    column.put(rows_of(5, 700), np.array([1, 2], np.uint32))
    vector, array, wanted = column.vector(0), column.export(0), [None] * BATCH_ROWS
    wanted[5], wanted[700] = 1, 2
    column.put(np.arange(BATCH_ROWS, dtype=np.int64), 3)
    assert read_vector(vector) == read_export(Kind.TIME, array) == wanted


def test_no_byte_of_what_was_cleared_stays() -> None:
    column = made()
    column.put(rows_of(*range(0, 640, 10)), 0xABCDEF01)
    column.scrub(rows_of(*range(0, 640, 10)))
    assert not any(piece(column))


def test_words_of_a_sparse_batch_are_in_use() -> None:
    column = made(Kind.CODE)
    assert column.dictionary is not None
    column.put(rows_of(9), np.array([column.dictionary.add("here")], np.int32))
    column.dictionary.add("nowhere")
    assert column.codes_used().tolist() == [True, False]


def test_more_rows_change_nothing() -> None:
    column, plain = made(rows=600), made(rows=600, rare=False)
    for each in (column, plain):
        each.put(rows_of(599, 5), np.array([1, 2], np.uint32))
        each.grow(70_000)
        each.share(0)
        each.put(rows_of(601), 3)
    assert digest(column) == digest(plain)


def test_what_is_no_rare_column() -> None:
    for kind in (Kind.INT, Kind.BOOL, Kind.TEXT, Kind.ID):
        with pytest.raises(TypeError, match="are rare"):
            Column(kind, rare=True)
    with pytest.raises(TypeError, match="are rare"):
        Column(Kind.DATE, rare=True, never_missing=True)
    for ask in (made().minimum, lambda: made().due_before(5)):
        with pytest.raises(TypeError, match="a rare TIME column has no due rows"):
            ask()
    table = Table(5)
    assert table.add("when", Kind.TIME, rare=True).rare
    assert not table.add("other", Kind.TIME).rare


# --- from disk ------------------------------------------------------------------------------------


def test_sparse_and_dense_come_back_as_they_were() -> None:
    dice = np.random.default_rng(3)
    for kind, count in ((Kind.TIME, 50), (Kind.DATE, MANY), (Kind.TIME, MANY + 1)):
        column = made(kind)
        rows = some(dice, count)
        column.put(rows, np.arange(count).astype(np.int32 if kind is Kind.DATE else np.uint32))
        again = restored(column, piece(column))
        assert digest(again) == digest(column)
        assert size(again) == size(column)
        again.put(rows[:1], None)
        assert again.take(rows[1:]).tolist() == column.take(rows[1:]).tolist()


def test_a_sparse_piece_is_refused_by_a_column_that_is_not_rare() -> None:
    column = made()
    column.put(rows_of(5), 1)
    content = piece(column)
    column = made(rare=False)
    with pytest.raises(ValueError, match="in a column of this kind"):
        restored(column, content)


def test_rubbish_is_no_sparse_chunk() -> None:
    dice = np.random.default_rng(4)
    column = made(rows=40_000)
    column.put(dice.choice(40_000, 64, replace=False), 5)
    content = piece(column)
    refused = 0
    for length in (32, 96, 480, len(content) - 64, len(content) + 64):
        with pytest.raises(ValueError, match="that is none"):
            restored(column, content[:length].ljust(length, b"\0"))
    for _ in range(400):
        bad = bytearray(content)
        bad[dice.choice((dice.integers(0, 514), dice.integers(len(bad) - 64, len(bad))))] ^= int(
            dice.integers(1, 256)
        )
        try:
            again = restored(column, bytes(bad))
        except ValueError:
            refused += 1
        else:  # another row of the same page
            assert len(again.take(np.arange(40_000))) == 40_000
            assert int((again.take(np.arange(40_000)) != NEVER).sum()) == 64
    assert refused > 100


def test_facts_of_messages_are_rare_and_come_back_so() -> None:
    state, head = State(), ("message", "email", "hello")
    state.contacts.grow(BATCH_ROWS)
    for tail in (("failed",), ("failed:ever",), ("reason",), ("clicked", "a link")):
        assert state.column((*head, *tail)).rare
    for tail in (("order",), ("sent",), ("reply",)):
        assert not state.column((*head, *tail)).rare
    state.column((*head, "failed")).put(rows_of(3), 5)
    box, shelves = Box(), catalogue()
    again, _ = box.restored(*box.commit(shelves.capture(state)))
    found = again.column((*head, "failed"))
    assert found.rare
    assert found.take(rows_of(3, 4)).tolist() == [5, NEVER]
    assert size(found) == size(state.column((*head, "failed")))
    assert again.digest() == state.digest()
