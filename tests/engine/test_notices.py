"""What subscribers are told, from the inputs alone."""

from __future__ import annotations

import numpy as np

from blaster.engine import Machine
from blaster.engine.notices import notices_of
from blaster.log import MemoryLog
from blaster.model.records import EXPIRED, Joined, Noted, Outcomes, Received, Revoked
from tests.engine.support import START, drain, people, published, workspace

FILES = {
    "journeys/other.yaml": (
        'journey: other\nenter:\n  on: list "club"\nsteps:\n  - id: pay\n    send: sms pay\n'
    )
}


def ready(folder) -> Machine:
    machine = Machine(MemoryLog())
    machine.accept(START, (published(workspace(folder, FILES)), people(0, 3)))
    machine.accept(START, (Joined("club", np.arange(3, dtype=np.int64), False, "test"),))
    drain(machine)
    return machine


def _bill_of_2(machine: Machine) -> int:
    column = machine.state.current["welcome"].column("order")
    runs, _ = machine.state.current["welcome"].runs_of(np.array([2], np.int64))
    return int(column.take(runs)[0])


def test_outcomes_by_message_and_code(tmp_path):
    machine = ready(tmp_path)
    numbers = machine.state.orders.numbers()
    assert len(numbers) == 6
    orders = np.concatenate([numbers, np.array([99], np.uint64)])
    codes = np.where(orders == _bill_of_2(machine), 2, 1).astype(np.uint8)
    told = notices_of(machine.state, 7, START, (Outcomes(orders, codes, ()),))
    got = sorted((n.fact, n.channel, n.message, n.contacts.tolist()) for n in told)
    assert got == [
        ("accepted", "email", "bill", [0, 1]),
        ("accepted", "sms", "pay", [0, 1, 2]),
        ("failed", "email", "bill", [2]),
    ]
    assert {(n.sequence, n.at) for n in told} == {(7, START)}
    assert all((machine.state.orders.find(n.orders)["contact"] == n.contacts).all() for n in told)


def test_outcomes_of_nobody_in_flight(tmp_path):
    machine = ready(tmp_path)
    strange = Outcomes(np.array([99], np.uint64), np.array([1], np.uint8), ())
    assert notices_of(machine.state, 1, START, (strange,)) == []


def test_notes_and_what_is_no_notice(tmp_path):
    machine = ready(tmp_path)
    one = np.array([1], np.int64)
    noted = Noted("email", "bill", "opened", one, np.zeros(1, np.uint64), ())
    told = notices_of(machine.state, 3, START, (noted, Received(one, ("x",))))
    assert [(n.fact, n.contacts.tolist(), n.orders.tolist()) for n in told] == [
        ("opened", [1], [0])
    ]


def test_orders_that_the_tick_takes_back(tmp_path):
    machine = ready(tmp_path)
    bill = np.array([_bill_of_2(machine)], np.uint64)
    for reason, fact in ((EXPIRED, "expired"), ("left_journey", "suppressed")):
        (told,) = notices_of(machine.state, 5, START, (Revoked(bill, reason),))
        assert (told.fact, told.message, told.reasons) == (fact, "bill", (reason,))
        assert (told.contacts.tolist(), told.orders.tolist()) == ([2], bill.tolist())
