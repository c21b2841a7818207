"""The door to whatever delivers: room, hand-over, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from blaster.model.orders import OrderBatch, OutcomeBatch


class Transport(Protocol):
    """Takes orders it has room for and answers each of them exactly once; safe from any thread.

    An order may be handed over again with the same number after a crash; a transport that knows
    it answers as before.
    """

    def room(self) -> Mapping[str, int]:
        """How many orders each channel takes now; a channel that is not named takes any number."""

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        """Begins; `outcomes` may be called from any thread, also from within `hand_over`."""

    def hand_over(self, batch: OrderBatch) -> None:
        """Takes a batch, which lies within the room."""

    def close(self) -> None:
        """Takes no more orders; calls `outcomes` no more."""
