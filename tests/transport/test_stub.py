"""The stub: the double of what delivers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blaster import transport
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.transport import StubTransport, Transport

BATCH = OrderBatch(
    "email", "bill", np.array([1, 2], np.uint64), np.array([0, 1], np.int64),
    np.array([5, 5], np.int64),
    pa.array(["a@example.com", "b@example.com"]),
)  # fmt: skip


def test_it_accepts_everything_at_once():
    stub: Transport = StubTransport()
    heard: list[OutcomeBatch] = []
    stub.start(heard.append)
    stub.hand_over(BATCH)
    assert stub.room() == {}
    assert heard[0].numbers.tolist() == [1, 2]
    assert heard[0].codes.tolist() == [OutcomeCode.ACCEPTED] * 2
    assert heard[0].codes.dtype == np.uint8
    assert heard[0].reasons == ()


def test_closed_it_says_no_more():
    stub = StubTransport(closed_channels=["sms"])
    heard: list[OutcomeBatch] = []
    stub.hand_over(BATCH)
    stub.start(heard.append)
    stub.close()
    stub.hand_over(BATCH)
    assert not heard
    assert stub.room() == {"sms": 0}


def test_a_script_answers_instead():
    def fail(batch: OrderBatch) -> OutcomeBatch:
        codes = np.full(len(batch.numbers), OutcomeCode.FAILED, np.uint8)
        return OutcomeBatch(batch.numbers, codes, ("550",) * len(batch.numbers))

    stub = StubTransport(script=fail)
    heard: list[OutcomeBatch] = []
    stub.start(heard.append)
    stub.hand_over(BATCH)
    assert heard[0].reasons == ("550", "550")


def test_the_front():
    assert {"StubTransport", "Transport"} <= set(transport.__all__)
