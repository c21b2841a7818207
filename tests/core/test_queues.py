"""Queues by step and site: the order of service, however it came about, and what it costs."""

from __future__ import annotations

import random

import numpy as np

from blaster.core.queues import PIECE_ROWS, Queues
from tests.core.world import numbers


class Rows:
    """Who waits, since when: row n is contact n; looks are counted."""

    def __init__(self, since: dict[int, int]) -> None:
        self.since = since
        self.looked = 0

    def look(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.looked += len(rows)
        left = [row for row in rows.tolist() if row in self.since]
        return numbers(*left), numbers(*(self.since[row] for row in left)), numbers(*left)


def put(queues: Queues, place: tuple[int, str], rows: Rows, *which: int) -> None:
    queues.put(place, *rows.look(numbers(*which)))


def test_a_seeded_thousand_of_takes_against_a_sorted_list() -> None:
    """Pieces overlap, rows leave and are named twice; what is taken is always the first."""
    draw = random.Random(5)
    rows, queues, free = Rows({}), Queues(), list(range(10_000))
    for _ in range(1000):
        fresh = [free.pop() for _ in range(draw.randint(0, 6))]
        rows.since |= {row: draw.randint(0, 20) for row in fresh}
        again = draw.sample(sorted(rows.since), min(len(rows.since), draw.randint(0, 2)))
        put(queues, (0, "a"), rows, *fresh, *again)
        for gone in draw.sample(sorted(rows.since), min(len(rows.since), draw.randint(0, 1))):
            del rows.since[gone]
        most = draw.randint(0, 6)
        expected = sorted(rows.since, key=lambda row: (rows.since[row], row))[:most]
        assert queues.take((0, "a"), most, rows.look).tolist() == expected
        for row in expected:
            del rows.since[row]


def test_taking_a_few_looks_at_one_piece() -> None:
    """However many wait; another place is not touched at all."""
    rows, queues = Rows(dict.fromkeys(range(40_000), 7)), Queues()
    put(queues, (0, "a"), rows, *range(40_000))
    put(queues, (0, "b"), rows, *range(40_000))
    rows.looked = 0
    assert queues.take((0, "a"), 3, rows.look).tolist() == [0, 1, 2]
    assert rows.looked == PIECE_ROWS
    assert list(queues.places()) == [(0, "a"), (0, "b")]


def test_what_comes_in_is_filed_by_site() -> None:
    """An empty queue is no place; a queue that nobody waits in ends with the look at it."""
    rows, queues = Rows({1: 5, 2: 5, 3: 5}), Queues()
    queues.add(4, numbers())
    assert not queues
    queues.add(4, numbers(1, 2, 3, 9))

    def odd(contacts: np.ndarray) -> list[tuple[str, np.ndarray]]:
        return [(site, np.flatnonzero(contacts % 2 == n)) for n, site in enumerate("ab")]

    queues.file(4, odd, rows.look)
    assert list(queues.places()) == [(4, "a"), (4, "b")]
    rows.since.clear()
    assert queues.take((4, "b"), 9, rows.look).tolist() == []
    assert list(queues.places()) == [(4, "a")]
    queues.clear()
    assert not queues


def test_who_waits_for_long_is_taken_whatever_the_room() -> None:
    """Those of a bound and before, so many at most; a queue knows how long the first waits."""
    rows, queues = Rows({n: n // 2 for n in range(10)}), Queues()
    put(queues, (0, "a"), rows, *range(10))
    assert (queues.soonest((0, "a")), queues.count((0, "a"))) == (0, 10)
    del rows.since[1]
    assert queues.take_older((0, "a"), 2, 3, rows.look).tolist() == [0, 2, 3]
    assert queues.take_older((0, "a"), 2, 99, rows.look).tolist() == [4, 5]
    assert queues.take_older((0, "a"), 2, 99, rows.look).tolist() == []
    assert (queues.soonest((0, "a")), queues.count((0, "a"))) == (3, 4)
    assert queues.take((0, "a"), 99, rows.look).tolist() == [6, 7, 8, 9]
    assert queues.take_older((0, "a"), 99, 99, rows.look).tolist() == []
