"""Columns where Arrow lends them: offsets, bitmaps, words met before, and memory that stays."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from blaster.model.fields import Kind
from blaster.rules.dictionary import Dictionary
from blaster.rules.lent import Lent, Lying, LyingCodes, LyingTexts, lent, lent_all
from blaster.rules.vector import Vector
from blaster.rules.vectors import bits_of, plain, texts, validity

ROWS = 201
Make = Callable[[Lent], Vector]


def never(array: pa.Array) -> Vector:
    raise AssertionError("this column lies as it should")


def made(make: Make, batch: pa.RecordBatch) -> Vector:
    return make(lent(batch))


def values_of(vector: Vector) -> list[Any]:
    if vector.kind == Kind.BOOL:
        found = bits_of(vector.buffers[0], vector.length).tolist()
    elif vector.kind == Kind.TEXT:
        found = texts(vector)
    else:
        found = plain(vector).tolist()
    return [v if ok else None for v, ok in zip(found, validity(vector), strict=True)]


@pytest.mark.parametrize("first", [0, 1, 7, 8, 9, 63, 64, 130])
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 64, 70])
def test_slices(first: int, rows: int) -> None:
    dice = np.random.default_rng(first * 100 + rows)
    numbers = [int(n) if n % 3 else None for n in dice.integers(0, 99, ROWS)]
    truths = [bool(n % 2) if n % 5 else None for n in dice.integers(0, 99, ROWS)]
    words = [f"word {n}" * (n % 4) if n % 3 else None for n in dice.integers(0, 99, ROWS)]
    columns = {
        "n": pa.array(numbers, pa.int16()),
        "t": pa.array(truths),
        "o32": pa.array(words, pa.string()),
        "o64": pa.array(words, pa.large_string()),
        "view": pa.array(words, pa.string_view()),
    }
    batch = pa.record_batch(columns).slice(first, rows)
    part = slice(first, first + rows)
    assert values_of(made(Lying(0, Kind.INT, "i16"), batch)) == numbers[part]
    assert values_of(made(Lying(1, Kind.BOOL, ""), batch)) == truths[part]
    for place, form in enumerate(("o32", "o64", ""), 2):
        assert values_of(made(LyingTexts(place, form, never), batch)) == words[part]


def test_nothing_missing_has_no_bitmap() -> None:
    make = Lying(0, Kind.INT, "i32")
    some = made(make, pa.record_batch({"n": pa.array([1, None, 3], pa.int32())}))
    assert some.buffers[1] is not None
    assert made(make, pa.record_batch({"n": pa.array([1, 2], pa.int32())})).buffers[1] is None


def test_values_that_lie_askew_are_copied() -> None:
    odd = pa.py_buffer(b"\0" + np.arange(9, dtype=np.int64).tobytes())[1:]
    column = pa.Array.from_buffers(pa.int64(), 9, [None, odd])
    assert values_of(made(Lying(0, Kind.INT, ""), pa.record_batch({"n": column}))) == list(range(9))


def test_texts_in_several_arenas_go_elsewhere() -> None:
    long = ["x" * 40, None, "short", "y" * 50]
    parts = pa.chunked_array(
        [pa.array(long[:2], pa.string_view()), pa.array(long[2:], pa.string_view())]
    )
    batch = pa.record_batch({"t": pa.concat_arrays(parts.chunks)})
    asked: list[pa.Array] = []

    def otherwise(array: pa.Array) -> Vector:
        asked.append(array)
        return Vector.missing(Kind.TEXT, len(array))

    made(LyingTexts(0, "", otherwise), batch)
    assert [array.to_pylist() for array in asked] == [long]


def test_memory_stays_while_a_vector_or_a_view_of_it_does() -> None:
    make = Lying(0, Kind.INT, "")
    vector = made(make, pa.record_batch({"n": pa.array(range(1000), pa.int64())}))
    kept = np.frombuffer(vector.buffers[0], np.int64)
    del vector
    gc.collect()
    again = pa.array(np.full(1000, -1))  # would lie where the other lay
    assert kept.tolist() == list(range(1000))
    assert len(again) == 1000
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


class Words:
    """Words that are translated, and how often."""

    def __init__(self) -> None:
        self.dictionary = Dictionary()
        self.asked = 0

    def translation(self, words: pa.Array) -> tuple[Dictionary, Any]:
        self.asked += 1
        codes = [self.dictionary.add(word) for word in words.to_pylist()]
        same = codes == list(range(len(codes)))
        return self.dictionary, None if same else np.array(codes, np.int32)


def test_words_met_where_they_lie_are_not_translated_again() -> None:
    words, column = Words(), pa.array(["a", "b", "a", None]).dictionary_encode()
    make = LyingCodes(0, "", words.translation, never)
    for first in (0, 1, 0):
        vector = made(make, pa.record_batch({"w": column.slice(first)}))
        assert values_of(vector) == [0, 1, 0, None][first:]
        assert vector.dictionary is words.dictionary
    assert words.asked == 1


def test_words_with_other_codes_go_elsewhere() -> None:
    words = Words()
    asked: list[list[str]] = []

    def otherwise(array: pa.Array) -> Vector:
        asked.append(array.to_pylist())
        return Vector.missing(Kind.CODE, len(array))

    make = LyingCodes(0, "", words.translation, otherwise)
    columns = [pa.array(each).dictionary_encode() for each in (["a", "b"], ["b", "a"], ["a", "b"])]
    for column in columns:
        made(make, pa.record_batch({"w": column}))
    assert asked == [["b", "a"]]


def test_dictionaries_that_come_and_go_are_told_apart() -> None:
    """Memory of the one before is often where the next lies."""
    words = Words()
    texts_of = {}

    def otherwise(array: pa.Array) -> Vector:
        codes = [words.dictionary.find(word) for word in array.to_pylist()]
        return Vector(Kind.CODE, len(array), np.array(codes, np.int32), dictionary=words.dictionary)

    make = LyingCodes(0, "", words.translation, otherwise)
    for number in range(50):
        wanted = [f"word{number % 7}", f"word{number % 5}"]
        vector = made(make, pa.record_batch({"w": pa.array(wanted).dictionary_encode()}))
        texts_of[number] = [words.dictionary.values[code] for code in plain(vector).tolist()]
        assert texts_of[number] == wanted


def test_a_table_is_lent_as_it_is_cut() -> None:
    table = pa.concat_tables([
        pa.table({"n": [1, 2, None]}), pa.table({"n": pa.array([], pa.int64())}),
        pa.table({"n": [4, 5]}),
    ]).slice(1)  # fmt: skip
    make = Lying(0, Kind.INT, "")
    assert [values_of(make(one)) for one in lent_all(table)] == [
        [2, None], [], [4, 5],
    ]  # fmt: skip
    assert [one.array(0).to_pylist() for one in lent_all(table)] == [[2, None], [], [4, 5]]
    assert [one.rows for one in lent_all(table)] == [2, 0, 2]
    assert lent(table.to_batches()[2]).array(0).to_pylist() == [4, 5]
    assert lent_all(pa.table({"n": pa.array([], pa.int64())})) == []


def test_a_stream_that_breaks_says_why() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": [1]})
        raise ValueError("the cable was pulled")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), batches())
    with pytest.raises(OSError, match="the cable was pulled"):
        lent_all(reader)  # type: ignore[arg-type]


def test_what_is_no_such_column() -> None:
    batch = pa.record_batch({"text": ["a"], "n": [1]})
    for place in (-1, 2):
        with pytest.raises(IndexError, match="no column"):
            made(Lying(place, Kind.INT, ""), batch)
    with pytest.raises(TypeError, match="3 buffers"):
        made(Lying(0, Kind.INT, ""), batch)
    with pytest.raises(TypeError, match="2 buffers"):
        made(LyingTexts(1, "o32", never), batch)
    with pytest.raises(TypeError, match="no dictionary"):
        made(LyingCodes(1, "", Words().translation, never), batch)
    with pytest.raises(ValueError, match="lies as"):
        Lying(1, Kind.INT, "f64")
    with pytest.raises(AttributeError):
        lent(object())  # type: ignore[arg-type]
