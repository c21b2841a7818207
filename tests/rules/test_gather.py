"""Chosen rows of a vector of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import to_list, vector_of
from blaster.rules.gather import gather

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
