"""Orders on their way out: in batches per step, and all of them again after a start."""

from __future__ import annotations

from blaster.core import orders_in_flight
from blaster.model import definitions as model
from blaster.model.outcomes import OutcomeCode
from tests.core.world import Play, journey, on_event, send, workspace


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
        batches = orders_in_flight(state)
        assert [(b.name, b.numbers.tolist(), b.contacts.tolist()) for b in batches] == [
            ("x", [2], [1]), ("y", [5], [0]), ("z", [3, 4], [0, 1])
        ]  # fmt: skip
    assert orders_in_flight(Play(workspace()).state) == []
