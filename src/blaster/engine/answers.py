"""From what a transport answers to the records of it: final outcomes, and tries to come."""

from __future__ import annotations

import numpy as np

from blaster.core import State, bare_reason, keep_doubt, next_tries
from blaster.engine.aboard import READDRESSED, Aboard
from blaster.engine.batches import chosen
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Array, Operation, Outcomes, Postponed


def records_of(
    state: State, aboard: Aboard, batches: list[OutcomeBatch], now: int
) -> tuple[Array, tuple[Operation, ...]]:
    """The numbers that were answered, and the records of that: final, or to be tried again.

    Of two answers for one order the first counts. One that the worker's last look stopped, and that
    nothing forbids, is looked at again; at once where only the address was another one. What may
    have been taken in an earlier try is never told as not sent.
    """
    numbers = np.concatenate([batch.numbers for batch in batches])
    codes = np.concatenate([batch.codes for batch in batches])
    reasons = [r for b in batches for r in b.reasons or ("",) * len(b.numbers)]
    waits = np.array([w for b in batches for w in b.waits or (0,) * len(b.numbers)], np.int64)
    first = np.sort(np.unique(numbers, return_index=True)[1])
    numbers, codes, waits = numbers[first], codes[first], waits[first]
    reasons = [reasons[row] for row in first.tolist()]
    now = max(now, state.now)
    turned, moved = aboard.turned(state, numbers, codes, reasons), aboard.moved(numbers)
    codes[turned] = OutcomeCode.DEFERRED
    for row in np.flatnonzero(turned & moved).tolist():
        reasons[row] = READDRESSED
    again = codes == OutcomeCode.DEFERRED
    due = np.zeros(len(numbers), np.uint32)
    if again.any():
        due[again], over = next_tries(state, numbers[again], waits[again], now, moved[again])
        codes[np.flatnonzero(again)[over]] = OutcomeCode.EXPIRED
        again = codes == OutcomeCode.DEFERRED
    keep_doubt(state, numbers, codes, reasons)
    _strip(state, numbers, reasons)
    operations: list[Operation] = []
    if not again.all():
        kept = chosen(reasons, ~again)
        operations.append(Outcomes(numbers[~again], codes[~again], kept))
    if again.any():
        operations.append(Postponed(numbers[again], due[again], chosen(reasons, again)))
    return numbers, tuple(operations)


def _strip(state: State, numbers: Array, reasons: list[str]) -> None:
    """Replies may quote an address: of an erased contact the log keeps only what they mean."""
    found = state.orders.find(numbers)
    for row in np.flatnonzero(~found["open"] | state.erased(found["contact"].copy())).tolist():
        reasons[row] = bare_reason(reasons[row])
