"""Text and list columns: what their arenas cost and when they are compacted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from blaster.core.column import Column
from blaster.limits import TEXT_BYTES_MAX
from blaster.model.fields import BATCH_ROWS, Kind
from blaster.rules.dictionary import Dictionary
from tests.core.column_model import read_vector, rows_of

LONGEST = 32_767
"""What a value of an arena may have, in bytes."""


def made(rows: int, kind: Kind = Kind.TEXT) -> Column:
    column = Column(kind)
    column.grow(rows)
    return column


def arena_nbytes(column: Column, batch: int = 0) -> int:
    chunk = column.arena(batch)
    return 0 if chunk is None else chunk.nbytes


def test_short_text_needs_no_arena() -> None:
    column = made(10)
    column.put(rows_of(0, 1, 2), ["", "twelve bytes", "חיפה"])
    assert column.arena(0) is None
    assert column.take(rows_of(0, 1, 2, 3)) == ["", "twelve bytes", "חיפה", None]


def test_equal_text_written_again_costs_no_arena() -> None:
    column = made(100)
    texts = [f"somebody-{i}@example.co.il" for i in range(100)]
    rows = np.arange(100, dtype=np.int64)
    column.put(rows, texts)
    before = column.arena(0)
    for _ in range(200):
        column.put(rows, texts)
    assert column.arena(0) is before


def test_overwritten_text_is_compacted_away() -> None:
    column = made(1_000)
    rows = np.arange(1_000, dtype=np.int64)
    for turn in range(40):
        column.put(rows, [f"turn {turn:4}, the text of row {row:5}" for row in range(1_000)])
    live = 1_000 * len("turn    0, the text of row     0")
    assert arena_nbytes(column) < 3 * live
    assert column.take(rows_of(0, 999)) == [
        "turn   39, the text of row     0",
        "turn   39, the text of row   999",
    ]
    column.put(rows, None)
    assert arena_nbytes(column) < 1_024
    assert column.take(rows_of(5)) == [None]


def test_readers_keep_the_arena_they_pinned_through_growth_and_compaction() -> None:
    column = made(2_000)
    rows = np.arange(2_000, dtype=np.int64)
    first = [f"the very first text of row {row}" for row in range(2_000)]
    column.put(rows, first)
    vector = column.vector(0)
    pinned = column.arena(0)
    assert pinned is not None
    assert pinned.pins > 0
    for turn in range(5):
        column.put(rows, [f"another text, {turn}, that is longer, of row {row}" for row in rows])
    assert column.arena(0) is not pinned
    assert read_vector(vector) == first
    del vector
    assert pinned.pins == 0


def test_appending_to_a_pinned_arena_does_not_copy_it() -> None:
    column = made(100)
    column.put(rows_of(0), ["a text that is long enough"])
    vector = column.vector(0)
    arena, chunk = column.arena(0), column.chunk(0)
    column.put(rows_of(1), ["another text, long enough"])
    assert column.arena(0) is arena
    assert column.chunk(0) is not chunk
    assert read_vector(vector)[:2] == ["a text that is long enough", None]


def test_a_batch_full_of_addresses_stays_within_the_memory_bound() -> None:
    column = made(BATCH_ROWS)
    texts = pa.array([f"firstname.lastname{i}@example{i % 97}.com" for i in range(BATCH_ROWS)])
    for first in range(0, BATCH_ROWS, 4_096):
        rows = np.arange(first, first + 4_096, dtype=np.int64)
        column.put_arrow(rows, texts.slice(first, 4_096), keep_null=True)
    assert column.export(0).equals(texts)
    assert column.nbytes < 1.6 * texts.nbytes


def test_arrow_strings_of_every_width_and_slice() -> None:
    texts = ["", "short", None, "x" * 12, "x" * 13, "עברית, לא קצרה בכלל", "y" * 5_000]
    rows = np.arange(len(texts), dtype=np.int64)
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        column = made(BATCH_ROWS + 7)
        column.put(rows, pa.array([None, "skipped", *texts], kind).slice(2))
        assert column.take(rows) == texts
        column.put_arrow(rows + BATCH_ROWS, pa.chunked_array([pa.array(texts, kind)]), False)
        assert column.take(rows + BATCH_ROWS) == texts
    column.put_arrow(rows, pa.nulls(len(texts)), keep_null=True)
    assert column.take(rows) == texts
    column.put_arrow(rows, pa.nulls(len(texts)), keep_null=False)
    assert column.take(rows) == [None] * len(texts)


def test_arrays_without_a_byte_of_text() -> None:
    column = made(3)
    column.put(rows_of(0, 2), pa.array(["", ""]))
    assert column.take(rows_of(0, 1, 2)) == ["", None, ""]


def test_one_text_or_nothing_for_all_rows_and_validity() -> None:
    column = made(5)
    rows = np.arange(5, dtype=np.int64)
    column.put(rows, "the same long text for all")
    assert column.take(rows) == ["the same long text for all"] * 5
    column.put(rows, ["a", "b", "c", "d", "e"], np.array([True, False, True, False, True]))
    assert column.take(rows) == ["a", None, "c", None, "e"]
    column.put(rows, "no", valid=False)
    assert column.take(rows) == [None] * 5


def test_what_is_no_text_is_refused() -> None:
    column = made(2)
    with pytest.raises(pa.ArrowTypeError):
        column.put(rows_of(0), [5])
    with pytest.raises(TypeError, match="int64"):
        column.put(rows_of(0), pa.array([5]))
    with pytest.raises(UnicodeEncodeError):
        column.put(rows_of(0), ["\ud800"])
    with pytest.raises(ValueError, match="1 texts for 2 rows"):
        column.put(rows_of(0, 1), ["a"])
    assert column.chunk(0) is None


def test_a_batch_full_of_the_longest_values_is_as_large_as_arrow_s_offsets_allow() -> None:
    """With one more, for the value that is being written while the old one lies there still."""
    assert (BATCH_ROWS + 1) * LONGEST <= 0x7FFFFFC0 < (BATCH_ROWS + 1) * (LONGEST + 1)
    assert TEXT_BYTES_MAX <= LONGEST


def test_a_longer_text_is_refused_before_anything_is_written() -> None:
    column = made(3)
    longest = "x" * LONGEST
    with pytest.raises(OverflowError, match="32768 bytes; 32767 may be"):
        column.put(rows_of(0, 1), ["short", longest + "x"])
    assert column.chunk(0) is None
    column.put(rows_of(0, 1, 2), [longest, None, longest])
    column.put(rows_of(0, 1, 2), ["a", longest, "b"])
    assert column.take(rows_of(0, 1, 2)) == ["a", longest, "b"]
    # What lies under a null is no text.
    under = pa.array([longest + "x", "c"])
    bits = pa.py_buffer(b"\x02")
    column.put(rows_of(0, 1), pa.Array.from_buffers(pa.string(), 2, [bits, *under.buffers()[1:]]))
    assert column.take(rows_of(0, 1)) == [None, "c"]


def test_a_longer_list_is_refused_before_anything_is_written() -> None:
    column = made(2, Kind.LIST)
    words = ["w"] * (LONGEST // 4)
    with pytest.raises(OverflowError, match="32768 bytes; 32767 may be"):
        column.put(rows_of(0, 1), [["a"], [*words, "w"]])
    assert column.chunk(0) is None
    column.put(rows_of(0, 1), [["a"], words])
    assert column.take(rows_of(0, 1)) == [["a"], words]


def test_the_last_of_two_texts_for_one_row_wins() -> None:
    column = made(1)
    column.put(rows_of(0, 0, 0), ["x" * 20, None, "y" * 30])
    assert column.take(rows_of(0)) == ["y" * 30]


def test_a_gathered_vector_has_memory_of_its_own() -> None:
    column = made(70)
    column.put(rows_of(3, 69), ["a long text to begin with", "another long text there"])
    vector = column.gather(rows_of(69, 3, 0, 69))
    column.put(rows_of(3, 69), "overwritten by something else")
    assert column.chunk(0) is not None
    assert column.chunk(0).pins == 0  # type: ignore[union-attr]
    assert read_vector(vector) == [
        "another long text there",
        "a long text to begin with",
        None,
        "another long text there",
    ]


# --- lists --------------------------------------------------------------------------------------


def test_lists_know_empty_from_missing() -> None:
    column = made(4, Kind.LIST)
    column.put(rows_of(0, 1, 2), [[], ["a", "b"], None])
    assert column.take(rows_of(0, 1, 2, 3)) == [[], ["a", "b"], None, None]
    assert column.export(0).to_pylist() == [[], ["a", "b"], None, None]
    column.put(rows_of(0, 1), None)
    assert column.take(rows_of(0, 1)) == [None, None]


def test_lists_are_compacted_and_equal_ones_cost_nothing() -> None:
    column = made(1_000, Kind.LIST)
    rows = np.arange(1_000, dtype=np.int64)
    words = [f"word {i}" for i in range(50)]
    for turn in range(20):
        lists = [[words[(turn + i) % 50] for i in range(9)] for _ in range(1_000)]
        column.put(rows, lists)
    assert arena_nbytes(column) < 3 * 1_000 * 9 * 4
    before = column.arena(0)
    column.put(rows, lists)
    assert column.arena(0) is before
    assert column.take(rows) == lists


def test_lists_from_arrow_lose_null_words_and_keep_null_lists() -> None:
    column = made(4, Kind.LIST)
    rows = np.arange(4, dtype=np.int64)
    given = pa.array([["a", None], None, [None], ["b"]], pa.list_(pa.string()))
    column.put_arrow(rows, given, keep_null=False)
    assert column.take(rows) == [["a"], None, [], ["b"]]
    coded = pa.array([["c", "a"], []], pa.list_(pa.dictionary(pa.int32(), pa.string())))
    column.put_arrow(rows[:2], coded, keep_null=False)
    assert column.take(rows) == [["c", "a"], [], [], ["b"]]
    column.put_arrow(rows, pa.nulls(4), keep_null=False)
    assert column.take(rows) == [None] * 4
    column.put(rows[:2], given.slice(2), np.array([False, True]))
    assert column.take(rows[:2]) == [None, ["b"]]


def test_a_text_is_no_list_of_words() -> None:
    column = Column(Kind.LIST, dictionary=Dictionary(["a"]))
    column.grow(2)
    with pytest.raises(TypeError, match="not the text 'abc'"):
        column.put(rows_of(0), ["abc"])
    with pytest.raises(ValueError, match="1 lists for 2 rows"):
        column.put(rows_of(0, 1), [["a"]])
