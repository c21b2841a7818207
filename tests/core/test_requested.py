"""Starting by request: journeys by their name, and single sends that nobody wrote a journey for."""

from __future__ import annotations

from typing import Any

import pytest

from blaster.core.requested import requested_message, requested_name
from blaster.engine.intake import attributes
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
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
    on_list,
    rule,
    send,
    until,
    wait,
    workspace,
)

BILL = "send email bill"


def on_api(**options: Any) -> model.Entrance:
    return model.Entrance(model.OnApi(), **options)


def started(name: str, *contacts: int, **data: Any) -> records.Started:
    columns = attributes([data] * len(contacts))
    return records.Started(name, numbers(*contacts), columns, "api")


def attribute(play: Play, name: str, key: str, run: int = 0) -> Any:
    table = play.state.current[name].table
    return table.column(("attribute", key)).take(numbers(run))[0]


def single(**options: Any) -> Play:
    """One message that no journey sends, and two contacts."""
    play = Play(workspace(messages=[mail("bill", **options)]))
    play.create(2)
    return play


# --- journeys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "entered"), [("never", 1), ("after finishing", 1), ("each time", 2)]
)
@pytest.mark.parametrize("written", [True, False])
def test_a_request_enters_by_again(again: str, entered: int, written: bool) -> None:
    """With an `api` entry, and just so without one."""
    entry = on_api() if written else on_list("x")
    play = Play(workspace(journey("j", entry, wait("w", span=(0, 1, 0)), again=again)))
    play.create(2)
    play.do(started("j", 0), started("j", 0), started("other", 1))
    assert play.count("journey", "j", "entered") == entered
    assert play.count("journey", "j", "dropped") == 2 - entered
    assert play.where(1) == []


def test_a_written_entry_filters() -> None:
    """Its `if` sees what the request brings, and nobody comes in beside it."""
    entry = on_api(only_if=rule('event.kind == "big"'))
    play = Play(workspace(journey("j", (on_list("x"), entry), send("m"))))
    play.create(2)
    play.do(started("j", 0, kind="small"), started("j", 1, kind="big"), started("j", 0))
    assert (play.messages(0), play.messages(1)) == ([], ["m"])


def test_two_entries_may_both_let_in() -> None:
    entries = (on_api(only_if=rule("event.n > 1")), on_api(only_if=rule("event.n > 2")))
    play = Play(workspace(journey("j", entries, send("m"))))
    play.create()
    play.do(started("j", 0, n=2), started("j", 0, n=3))
    assert len(play.messages()) == 3


@pytest.mark.parametrize("written", [True, False])
def test_a_key_of_the_request(written: bool) -> None:
    """A run per key; the same key again brings the run up to date and wakes it."""
    entry = on_api(key="order") if written else on_event("go", key="order")
    waits = until("w", {'event.state == "late"': "m"}, span=(0, 9, 0))
    play = Play(workspace(journey("j", entry, waits, send("m"))))
    play.create()
    play.do(started("j", 0, order="A", state="new"), started("j", 0, order="B", state="new"))
    play.do(started("j", 0, order="B", state="new"))
    assert play.where() == ["j/w", "j/w"]
    play.do(started("j", 0, order="B", state="late"))
    assert (play.where(), play.messages()) == (["j/w"], ["m"])
    assert play.count("journey", "j", "dropped") == 2
    assert play.recovered().state.digest() == play.state.digest()


def test_different_keys_leave_the_request_without_one() -> None:
    """Then it enters by `again` alone."""
    play = Play(workspace(journey("j", (on_event("go", key="order"), on_list("x")), send("m"))))
    play.create()
    play.do(started("j", 0, order="A"), started("j", 0, order="A"))
    assert len(play.messages()) == 2


def test_a_closed_journey_takes_nobody() -> None:
    play = Play(workspace(journey("j", on_api(), send("m"))))
    play.create()
    play.publish(workspace(journey("other", on_api(), send("m"))))
    play.do(started("j", 0))
    assert play.messages() == []


def test_what_a_message_reads_is_kept_in_the_run() -> None:
    """A rule need not read it; a message that reads more later does not make a new version."""

    def space(*names: str) -> model.Workspace:
        return workspace(
            journey("j", on_event("go"), wait("w", "m", span=(0, 1, 0)), send("m")),
            messages=[mail("m", attributes=names), mail("unsent", attributes=("total",))],
        )

    play = Play(space("order"))
    play.create(2)
    play.event("go", 0, order="A", total=3, other="x")
    assert attribute(play, "j", "order") == "A"
    assert not play.state.current["j"].table.has(("attribute", "total"))
    play.publish(space("order", "total"))
    play.event("go", 1, order="B", total=5)
    assert [version.version for version in play.state.versions] == ["j@1"]
    assert attribute(play, "j", "order", 1) == "B"
    assert (attribute(play, "j", "total"), attribute(play, "j", "total", 1)) == (None, "5")
    assert play.recovered().state.digest() == play.state.digest()
    assert play.after(DAY).messages(1) == ["m"]


# --- single sends ---------------------------------------------------------------------------------


def test_names_of_single_sends() -> None:
    """Channel and message, which may hold spaces."""
    assert requested_name("email", "my bill") == "send email my bill"
    assert requested_message("send email my bill") == ("email", "my bill")
    assert requested_message("send sms x") == ("sms", "x")
    for name in ("send email ", "send fax x", "send", "welcome", "Send email x"):
        assert requested_message(name) is None


def test_a_single_send_needs_no_journey() -> None:
    """Each request is one send; counted under its own name, and gone with its outcome."""
    play = single(attributes=("order",))
    play.hold = True
    play.do(started(BILL, 0, 1, order="A"), started(BILL, 0, order="B", other="x"))
    assert play.messages(0) == ["bill", "bill"]
    assert play.where(0) == [f"{BILL}/send"] * 2
    assert sorted(attribute(play, BILL, "order", run) for run in range(3)) == ["A", "A", "B"]
    play.outcome([1, 2, 3], OutcomeCode.ACCEPTED)
    assert play.where(0) == []
    assert play.count("journey", BILL, "entered") == 3
    assert play.count("journey", BILL, "finished") == 3
    assert play.count("message", "email", "bill", "sent") == 3
    assert play.recovered().state.digest() == play.state.digest()


def test_a_refused_single_send_fails() -> None:
    """By the usual rules: consent, address, caps."""
    play = single(category="marketing")
    play.do(started(BILL, 0))
    assert play.count("journey", BILL, "failed") == 1
    assert play.fact(0, "message", "email", "bill", "reason") == "no_consent"
    play.consent(0)
    play.do(started(BILL, 0))
    assert play.messages() == ["bill"]


def test_nothing_is_opened_before_it_is_asked_for() -> None:
    """And nothing ever for a message that does not exist."""
    play = single()
    assert play.state.versions == []
    play.do(started("send email none", 0), started("send sms bill", 0))
    assert (play.state.versions, play.sent) == ([], [])


def test_it_outlives_publications_while_its_message_does() -> None:
    """One version for ever; without the message it is closed, and open again with it."""
    play = single()
    play.do(started(BILL, 0))
    play.publish(workspace(messages=[mail("bill", attributes=("order",), topic="x")]))
    play.hold = True
    play.do(started(BILL, 0, order="A"))
    assert attribute(play, BILL, "order") == "A"
    play.outcome(2, OutcomeCode.ACCEPTED)
    play.hold = False
    play.publish(workspace(messages=[mail("other")]))
    play.do(started(BILL, 0))
    assert (play.state.current[BILL].open, len(play.sent)) == (False, 2)
    play.publish(workspace(messages=[mail("bill")]))
    play.do(started(BILL, 0))
    assert [v.version for v in play.state.versions] == [f"{BILL}@1"]
    assert len(play.sent) == 3
    assert play.recovered().state.digest() == play.state.digest()


def test_a_written_journey_of_that_name_goes_first() -> None:
    """An older log may hold one."""
    play = single()
    play.do(started(BILL, 0))
    own = journey(BILL, on_api(), send("other"))
    play.publish(workspace(own, messages=[mail("bill")]))
    play.do(started(BILL, 0))
    assert play.messages() == ["bill", "other"]
    play.publish(workspace(messages=[mail("bill")]))
    play.do(started(BILL, 0))
    assert play.messages() == ["bill", "other"]


def test_a_journey_sees_what_a_single_send_brought() -> None:
    """Its facts are the message's, wherever it was sent."""
    play = Play(
        workspace(
            journey(
                "j", on_list("x"), wait("w", span=(0, 9, 0)),
                exits=(leave_when('email("bill").opened'),),
            ),
            messages=[mail("bill")],
        )
    )  # fmt: skip
    play.create()
    play.join("x", 0)
    play.do(started(BILL, 0))
    play.after(HOUR).note("opened", "bill", 0)
    assert play.where() == []
    assert play.fact(0, "message", "email", "bill", "sent") == START
