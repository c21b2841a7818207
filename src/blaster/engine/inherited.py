"""Orders that an earlier owner left in flight and no transport knows: they go out again.

Laws: each at its gate, also when its contact or its domain leads elsewhere meanwhile, as there is
room, with the values and the permission of that moment; an order whose time runs out while it waits
for room expires.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping

import numpy as np

from blaster.core import Handover, State, orders_in_flight, overdue
from blaster.engine.aboard import Piece, answered
from blaster.engine.batches import NO_LIMIT, gate_of, room_of
from blaster.engine.letterbook import suppressed
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Array


class Inherited:
    """Of one state; false when there are none (left)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pieces: deque[Piece] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def adopt(self, numbers: Array) -> list[OutcomeBatch]:
        """They are to go out again; answers with what becomes at once of those that may not."""
        handovers, refused = orders_in_flight(self._state, numbers)
        self._pieces.extend(Piece(h.channel, h.category, h.site, h.numbers) for h in handovers)
        return [suppressed(part, reason) for reason, part in refused.items()]

    def refile(self, contacts: Array | None = None) -> list[OutcomeBatch]:
        """These contacts have another address, or (None) other definitions are in force.

        Answers as `adopt` does.
        """
        pieces, self._pieces = self._pieces, deque()
        moved = []
        for piece in pieces:
            if contacts is None or self._may_move(piece, contacts):
                moved.append(piece.numbers)
            else:
                self._pieces.append(piece)
        return self.adopt(np.concatenate(moved)) if moved else []

    def _may_move(self, piece: Piece, contacts: Array) -> bool:
        if not self._state.sites.differ(piece.channel):
            return False
        return bool(np.isin(self._state.orders.find(piece.numbers)["contact"], contacts).any())

    def fits(self, room: Mapping[str, int]) -> bool:
        """Whether there is room for any of them."""
        return any(room_of(room, piece) > 0 for piece in self._pieces)

    def promised(self, room: Mapping[str, int]) -> Counter[str]:
        """How much of each gate's room they will need."""
        counts: Counter[str] = Counter()
        for piece in self._pieces:
            counts[gate_of(room, piece)] += len(piece.numbers)
        return counts

    def expire(self, now: int) -> Iterator[OutcomeBatch]:
        """What becomes of those whose time is over."""
        for _ in range(len(self._pieces)):
            piece = self._pieces.popleft()
            late = overdue(self._state, piece.numbers, now)
            if late.any():
                yield answered(piece.numbers[late], OutcomeCode.EXPIRED, "")
            if not late.all():
                self._pieces.append(piece._replace(numbers=piece.numbers[~late]))

    def leave(self, room: Mapping[str, int]) -> Iterator[tuple[list[Handover], list[OutcomeBatch]]]:
        """As many as there is room for, as they are now, and what becomes of those refused."""
        left = dict(room)
        for _ in range(len(self._pieces)):
            piece = self._pieces.popleft()
            key = gate_of(room, piece)
            count = max(0, min(left.get(key, NO_LIMIT), len(piece.numbers)))
            if count < len(piece.numbers):
                self._pieces.append(piece._replace(numbers=piece.numbers[count:]))
            if count:
                left[key] = left.get(key, NO_LIMIT) - count
                handovers, refused = orders_in_flight(self._state, piece.numbers[:count])
                yield handovers, [suppressed(part, why) for why, part in refused.items()]
