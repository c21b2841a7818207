"""Batches of a column that hold the same share their memory; what was never written takes none."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.core.shelves import end_epoch
from blaster.model.fields import BATCH_ROWS, Kind
from blaster.rules.dictionary import Dictionary
from tests.core.test_column import digest, made


@pytest.mark.parametrize("kind", [Kind.CODE, Kind.TIME, Kind.INT, Kind.BOOL])
def test_full_batches_that_are_alike_share_their_memory(kind: Kind) -> None:
    """Whoever writes to one of them has a copy, and the others keep what they hold."""
    words = Dictionary(("a", "b")) if kind is Kind.CODE else None
    column = made(kind, 3 * BATCH_ROWS, dictionary=words)
    everything = np.arange(column.rows, dtype=np.int64)
    ones = np.ones(column.rows, column.take(everything).dtype)
    column.put(everything, ones)
    before, wanted = column.nbytes, digest(column)
    for batch in range(column.batches):
        column.share(batch)
    assert column.nbytes < before / 2
    assert column.chunk(0) is column.chunk(1) is column.chunk(2)
    assert digest(column) == wanted
    column.put(np.array([BATCH_ROWS + 5]), np.zeros(1, ones.dtype))
    assert column.take(everything).sum() == column.rows - 1
    assert column.chunk(0) is column.chunk(2) is not column.chunk(1)
    column.share(1)
    assert column.chunk(0) is not column.chunk(1)


def test_batches_of_different_epochs_share_nothing() -> None:
    """A snapshot has written the one, and would take it to be the other."""
    column = made(Kind.TIME, 2 * BATCH_ROWS)
    everything = np.arange(column.rows, dtype=np.int64)
    column.put(everything[:BATCH_ROWS], 7)
    end_epoch()
    column.put(everything[BATCH_ROWS:], 7)
    column.share(1)
    assert column.chunk(0) is not column.chunk(1)


def test_a_batch_that_is_not_full_shares_nothing() -> None:
    """More rows are to come."""
    column = made(Kind.TIME, BATCH_ROWS + 5)
    column.put(np.arange(column.rows, dtype=np.int64), 7)
    column.share(1)
    column.share(0)
    assert column.chunk(0) is not column.chunk(1)


@pytest.mark.parametrize("kind", [Kind.CODE, Kind.TIME, Kind.ID, Kind.NUMBER])
def test_clearing_what_was_never_written_takes_no_memory(kind: Kind) -> None:
    """As those do whom a message is sent for the first time."""
    column = made(kind, 70_000, dictionary=Dictionary(("a",)) if kind is Kind.CODE else None)
    column.put(np.array([1, 69_000]), None)
    assert column.chunk(0) is column.chunk(1) is None
