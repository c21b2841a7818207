"""The calendar of a contact, one instant at a time, by `datetime` and `zoneinfo`.

Laws (LANGUAGE.md): a clock time that is skipped means the first instant after the gap, one that
comes twice its first. Against an instant `3d` is 72 hours, against a date three days of the
calendar. `month` and `year` are calendar units, cut to the month's end.
"""

from __future__ import annotations

import calendar
import datetime as dt
import zoneinfo

from blaster.rules import syntax

EXACT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of a unit against an instant."""

DAYS = {"d": 1, "w": 7}
MONTHS = {"month": 1, "year": 12}


def zone_of(name: str | None, default: str) -> zoneinfo.ZoneInfo:
    """The contact's zone; the account's where it is missing or unknown."""
    try:
        return zoneinfo.ZoneInfo(name or default)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo(default)


def instant_at(day: dt.date, clock: dt.time, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The instant of a clock time of a day."""
    wall = dt.datetime.combine(day, clock)
    first = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    return _gap_end(wall, zone)


def _gap_end(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The first instant after the gap that `wall` falls into: offsets on both sides differ."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > dt.timedelta(seconds=1):
        middle = before + dt.timedelta(seconds=(after - before) // dt.timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def month_later(day: dt.date, months: int) -> dt.date:
    """The same day of another month, cut to the month's end."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(day.day, last))


def day_moved(day: dt.date, by: syntax.Duration, sign: int) -> dt.date:
    """A date and a duration of the calendar."""
    if by.unit in MONTHS:
        return month_later(day, sign * by.count * MONTHS[by.unit])
    return day + dt.timedelta(days=sign * by.count * DAYS[by.unit])


def instant_moved(
    moment: dt.datetime, by: syntax.Duration, sign: int, zone: zoneinfo.ZoneInfo
) -> dt.datetime:
    """An instant and a duration; months keep the clock time of the zone."""
    if by.unit in MONTHS:
        local = moment.astimezone(zone)
        day = month_later(local.date(), sign * by.count * MONTHS[by.unit])
        return instant_at(day, local.time(), zone)
    return moment + dt.timedelta(seconds=sign * by.count * EXACT_S[by.unit])


def anniversary(day: dt.date, year: int) -> dt.date:
    """The day of `year` on which `day` is kept: 29 February on 28 February in common years."""
    if (day.month, day.day) == (2, 29) and not calendar.isleap(year):
        return dt.date(year, 2, 28)
    return day.replace(year=year)
