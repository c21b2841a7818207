"""When an answer may change although no fact does: the next look of a rule.

Owns `next_change`, leaf by leaf: a rule's is the earliest of its leaves. Laws

1. Never late: between `now` and the instant given, the answer of every leaf is constant. Too early
   costs one more look and nothing else, so a leaf that is hard to foresee says so early.
2. A date begins at its first local instant. A transition within two days is an instant to look at,
   because it may set a date back.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from blaster.model.fields import NEVER, Kind
from blaster.rules import tree
from blaster.rules.aggregates import Groups, Happenings
from blaster.rules.leaves import deadline_of, next_anniversary, truths_of
from blaster.rules.lower import fixed, today_and
from blaster.rules.values import Column, Evaluation
from blaster.rules.zones import DAY_S

_Ints = npt.NDArray[np.int64]
NO_INSTANT = np.int64(2**63 - 1)
HOUR_LOOK_S = 900
"""Every offset in use is a multiple of 15 minutes, so a local hour begins at one."""
HOUR_LOOK_REACH_S = 20 * 366 * DAY_S
"""Further from `now` than this, an offset may be no multiple of 15 minutes."""
MONTHS_SLACK_S = 4 * DAY_S
"""Days cut to a month's end are three at most; a zone may once leave out a day, or a few hours."""
DAY_SECONDS_BITS = 17
"""So often must the seconds from one midnight to the next be halved to find one of them."""

_TO_THE_SECOND = frozenset({"now", "quarters", "seconds"})
_ALWAYS = frozenset({"today", "in_next", "in_last", "older_than", "anniversary_today",
                     "anniversary_in_next"})  # fmt: skip


def uses_of(node: tree.Node | tree.Value) -> frozenset[str]:
    """How a node reads the clock.

    To the second: "now" itself, "quarters" for now moved by whole quarters of an hour or by
    months, "seconds" for now moved otherwise. Else by the "hour" or by the date ("today").
    """
    match node:
        case tree.Now():
            return frozenset({"now"})
        case tree.Today():
            return frozenset({"today"})
        case tree.Aggregate() | tree.When() | tree.Answer():
            return frozenset()  # they have looks of their own
        case _:
            inner = frozenset[str]().union(*(uses_of(child) for child in tree.children_of(node)))
    match node:
        case tree.Shift(duration=duration) if inner & _TO_THE_SECOND:
            moved = "quarters" if _by_quarters(duration) and "seconds" not in inner else "seconds"
            return (inner - _TO_THE_SECOND) | {moved}
        case tree.Part(part="hour"):
            return _coarser(inner, "hour")
        case tree.Part() | tree.AtClock() | tree.DateOf():
            return _coarser(inner, "today")
        case _:
            return inner


def _by_quarters(duration: tree.Duration) -> bool:
    seconds = duration.seconds + DAY_S * duration.days
    return seconds % HOUR_LOOK_S == 0 and seconds <= HOUR_LOOK_REACH_S


def _coarser(uses: frozenset[str], now: str) -> frozenset[str]:
    """What is left of them when only the hour or the date is read; `now` as that is said here.

    The date of a moved now turns at another instant than that of now: at some quarter of an hour.
    """
    found = uses - {"now", "quarters"}
    if "now" in uses:
        found |= {now}
    return found | {"hour"} if "quarters" in uses else found


def is_time_dependent(node: tree.Node | tree.Value) -> bool:
    """Whether the answer, or the value, can change with no fact changing."""
    return changes_among(tree.walk(node))


_TIMELESS = frozenset({tree.FactRef, tree.Literal, tree.Compare, tree.And, tree.Or})
"""The commonest nodes that do not look at the time themselves."""


def changes_among(parts: Iterable[tree.Node | tree.Value]) -> bool:
    """The same of everything that `walk` gave."""
    for item in parts:
        if type(item) in _TIMELESS:
            continue
        match item:
            case tree.Engaged() | tree.Now() | tree.Today():
                return True
            case tree.DateTest(op=op) if op in _ALWAYS:
                return True
            case tree.Aggregate(span=tree.Duration()):
                return True
    return False


def next_changes(ev: Evaluation, node: tree.Node) -> npt.NDArray[np.uint32]:
    """Per row the first instant after `now` to look again; NEVER if none."""
    out = np.full(ev.length, NO_INSTANT)
    stack: list[tree.Node | tree.Value] = [node]
    while stack:
        here = stack.pop()
        candidates: list[_Ints] = []
        if isinstance(here, tree.Aggregate):
            candidates = _of_aggregate(ev, here)
        else:
            stack.extend(tree.children_of(here))
            if isinstance(here, tree.Leaf) and is_time_dependent(here):
                candidates = _of_leaf(ev, here)
        for candidate in candidates:
            np.minimum(out, np.where(candidate > ev.now, candidate, NO_INSTANT), out=out)
    return np.minimum(out, NEVER).astype(np.uint32)


def _of_aggregate(ev: Evaluation, value: tree.Aggregate) -> list[_Ints]:
    """When a happening enters or leaves its window, or the filter sees it otherwise."""
    if not is_time_dependent(value):
        return []
    found = Happenings(ev, value)
    looks: list[_Ints] = []
    if value.where is not None and is_time_dependent(value.where):
        looks.append(next_changes(found.inner, value.where).astype(np.int64))
    if value.span is not None:
        ends = found.ends()
        looks += [_some(ends.values, ends.valid), _some(found.at, found.hit)]
    groups = Groups(found.rows, ev.length)
    soonest = [
        groups.extreme(np.minimum, np.where(look > ev.now, look, NO_INSTANT)) for look in looks
    ]
    return [_some(column.values, column.valid) for column in soonest]


def _of_leaf(ev: Evaluation, leaf: tree.Leaf) -> list[_Ints]:
    match leaf:
        case tree.Engaged():
            deadline = deadline_of(ev, leaf)
            true, false = truths_of(ev, leaf)
            return [_some(deadline.values, deadline.valid & ~true & ~false)]
        case tree.DateTest(op=op) if op in _ALWAYS and not uses_of(leaf):
            return _of_date(ev, leaf)
        case tree.Compare(left=left, right=right):
            return _of_compare(ev, left, right)
        case tree.Between(subject=subject, low=low, high=high):
            return _of_compare(ev, subject, low) + _of_compare(ev, subject, high)
        case tree.DateTest(op=op) if op in _ALWAYS:
            return [*_of_uses(ev, uses_of(leaf) | {"now"})]
        case _:
            return _of_uses(ev, uses_of(leaf))


def _some(instants: npt.NDArray[np.generic], valid: npt.NDArray[np.bool_]) -> _Ints:
    return np.where(valid, instants, NO_INSTANT).astype(np.int64)


def _of_uses(ev: Evaluation, uses: frozenset[str]) -> list[_Ints]:
    """The fallback: the next second, quarter of an hour, or date."""
    if uses & _TO_THE_SECOND:
        return [np.full(ev.length, ev.now + 1, dtype=np.int64)]
    out: list[_Ints] = []
    if "hour" in uses:
        out.append(np.full(ev.length, (ev.now // HOUR_LOOK_S + 1) * HOUR_LOOK_S, dtype=np.int64))
    if "today" in uses:
        out.append(ev.zones.next_look(ev.now, ev.length, ev.zone))
    return out


def _of_compare(ev: Evaluation, left: tree.Value, right: tree.Value) -> list[_Ints]:
    uses = uses_of(left) | uses_of(right)
    if not uses:
        return []
    for clock, other in ((left, right), (right, left)):
        if uses_of(other):
            continue
        if tree.kind_of(clock) == Kind.DATE:
            base, days = today_and(clock)
            if base:
                dates = ev.days(other)
                return _at_dates(ev, dates, -days, 1 - days)
            continue
        at = fixed(clock)
        if at is not None and tree.kind_of(other) != Kind.DATE:
            column = ev.column(other)
            seconds = column.values - np.int64(int(at[0]))
            return [_some(seconds, column.valid), _some(seconds + 1, column.valid)]
    if Kind.DATE in (tree.kind_of(left), tree.kind_of(right)):
        uses = _coarser(uses, "today")  # beside a date an instant counts by its date
    return _of_uses(ev, uses)


def _at_dates(ev: Evaluation, dates: Column, *offsets: int) -> list[_Ints]:
    """The first instants of dates so many days away, and a transition that is near."""
    days = np.where(dates.valid, dates.values, 0).astype(np.int64)
    out = [_some(ev.zones.instant(days + offset, 0, ev.zone), dates.valid) for offset in offsets]
    return [*out, ev.zones.near_transition(ev.now, ev.length, ev.zone)]


def _of_date(ev: Evaluation, leaf: tree.DateTest) -> list[_Ints]:
    """A date test whose subject does not itself read the clock."""
    op, window = leaf.op, leaf.window
    is_date = tree.kind_of(leaf.subject) == Kind.DATE
    if op in ("anniversary_today", "anniversary_in_next"):
        window = window or tree.Duration(days=1)
        if window.months:
            return _of_uses(ev, frozenset({"today"}))
        days = ev.days(leaf.subject)
        kept = Column(next_anniversary(days.values, ev.today), days.valid)
        return _at_dates(ev, kept, 1 - window.days, 1)
    if op == "today":
        return _at_dates(ev, ev.days(leaf.subject), 0, 1)
    assert window is not None
    subject = ev.column(leaf.subject)
    if op == "in_next":
        if window.months:
            return _of_months_ahead(ev, leaf.subject, subject, window)
        if is_date:
            return _at_dates(ev, subject, 1 - window.days, 1)
        seconds = window.exact_seconds or 0
        early = _some(subject.values - np.int64(seconds - 1), subject.valid)
        return [early, _some(subject.values + 1, subject.valid)]
    end = ev.shift(subject, is_date, window, 1)
    if is_date:
        return _at_dates(ev, end, 0) + _at_dates(ev, subject, 0)
    return [_some(end.values, end.valid), _some(subject.values, subject.valid)]


def _of_months_ahead(
    ev: Evaluation, value: tree.Value, subject: Column, window: tree.Duration
) -> list[_Ints]:
    """`in next 1 month`: cut months make the answer turn to and fro where its window begins.

    Around there it is looked at with each date (or transition), and where it becomes true within
    this one.
    """
    if tree.kind_of(value) == Kind.DATE:
        return _of_uses(ev, frozenset({"today"}))
    begin = ev.shift(subject, False, window, -1)
    early, late = begin.values - MONTHS_SLACK_S, begin.values + MONTHS_SLACK_S
    near = begin.valid & (early <= ev.now) & (ev.now <= late)
    out = [_some(early, begin.valid), _some(subject.values + 1, begin.valid)]
    if near.any():
        look = ev.zones.next_look(ev.now, ev.length, ev.zone)
        out += [_some(look, near), _some(_reached(ev, subject, window, look), near)]
    return out


def _reached(ev: Evaluation, subject: Column, window: tree.Duration, end: _Ints) -> _Ints:
    """The first instant after `now` at which the window reaches behind `subject`; else `end`.

    Until `end`, the next date or transition, the window's own end never goes back.
    """

    def reaches(instants: _Ints) -> npt.NDArray[np.bool_]:
        limit = ev.shift(Column(instants, ev.all_valid()), False, window, 1)
        return np.asarray(subject.values < limit.values)

    low, high = np.full(ev.length, ev.now, dtype=np.int64), end
    done = reaches(low)
    for _ in range(DAY_SECONDS_BITS):
        middle = (low + high) // 2
        beyond = reaches(middle)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(done, end, high)
