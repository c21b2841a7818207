"""Who waits to be sent, by step and site, in the order of service.

A cache: the columns say who waits, a queue only says where to look, so it may name a row that left
meanwhile, or one twice. Rows come in unsorted (`add`), are filed by step and site (`file`) and lie
in pieces of at most PIECE_ROWS, each in the order of service. Taking costs what is taken (and what
came in the same second), however long the queue is; a queue that nobody takes from costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Place = tuple[int, str]
"""A step (its index) and a site."""
Look = Callable[[Array], tuple[Array, Array, Array]]
"""From rows to those that still wait there, since when, and their contacts (all int64)."""

PIECE_ROWS = 4096
"""Rows that are looked at together; taking one row may cost looking at so many."""


class Queues:
    """The queues of one journey version."""

    def __init__(self) -> None:
        self.fresh: dict[int, list[Array]] = {}
        self._heaps: dict[Place, list[tuple[int, int, int, Array]]] = {}
        self._serial = 0

    def __bool__(self) -> bool:
        return bool(self.fresh or self._heaps)

    def clear(self) -> None:
        """Forgets everybody."""
        self.fresh.clear()
        self._heaps.clear()

    def add(self, step: int, rows: Array) -> None:
        """Rows that came into a step, wherever their site is."""
        if len(rows):
            self.fresh.setdefault(step, []).append(rows)

    def file(
        self, step: int, sites: Callable[[Array], list[tuple[str, Array]]], look: Look
    ) -> None:
        """Brings what came into a step to its sites; `sites` cuts contacts into positions."""
        rows, since, contacts = look(np.concatenate(self.fresh.pop(step)))
        for site, positions in sites(contacts):
            self.put((step, site), rows[positions], since[positions], contacts[positions])

    def places(self) -> Iterator[Place]:
        """The queues that are not empty, in one order."""
        yield from sorted(self._heaps)

    def put(self, place: Place, rows: Array, since: Array, contacts: Array) -> None:
        """Files rows in a queue."""
        if not len(rows):
            return
        heap = self._heaps.setdefault(place, [])
        order = np.lexsort((rows, contacts, since))
        rows, since, contacts = rows[order], since[order], contacts[order]
        for first in range(0, len(rows), PIECE_ROWS):
            self._serial += 1
            # A copy: a slice would keep the whole alive.
            piece = rows[first : first + PIECE_ROWS].copy()
            heappush(heap, (int(since[first]), int(contacts[first]), self._serial, piece))

    def soonest(self, place: Place) -> int:
        """A bound from below: nobody waits there since before this."""
        return self._heaps[place][0][0]

    def count(self, place: Place) -> int:
        """How many rows lie there, some of them perhaps of those who left."""
        return sum(len(piece) for *_, piece in self._heaps.get(place, ()))

    def take_older(self, place: Place, bound: int, most: int, look: Look) -> Array:
        """As `take`, of those who wait there since `bound` or before."""
        heap = self._heaps.get(place)
        taken: list[tuple[Array, Array, Array]] = []
        count = 0
        while heap and count < most and heap[0][0] <= bound:
            taken.append(look(heappop(heap)[3]))
            count += int((taken[-1][1] <= bound).sum())
        if heap is not None and not heap:
            del self._heaps[place]
        if not taken:
            return np.empty(0, np.int64)
        rows, since, contacts = _in_order(taken)
        old = since <= bound
        old[np.flatnonzero(old)[most:]] = False
        self.put(place, rows[~old], since[~old], contacts[~old])
        chosen: Array = rows[old]
        return chosen

    def take(self, place: Place, most: int, look: Look) -> Array:
        """Takes the first `most` who wait there, in the order of service.

        `look` says who still does; the rest of what was looked at goes back.
        """
        heap = self._heaps.get(place)
        taken: list[tuple[Array, Array, Array]] = []
        count, bound = 0, None
        while heap and most > 0 and (bound is None or heap[0][:2] <= bound):
            found = look(heappop(heap)[3])
            taken.append(found)
            count += len(found[0])
            if count >= most and bound is None:
                rows, since, contacts = _in_order(taken)
                count = len(rows)
                if count >= most:
                    bound = int(since[most - 1]), int(contacts[most - 1])
        if heap is not None and not heap:
            del self._heaps[place]
        if not taken:
            return np.empty(0, np.int64)
        rows, since, contacts = _in_order(taken)
        self.put(place, rows[most:], since[most:], contacts[most:])
        chosen: Array = rows[:most]
        return chosen


def _in_order(taken: list[tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    """All of it in the order of service, each row once."""
    rows, since, contacts = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    once = np.unique(rows, return_index=True)[1]
    rows, since, contacts = rows[once], since[once], contacts[once]
    order = np.lexsort((rows, contacts, since))
    return rows[order], since[order], contacts[order]
