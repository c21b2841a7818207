"""The scripted transport by itself: what it keeps, refuses, holds and repeats."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import blaster
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.testing import FakeClock, HandedOver, ScriptedTransport, workspace


def batch(*numbers: int, channel: str = "email", name: str = "bill") -> OrderBatch:
    addresses = [f"c{n}@example.com" if channel == "email" else None for n in numbers]
    return OrderBatch(
        channel,
        name,
        np.array(numbers, np.uint64),
        np.array(numbers, np.int64) - 1,
        np.full(len(numbers), 5, np.int64),
        pa.array(addresses, pa.string()),
    )


@pytest.fixture
def answers() -> list[tuple[int, int, str]]:
    return []


@pytest.fixture
def transport(answers):
    def take(outcomes: OutcomeBatch) -> None:
        answers.extend(
            zip(outcomes.numbers.tolist(), outcomes.codes.tolist(), outcomes.reasons, strict=True)
        )

    made = ScriptedTransport(FakeClock("2026-03-01 10:00"))
    made.start(take)
    return made


def test_it_keeps_what_it_was_handed_and_accepts_it(transport, answers):
    """Channel, message, contact, address, number and instant."""
    transport.hand_over(batch(1, 2))
    transport.hand_over(batch(3, channel="crm", name="upsert"))
    at = int(FakeClock("2026-03-01 10:00").now())
    local = "2026-03-01 10:00:00"
    assert transport.handed == [
        HandedOver("email", "bill", 0, "c1@example.com", 1, at, local),
        HandedOver("email", "bill", 1, "c2@example.com", 2, at, local),
        HandedOver("crm", "upsert", 2, "", 3, at, local),
    ]
    assert answers == [(1, 1, ""), (2, 1, ""), (3, 1, "")]
    assert [order.order for order in transport.sent("email", "bill")] == [1, 2]
    assert ScriptedTransport().room() == {}


def test_failures_by_message_contact_and_number(transport, answers):
    """The first that fits refuses; what no failure names is accepted."""
    transport.fail("email", "bill", contacts=[0], reason="550")
    transport.fail("email", "bill", times=1)
    transport.hand_over(batch(1, 2, 3))
    transport.hand_over(batch(4, name="other"))
    assert answers == [(1, 2, "550"), (2, 2, "failed"), (3, 1, ""), (4, 1, "")]
    assert [order.order for order in transport.sent("email", "bill")] == [3]
    transport.recover()
    transport.hand_over(batch(1, 5))
    assert answers[-2:] == [(1, 2, "550"), (5, 1, "")], "an order keeps its answer"


def test_answers_are_held_back_and_released(transport, answers):
    """Some of them by number, or all, and then no more are held."""
    transport.hold()
    transport.hand_over(batch(1, 2, 3))
    assert answers == []
    assert [order.order for order in transport.held] == [1, 2, 3]
    transport.release([2])
    transport.hand_over(batch(4))
    assert answers == [(2, 1, "")]
    transport.hand_over(batch(2))
    assert answers == [(2, 1, ""), (2, 1, "")], "known already, so answered at once"
    transport.release()
    transport.hand_over(batch(5))
    assert [number for number, _, _ in answers] == [2, 2, 1, 3, 4, 5]
    assert transport.held == []


def test_room_and_close(transport, answers):
    """A channel with no room is asked for nothing; a closed transport answers nothing."""
    transport.limit("email", 0)
    assert transport.room() == {"email": 0}
    transport.limit("email", None)
    transport.limit("email", None)
    assert transport.room() == {}
    transport.close()
    transport.hand_over(batch(1))
    assert answers == []
    assert len(transport.handed) == 1


def test_it_shows_what_comes_before_it_answers():
    """`on_hand_over` sees each batch; without a fake clock there is no local time."""
    seen = []
    transport = ScriptedTransport(on_hand_over=seen.append)
    transport.hand_over(batch(1, 2))
    assert [[order.order for order in orders] for orders in seen] == [[1, 2]]
    assert seen[0][0].local == ""


async def test_an_answer_that_comes_with_an_upsert_disturbs_nothing(tmp_path):
    """Outcomes that wait to be taken are taken before contacts are looked up."""
    journey = (
        "journey: j\nenter: {on: contact created}\nsteps:\n  - {id: hello, send: email hello}\n"
    )
    folder = workspace(tmp_path, {"journeys/j.yaml": journey}, messages=["email hello"])
    transport = ScriptedTransport()
    async with blaster.open(folder, transport=transport) as engine:
        await engine.publish()
        for number in range(100):
            await engine.contacts.upsert([{"email": f"c{number}@example.com"}])
        await engine.quiet()
    assert len(transport.sent("email", "hello")) == 100


def test_deferred_orders_may_come_again(transport, answers):
    """A deferral is no final answer: the next time is a new one."""
    transport.defer("email", "bill", times=1, reason="451 4.3.0 later")
    transport.hand_over(batch(1))
    transport.hand_over(batch(1))
    transport.hand_over(batch(1))
    assert answers == [(1, 6, "451 4.3.0 later"), (1, 1, ""), (1, 1, "")]
    assert [order.order for order in transport.sent("email", "bill")] == [1]
