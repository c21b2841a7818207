"""Outcomes on their way to the engine, gathered into one batch."""

from __future__ import annotations

import numpy as np

from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode, cut_reason


class Answers:
    """Rows of outcomes until somebody takes them."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, str, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, code: int, reason: str = "", wait_s: int = 0) -> None:
        """One more; of the reason what is kept."""
        self._rows.append((number, code, cut_reason(reason), wait_s))

    def take(self) -> OutcomeBatch | None:
        """All of them, as one batch; None when there are none."""
        if not self._rows:
            return None
        rows, self._rows = self._rows, []
        numbers, codes, reasons, waits = zip(*rows, strict=True)
        return OutcomeBatch(
            np.array(numbers, np.uint64),
            np.array(codes, np.uint8),
            reasons if any(reasons) else (),
            waits if any(waits) else (),
        )


def deferred(batch: OrderBatch, reason: str) -> OutcomeBatch:
    """Every order of the batch deferred."""
    count = len(batch.numbers)
    codes = np.full(count, OutcomeCode.DEFERRED, np.uint8)
    return OutcomeBatch(batch.numbers, codes, (reason,) * count)
