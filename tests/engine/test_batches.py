"""What a transport answers, as the engine takes it."""

from __future__ import annotations

import numpy as np

from blaster.engine.batches import checked
from blaster.limits import REASON_BYTES_MAX
from blaster.model.orders import OutcomeBatch


def test_a_reason_that_the_log_cannot_keep_is_kept_as_it_can() -> None:
    """Bytes of another encoding, and too many of them: the outcome counts all the same."""
    said = ("550 \udcff" + "x" * 999, "", "250 ok")
    batch = checked(OutcomeBatch(np.arange(3), np.array([2, 1, 1]), said))
    assert batch.reasons == ("550 ?" + "x" * (REASON_BYTES_MAX - 5), "", "250 ok")
    assert (batch.numbers.dtype, batch.codes.dtype) == (np.uint64, np.uint8)
