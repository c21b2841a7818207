"""Late work: the engine slept or was stopped, and comes to what should have been done long ago."""

from __future__ import annotations

import pytest

from blaster.limits import LATE_GRACE_S
from blaster.model import definitions as model
from tests.core.world import (
    DAY,
    START,
    Play,
    instant,
    journey,
    on_date,
    on_event,
    rule,
    send,
    until,
    wait,
    workspace,
)

HOUR = 3_600
RUN: dict[str, object] = {"late_skip": False}
SKIP: dict[str, object] = {"late_skip": True, "late_within_s": 0}
WITHIN: dict[str, object] = {"late_skip": True, "late_within_s": 6 * HOUR}


def item(day: int, name: str) -> model.SeriesItem:
    return model.SeriesItem(day, "email", name)


def leap(play: Play, when: int) -> None:
    """Nothing was done meanwhile."""
    play.now = when
    play.settle()


def series(**late: object) -> Play:
    """One contact, whose second item is due after a day and the third after three."""
    items = (item(0, "a"), item(1, "b"), item(3, "c"))
    play = Play(workspace(journey("j", on_event("go"), model.Series("s", items, "end", **late))))
    play.create()
    play.event("go", 0)
    return play


@pytest.mark.parametrize(
    ("late", "by", "left_out"),
    [
        (RUN, 20 * HOUR, False),
        (SKIP, LATE_GRACE_S, False),
        (SKIP, LATE_GRACE_S + 1, True),
        (WITHIN, 6 * HOUR, False),
        (WITHIN, 6 * HOUR + 1, True),
    ],
)
def test_an_item_that_the_engine_comes_to_too_late(
    late: dict[str, object], by: int, left_out: bool
) -> None:
    """The next one is on its day whatever became of it, and nothing comes twice."""
    play = series(**late)
    leap(play, START + DAY + by)
    sent = [(START, 0, "a")] + [(START + DAY + by, 0, "b")] * (not left_out)
    assert play.sent == sent
    play.at(START + 9 * DAY)
    assert play.sent == [*sent, (START + 3 * DAY, 0, "c")]
    assert play.state.versions[0].running == 0


@pytest.mark.parametrize(("late", "sent"), [(RUN, ["a", "b", "c"]), (SKIP, ["a"]), (WITHIN, ["a"])])
def test_a_series_that_is_over(late: dict[str, object], sent: list[str]) -> None:
    play = series(**late)
    leap(play, START + 30 * DAY)
    assert play.messages() == sent
    assert play.state.versions[0].running == 0


@pytest.mark.parametrize(("by", "sent"), [(5 * HOUR, ["a", "b", "c"]), (7 * HOUR, ["a", "c"])])
def test_an_item_that_is_late_when_the_run_comes_to_it(by: int, sent: list[str]) -> None:
    """Another held it back, and waited for room."""
    items = (item(0, "a"), item(1, "b"), item(3, "c"))
    made = model.Series("s", items, "end", **WITHIN)
    play = Play(workspace(journey("j", on_event("go"), made)))
    play.create()
    play.room = {"email": 0}
    play.event("go", 0)
    play.after(DAY + by)
    play.room = {}
    play.settle()
    play.at(START + 9 * DAY)
    assert play.messages() == sent


def test_a_series_whose_date_moves_while_nobody_looks() -> None:
    """It is late by its new date."""
    items = (item(0, "there"),)
    made = model.Series("s", items, "end", rule("when"), **WITHIN)
    play = Play(workspace(journey("j", on_event("go"), made)))
    play.create(2, when="2026-03-05T00:00:00+02:00")
    play.event("go", 0, 1)
    play.set(0, when="2026-03-07T00:00:00+02:00")
    leap(play, instant("2026-03-07 04:00"))
    assert play.messages(0) == ["there"]
    assert play.messages(1) == []


DATES = {
    "not said": ({}, False, True),
    "run": ({"late_run": True}, True, True),
    "skip": ({"late_within_s": 0}, False, False),
    "within": ({"late_run": True, "late_within_s": 6 * HOUR}, True, True),
    "over it": ({"late_run": True, "late_within_s": 4 * HOUR}, False, False),
}


@pytest.mark.parametrize("name", DATES)
def test_a_date_that_is_five_hours_past(name: str) -> None:
    """When it is set, and when the engine comes to it; nobody enters twice."""
    late, when_set, when_reached = DATES[name]
    play = Play(workspace(journey("j", on_date("due", **late), send("m"))))
    play.create(2)
    leap(play, instant("2026-03-05 14:00"))
    play.set(0, due="2026-03-05")
    assert play.messages(0) == ["m"] * when_set
    play.set(1, due="2026-03-06")
    leap(play, instant("2026-03-06 14:00"))
    play.after(30 * DAY)
    assert play.messages(1) == ["m"] * when_reached
    assert play.state.counts["journey", "j", "dropped"] == (not when_reached)
    assert play.state.counts["journey", "j", "entered"] == when_set + when_reached


def test_a_birthday_that_was_slept_through() -> None:
    """Not this year, but the next one; however many passed meanwhile, it is one entry."""
    for late, years in (({"late_within_s": 0}, [2028]), ({}, [2027, 2028])):
        play = Play(workspace(journey("j", on_date("due", yearly=True, **late), send("m"))))
        play.create(due="1990-03-05")
        leap(play, instant("2027-03-08 00:00"))
        play.at("2028-04-01 00:00")
        assert [1970 + at // (365.2425 * DAY) for at, _, _ in play.sent] == years


def test_a_laptop_that_slept_does_everything_once() -> None:
    """Eight hours in which an hourly reminder, a look and a date came due: no burst."""
    steps = (
        send("first", "w"), wait("w", "second", span=(HOUR, 0, 0)), send("second", "v"),
        wait("v", "third", span=(HOUR, 0, 0)), send("third", "look"),
        until("look", {'email("first").opened': "end"}, "fourth", (2 * HOUR, 0, 0)),
        send("fourth"),
    )  # fmt: skip
    play = Play(workspace(journey("j", on_event("go"), *steps)))
    play.create()
    play.event("go", 0)
    leap(play, START + 8 * HOUR)
    leap(play, START + 8 * HOUR + 5)
    play.at(START + DAY)
    assert [(at - START, name) for at, _, name in play.sent] == [
        (0, "first"), (8 * HOUR, "second"), (9 * HOUR, "third"), (11 * HOUR, "fourth"),
    ]  # fmt: skip
