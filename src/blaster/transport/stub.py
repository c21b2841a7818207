"""A transport that sends nothing and accepts what its channels take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.transport.protocol import Transport


class StubTransport(Transport):
    """Accepts every order at once.

    `closed_channels` take none: their orders wait, as they do for a transport that is down.
    `script(batch)` may answer in place of "accepted" with (codes uint8[], reasons).
    """

    def __init__(
        self,
        *,
        closed_channels: Iterable[str] = (),
        script: Callable[[OrderBatch], OutcomeBatch] | None = None,
    ) -> None:
        self._room = dict.fromkeys(closed_channels, 0)
        self._script = script or accept
        self._outcomes: Callable[[OutcomeBatch], None] | None = None

    def room(self) -> Mapping[str, int]:
        return self._room

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        self._outcomes = outcomes

    def hand_over(self, batch: OrderBatch) -> None:
        answer = self._script(batch)
        if self._outcomes is not None:
            self._outcomes(answer)

    def close(self) -> None:
        self._outcomes = None


def accept(batch: OrderBatch) -> OutcomeBatch:
    """Every order of the batch accepted."""
    codes = np.full(len(batch.numbers), OutcomeCode.ACCEPTED, np.uint8)
    return OutcomeBatch(batch.numbers, codes)
