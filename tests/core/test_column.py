"""Columns of every kind against a plain Python list, with readers pinning chunks at random."""

from __future__ import annotations

import hashlib
import random
import threading
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.core.column import Column
from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from blaster.rules.dictionary import Dictionary
from tests.core import column_model as cm
from tests.core.column_model import Model, put, read_export, read_vector, rows_of, take
from tests.volume import cases

KINDS = pytest.mark.parametrize(
    "kind", [kind for kind in Kind if kind is not Kind.EVENTS], ids=lambda kind: kind.name
)
RARE = [(Kind.TIME, True), (Kind.CODE, True), (Kind.DATE, True)]
PLAYS = pytest.mark.parametrize(
    ("kind", "rare"), [(kind, False) for kind in Kind if kind is not Kind.EVENTS] + RARE
)
EDGES = (0, 1, 63, 64, 511, 512, 65_535, 65_536, 65_537)


def made(kind: Kind, rows: int, **options: Any) -> Column:
    column = Column(kind, **options)
    column.grow(rows)
    return column


def digest(column: Column) -> str:
    hasher = hashlib.sha256()
    column.digest_into(hasher)
    return hasher.hexdigest()


# --- against the model --------------------------------------------------------------------------


class Play:
    """One column and its model, driven by steps; readers that pinned something see it unchanged."""

    def __init__(self, kind: Kind, rows: int, *, rare: bool = False) -> None:
        self.kind = kind
        self.column = made(kind, rows, rare=rare)
        self.model = Model(kind, rows)
        self.held: list[tuple[Any, list[Any]]] = []

    def rows(self, chance: random.Random) -> list[int]:
        near = [row for row in EDGES if row < self.model.rows] + [self.model.rows - 1]
        count = chance.choice((1, 2, 7))
        return [
            chance.choice(near) if chance.random() < 0.6 else chance.randrange(self.model.rows)
            for _ in range(count)
        ]

    def step(self, name: str, chance: random.Random) -> None:
        getattr(self, name)(chance)

    def put(self, chance: random.Random) -> None:
        rows = self.rows(chance)
        values = cm.some_values(self.kind, len(rows), chance)
        put(self.column, rows_of(*rows), values)
        self.model.put(rows, values)

    def arrow(self, chance: random.Random) -> None:
        rows = self.rows(chance)
        values = cm.some_values(self.kind, len(rows), chance)
        keep = chance.random() < 0.5
        self.column.put_arrow(rows_of(*rows), arrow_of(self.kind, values, chance), keep)
        for row, value in zip(rows, values, strict=True):
            if value is not None or not keep:
                self.model.put([row], [value])

    def grow(self, chance: random.Random) -> None:
        self.model.rows += chance.choice((0, 1, 500, 65_536))
        self.column.grow(self.model.rows)

    def take(self, chance: random.Random) -> None:
        rows = self.rows(chance)
        assert take(self.column, rows_of(*rows)) == self.model.take(rows)
        assert self.column.take_valid(rows_of(*rows)).tolist() == [
            value is not None for value in self.model.take(rows)
        ]
        if self.kind is Kind.TEXT:
            texts = self.column.texts(rows_of(*rows))
            texts.validate(full=True)
            self.held.append((texts, self.model.take(rows)))

    def gather(self, chance: random.Random) -> None:
        rows = self.rows(chance) * chance.choice((1, 20))
        vector = self.column.gather(rows_of(*rows))
        assert read_vector(vector) == self.model.take(rows)
        self.held.append((vector, self.model.take(rows)))

    def pin(self, chance: random.Random) -> None:
        batch = chance.randrange(self.column.batches)
        expected = self.model.batch(batch)
        if chance.random() < 0.5:
            self.held.append((self.column.vector(batch), expected))
        else:
            self.held.append((self.column.export(batch), expected))

    def release(self, chance: random.Random) -> None:
        if self.held:
            self.look(*self.held.pop(chance.randrange(len(self.held))))

    def look(self, view: Any, expected: list[Any]) -> None:
        if isinstance(view, pa.Array):
            assert read_export(self.kind, view) == expected
        else:
            assert read_vector(view) == expected

    def finish(self) -> None:
        for view, expected in self.held:
            self.look(view, expected)
        for batch in range(self.column.batches):
            assert read_export(self.kind, self.column.export(batch)) == self.model.batch(batch)
            assert read_vector(self.column.vector(batch)) == self.model.batch(batch)
        again = made(self.kind, self.model.rows)
        rows = sorted(self.model.values)
        if rows:
            put(again, rows_of(*rows), self.model.take(rows))
        assert digest(again) == digest(self.column)


def arrow_of(kind: Kind, values: list[Any], chance: random.Random) -> pa.Array:
    """The values as one of the Arrow types that the kind takes, sometimes a slice."""
    types: dict[Kind, tuple[pa.DataType, ...]] = {
        Kind.BOOL: (pa.bool_(),),
        Kind.INT: (pa.int64(),),
        Kind.NUMBER: (pa.float64(),),
        Kind.DATE: (pa.date32(),),
        Kind.INSTANT: (pa.timestamp("s"),),
        Kind.TEXT: (pa.string(), pa.large_string(), pa.string_view()),
        Kind.CODE: (pa.string(), pa.large_string(), pa.string_view()),
        Kind.LIST: (pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_view(pa.string())),
        Kind.TIME: (pa.uint32(), pa.timestamp("s")),
        Kind.ID: (pa.uint64(),),
    }
    if kind in (Kind.TEXT, Kind.CODE) and chance.random() < 0.3:
        return pa.array(values, pa.string()).dictionary_encode()
    if chance.random() < 0.3:
        return pa.array([None, *values], chance.choice(types[kind])).slice(1)
    return pa.array(values, chance.choice(types[kind]))


STEPS = st.sampled_from(("put", "put", "arrow", "grow", "take", "gather", "pin", "release"))


@PLAYS
@settings(max_examples=cases(25), deadline=None)
@given(
    steps=st.lists(st.tuples(STEPS, st.integers(0, 2**32)), max_size=25),
    rows=st.sampled_from((1, 64, 513, 65_535, 65_536, 65_600)),
)
def test_any_sequence_reads_like_a_list(
    kind: Kind, rare: bool, steps: list[tuple[str, int]], rows: int
) -> None:
    play = Play(kind, rows, rare=rare)
    for name, seed in steps:
        play.step(name, random.Random(seed))
    play.finish()


# --- each promise by itself ---------------------------------------------------------------------


@KINDS
def test_rows_outside_the_column_are_refused_and_nothing_is_written(kind: Kind) -> None:
    column = made(kind, 65_537)
    values = [cm.VALUES[kind][0]] * 2
    for bad in (-1, 65_537, 2**62, -(2**63)):
        rows = rows_of(3, bad)
        for read in (column.take, column.take_valid, column.gather):
            with pytest.raises(IndexError, match="65537"):
                read(rows)
        with pytest.raises(IndexError):
            put(column, rows, values)
    assert column.chunk(0) is None
    with pytest.raises(ValueError, match="Buffer dtype"):
        column.take(np.array([1.0]))
    with pytest.raises(IndexError if kind is Kind.TEXT else TypeError, match=r"65537|no texts"):
        column.texts(rows_of(3, 65_537))
    for batch in (-1, 2):
        for view in (column.vector, column.export, column.chunk, column.arena):
            with pytest.raises(IndexError):
                view(batch)
    with pytest.raises(ValueError, match="cannot shrink"):
        column.grow(65_536)


@KINDS
def test_no_rows_is_nothing_to_do(kind: Kind) -> None:
    column = made(kind, 10)
    none = rows_of()
    put(column, none, [])
    column.put_arrow(none, pa.nulls(0), False)
    assert take(column, none) == []
    assert column.take_valid(none).tolist() == []
    assert read_vector(column.gather(none)) == []
    if kind is Kind.TEXT:
        assert column.texts(none).equals(pa.array([], pa.string()))
    assert column.chunk(0) is None
    assert made(kind, 0).batches == 0


@KINDS
def test_the_last_of_equal_rows_wins_and_none_clears(kind: Kind) -> None:
    column = made(kind, 3)
    values = [*cm.VALUES[kind][:2], None, cm.VALUES[kind][0]]
    put(column, rows_of(1, 1, 1, 1), values)
    assert take(column, rows_of(0, 1, 2)) == [None, values[0], None]
    column.put(rows_of(1), None)
    assert take(column, rows_of(1)) == [None]


@KINDS
def test_the_digest_tells_values_and_not_memory(kind: Kind) -> None:
    absent, cleared, written = (made(kind, 70_000) for _ in range(3))
    value = cm.VALUES[kind][0]
    put(cleared, rows_of(5, 69_999), [value, value])
    assert digest(cleared) != digest(absent)
    cleared.put(rows_of(5, 69_999), None)
    assert digest(cleared) == digest(absent)
    put(written, rows_of(5), [value])
    put(cleared, rows_of(6), [value])
    assert digest(written) != digest(cleared)
    assert digest(absent) != digest(made(kind, 70_001))


def test_the_digest_reads_codes_as_text() -> None:
    one = made(Kind.CODE, 3, dictionary=Dictionary(["a", "b"]))
    two = made(Kind.CODE, 3, dictionary=Dictionary(["b", "unused", "a"]))
    put(one, rows_of(0, 1), ["a", "b"])
    put(two, rows_of(0, 1), ["a", "b"])
    assert digest(one) == digest(two)
    put(two, rows_of(0), ["unused"])
    assert digest(one) != digest(two)


ZERO_COPY = (Kind.BOOL, Kind.INT, Kind.NUMBER, Kind.DATE, Kind.INSTANT, Kind.CODE, Kind.ID)


@pytest.mark.parametrize("kind", ZERO_COPY, ids=lambda kind: kind.name)
def test_exports_and_vectors_are_the_column_s_own_memory(kind: Kind) -> None:
    column = made(kind, BATCH_ROWS + 10)
    put(column, rows_of(0, BATCH_ROWS), [cm.VALUES[kind][0]] * 2)
    for batch in (0, 1):
        chunk = column.chunk(batch)
        assert chunk is not None
        array = column.export(batch)
        indices = array.indices if kind == Kind.CODE else array
        assert indices.buffers()[1].address == chunk.address
        if kind != Kind.ID:
            assert chunk.address < indices.buffers()[0].address < chunk.address + chunk.nbytes
        vector = column.vector(batch)
        assert np.frombuffer(vector.buffers[0], np.uint8).ctypes.data == chunk.address
        assert chunk.pins >= 2
        del array, indices, vector
        assert chunk.pins == 0


@KINDS
def test_a_pinned_chunk_is_copied_once_and_an_unpinned_one_never(kind: Kind) -> None:
    column = made(kind, 100)
    value, other = cm.VALUES[kind][:2]
    put(column, rows_of(0), [value])
    first = column.chunk(0)
    assert first is not None
    put(column, rows_of(1), [value])
    assert column.chunk(0) is first
    vector = column.vector(0)
    put(column, rows_of(0), [other])
    second = column.chunk(0)
    assert second is not first
    put(column, rows_of(0), [value])
    assert column.chunk(0) is second
    assert read_vector(vector)[:2] == [value, value]
    del vector
    assert first.pins == 0


def test_readers_of_three_libraries_see_one_instant_and_let_go_on_another_thread() -> None:
    column = made(Kind.INT, 1_000)
    rows = np.arange(1_000, dtype=np.int64)
    column.put(rows, rows * 2)
    chunk = column.chunk(0)
    assert chunk is not None
    array = column.export(0)
    held: list[Any] = [
        array.slice(10, 5),
        pl.Series(array).slice(10, 5),
        array.slice(10, 5).buffers()[1],
        np.frombuffer(memoryview(chunk), np.int64)[10:15],
    ]
    del array
    assert chunk.pins > 0
    column.put(rows, -1)
    assert column.chunk(0) is not chunk
    assert held[0].to_pylist() == held[1].to_list() == held[3].tolist() == [20, 22, 24, 26, 28]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert chunk.pins == 0
    assert column.take(rows_of(12)).tolist() == [-1]


def test_a_full_bitmap_of_rows_at_the_edges() -> None:
    for rows in (1, 63, 64, 65, 65_535, 65_536):
        column = made(Kind.BOOL, rows)
        every = np.arange(rows, dtype=np.int64)
        column.put(every, True)
        assert column.take(every).all()
        assert read_vector(column.vector(0)) == [True] * rows
        assert read_vector(column.gather(every)) == [True] * rows
        assert column.export(0).true_count == rows


def test_growing_a_pinned_small_batch_keeps_its_readers() -> None:
    column = made(Kind.LIST, 500)
    column.put(rows_of(0, 499), [["a"], ["b", "c"]])
    vector, chunk = column.vector(0), column.chunk(0)
    column.grow(513)
    assert column.chunk(0) is not chunk
    column.put(rows_of(0, 512), [["z"], ["y"]])
    assert read_vector(vector)[0] == ["a"]
    assert column.take(rows_of(0, 499, 511, 512)) == [["z"], ["b", "c"], None, ["y"]]


# --- kinds with more to say ---------------------------------------------------------------------


def test_columns_that_are_never_missing_read_their_default() -> None:
    for kind, default, other in (
        (Kind.INT, 0, 4),
        (Kind.INT, -3, 4),
        (Kind.BOOL, None, True),
        (Kind.BOOL, True, False),
        (Kind.NUMBER, 2.5, 1.0),
        (Kind.DATE, 10, -1),
        (Kind.INSTANT, 7, 8),
        (Kind.CODE, "he", "en"),
    ):
        column = made(kind, 70, default=default, never_missing=True)
        fresh = digest(column)
        missing = False if default is None else default
        every = np.arange(70, dtype=np.int64)
        assert take(column, rows_of(0, 69)) == [missing, missing]
        put(column, rows_of(3), [other])
        assert digest(column) != fresh
        column.grow(600)
        for values in (
            take(column, every),
            read_vector(column.gather(every)),
            read_vector(column.vector(0))[:70],
            read_export(kind, column.export(0))[:70],
        ):
            assert values == [missing] * 3 + [other] + [missing] * 66
        assert column.take_valid(every).all()
        assert column.export(0).null_count == 0
        column.put(rows_of(3), None)
        assert take(column, rows_of(3, 599)) == [missing, missing]


def test_wrong_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="11"):
        Column(11)
    with pytest.raises(TypeError, match="INT column has no dictionary"):
        Column(Kind.INT, dictionary=Dictionary())
    for kind in (Kind.TEXT, Kind.LIST, Kind.TIME, Kind.ID):
        with pytest.raises(TypeError, match="has missing values"):
            Column(kind, never_missing=True)
    with pytest.raises(TypeError, match="default word"):
        Column(Kind.CODE, never_missing=True)
    column = made(Kind.INT, 5)
    assert (column.kind, column.default, column.never_missing) == (Kind.INT, None, False)
    assert column.dictionary is None
    assert column.arena(0) is None
    with pytest.raises(TypeError, match="no due rows"):
        column.due_before(5)
    with pytest.raises(TypeError, match="no due rows"):
        column.minimum()
    with pytest.raises(TypeError, match="nothing can be added"):
        made(Kind.NUMBER, 5).add_to(rows_of(0), 1)


def test_values_of_the_wrong_shape_or_dtype_are_refused() -> None:
    column, flags = made(Kind.INT, 5), made(Kind.BOOL, 5)
    rows = rows_of(0, 1)
    with pytest.raises(TypeError, match="float64"):
        column.put(rows, np.zeros(2))
    with pytest.raises(ValueError, match="shape"):
        column.put(rows, np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="shape"):
        column.put(rows, np.zeros(2, np.int64), np.ones(3, np.bool_))
    with pytest.raises(TypeError, match="validity of int64"):
        column.put(rows, np.zeros(2, np.int64), np.ones(2, np.int64))
    with pytest.raises(OverflowError):
        column.put(rows, 2**63)
    with pytest.raises(OverflowError):
        made(Kind.TIME, 5).put(rows, -1)
    with pytest.raises(ValueError, match="shape"):
        flags.put(rows, np.zeros(3, np.bool_))
    with pytest.raises(ValueError, match="3 values for 2 rows"):
        column.put_arrow(rows, pa.array([1, 2, 3]), False)
    with pytest.raises(pa.ArrowInvalid):
        column.put_arrow(rows, pa.array(["x", "y"]), False)
    with pytest.raises(pa.ArrowInvalid):
        made(Kind.TIME, 5).put_arrow(rows, pa.array([-1, 0]), False)
    with pytest.raises(TypeError, match="int64 is not text"):
        made(Kind.CODE, 5).put_arrow(rows, pa.array([1, 2]), False)
    with pytest.raises(ValueError, match="not one of 0 words"):
        made(Kind.CODE, 5).put(rows, np.zeros(2, np.int32))
    assert column.chunk(0) is None


def test_scalars_lists_and_validity_of_plain_kinds() -> None:
    column, flags = made(Kind.INT, 5), made(Kind.BOOL, 5)
    every = np.arange(5, dtype=np.int64)
    column.put(every, 7, np.array([True, True, False, True, False]))
    assert take(column, every) == [7, 7, None, 7, None]
    column.put(every, [1, 2, 3, 4, 5], valid=True)
    assert take(column, every) == [1, 2, 3, 4, 5]
    flags.put(every, True, np.array([True, True, False, True, False]))
    assert take(flags, every) == [True, True, None, True, None]
    flags.put(every, [False, True, False, True, False], valid=True)
    assert take(flags, every) == [False, True, False, True, False]


def test_numbers_keep_no_nan_and_no_negative_zero() -> None:
    column = made(Kind.NUMBER, 4)
    column.put(rows_of(0, 1, 2), np.array([np.nan, -0.0, 1.0]), np.array([True, True, False]))
    assert take(column, rows_of(0, 1, 2)) == [None, 0.0, None]
    assert not np.signbit(column.take(rows_of(1)))[0]
    column.put_arrow(rows_of(2, 3), pa.array([float("nan"), 3]), keep_null=False)
    assert take(column, rows_of(2, 3)) == [None, 3.0]


def test_arrow_types_that_fit_are_cast() -> None:
    def after(kind: Kind, values: pa.Array) -> list[Any]:
        column = made(kind, len(values))
        column.put_arrow(np.arange(len(values), dtype=np.int64), values, keep_null=False)
        return take(column, np.arange(len(values), dtype=np.int64))

    assert after(Kind.INT, pa.array([1, None], pa.uint8())) == [1, None]
    assert after(Kind.NUMBER, pa.array([1, None], pa.int32())) == [1.0, None]
    assert after(Kind.DATE, pa.array([86_400_000, None], pa.date64())) == [1, None]
    milli = pa.array([-1_500, None, 2_999], pa.timestamp("ms", "UTC"))
    assert after(Kind.INSTANT, milli) == [-2, None, 2]
    days = pa.array([1, None], pa.date32())
    assert after(Kind.INSTANT, days) == [86_400, None]
    assert after(Kind.INSTANT, pa.array([-5, None])) == [-5, None]
    assert after(Kind.TIME, milli.slice(1)) == [None, 2]
    assert after(Kind.BOOL, pa.nulls(2)) == [None, None]
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["a", None]))
    for kind in (Kind.TEXT, Kind.CODE):
        assert after(kind, hidden) == ["a", None, None]


def test_only_words_that_are_used_enter_the_dictionary() -> None:
    column = made(Kind.CODE, 4)
    texts = pa.array(["x", "b", None, "a", "b"]).dictionary_encode().slice(1)
    column.put_arrow(np.arange(4, dtype=np.int64), texts, keep_null=False)
    assert column.dictionary is not None
    assert column.dictionary.values == ["b", "a"]
    column.put(rows_of(0), np.array([-1], np.int32))
    assert take(column, np.arange(4, dtype=np.int64)) == [None, None, "a", "b"]
    first = column.export(0)
    column.dictionary.add("more")
    second = column.export(0)
    assert first.dictionary.to_pylist() == ["b", "a"]
    assert second.dictionary.to_pylist() == ["b", "a", "more"]


def test_adding_counts_every_row_and_stops_at_the_edge() -> None:
    top = 2**63 - 1
    column = made(Kind.INT, 5, default=10)
    column.put(rows_of(1), top)
    over = column.add_to(rows_of(0, 0, 1, 2), 3)
    assert over.tolist() == [False, False, True, False]
    assert take(column, rows_of(0, 1, 2, 3)) == [16, top, 13, None]
    over = column.add_to(rows_of(1, 3, 4), np.array([-1, top, 5]), start=1)
    assert over.tolist() == [False, True, False]
    assert take(column, rows_of(1, 3, 4)) == [top - 1, None, 6]
    counter = made(Kind.INT, 5, default=0, never_missing=True)
    assert not counter.add_to(rows_of(2, 2), 1).any()
    assert take(counter, rows_of(1, 2)) == [0, 2]
    assert counter.add_to(rows_of(), 1).tolist() == []


# --- what is due --------------------------------------------------------------------------------


def test_due_rows_ascend_and_never_is_never_due() -> None:
    column = made(Kind.TIME, 3 * BATCH_ROWS)
    assert column.due_before(NEVER).tolist() == []
    assert column.minimum() == NEVER
    column.put(rows_of(2 * BATCH_ROWS, 5, 0), np.array([30, 10, 20], np.uint32))
    assert column.due_before(9).tolist() == []
    assert column.due_before(20).tolist() == [0, 5]
    assert column.due_before(2**40).tolist() == [0, 5, 2 * BATCH_ROWS]
    assert [column.due_before(30, most).tolist() for most in (-1, 0, 1, 2, 3, 9)] == [
        [], [], [0], [0, 5], [0, 5, 2 * BATCH_ROWS], [0, 5, 2 * BATCH_ROWS]
    ]  # fmt: skip
    assert column.due_before(-1).tolist() == []
    assert column.minimum() == 10
    column.put(rows_of(5), NEVER)
    assert column.minimum() == 20
    column.put(rows_of(0, 0), np.array([1, 50], np.uint32))
    assert column.due_before(1).tolist() == []
    assert column.minimum() == 30


@settings(max_examples=cases(60), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(
                st.tuples(
                    st.sampled_from((0, 1, 65_535, 65_536, 65_540, 140_000)),
                    st.one_of(st.none(), st.integers(0, 20)),
                ),
                min_size=1,
                max_size=5,
            ),
            st.integers(0, 20),
        ),
        max_size=20,
    )
)
def test_due_rows_are_those_of_a_plain_list(
    turns: list[tuple[list[tuple[int, int | None]], int]],
) -> None:
    column = made(Kind.TIME, 140_001)
    plain: dict[int, int] = {}
    for writes, now in turns:
        values = np.array([NEVER if v is None else v for _, v in writes], np.uint32)
        column.put(rows_of(*(row for row, _ in writes)), values)
        plain.update(zip((row for row, _ in writes), values.tolist(), strict=True))
        due = sorted(r for r, v in plain.items() if v <= now)
        assert column.due_before(now).tolist() == due
        assert column.due_before(now, len(writes)).tolist() == due[: len(writes)]
        assert column.minimum() == min(plain.values())
