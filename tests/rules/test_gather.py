"""Chosen rows of a vector of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import Vector, to_list, vector_of
from blaster.rules.vectors import FORM_DTYPES, gather, row_of

VALUES = {
    Kind.BOOL: [True, None, False],
    Kind.INT: [1, None, -(2**63) + 1],
    Kind.NUMBER: [1.5, None, -0.0],
    Kind.DATE: [1, None, -9],
    Kind.INSTANT: [2**40, None, -1],
    Kind.TEXT: ["short", None, "a text longer than twelve bytes"],
    Kind.CODE: ["a", None, "b"],
    Kind.LIST: [["a", "b"], None, []],
    Kind.TIME: [1, None, 7],
    Kind.ID: [1, None, 2**64 - 1],
}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("rows", [[], [2, 0, 0, 1, 2], [1] * 70])
def test_rows_in_any_order(kind, rows):
    values = VALUES[kind]
    found = gather(vector_of(kind, values), np.array(rows, np.int64))
    assert found.length == len(rows)
    assert to_list(found) == [values[row] for row in rows]


def test_what_is_never_missing_stays_so():
    found = gather(vector_of(Kind.INT, [4, 5]), np.array([1], np.int64))
    assert to_list(found) == [5]


@pytest.mark.parametrize("form", ["i8", "i16", "i32", "i64", "u8", "u16", "u32"])
@pytest.mark.parametrize("missing", [False, True])
def test_whole_numbers_keep_their_form(form, missing):
    values = [5, 0, 9, 100]
    valid = np.packbits([True, False, True, True], bitorder="little") if missing else None
    vector = Vector(Kind.INT, 4, np.array(values, FORM_DTYPES[form]), valid, form=form)
    wanted = [5, None if missing else 0, 9, 100]
    found = gather(vector, np.array([3, 1, 1, 0], np.int64))
    assert found.form == form
    assert to_list(found) == [wanted[row] for row in (3, 1, 1, 0)]
    assert [to_list(row_of(vector, row)) for row in range(4)] == [[value] for value in wanted]


@pytest.mark.parametrize("form", ["o32", "o64"])
@pytest.mark.parametrize("missing", [False, True])
def test_texts_between_offsets(form, missing):
    """Those of a slice too, whose first offset is not 0."""
    texts = ["", "שלום", "a text longer than twelve bytes", "b"]
    ends = 3 + np.cumsum([0, *(len(text.encode()) for text in texts)])
    valid = np.packbits([True, True, False, True], bitorder="little") if missing else None
    arena = b"???" + "".join(texts).encode() + b"???"
    vector = Vector(Kind.TEXT, 4, ends.astype(FORM_DTYPES[form]), valid, arena=arena, form=form)
    wanted = [None if missing and row == 2 else text for row, text in enumerate(texts)]
    for rows in ([], [3, 2, 0, 1, 1, 2], [0] * 70):
        found = gather(vector, np.array(rows, np.int64))
        assert (found.form, to_list(found)) == (form, [wanted[row] for row in rows])
    assert [to_list(row_of(vector, row)) for row in range(4)] == [[text] for text in wanted]
