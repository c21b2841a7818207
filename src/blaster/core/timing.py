"""Instants that steps and triggers wait for, in each contact's own zone.

All instants are int64 seconds here; `NEVER` is "not by itself". Results are recorded with the
decision, so that a later time-zone table changes no wait that has begun.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.binding import Rows
from blaster.core.plan import WaitStep
from blaster.limits import LATE_GRACE_S
from blaster.model import definitions as model
from blaster.model.fields import NEVER, Kind
from blaster.rules import Vector, Zones

Array = np.ndarray[Any, Any]

DAY_S = 86_400
_EPOCH_WEEKDAY = 4
"""1970-01-01 was a Thursday, with Sunday as 0."""


def as_times(instants: Array) -> Array:
    """int64 instants as uint32, NEVER where they lie outside what a TIME can hold."""
    held = (instants >= 0) & (instants < NEVER)
    return np.where(held, instants, NEVER).astype(np.uint32)


def after_span(
    zones: Zones, zone: Vector | None, start: Array, span: tuple[int, int, int]
) -> Array:
    """`start` + (seconds, days, months): days are 24 hours, months go by the calendar."""
    seconds, days, months = span
    result = start + seconds + days * DAY_S
    if months:
        clock = zones.local_seconds(start, zone)
        shifted = add_months(zones.local_day(start, zone), months)
        result = zones.instant(shifted, clock, zone) + seconds + days * DAY_S
    return result


def add_months(days: Array, months: Array | int) -> Array:
    """Day numbers so many months later, cut to the month's end."""
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    target = (month + months).astype("datetime64[D]")
    following = (month + months + 1).astype("datetime64[D]")
    day_of_month = (dates - month).astype(np.int64)
    last = np.minimum(day_of_month, (following - target).astype(np.int64) - 1)
    moved: Array = (target.astype(np.int64) + last).astype(np.int32)
    return moved


def wait_target(step: WaitStep, rows: Rows, now: int) -> Array:
    """When each run that arrives in the step now goes on; NEVER when its date is missing."""
    zones, zone, count = rows.state.zones, rows.zones(), len(rows)
    here = np.full(count, now, np.int64)
    if step.day is not None:
        return _series_day(step, rows, now)
    if step.value is not None:
        return expression_instants(rows, step.value, now, 0)
    if step.at_seconds is None:
        assert step.span is not None
        return after_span(zones, zone, here, step.span)
    if step.span is not None:
        _, days, months = step.span
        target = zones.local_day(here, zone) + np.int32(days)
        target = add_months(target, months) if months else target
        return zones.instant(target, step.at_seconds, zone)
    today = zones.local_day(here, zone)
    if step.weekday is not None:
        today = today + (step.weekday - today - _EPOCH_WEEKDAY) % 7
    first = zones.instant(today.astype(np.int32), step.at_seconds, zone)
    later = np.int32(7 if step.weekday is not None else 1)
    again = zones.instant((today + later).astype(np.int32), step.at_seconds, zone)
    return np.where(first >= now, first, again)


def expression_instants(rows: Rows, value: Any, now: int, clock: int) -> Array:
    """The instants of a DATE (at `clock`, local), INSTANT or TIME expression."""
    values, valid = rows.numbers(value, now)
    if value.kind is Kind.DATE:
        days = np.where(valid, values, 0).astype(np.int32)
        instants = rows.state.zones.instant(days, clock, rows.zones())
    else:
        instants = values.astype(np.int64)
    return np.where(valid, instants, NEVER)


def _series_day(step: WaitStep, rows: Rows, now: int) -> Array:
    """Day `step.day` from the run's entry, or from the date of the series."""
    assert rows.journey is not None
    assert rows.runs is not None
    assert step.day is not None
    zones, zone = rows.state.zones, rows.zones()
    entered: Array = rows.journey.column("entered").take(rows.runs).astype(np.int64)
    clock = zones.local_seconds(entered, zone) if step.at_seconds is None else step.at_seconds
    missing = np.zeros(len(rows), bool)
    if step.value is None:
        start = zones.local_day(entered, zone)
        if step.day == 0 and step.at_seconds is None:
            return entered
    elif step.value.kind is Kind.DATE:
        values, valid = rows.numbers(step.value, now)
        missing, start = ~valid, np.where(valid, values, 0).astype(np.int32)
    else:
        instants = expression_instants(rows, step.value, now, 0)
        missing = instants == NEVER
        start = zones.local_day(np.where(missing, 0, instants), zone)
    target = zones.instant((start + step.day).astype(np.int32), clock, zone)
    return np.where(missing, NEVER, target)


def too_late(instants: Array, within_s: int | None, now: int) -> Array:
    """bool[]: whom the engine reaches so long after his instant that his step is left out.

    A few minutes are forgiven, whatever was said: so long a restart takes, or a tick for everybody.
    """
    if within_s is None:
        return np.zeros(len(instants), bool)
    lost: Array = instants.astype(np.int64) < now - max(within_s, LATE_GRACE_S)
    return lost


def date_occurrence(
    rows: Rows, trigger: model.OnDate, now: int, *, again: bool, late: bool = True
) -> Array:
    """When a date trigger next enters each contact; NEVER when its date is past or missing.

    `again`: the occurrence at `now` has just been used. Not `late`: nobody enters for what is past,
    whatever the trigger says. 29 February is kept on 28 February in
    common years.
    """
    state, contacts = rows.state, rows.contacts
    zones, zone = state.zones, rows.zones()
    days, valid = _trigger_days(rows, trigger)
    target = days
    if trigger.yearly:
        today = zones.local_day(np.full(len(contacts), now, np.int64), zone)
        target = _next_anniversary(days, trigger, zones, zone, today, now, again=again)
    instants = zones.instant(
        (target + trigger.offset_days).astype(np.int32), trigger.at_seconds, zone
    )
    past = instants <= now if again else instants < now
    if late and trigger.late_run and not trigger.yearly and not again:
        within_s = trigger.late_within_s
        made_up = past if within_s is None else past & (instants >= now - within_s)
        instants, past = np.where(made_up, now, instants), past & ~made_up
    return np.where(valid & ~past, instants, NEVER)


def _trigger_days(rows: Rows, trigger: model.OnDate) -> tuple[Array, Array]:
    """The local day of the trigger's date, and where there is one."""
    state = rows.state
    if trigger.field == "contact.created":
        column = state.find(("created",))
    elif trigger.field.startswith("list:"):
        column = state.find(("list", trigger.field.removeprefix("list:"), "joined"))
    else:
        column = state.find(("field", trigger.field))
    if column is None:
        return np.zeros(len(rows), np.int32), np.zeros(len(rows), bool)
    values, valid = column.take(rows.contacts), column.take_valid(rows.contacts)
    if column.kind is Kind.DATE:
        return values, valid
    instants = np.where(valid, values.astype(np.int64), 0)
    return state.zones.local_day(instants, rows.zones()), valid


def _next_anniversary(
    days: Array,
    trigger: model.OnDate,
    zones: Zones,
    zone: Vector | None,
    today: Array,
    now: int,
    *,
    again: bool,
) -> Array:
    """The first anniversary (the day itself included) whose trigger instant is still ahead."""
    first = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
    year = (today - trigger.offset_days).astype("datetime64[D]").astype("datetime64[Y]")
    years = np.maximum(year.astype(np.int64) - first - 1, 0)
    for _ in range(3):
        candidate = add_months(days, 12 * years)
        instants = zones.instant(
            (candidate + trigger.offset_days).astype(np.int32), trigger.at_seconds, zone
        )
        behind = instants <= now if again else instants < now
        years = years + behind
    return add_months(days, 12 * years)
