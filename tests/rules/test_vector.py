"""Vectors: what they accept, and Python values through them."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model.fields import NEVER, Kind
from blaster.rules import Dictionary, Vector, to_list, vector_of
from blaster.rules.vectors import FORM_DTYPES, row_of, validity

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
    with pytest.raises(ValueError, match="valid has 8 bytes; this vector needs 9"):
        Vector(Kind.DATE, 65, np.zeros(65, dtype=np.int32), short)
    with pytest.raises(ValueError, match="no vector of kind 11"):
        Vector(11, 1, short)
    with pytest.raises(ValueError, match="no vector of kind 2 and -1 rows"):
        Vector(Kind.INT, -1, short)
    with pytest.raises(ValueError, match="ID has no validity"):
        Vector(Kind.ID, 1, short, short)
    with pytest.raises(ValueError, match="no vector of kind 4 lies as 'i64'"):
        Vector(Kind.DATE, 1, short, form="i64")
    with pytest.raises(ValueError, match="the texts lie from 0 to 9 of an arena of 2 bytes"):
        Vector(Kind.TEXT, 1, np.array([0, 9], dtype=np.int32), arena=b"ab", form="o32")
    with pytest.raises(ValueError, match="data has 4 bytes; this vector needs 8"):
        Vector(Kind.TEXT, 1, np.array([0], dtype=np.int32), arena=b"ab", form="o32")
    with pytest.raises(ValueError, match="need their dictionary"):
        Vector(Kind.CODE, 1, short)
    with pytest.raises(ValueError, match="LIST needs sizes"):
        Vector(Kind.LIST, 1, short, dictionary=Dictionary())
    with pytest.raises((ValueError, BufferError)):
        Vector(Kind.INT, 2, np.zeros(4, dtype=np.int64)[::2])


FORMS: list[tuple[Kind, str, str]] = [
    *((Kind.INT, form, form) for form in ("i8", "i16", "i32", "i64", "u8", "u16", "u32")),
    (Kind.NUMBER, "f32", "f32"),
    (Kind.NUMBER, "", "f64"),
    (Kind.CODE, "i8", "i8"),
    (Kind.CODE, "i16", "i16"),
    (Kind.CODE, "", "i32"),
]


@pytest.mark.parametrize(("kind", "form", "name"), FORMS)
def test_narrow_forms_hold_the_same_values(kind: Kind, form: str, name: str) -> None:
    """A form changes how values lie, not what they are; bitmaps need no padding."""
    values = [row % 100 for row in range(70)]
    words = Dictionary(f"word {n}" for n in range(100)) if kind == Kind.CODE else None
    valid = np.packbits([row % 3 != 0 for row in range(70)], bitorder="little")
    data = np.array(values).astype(FORM_DTYPES[name])
    vector = Vector(kind, 70, data, valid, dictionary=words, form=form)
    assert (vector.form, len(valid)) == (name, 9)
    shown = [f"word {n}" for n in values] if kind == Kind.CODE else values
    want = [value if row % 3 else None for row, value in enumerate(shown)]
    assert to_list(vector) == want
    assert [to_list(row_of(vector, row))[0] for row in range(70)] == want


@pytest.mark.parametrize("form", ["o32", "o64"])
def test_texts_between_offsets(form: str) -> None:
    """Arrow strings, sliced ones too."""
    texts = ["", "a", "שלום עולם וברכה", "twelve bytes"]
    data = "".join(texts).encode()
    ends = np.cumsum([2, *(len(text.encode()) for text in texts)]).astype(FORM_DTYPES[form])
    vector = Vector(Kind.TEXT, 4, ends, bytes([0b1110]), arena=b"??" + data, form=form)
    assert to_list(vector) == [None, *texts[1:]]
    assert [to_list(row_of(vector, row))[0] for row in range(4)] == [None, *texts[1:]]


def test_times_with_a_bitmap_are_set_where_it_says_so() -> None:
    """A TIME may say by bits what is missing; its values are NEVER there."""
    vector = Vector(Kind.TIME, 2, np.array([5, NEVER], dtype=np.uint32), b"\x01")
    assert to_list(vector) == [5, None]


def test_values_that_lie_askew_are_copied() -> None:
    """A buffer that does not begin at a multiple of the value's width."""
    held = bytes(1) + np.arange(5, dtype=np.int64).tobytes()
    assert to_list(Vector(Kind.INT, 5, memoryview(held)[1:])) == list(range(5))
