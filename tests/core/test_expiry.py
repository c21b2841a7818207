"""Time runs out in every state, whatever gates are closed."""

from __future__ import annotations

import pytest

from blaster.core import OldestLook, oldest_orders
from blaster.core.lives import LIFE_S, POLICY_WAIT_S
from blaster.model import records
from blaster.model.fields import NEVER
from blaster.model.outcomes import OutcomeCode
from tests.core.test_ledger import line, space
from tests.core.world import DAY, HOUR, START, Play, mail, numbers


def waiting(room: dict[str, int], category: str = "operational", contacts: int = 2) -> Play:
    play = Play(space(messages=[mail("m", category=category)]))
    play.create(contacts)
    play.consent(*range(contacts))
    play.room = room
    play.event("go", *range(contacts))
    return play


def test_a_send_that_gets_no_room_expires() -> None:
    """In its step, without an order; the next instant of the engine is known before."""
    play = waiting({"email": 0})
    assert play.state.next_due() == START + POLICY_WAIT_S
    play.after(POLICY_WAIT_S - 1)
    assert line(play).waiting == 2
    play.after(1)
    assert (line(play).expired, line(play).waiting) == (2, 0)
    assert play.fact(0, "message", "email", "m", "reason") == "expired"
    assert play.where(0) == ["j/w"]
    assert play.recovered().state.digest() == play.state.digest()


def test_who_left_or_was_sent_does_not_expire() -> None:
    play = waiting({"email": 0}, contacts=3)
    play.event("paid", 0)
    play.take(play.machine.tick(play.now, {"email": 1}, play.limit)[2])
    play.after(POLICY_WAIT_S)
    found = line(play)
    assert (found.accepted, found.expired, found.suppressed) == (1, 1, {"left_journey": 1})


@pytest.mark.parametrize("category", ["operational", "marketing", "sales"])
def test_an_order_expires_while_it_waits_for_room(category: str) -> None:
    """A second after the last instant at which it might be tried, and the gate stays closed."""
    play = waiting({}, category)
    if category == "sales":
        assert line(play).accepted == 2
        return
    play = waiting({}, category, contacts=0)
    play.create(2)
    play.consent(0, 1)
    play.answer = lambda contact, name: (OutcomeCode.DEFERRED, "451 later")
    play.event("go", 0, 1)
    play.room = {"email": 0}
    play.after(HOUR)
    end = START + LIFE_S[category] + 1
    assert play.state.next_due() == end
    play.at(end - 1)
    assert (line(play).waiting, play.state.orders.waiting) == (2, 2)
    play.after(1)
    assert (line(play).expired, play.state.orders.waiting) == (2, 0)
    revoked = [o for e in play.entries for o in e.operations if isinstance(o, records.Revoked)]
    assert [(o.orders.tolist(), o.reason) for o in revoked] == [([1, 2], "expired")]
    assert play.recovered().state.digest() == play.state.digest()


def test_expiry_keeps_to_the_limit_of_a_slice() -> None:
    """One after another, and every tick knows that there is more."""
    play = waiting({"email": 0}, contacts=5)
    play.limit = 2
    play.after(POLICY_WAIT_S)
    assert line(play).expired == 5
    withheld = [o for e in play.entries for o in e.operations if isinstance(o, records.Withheld)]
    assert [len(o.runs) for o in withheld] == [2, 2, 1]
    assert play.state.next_due() != NEVER  # the nine days of the step behind it


def test_a_look_at_the_oldest_is_cut_into_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many there are is that of the end; who came after his slice is there for no time."""
    monkeypatch.setattr("blaster.core.oldest.SLICE_ROWS", 2)
    play = waiting({"email": 0}, "operational", contacts=5)
    play.after(DAY)
    look = OldestLook(play.state)
    assert [look.go_on(play.now), look.go_on(play.now)] == [None, None]
    play.event("paid", 4)
    assert look.go_on(play.now) is None
    (found,) = look.go_on(play.now)
    assert (found.state, found.count, found.age_s) == ("waiting", 4, DAY)
    look = OldestLook(play.state)
    play.event("paid", 0, 1, 2, 3)
    play.event("go", 0)
    found = None
    while found is None:
        found = look.go_on(play.now)
    assert [(each.count, each.age_s) for each in found] == [(1, 0)]


def test_the_oldest_of_each_state_and_category() -> None:
    play = waiting({"email": 0}, "operational")
    play.after(DAY)
    (oldest,) = oldest_orders(play.state, play.now)
    assert (oldest.state, oldest.category, oldest.count) == ("waiting", "operational", 2)
    assert oldest.age_s == DAY
    play.hold, play.room = True, {}
    play.settle()
    play.do(records.Suppressed(numbers(0), "email", "all", "law"))
    play.after(HOUR)
    assert [(o.state, o.count, o.age_s) for o in oldest_orders(play.state, play.now)] == [
        ("in flight", 2, HOUR)
    ]
