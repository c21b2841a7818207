"""Vectors: what they accept, and Python values through them."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model.fields import NEVER, Kind
from blaster.rules import Dictionary, Vector, to_list, vector_of
from blaster.rules.vectors import row_of, validity

VALUES: list[tuple[Kind, list[object]]] = [
    (Kind.BOOL, [True, False, None]),
    (Kind.INT, [-5, 2**62, None]),
    (Kind.NUMBER, [-0.5, 1e300, None]),
    (Kind.DATE, [-40_000, 20_000, None]),
    (Kind.INSTANT, [-(2**40), 2**33, None]),
    (Kind.TEXT, ["", "twelve bytes", None, "thirteen byte", "שלום עולם וברכה"]),
    (Kind.CODE, ["a", "ב", None, "a"]),
    (Kind.LIST, [["a", "b"], [], None, ["b"]]),
    (Kind.TIME, [0, NEVER - 1, None]),
    (Kind.ID, [1, 2**63, None]),
]


@pytest.mark.parametrize(("kind", "values"), VALUES)
def test_values_come_back(kind: Kind, values: list[object]) -> None:
    """Every kind holds its values and its gaps, as a whole and row by row."""
    wide = values * 30
    vector = vector_of(kind, wide)
    assert (vector.kind, vector.length) == (kind, len(wide))
    assert to_list(vector) == wide
    for row in range(0, len(wide), 7):
        assert to_list(row_of(vector, row)) == [wide[row]]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.EVENTS])
@pytest.mark.parametrize("rows", [0, 1, 65])
def test_missing(kind: Kind, rows: int) -> None:
    """A missing vector has no row set."""
    vector = Vector.missing(kind, rows)
    assert vector.length == rows
    assert to_list(vector) == [None] * rows
    assert not validity(vector).any()


def test_without_a_validity_bitmap_every_row_is_set() -> None:
    """Validity is optional."""
    vector = Vector(Kind.INT, 2, np.array([1, 2], dtype=np.int64))
    assert to_list(vector) == [1, 2]


def test_memory_is_kept_alive_and_read_only_buffers_do() -> None:
    """The vector holds what it was given."""
    vector = Vector(Kind.DATE, 2, bytes(8))
    assert vector.buffers[0].readonly
    assert vector.dictionary is None
    array = np.arange(3, dtype=np.int64)
    held = Vector(Kind.INT, 3, array)
    del array
    assert to_list(held) == [0, 1, 2]


def test_what_does_not_fit_is_refused() -> None:
    """Short buffers, unknown kinds and missing parts are errors at once."""
    short = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="data has 8 bytes; this vector needs 16"):
        Vector(Kind.INT, 2, short)
    with pytest.raises(ValueError, match="valid has 8 bytes; this vector needs 16"):
        Vector(Kind.DATE, 65, np.zeros(65, dtype=np.int32), short)
    with pytest.raises(ValueError, match="no vector of kind 11"):
        Vector(11, 1, short)
    with pytest.raises(ValueError, match="no vector of kind 2 and -1 rows"):
        Vector(Kind.INT, -1, short)
    with pytest.raises(ValueError, match="TIME and ID have no validity"):
        Vector(Kind.TIME, 1, short, short)
    with pytest.raises(ValueError, match="need their dictionary"):
        Vector(Kind.CODE, 1, short)
    with pytest.raises(ValueError, match="LIST needs sizes"):
        Vector(Kind.LIST, 1, short, dictionary=Dictionary())
    with pytest.raises((ValueError, BufferError)):
        Vector(Kind.INT, 2, np.zeros(4, dtype=np.int64)[::2])
