"""The ledger of a step: each term by itself, and always everybody in exactly one."""

from __future__ import annotations

from blaster.core import ledger_of
from blaster.model import definitions as model
from blaster.model.ledger import StepLedger
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    Play,
    journey,
    leave_when,
    mail,
    on_event,
    send,
    until,
    wait,
    workspace,
)


def space(*steps: model.Step, **options: object) -> model.Workspace:
    own = steps or (send("m", "w"), wait("w", span=(0, 9, 0)))
    exits = (leave_when('event("paid")'),)
    return workspace(journey("j", on_event("go"), *own, exits=exits), **options)


def line(play: Play, step: str = "m") -> StepLedger:
    found = [each for each in ledger_of(play.state, "j") if each.step == step]
    assert len(found) == 1
    assert found[0].balanced
    recovered = [each for each in ledger_of(play.recovered().state, "j") if each.step == step]
    assert recovered == found
    return found[0]


def test_each_outcome_is_a_term() -> None:
    """In flight until then; suppressed by reason."""
    play = Play(space())
    play.create(7)
    play.hold = True
    play.event("go", *range(7))
    assert (line(play).audience, line(play).in_flight) == (7, 7)
    play.outcome(1, OutcomeCode.ACCEPTED)
    play.outcome(2, OutcomeCode.FAILED, "554 no")
    play.outcome(3, OutcomeCode.SUPPRESSED, "suppressed_opt_out")
    play.outcome(4, OutcomeCode.EXPIRED, "451 later")
    play.outcome(5, OutcomeCode.UNKNOWN)
    play.told(play.state.orders.numbers()[:1], [OutcomeCode.DEFERRED], [""])
    play.settle()
    expected = StepLedger("j", "m", "email", "m", 7, 1, 1, 1, 1, {"suppressed_opt_out": 1}, 1, 1)
    assert line(play) == expected


def test_who_leaves_while_he_waits_is_suppressed() -> None:
    """Queued or held by policy at once; with an order by what becomes of it."""
    play = Play(space(caps=(model.Cap(1, DAY),)))
    play.create(4)
    play.hold = True
    play.event("go", 0, 1)
    play.event("go", 1)
    play.room = {"email": 0}
    play.event("go", 2, 3)
    assert (line(play).audience, line(play).waiting, line(play).in_flight) == (5, 3, 2)
    play.event("paid", 0, 1, 2)
    now = line(play)
    assert (now.waiting, now.in_flight, now.suppressed) == (1, 2, {"left_journey": 2})
    play.outcome([1, 2], OutcomeCode.ACCEPTED)
    assert (line(play).accepted, line(play).in_flight) == (2, 0)


def test_an_order_that_waits_counts_as_waiting_until_it_is_revoked() -> None:
    """Also when its run is gone."""
    play = Play(space())
    play.create()
    play.answer = lambda contact, name: (OutcomeCode.DEFERRED, "")
    play.event("go", 0)
    play.event("paid", 0)
    assert (line(play).waiting, line(play).in_flight) == (1, 0)
    play.after(HOUR)
    assert (line(play).waiting, line(play).suppressed) == (0, {"left_journey": 1})


def test_what_policy_forbids_is_suppressed_by_reason() -> None:
    """Finally not made."""
    play = Play(space(messages=[mail("m", category="marketing")]))
    play.create(2)
    play.consent(1)
    play.event("go", 0, 1)
    assert (line(play).accepted, line(play).suppressed) == (1, {"no_consent": 1})


def test_a_step_that_an_exit_leads_back_to_counts_twice() -> None:
    """Who waits without an order is looked at again in his place; an order counts by itself."""
    steps = (send("m", "w"), until("w", {'event("never")': "m"}))
    exits = (leave_when('event("again")', "m"),)
    play = Play(workspace(journey("j", on_event("go"), *steps, exits=exits)))
    play.create(2)
    play.room = {"email": 0}
    play.event("go", 0)
    play.event("again", 0)
    assert (line(play).audience, line(play).waiting) == (1, 1)
    play.room, play.hold = {}, True
    play.settle()
    play.event("go", 1)
    play.event("again", 1)
    assert (line(play).audience, line(play).in_flight) == (3, 3)


def test_calls_and_series_have_lines_as_written() -> None:
    """One per step, channel and message, over all versions of the journey."""
    items = tuple(model.SeriesItem(day, "email", name) for day, name in enumerate("aba"))
    steps = (model.Call("c", "webhook", ("x", "y"), "s", "s"), model.Series("s", items, "end"))
    first = workspace(journey("j", on_event("go"), *steps))
    play = Play(first)
    play.create(2)
    play.answer = lambda contact, name: (
        (OutcomeCode.FAILED, "") if name == "x" and contact else (OutcomeCode.ACCEPTED, "")
    )
    play.event("go", 0, 1)
    play.publish(workspace(journey("j", on_event("go"), send("m"))))
    play.event("go", 0)
    play.after(9 * DAY)
    found = {
        (each.step, each.channel, each.message): (each.audience, each.accepted, each.failed)
        for each in ledger_of(play.state, "j")
    }
    assert found == {
        ("m", "email", "m"): (1, 1, 0),
        ("c", "webhook", "x"): (2, 1, 1),
        ("c", "webhook", "y"): (2, 2, 0),
        ("s", "email", "a"): (4, 4, 0),
        ("s", "email", "b"): (2, 2, 0),
    }
    assert next(iter(found)) == ("m", "email", "m")
    assert ledger_of(play.state, "nobody") == []
