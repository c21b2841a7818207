"""Local clock times and the calendar in plain Python, one instant at a time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Jerusalem")


def local(instant: int) -> datetime:
    """The local wall clock, without its zone."""
    return datetime.fromtimestamp(instant, ZONE).replace(tzinfo=None)


def instant_of(day: date, seconds: int) -> int:
    """A local clock time: the first of two, or the first instant after a gap."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(seconds=seconds)
    early = int(wall.replace(tzinfo=ZONE, fold=0).timestamp())
    if local(early) == wall:
        return early
    # In a gap: walk to the first instant whose wall clock is at or past the one wanted.
    first = int(wall.replace(tzinfo=ZONE, fold=1).timestamp())
    while local(first) < wall:
        first += 1
    while local(first - 1) >= wall:
        first -= 1
    return first


def add_months(day: date, months: int) -> date:
    """So many months later, cut to the month's end."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for number in range(day.day, 0, -1):
        try:
            return date(year, month + 1, number)
        except ValueError:
            continue
    raise AssertionError


def after(start: int, span: tuple[int, int, int]) -> int:
    """A span from an instant: seconds and days exactly, months by the calendar."""
    seconds, days, months = span
    if months:
        wall = local(start)
        clock = wall.hour * 3600 + wall.minute * 60 + wall.second
        start = instant_of(add_months(wall.date(), months), clock)
    return start + seconds + days * 86_400
