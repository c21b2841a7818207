"""Waits: spans, clock times, weekdays, dates that move; the nights in which clocks change."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.core.timing import add_months, after_span, as_times
from blaster.model.fields import NEVER
from blaster.rules import Zones
from tests.core.world import (
    DAY,
    HOUR,
    Play,
    instant,
    journey,
    on_event,
    rule,
    send,
    wait,
    workspace,
)


def waiting(
    start: str, otherwise: str | None = None, zone: str | None = None, **options: object
) -> Play:
    """A wait entered at `start`, then one send (or `late`, when `otherwise` is taken)."""
    space = workspace(
        journey("j", on_event("go"), wait("w", "m", otherwise=otherwise, **options), send("m"),
                send("late"))
    )  # fmt: skip
    play = Play(space, now=instant(start))
    play.create(zone=zone)
    return play


def target(start: str, **options: object) -> int:
    play = waiting(start, **options)
    play.event("go", 0)
    play.at(instant("2027-03-01 00:00"))
    assert len(play.sent) == 1
    return play.sent[0][0]


@pytest.mark.parametrize(
    ("start", "options", "expected"),
    [
        ("2026-03-26 12:00", {"span": (0, 3, 0)}, "2026-03-29 13:00"),  # 72 hours over the change
        ("2026-03-26 12:00", {"span": (90, 0, 0)}, "2026-03-26 12:01:30"),
        ("2026-01-31 12:00", {"span": (0, 0, 1)}, "2026-02-28 12:00"),
        ("2026-03-26 12:00", {"span": (0, 3, 0), "at_seconds": 10 * HOUR}, "2026-03-29 10:00"),
        ("2026-01-31 12:00", {"span": (0, 0, 1), "at_seconds": 0}, "2026-02-28 00:00"),
        ("2026-03-26 12:00", {"span": (0, 1, 0), "at_seconds": 9000}, "2026-03-27 03:00"),  # gap
        ("2026-10-24 12:00", {"span": (0, 1, 0), "at_seconds": 5400}, "2026-10-25 01:30"),  # first
        ("2026-03-26 12:00", {"span": (0, 0, 0), "at_seconds": 10 * HOUR}, "2026-03-26 12:00"),
        ("2026-03-26 12:00", {"at_seconds": 12 * HOUR}, "2026-03-26 12:00"),
        ("2026-03-26 12:00", {"at_seconds": 11 * HOUR}, "2026-03-27 11:00"),
        ("2026-03-26 02:31", {"at_seconds": 9000}, "2026-03-27 03:00"),
        ("2026-03-26 12:00", {"at_seconds": 9 * HOUR, "weekday": 0}, "2026-03-29 09:00"),
        ("2026-03-29 10:00", {"at_seconds": 9 * HOUR, "weekday": 0}, "2026-04-05 09:00"),
        ("2026-03-29 08:00", {"at_seconds": 9 * HOUR, "weekday": 0}, "2026-03-29 09:00"),
    ],
)
def test_where_a_wait_leads(start: str, options: dict[str, object], expected: str) -> None:
    """Spans are exact, clock times go by the calendar, and a past one goes on at once."""
    assert target(start, **options) == instant(expected)


def test_a_clock_time_is_the_contact_s_own() -> None:
    """Ten o'clock in New York; an unknown zone is the account's."""
    assert target("2026-03-01 12:00", at_seconds=10 * HOUR, zone="America/New_York") == instant(
        "2026-03-01 17:00"
    )
    assert target("2026-03-01 12:00", at_seconds=10 * HOUR, zone="Mars") == instant(
        "2026-03-02 10:00"
    )


def test_a_past_clock_time_takes_else_where_there_is_one() -> None:
    """`wait: 0d at 10:00` at noon."""
    play = waiting("2026-03-01 12:00", "late", span=(0, 0, 0), at_seconds=10 * HOUR)
    play.event("go", 0)
    assert play.messages() == ["late"]


# --- waits that follow a field --------------------------------------------------------------------

UNTIL = {"until": rule("due - 2d at 10:00")}


def test_a_wait_follows_its_date_both_ways() -> None:
    """Later, then earlier; the last word counts."""
    play = waiting("2026-03-01 12:00", **UNTIL)
    play.set(0, due="2026-03-10")
    play.event("go", 0)
    play.set(0, due="2026-03-20")
    play.at("2026-03-08 10:00")
    assert play.sent == []
    play.set(0, due="2026-03-12")
    play.at("2026-03-10 09:59")
    assert play.sent == []
    assert play.at("2026-03-10 10:00").messages() == ["m"]


def test_a_date_that_moves_into_the_past_goes_on_at_once() -> None:
    """Or takes else, as it would on arrival."""
    for otherwise, message in ((None, "m"), ("late", "late")):
        play = waiting("2026-03-05 12:00", otherwise, **UNTIL)
        play.set(0, due="2026-03-20")
        play.event("go", 0)
        assert play.where() == ["j/w"]
        play.set(0, due="2026-03-01")
        assert play.messages() == [message]


def test_a_date_of_this_very_second_is_reached() -> None:
    """It is not past: else is not taken."""
    play = waiting("2026-03-05 10:00", "late", **UNTIL)
    play.set(0, due="2026-03-07")
    play.event("go", 0)
    assert play.messages() == ["m"]


def test_a_missing_date_waits_or_takes_else() -> None:
    """Without else a run waits until the date comes to be known."""
    play = waiting("2026-03-05 12:00", **UNTIL)
    play.event("go", 0)
    assert play.state.next_due() == NEVER
    play.set(0, due="2026-03-20")
    play.set(0, due=None)
    assert play.state.next_due() == NEVER
    play.set(0, due="2026-03-01")
    assert play.messages() == ["m"]
    play = waiting("2026-03-05 12:00", "late", **UNTIL)
    play.event("go", 0)
    assert play.messages() == ["late"]


@pytest.mark.parametrize("text", ["when", "due", "contact.created + 3d"])
def test_a_wait_may_be_until_any_instant(text: str) -> None:
    """A contact's instant, a bare date (its midnight), an instant of the engine."""
    play = waiting("2026-03-02 00:00", until=rule(text))
    play.set(0, when="2026-03-05T00:00:00+02:00", due="2026-03-05")
    play.event("go", 0)
    play.at("2026-03-09 00:00")
    assert play.times("m") == [instant("2026-03-05 00:00")]


def test_an_instant_beyond_the_clock_s_end_is_never() -> None:
    """Instants are 32 bits of seconds; before 1970 and after 2106 nothing is due."""
    assert as_times(np.array([-1, 0, NEVER - 1, NEVER, 1 << 40])).tolist() == [
        NEVER, 0, NEVER - 1, NEVER, NEVER
    ]  # fmt: skip


# --- the calendar ---------------------------------------------------------------------------------


def days(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[D]").astype(np.int32)


def test_months_are_cut_to_their_end() -> None:
    """Forwards and backwards, over leap years."""
    assert (
        add_months(days("2024-01-31", "2025-12-31"), 1).tolist()
        == days("2024-02-29", "2026-01-31").tolist()
    )
    assert add_months(days("2024-03-31"), -1).tolist() == days("2024-02-29").tolist()


def test_whole_years_keep_29_february_on_the_28th() -> None:
    """Also in a century that is no leap year."""
    found = [add_months(days("2024-02-29"), 12 * years).tolist() for years in (0, 1, 4, 76)]
    wanted = ("2024-02-29", "2025-02-28", "2028-02-29", "2100-02-28")
    assert found == [days(day).tolist() for day in wanted]


def test_a_month_keeps_the_local_clock_time() -> None:
    """A span of a month and two hours over the change of clocks."""
    start = np.array([instant("2026-03-10 08:00")])
    found = after_span(Zones("Asia/Jerusalem"), None, start, (2 * HOUR, 0, 1))
    assert found.tolist() == [instant("2026-04-10 10:00")]
    assert after_span(Zones("UTC"), None, start, (1, 1, 0)).tolist() == [start[0] + DAY + 1]
