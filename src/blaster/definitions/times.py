"""Durations, clock times, weekdays and local times as they are written in files.

Laws: `30s 15m 2h 3d 2w`, `1 month`, `2 years`; seconds of a day are 0 to 86,399; weekdays count
from Sunday, 0. A text that is none of these is None here; the caller says so with its place.
"""

from __future__ import annotations

import re
from datetime import date

SPAN = r"\d{1,6}\s*(?:s|m|h|d|w)|\d{1,4}\s*(?:months?|years?)"
CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?"
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
SPANS_SHOWN = "30s, 15m, 2h, 3d, 2w, 1 month, 2 years"

DAY_S = 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}

Span = tuple[int, int, int]
"""Seconds, days of the calendar, months of the calendar."""


def parse_span(text: str) -> Span | None:
    """A duration; days and weeks as seconds."""
    if not re.fullmatch(SPAN, text.strip()):
        return None
    digits = re.match(r"\d+", text.strip())
    assert digits is not None
    number, unit = int(digits[0]), text.strip()[digits.end() :].strip()
    if unit in _SECONDS:
        return number * _SECONDS[unit], 0, 0
    return 0, 0, number * (12 if unit.startswith("year") else 1)


def calendar_span(span: Span) -> Span | None:
    """The same duration in days of the calendar; None when it is not whole days."""
    seconds, days, months = span
    if seconds % DAY_S:
        return None
    return 0, days + seconds // DAY_S, months


def parse_clock(text: str) -> int | None:
    """`09:00` as seconds of the day."""
    if not re.fullmatch(CLOCK, text.strip()):
        return None
    parts = [int(part) for part in text.strip().split(":")]
    hour, minute, second = (*parts, 0)[:3]
    if hour > 23 or minute > 59 or second > 59:
        return None
    return hour * 3600 + minute * 60 + second


def parse_weekday(text: str) -> int | None:
    """`Sunday` as 0."""
    folded = text.strip().casefold()
    return WEEKDAYS.index(folded) if folded in WEEKDAYS else None


def parse_date(text: str) -> date | None:
    """`2026-03-01`."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip(), re.ASCII):
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def parse_local(text: str) -> str | None:
    """`2026-03-01 10:00` (or the day alone, for its midnight) as `YYYY-MM-DD HH:MM:SS`."""
    day, _, clock = re.sub(r"[T\s]+", " ", text.strip()).partition(" ")
    parsed = parse_date(day)
    seconds = parse_clock(clock) if clock else 0
    if parsed is None or seconds is None:
        return None
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{parsed.isoformat()} {hour:02}:{minute:02}:{second:02}"
