"""Orders on their way out: in batches per step, and all of them again after a start."""

from __future__ import annotations

import pytest

from blaster.core import orders_in_flight
from blaster.model import definitions as model
from blaster.model.outcomes import OutcomeCode
from tests.core.world import Play, journey, leave_when, mail, on_event, put, send, workspace


def test_orders_leave_with_the_address_of_the_moment() -> None:
    """One batch per step and tick; a call has no address."""
    space = workspace(
        journey("j", on_event("go"), send("m", "c"), model.Call("c", "crm", ("upsert",), "s", "s"),
                send("s", channel="sms"))
    )  # fmt: skip
    play = Play(space)
    play.create(2)
    play.event("go", 1, 0)
    assert [(b.channel, b.name, b.contacts.tolist()) for b in play.batches] == [
        ("email", "m", [0, 1]), ("crm", "upsert", [0, 1]), ("sms", "s", [0, 1])
    ]  # fmt: skip
    assert [b.addresses.to_pylist() for b in play.batches] == [
        ["c0@example.com", "c1@example.com"], [None, None], ["+972500000000", "+972500000001"]
    ]  # fmt: skip
    assert [b.numbers.tolist() for b in play.batches] == [[1, 2], [3, 4], [5, 6]]


def test_what_is_in_flight_is_handed_over_again() -> None:
    """After a start, per version and step; what was settled is not."""
    space = workspace(
        journey("a", on_event("go"), send("x", "y"), send("y")),
        journey("b", on_event("go"), send("z")),
    )
    play = Play(space)
    play.create(2)
    play.hold = True
    play.event("go", 0, 1)
    play.outcome(1, OutcomeCode.ACCEPTED)
    for state in (play.state, play.recovered().state):
        batches, refused = orders_in_flight(state)
        assert refused == {}
        assert [(b.name, b.numbers.tolist(), b.contacts.tolist()) for b in batches] == [
            ("x", [2], [1]), ("y", [5], [0]), ("z", [3, 4], [0, 1])
        ]  # fmt: skip
    assert orders_in_flight(Play(workspace()).state) == ([], {})


def test_orders_are_handed_over_by_site_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its runs, so that the values of its message can be looked at."""
    monkeypatch.setattr("blaster.core.handover.HANDOVER_ROWS_MAX", 2)
    smtp = {"email": {"kind": "smtp"}}
    space = workspace(
        journey("j", on_event("go"), send("m")),
        messages=[mail("m", category="marketing")],
        account={"transports": smtp, "routes": {"a.example": "a:25", "b.example": "b:25"}},
    )
    play = Play(space)
    play.create(
        5, email=["0@a.example", "1@b.example", "2@a.example", "3@a.example", "4@c.example"]
    )
    play.consent(*range(5))
    play.hold = True
    play.event("go", *range(5))
    assert [(b.site, b.contacts.tolist(), b.category) for b in play.batches] == [
        ("", [4], "marketing"), ("a:25", [0, 2], "marketing"), ("a:25", [3], "marketing"),
        ("b:25", [1], "marketing"),
    ]  # fmt: skip
    pieces, _ = orders_in_flight(play.recovered().state)
    assert [(b.site, b.contacts.tolist()) for b in pieces] == [
        (b.site, b.contacts.tolist()) for b in play.batches
    ]
    rows = play.batches[1].rows(play.state)
    assert (rows.contacts.tolist(), len(rows)) == ([0, 2], 2)
    assert rows.journey is play.state.versions[0]


def test_an_order_whose_run_leaves_in_the_same_tick_is_taken_back() -> None:
    """Another send of its contact was withheld, and what follows from that leads it out."""
    space = workspace(
        journey("low", on_event("go"), send("bad", "end", "s"), put("s", vip="yes"), priority=1),
        journey("high", on_event("go"), send("m"), exits=(leave_when("vip"),)),
        messages=[mail("bad", category="marketing")],
    )
    play = Play(space)
    play.create()
    play.event("go", 0)
    assert (play.batches, play.where()) == ([], [])
    assert play.fact(0, "message", "email", "m", "reason") == "left_journey"
    assert (play.state.orders.in_flight, play.state.orders.next) == (0, 2)
    assert play.recovered().state.digest() == play.state.digest()
