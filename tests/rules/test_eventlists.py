from __future__ import annotations

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import EventLists, vector_of


def at(*instants):
    return vector_of(Kind.TIME, instants)


def offsets(*places):
    return np.array(places, np.int64)


def test_rows_of_happenings():
    lists = EventLists(offsets(0, 2, 2, 3), at(5, 7, 6), (vector_of(Kind.CODE, ["a", "b", "a"]),))
    assert lists.length == 3
    assert lists.kind == Kind.EVENTS


@pytest.mark.parametrize(
    ("places", "items", "message"),
    [
        (offsets(1, 3), (), "from 0 to 3"),
        (offsets(0, 2), (), "from 0 to 3"),
        (offsets(0, 3).astype(np.int32), (), "from 0 to 3"),
        (np.empty(0, np.int64), (), "from 0 to 3"),
        (offsets(0, 2, 1, 3), (), "go back"),
        (offsets(0, 3), (vector_of(Kind.INT, [1]),), "another length"),
    ],
)
def test_parts_that_do_not_fit(places, items, message):
    with pytest.raises(ValueError, match=message):
        EventLists(places, at(5, 7, 6), items)


def test_instants_are_engine_time():
    with pytest.raises(ValueError, match="another length"):
        EventLists(offsets(0, 1), vector_of(Kind.INT, [1]))
