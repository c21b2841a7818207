"""What happened to each row, laid end to end: the column of an EVENTS fact.

Owns the shape only. Laws: the happenings of row r are those from `offsets[r]` up to `offsets[r+1]`,
oldest first; `at` and every item have one value per happening.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules.vector import Vector
from blaster.rules.vectors import gather


class EventLists:
    """`offsets` int64[rows + 1], `at` a TIME vector, `items` vectors in the fact's order."""

    __slots__ = ("at", "items", "length", "offsets")

    kind = Kind.EVENTS

    def __init__(
        self, offsets: npt.NDArray[np.int64], at: Vector, items: tuple[Vector, ...] = ()
    ) -> None:
        """Raises ValueError when the parts do not fit together."""
        total = at.length
        if offsets.dtype != np.int64 or len(offsets) < 1 or offsets[0] or offsets[-1] != total:
            raise ValueError(f"offsets that do not lead from 0 to {total}")
        if (np.diff(offsets) < 0).any():
            raise ValueError("offsets that go back")
        if at.kind != Kind.TIME or any(item.length != total for item in items):
            raise ValueError(f"{total} happenings, and items of another length")
        self.offsets = offsets
        self.at = at
        self.items = items
        self.length = len(offsets) - 1

    def row(self, row: int) -> EventLists:
        """One row alone."""
        first, last = int(self.offsets[row]), int(self.offsets[row + 1])
        places = np.arange(first, last, dtype=np.int64)
        items = tuple(gather(item, places) for item in self.items)
        return EventLists(np.array([0, last - first], np.int64), gather(self.at, places), items)
