"""Entering: triggers, `again`, keys, `if`, dates that move, and what publishing does not do."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.model import definitions as model
from blaster.model import records
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    happened,
    journey,
    leave_when,
    on_date,
    on_event,
    on_list,
    on_rule,
    rule,
    send,
    until,
    wait,
    workspace,
)


def entering(*entries: model.Entrance, again: str = "each time") -> Play:
    """A journey that sends at once; two contacts."""
    play = Play(workspace(journey("j", entries, send("m"), again=again)))
    play.create(2)
    return play


# --- again and keys -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "runs", "later"), [("never", 1, 1), ("after finishing", 1, 2), ("each time", 3, 4)]
)
def test_again_in_its_three_forms(again: str, runs: int, later: int) -> None:
    """Once in a life, once at a time, or beside a running one."""
    space = workspace(journey("j", on_event("go"), wait("w", span=(0, 1, 0)), again=again))
    play = Play(space)
    play.create()
    play.event("go", 0, 0)
    play.event("go", 0)
    assert play.count("journey", "j", "entered") == runs
    assert play.count("journey", "j", "dropped") == 3 - runs
    play.after(DAY).event("go", 0)
    assert play.count("journey", "j", "entered") == later


def test_again_never_outlives_a_new_version() -> None:
    """The journey's life is not its version's."""
    play = entering(on_event("go"), again="never")
    play.event("go", 0)
    play.publish(workspace(journey("j", on_event("go"), send("other"), again="never")))
    play.event("go", 0, 1)
    assert (play.messages(0), play.messages(1)) == (["m"], ["other"])


def test_a_key_enters_once_per_contact() -> None:
    """The same key of another contact is another; a missing one is the empty key."""
    play = entering(on_event("go", key="order"), again="never")
    play.event("go", 0, order="A")
    play.event("go", 0, 1, order=["A", "A"])
    play.event("go", 0, order="B")
    play.event("go", 0)
    play.event("go", 0, order=None)
    assert (len(play.messages(0)), len(play.messages(1))) == (3, 1)


def test_a_repeated_key_brings_the_run_up_to_date() -> None:
    """The order's new arrival moves the wait that hangs on it, and only that order's."""
    space = workspace(
        journey("j", on_event("go", key="order"),
                until("w", {'event.state == "late"': "m"}), send("m"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0, order="A", state="new")
    play.event("go", 0, order="B", state="new")
    play.event("go", 0, order="B", state="late")
    assert len(play.sent) == 1
    assert play.count("journey", "j", "dropped") == 1
    assert play.where() == ["j/w"]
    play.event("go", 0, order="B", state="late")
    assert play.recovered().state.digest() == play.state.digest()


def test_a_keyed_run_counts_only_events_of_its_key() -> None:
    """A payment for another order does not end this one's run; one without an order ends all."""
    space = workspace(
        journey("j", (on_event("bill", key="order"), on_list("all")), wait("w", span=(0, 9, 0)),
                exits=(leave_when('event("paid")'),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("bill", 0, order="A")
    play.event("bill", 0, order="B")
    play.event("bill", 0, order="C")
    play.event("paid", 0, order="A")
    assert len(play.where()) == 2
    play.event("paid", 0, order="X")
    assert len(play.where()) == 2
    play.event("paid", 0)
    assert play.where() == []


def test_a_run_without_a_key_counts_every_event() -> None:
    """It entered by another way, so every order is its business."""
    space = workspace(
        journey("j", (on_event("bill", key="order"), on_list("all")), wait("w", span=(0, 9, 0)),
                exits=(leave_when('event("paid")'),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("bill", 0, order="A")
    play.join("all", 0)
    play.event("paid", 0, order="A")
    assert play.where() == []


def test_a_condition_on_the_event_filters() -> None:
    """`if` sees the event's attributes, and keys follow the rows that pass."""
    play = entering(on_event("go", key="order", only_if=rule('event.kind == "big"')))
    play.do(happened("go", 0, 1, kind=["small", "big"], order=["A", "B"]))
    play.event("go", 0)
    assert (play.messages(0), play.messages(1)) == ([], ["m"])


# --- triggers -------------------------------------------------------------------------------------


def test_lists_enter_once_per_membership() -> None:
    """Joining again while a member is nothing; leaving enters the other journey."""
    play = entering(on_list("a"), on_list("b", leaving=True))
    play.join("a", 0)
    play.join("a", 0)
    play.leave("b", 0)
    assert len(play.sent) == 1
    play.leave("a", 0)
    play.join("a", 0)
    play.join("b", 0)
    assert len(play.sent) == 2
    play.leave("b", 0)
    assert len(play.sent) == 3


def test_created_and_source_and_forms() -> None:
    """A source narrows who is new; a given source field wins over the batch's."""
    space = workspace(
        journey("any", model.Entrance(model.OnCreated()), send("any")),
        journey("web", model.Entrance(model.OnCreated("web")), send("web")),
        journey("form", model.Entrance(model.OnForm("f")), send("form")),
    )
    play = Play(space)
    play.create(2, source="web")
    play.create(2, source="shop", note=["x", None])
    play.create(source="")
    assert [play.messages(n) for n in range(5)] == [["any", "web"]] * 2 + [["any"]] * 3
    play.event("f", 1, space="form", pet="dog")
    assert play.messages(1)[2:] == ["form"]
    assert play.fact(1, "form", "f", "answer", "pet") == "dog"


def test_a_rule_of_time_enters_at_its_second() -> None:
    """And again only after it was false."""
    play = entering(on_rule('list("a").joined older than 2d'))
    play.join("a", 0)
    play.at(START + 2 * DAY - 1)
    assert play.sent == []
    play.after(1)
    assert play.times("m") == [START + 2 * DAY]
    play.leave("a", 0)
    play.join("a", 0)
    play.at(START + 9 * DAY)
    assert play.times("m") == [START + 2 * DAY, START + 4 * DAY]


# --- dates ----------------------------------------------------------------------------------------


def at(day: str, clock: int = 9) -> int:
    from tests.core.world import instant

    return instant(f"{day} {clock:02d}:00")


def test_a_date_enters_at_its_clock_time_and_follows_its_field() -> None:
    """Moved before its instant it moves; cleared it is off; past it does not enter."""
    play = entering(on_date("due", offset_days=-1))
    play.set(0, due="2026-03-10")
    play.set(1, due="2026-03-10")
    play.at("2026-03-05 12:00").set(0, due="2026-03-20")
    play.set(1, due=None)
    play.at("2026-03-19 09:00")
    assert play.sent == [(at("2026-03-19"), 0, "m")]
    play.set(0, due="2026-03-20")
    play.set(1, due="2026-03-19")
    play.at("2026-04-20 09:00")
    assert len(play.sent) == 1


def test_a_late_date_enters_at_once_only_if_told_to() -> None:
    """`late: run` is about a date that comes too late, not about publishing."""
    play = entering(on_date("due", late_run=True))
    play.set(0, due="2026-02-01")
    assert play.times("m") == [START]
    other = workspace(journey("k", on_date("due", late_run=True), send("k")))
    play.publish(other)
    play.after(DAY)
    assert play.messages() == ["m"]


def test_publishing_arms_dates_that_are_still_ahead() -> None:
    """Contacts that were there before enter at their date; nobody for what is past or true."""
    play = Play(workspace())
    play.create(3, due=["2026-03-05", "2026-02-01", None], city="Haifa")
    play.publish(
        workspace(
            journey("d", on_date("due"), send("d")),
            journey("r", on_rule('city == "Haifa"'), send("r")),
        )
    )
    play.at("2026-03-06 00:00")
    assert play.sent == [(at("2026-03-05"), 0, "d")]
    play.set(1, city="Eilat")
    play.set(1, city="Haifa")
    assert play.messages(1) == ["r"]


def test_a_yearly_date_enters_every_year_whatever_again_says() -> None:
    """29 February is kept on 28 February in common years."""
    play = entering(on_date("due", yearly=True), again="never")
    play.set(0, due="2024-02-29")
    play.set(1, due="2026-03-01")
    play.at("2028-03-02 00:00")
    assert play.times("m", 0) == [at("2027-02-28"), at("2028-02-29")]
    assert play.times("m", 1) == [at("2026-03-01"), at("2027-03-01"), at("2028-03-01")]


def test_a_yearly_date_with_an_offset_crosses_the_year() -> None:
    """A fortnight before 5 January lies in December."""
    play = entering(on_date("due", yearly=True, offset_days=-14))
    play.set(0, due="1990-01-05")
    play.at("2028-01-01 00:00")
    assert play.times("m") == [at("2026-12-22"), at("2027-12-22")]


def test_dates_may_be_instants_the_creation_or_a_joining() -> None:
    """Each by its local day; the list's date is that of the newest membership."""
    space = workspace(
        journey("c", on_date("contact.created", offset_days=1), send("c")),
        journey("l", on_date("list:club", offset_days=2, at_seconds=0), send("l")),
        journey("i", on_date("when"), send("i")),
    )
    play = Play(space, now=at("2026-03-01", 12))
    play.create(when="2026-03-03T23:30:00+02:00")
    play.join("club", 0)
    play.after(HOUR).leave("club", 0)
    play.after(DAY).join("club", 0)
    play.at("2026-03-09 00:00")
    assert play.sent == [
        (at("2026-03-02"), 0, "c"), (at("2026-03-03"), 0, "i"), (at("2026-03-04", 0), 0, "l")
    ]  # fmt: skip


def test_a_date_is_in_the_contact_s_own_zone_and_follows_it() -> None:
    """Nine o'clock in New York is later; a zone that changes moves the instant."""
    play = entering(on_date("due"))
    play.set(0, zone="America/New_York", due="2026-03-10")
    play.set(1, due="2026-03-10")
    play.set(1, zone="Asia/Tokyo")
    play.at("2026-03-11 00:00")
    assert play.times("m", 1) == [at("2026-03-10", 2)]
    assert play.times("m", 0) == [at("2026-03-10", 15)]


def test_an_empty_journey_is_entered_and_finished() -> None:
    """It counts, and leaves nothing behind."""
    play = Play(workspace(journey("j", on_event("go"))))
    play.create()
    play.event("go", 0)
    assert play.count("journey", "j", "finished") == 1
    assert play.fact(0, "journey", "j", "running") is False
    play.do(records.Happened("event", "go", np.empty(0, np.int64), play.columns({})))
    assert play.count("journey", "j", "entered") == 1
