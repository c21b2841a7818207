"""Orders that were not taken: when they are tried again, when no more, and what forbids it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from blaster.core import keep_doubt, next_tries, orders_in_flight
from blaster.core.retries import FIRST_WAIT_S, LIFE_S, WAIT_MAX_S
from blaster.model import records
from blaster.model.outcomes import IN_DOUBT, OutcomeCode
from blaster.model.records import Postponed, Resumed, Revoked
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    journey,
    leave_when,
    mail,
    numbers,
    on_event,
    send,
    wait,
    workspace,
)

LATER = (OutcomeCode.DEFERRED, "451 4.2.1 later")


def deferred(category: str = "operational", contacts: int = 1) -> Play:
    """Mail that is deferred as long as nobody says otherwise."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w", "no"), wait("w", span=(0, 9, 0)), send("no"),
                exits=(leave_when('event("paid")'),)),
        messages=[mail("m", category=category)],
    )  # fmt: skip
    play = Play(space)
    play.create(contacts)
    play.consent(*range(contacts))
    play.answer = lambda contact, name: LATER if name == "m" else (OutcomeCode.ACCEPTED, "")
    play.event("go", *range(contacts))
    return play


def operations(play: Play, kind: type) -> list:
    """The decisions of this kind."""
    return [o for e in play.entries for o in e.operations if isinstance(o, kind)]


@pytest.mark.parametrize("category", ["operational", "marketing"])
def test_waits_double_and_end(category: str) -> None:
    """From a quarter of an hour to four hours, a tenth more or less; then the order expires."""
    play = deferred(category)
    life = LIFE_S[category]
    play.after(life + HOUR)
    times = play.times("m")
    expected = FIRST_WAIT_S
    for before, after in itertools.pairwise(times):
        assert 0.9 * expected - 1 <= after - before <= 1.1 * expected
        expected = min(2 * expected, WAIT_MAX_S)
    assert times[-1] <= START + life < times[-1] + 1.1 * WAIT_MAX_S
    assert len({int(n) for batch in play.batches if batch.name == "m" for n in batch.numbers}) == 1
    assert play.messages()[-1] == "no"
    assert play.fact(0, "message", "email", "m", "reason") == "expired: 451 4.2.1"
    assert play.fact(0, "message", "email", "m", "failed") is not None
    assert play.fact(0, "message", "email", "m", "bounced") is not None
    assert not play.fact(0, "suppressed", "email")
    assert play.recovered().state.digest() == play.state.digest()


def test_the_schedule_is_a_function_of_order_and_try() -> None:
    """Not before the wait that the transport asks for; orders of nobody never expire."""
    play = deferred(contacts=3)
    orders = np.array([1, 2, 3, 77], np.uint64)
    none = np.zeros(4, np.int64)
    due, expired = next_tries(play.state, orders, none, START)
    again, _ = next_tries(play.state, orders, none, START)
    assert due.tolist() == again.tolist()
    assert due.dtype == np.uint32
    assert len(set(due.tolist())) > 1
    assert not expired.any()
    due, expired = next_tries(play.state, orders, none + 5 * HOUR, START)
    assert (due == START + 5 * HOUR).all()
    due, expired = next_tries(play.state, orders, none + 2 * DAY, START)
    assert expired.tolist() == [True] * 3 + [False]


def test_a_deferred_message_is_neither_sent_nor_not_sent() -> None:
    """It waits, has no due before its next try, and is accepted in the end."""
    play = deferred()
    orders = play.state.orders
    assert (orders.in_flight, orders.waiting) == (0, 1)
    assert play.fact(0, "message", "email", "m", "sent") is None
    assert play.fact(0, "message", "email", "m", "not_sent") is None
    due = play.state.next_due()
    assert play.recovered().state.next_due() == due
    play.answer = lambda contact, name: (OutcomeCode.ACCEPTED, "")
    play.at(due - 1)
    assert len(play.sent) == 1
    play.after(1)
    assert (len(play.sent), play.where()) == (2, ["j/w"])
    assert play.fact(0, "message", "email", "m", "sent") == due
    assert [o.orders.tolist() for o in operations(play, Resumed)] == [[1]]


def test_a_try_waits_for_room_and_goes_before_what_is_new() -> None:
    """Of the same category; an order whose gate is closed costs no further look."""
    play = deferred()
    play.room = {"email": 0}
    play.after(HOUR)
    assert len(play.sent) == 1
    assert not play.machine.has_work(play.now, play.room)
    assert play.state.next_due() == START + DAY + 1  # when it expires
    play.create()
    play.event("go", 1)
    play.room = {"email": 1}
    _, _, batches = play.machine.tick(play.now, play.room, play.limit)
    assert [(b.name, b.contacts.tolist(), b.numbers.tolist()) for b in batches] == [("m", [0], [1])]


def test_an_opt_out_reaches_an_order_that_waits() -> None:
    """It is not tried again: suppressed, for good."""
    play = deferred("marketing")
    play.do(records.Suppressed(numbers(0), "email", "marketing", "unsubscribe"))
    play.after(HOUR)
    assert play.messages() == ["m", "no"]
    assert play.fact(0, "message", "email", "m", "reason") == "suppressed_opt_out"
    assert [(o.orders.tolist(), o.reason) for o in operations(play, Revoked)] == [
        ([1], "suppressed_opt_out")
    ]
    assert play.state.orders.waiting == 0


def test_an_order_in_doubt_that_is_not_tried_again_is_unknown() -> None:
    """It may have arrived: nobody can say that it was suppressed."""
    play = deferred("marketing")
    play.now = play.state.next_due()
    play.answer = lambda contact, name: (OutcomeCode.DEFERRED, f"{IN_DOUBT}: the worker ended")
    play.settle()
    play.answer = lambda contact, name: LATER
    play.now = play.state.next_due()
    play.settle()  # a later try that surely failed does not take the doubt away
    play.do(records.Suppressed(numbers(0), "email", "marketing", "unsubscribe"))
    play.after(4 * HOUR)
    assert [o.reason for o in operations(play, Revoked)] == ["suppressed_opt_out"]
    assert play.fact(0, "message", "email", "m", "reason") == IN_DOUBT
    assert play.fact(0, "message", "email", "m", "failed") is None
    assert play.recovered().state.digest() == play.state.digest()


@pytest.mark.parametrize(
    ("code", "said"),
    [(OutcomeCode.FAILED, "550 5.1.1 nobody"), (OutcomeCode.SUPPRESSED, "suppressed_opt_out"),
     (OutcomeCode.EXPIRED, ""), (OutcomeCode.UNKNOWN, "in doubt: no answer"),
     (OutcomeCode.ACCEPTED, "250 ok")],
)  # fmt: skip
def test_doubt_stays_whatever_a_later_try_says(code: OutcomeCode, said: str) -> None:
    """Only that it was taken is known for sure."""
    play = deferred("marketing", contacts=2)
    play.answer = lambda contact, name: (OutcomeCode.DEFERRED, f"{IN_DOUBT}: the worker ended")
    play.now = play.state.next_due()
    play.settle()
    codes, reasons = np.array([code, OutcomeCode.FAILED], np.uint8), [said, "552 full"]
    keep_doubt(play.state, np.array([1, 77], np.uint64), codes, reasons)
    sent = code is OutcomeCode.ACCEPTED
    assert codes.tolist() == [code if sent else OutcomeCode.UNKNOWN, OutcomeCode.FAILED]
    whys = {"": IN_DOUBT, "250 ok": "250 ok", "in doubt: no answer": "in doubt: no answer"}
    assert reasons == [whys.get(said, f"in doubt: {said}"), "552 full"]
    play.outcome(1, codes[0], reasons[0])
    assert play.fact(0, "message", "email", "m", "reason") == (None if sent else IN_DOUBT)
    assert not play.fact(0, "suppressed", "email")


def test_an_order_whose_run_left_is_not_tried_again() -> None:
    """The run's row may be another one's by then."""
    play = deferred(contacts=2)
    play.event("paid", 0)
    play.hold = True
    play.event("go", 0)
    play.after(HOUR)
    assert [(o.orders.tolist(), o.reason) for o in operations(play, Revoked)] == [
        ([1], "left_journey")
    ]
    assert play.where(0) == ["j/m"]
    assert play.recovered().state.digest() == play.state.digest()


def test_an_order_that_waited_too_long_for_room_expires() -> None:
    """A gate that was closed for days does not send yesterday's mail."""
    play = deferred()
    play.room = {"email": 0}
    play.after(2 * DAY)
    play.room = {}
    play.settle()
    assert [o.reason for o in operations(play, Revoked)] == ["expired"]
    assert play.fact(0, "message", "email", "m", "failed") is not None


def test_what_is_postponed_twice_or_not_open_is_no_news() -> None:
    """An input in the log always applies."""
    play = deferred()
    before = play.state.digest()
    orders = np.array([1, 1, 9], np.uint64)
    due = np.array([START + 5, START + 6, START + 7], np.uint32)
    operation = Postponed(orders, due, ())
    play.machine.accept(play.now, (operation,))
    play.settle()
    assert play.state.orders.find(orders[:1])["due"][0] != START + 5
    assert play.state.inputs > 0
    assert before != play.state.digest()  # one more input was counted, nothing else
    play.do(Postponed(orders[:0], due[:0], ()))
    play.do(records.Outcomes(orders[:1], np.array([OutcomeCode.DEFERRED], np.uint8), ()))
    assert play.state.orders.waiting == 1
    play.outcome(1, OutcomeCode.ACCEPTED)  # an answer after all, while it waits
    assert (play.state.orders.waiting, play.where()) == (0, ["j/w"])


def test_orders_in_flight_that_may_not_be_sent_any_more() -> None:
    """After a start: who left, who opted out, and the rest to be handed over; no deferred ones."""
    play = deferred("marketing", contacts=4)
    play.answer = lambda contact, name: (OutcomeCode.ACCEPTED, "")
    play.hold = True
    play.after(HOUR)
    play.told(np.array([4], np.uint64), [OutcomeCode.DEFERRED], [""])
    play.settle()
    play.event("paid", 0)
    play.do(records.Suppressed(numbers(1), "email", "marketing", "unsubscribe"))
    handovers, refused = orders_in_flight(play.recovered().state)
    assert [each.numbers.tolist() for each in handovers] == [[3]]
    assert {reason: found.tolist() for reason, found in refused.items()} == {
        "left_journey": [1], "suppressed_opt_out": [2]
    }  # fmt: skip
    chosen = orders_in_flight(play.state, np.array([1, 4], np.uint64))
    assert (chosen[0], list(chosen[1])) == ([], ["left_journey"])
