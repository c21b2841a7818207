"""The engine thread and orders that are not settled at their first hand-over."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Postponed, Suppressed
from tests.engine.support import START, WAIT_S, HeldTransport
from tests.engine.test_thread import Rig


def test_a_deferred_order_is_tried_again(tmp_path):
    """With its number, when its time has come; final and deferred answers are one entry."""
    with Rig(tmp_path, 3) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(3)
        batch = rig.transport.handed[0]
        codes = np.array([OutcomeCode.ACCEPTED, OutcomeCode.DEFERRED, OutcomeCode.DEFERRED])
        answer = OutcomeBatch(batch.numbers, codes, ("", "451 later", ""), (0, 0, 7200))
        rig.transport.outcomes(answer)
        rig.log.until(lambda: rig.machine.state.orders.waiting == 2)
        assert rig.machine.state.orders.in_flight == 0
        rig.clock.time += 3600
        rig.transport.until(4)
        rig.clock.time += 3600
        rig.transport.until(5)
    assert rig.transport.numbers() == [1, 2, 3, 2, 3]
    made = [batch.made.tolist() for batch in rig.transport.handed]
    assert made == [[START] * 3, [START], [START]], "when it was made, not when it is tried"
    tried = [o for _, e in rig.log.read() for o in e.operations if isinstance(o, Postponed)]
    assert [(o.orders.tolist(), o.reasons) for o in tried] == [([2, 3], ("451 later", ""))]
    assert tried[0].due[1] == START + 7200


def test_a_deferred_order_expires(tmp_path):
    """When its next try would come too late: with the last reason."""
    with Rig(tmp_path, 1) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(1)
        code = np.array([OutcomeCode.DEFERRED], np.uint8)
        numbers = rig.transport.handed[0].numbers
        rig.transport.outcomes(OutcomeBatch(numbers, code, ("451 later",), (2 * 86_400,)))
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        counts = rig.ask(lambda m: dict(m.state.counts))
    assert counts["message", "email", "bill", "not_sent", "expired: 451"] == 1


def test_what_may_not_be_sent_after_a_start_is_answered(tmp_path):
    """An opt-out came between the hand-over and the start."""
    with Rig(tmp_path, 2) as first:
        first.join().result(WAIT_S)
        first.transport.until(2)
        stop = Suppressed(np.array([0], np.int64), "email", "all", "law")
        first.ask(lambda m: m.accept(int(START), (stop,)))
    transport = HeldTransport()
    with Rig(tmp_path, 2, transport=transport, log=first.log) as rig:
        transport.until(1)
        rig.log.until(lambda: rig.machine.state.orders.in_flight == 1)
        counts = rig.ask(lambda m: dict(m.state.counts))
    assert transport.numbers() == [2]
    assert counts["message", "email", "bill", "not_sent", "suppressed_opt_out"] == 1


def test_room_by_gate_counts_what_is_promised(tmp_path):
    """A named gate has room of its own; orders on their way count there."""
    transport = HeldTransport({"email/operational/": 2, "email": 0})
    with Rig(tmp_path, 5, transport=transport) as rig:
        rig.join().result(WAIT_S)
        transport.until(2)
        transport.rooms = {"email/operational/": 9}
        transport.until(5)


@pytest.mark.parametrize("waits", [(1,), (1, -1), (1, 1 << 40)])
def test_waits_that_mean_nothing_are_refused(tmp_path, waits):
    """Where the transport sees it."""
    numbers = np.array([1, 2], np.uint64)
    codes = np.full(2, OutcomeCode.DEFERRED, np.uint8)
    with Rig(tmp_path, 1) as rig, pytest.raises(ValueError, match="cannot wait"):
        rig.transport.outcomes(OutcomeBatch(numbers, codes, (), waits))
