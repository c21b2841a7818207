"""Tables: named columns that grow together and leave as record batches."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from blaster.core.table import Table
from blaster.model.fields import BATCH_ROWS, Kind
from tests.core.column_model import rows_of


def digest(table: Table) -> str:
    hasher = hashlib.sha256()
    table.digest_into(hasher)
    return hasher.hexdigest()


def test_columns_have_the_table_s_rows_whenever_they_were_added() -> None:
    table = Table(10)
    first = table.add("city", Kind.CODE)
    table.grow(BATCH_ROWS + 1)
    second = table.add(("list", "club", "joined"), Kind.TIME)
    assert (first.rows, second.rows) == (BATCH_ROWS + 1, BATCH_ROWS + 1)
    assert (table.rows, table.batches) == (BATCH_ROWS + 1, 2)
    assert table.names == ("city", ("list", "club", "joined"))
    assert table.column("city") is first
    assert table.has(("list", "club", "joined"))
    assert not table.has("club")


def test_names_are_taken_once_and_can_be_dropped() -> None:
    table = Table()
    table.add("n", Kind.INT, default=0, never_missing=True)
    with pytest.raises(ValueError, match="'n' already"):
        table.add("n", Kind.INT)
    table.drop("n")
    with pytest.raises(KeyError):
        table.column("n")
    assert table.batches == 0


def test_a_table_never_shrinks() -> None:
    with pytest.raises(ValueError, match="-1 rows"):
        Table(-1)
    table = Table(5)
    with pytest.raises(ValueError, match="cannot shrink"):
        table.grow(4)
    table.grow(5)


def test_export_is_one_batch_of_the_chosen_columns() -> None:
    table = Table(3)
    table.add("n", Kind.INT).put(rows_of(0, 2), np.array([5, 7]))
    table.add(("form", "x", "last"), Kind.TIME).put(rows_of(1), 9)
    table.add("word", Kind.CODE).put_arrow(rows_of(0), _words("hello"), False)
    batch = table.export(0)
    assert batch.schema.names == ["n", "form.x.last", "word"]
    assert batch.column("n").to_pylist() == [5, None, 7]
    assert table.export(0, ["word"]).to_pydict() == {"word": ["hello", None, None]}
    frame = pl.from_arrow(table.export(0, ["n"]))
    assert isinstance(frame, pl.DataFrame)
    assert frame["n"].to_list() == [5, None, 7]


def test_an_export_stays_as_it_was() -> None:
    table = Table(100)
    column = table.add("n", Kind.INT)
    column.put(np.arange(100, dtype=np.int64), np.arange(100))
    part = table.export(0).slice(50, 3)
    column.put(rows_of(51), -1)
    assert part.column("n").to_pylist() == [50, 51, 52]
    assert column.take(rows_of(51)).tolist() == [-1]


def test_absent_columns_cost_next_to_nothing() -> None:
    table = Table(10 * BATCH_ROWS)
    for i in range(100):
        table.add(i, Kind.TIME)
    assert table.nbytes < 100 * 10 * 100


def test_the_digest_knows_names_and_values_but_no_order_of_adding() -> None:
    one, two = Table(3), Table(3)
    one.add("a", Kind.INT)
    one.add("b", Kind.TEXT).put(rows_of(1), ["x"])
    two.add("b", Kind.TEXT).put(rows_of(1), ["x"])
    two.add("a", Kind.INT)
    assert digest(one) == digest(two)
    two.column("a").put(rows_of(0), 1)
    assert digest(one) != digest(two)


def _words(*texts: str) -> object:
    return pa.array(texts)
