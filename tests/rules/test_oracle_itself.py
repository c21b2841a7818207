"""The oracle against answers worked out by hand from the language's description."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

import pytest

from tests.oracle.rules import truth_of, value_of

NOW = int(dt.datetime(2026, 3, 28, 8, 0, tzinfo=dt.UTC).timestamp())
"""Saturday 11:00 in Jerusalem; the clocks went forward on Friday at 02:00."""

ROW = {
    ("contact", "field", "visits"): 9,
    ("contact", "field", "price"): Decimal("3.50"),
    ("contact", "field", "name"): "STRASSE",
    ("contact", "field", "pets"): ("Dog", "cat"),
    ("contact", "field", "birthday"): dt.date(2000, 2, 29),
    ("contact", "field", "arrival"): dt.datetime(2026, 3, 27, 21, 30, tzinfo=dt.UTC),
    ("run", "entered"): dt.datetime(2026, 3, 26, 8, 0, tzinfo=dt.UTC),
    ("run", "event", "payment", "first"): dt.datetime(2026, 3, 28, 7, 59, 59, tzinfo=dt.UTC),
    ("run", "message", "email", "bill", "sent"): dt.datetime(2026, 3, 26, 8, 0, tzinfo=dt.UTC),
    ("contact", "list", "vip", "joined"): dt.datetime(2026, 3, 20, tzinfo=dt.UTC),
    ("contact", "message", "email", "bill", "opened:ever"): dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
}


def row(**fields):
    """ROW and the given fields; everything else is missing."""
    return defaultdict(
        lambda: None, ROW | {("contact", "field", name): value for name, value in fields.items()}
    )


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("visits == 9 and price == 3.5", True),
        ("missing != 3", None),
        ("not missing not in [3]", None),
        ("missing == 3 and visits == 8", False),
        ("missing == 3 or visits == 9", True),
        ("at least 2 of (missing == 3, visits == 9, visits == 8)", None),
        ("at least 2 of (missing == 3, visits == 8, visits == 8)", False),
        ('name == "straße"', True),
        ('name == "straße" exactly', False),
        ('pets any of ["dog"] and pets none of ["fish"] and not pets all of ["dog", "fish"]', True),
        ("missing is blank and missing is not set", True),
        ("birthday anniversary in next 3d", False),
        ("arrival on 2026-03-28 and arrival.weekday == Saturday", True),
        ("arrival in last 11h", True),
        ("arrival in last 10h or arrival older than 11h", False),
        ('event("payment") within 2d', True),
        ('email("bill").opened within 2d', False),
        ('email("bill").opened within 3d', None),
        ('email("bill").opened', None),
        ('email("bill").opened so far', False),
        ('email("bill").ever.opened', True),
        ('email("bill").opened in last 30d', False),
        ('list("vip").joined within 3d', None),
        ('list("vip").joined within 2d', False),
        ("today - birthday > 9000d and now - arrival == 37800s", True),
    ],
)
def test_answers_worked_out_by_hand(rule, answer):
    assert truth_of(rule, row(), NOW, "Asia/Jerusalem", "steps") is answer


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("visits + price", Decimal("12.50")),
        ("visits / 2", 4.5),
        ("visits / 0", None),
        ("visits + 9223372036854775807", None),
        ("birthday + 1 year", dt.date(2001, 2, 28)),
        ("2026-01-31 + 1 month", dt.date(2026, 2, 28)),
        # Friday 02:30 is skipped: the first instant after the gap
        ("2026-03-27 at 02:30", dt.datetime(2026, 3, 27, 0, 0, tzinfo=dt.UTC)),
        # 25 October 01:30 comes twice: the first
        ("2026-10-25 at 01:30", dt.datetime(2026, 10, 24, 22, 30, tzinfo=dt.UTC)),
        # Saturday 00:30 less two days of the calendar is Thursday
        ("arrival - 2d at 10:00", dt.datetime(2026, 3, 26, 8, 0, tzinfo=dt.UTC)),
        ("arrival - 48h at 10:00", dt.datetime(2026, 3, 25, 8, 0, tzinfo=dt.UTC)),
        ("max(visits, price)", Decimal("9.00")),
        ("length(pets)", 2),
        ("lower(name)", "strasse"),
        ("missing + 1", None),
    ],
)
def test_values_worked_out_by_hand(expression, value):
    assert value_of(expression, row(), NOW, "Asia/Jerusalem", "steps") == value


def test_an_unknown_zone_is_the_accounts():
    mars = row(zone="Mars/Olympus")
    assert value_of("today", mars, NOW, "Pacific/Apia") == dt.date(2026, 3, 28)
    assert value_of("today at 00:00", mars, NOW, "Asia/Jerusalem").hour == 21
