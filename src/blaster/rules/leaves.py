"""What each leaf means, by NumPy over whole columns: the plain form beside the kernels.

Owns the meaning of every leaf of the tree. The lowering uses a kernel where there is one and this
where there is none; tests hold the two against each other. Laws: a leaf gives two arrays, surely
true and surely false, never both; where a value it needs is missing, neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.values import (
    INSTANTS,
    TEXTS,
    Bools,
    Column,
    Evaluation,
    aligned,
    as_real,
    months_later,
)

Truths = tuple[Bools, Bools]


def truths_of(ev: Evaluation, leaf: tree.Leaf) -> Truths:
    """Where a leaf is surely true, and where it is surely false."""
    match leaf:
        case tree.Compare(op=op, left=left, right=right):
            return compare(ev, op, left, right)
        case tree.Between(subject=subject, low=low, high=high):
            low_true, low_false = compare(ev, ">=", subject, low)
            high_true, high_false = compare(ev, "<=", subject, high)
            return low_true & high_true, low_false | high_false
        case tree.InSet():
            return _in_set(ev, leaf)
        case tree.TextTest():
            return _text(ev, leaf)
        case tree.ListTest():
            return _list(ev, leaf)
        case tree.IsSet(subject=subject):
            valid = ev.column(subject).valid
            return valid, ~valid
        case tree.IsBlank(subject=subject):
            return _blank(ev, subject)
        case tree.Happened(fact=fact):
            valid = ev.column(fact).valid
            return valid, np.zeros_like(valid)
        case tree.Truth(value=value):
            column = ev.column(value)
            return column.values & column.valid, ~column.values & column.valid
        case tree.Engaged():
            return _engaged(ev, leaf)
        case tree.DateTest():
            return _date(ev, leaf)


def node_truths(ev: Evaluation, node: tree.Node) -> Truths:
    """Where any condition is surely true, and where it is surely false."""
    match node:
        case tree.Constant(value=value):
            return np.full(ev.length, value is True), np.full(ev.length, value is False)
        case tree.Not(child=child):
            true, false = node_truths(ev, child)
            return false, true
        case tree.SoFar(child=child):
            true, _ = node_truths(ev, child)
            return true, ~true
        case tree.And(children=children) | tree.Or(children=children):
            k = len(children) if isinstance(node, tree.And) else 1
            return _enough(ev, k, children)
        case tree.AtLeast(k=k, children=children):
            return _enough(ev, k, children)
        case _:
            return truths_of(ev, node)


def _enough(ev: Evaluation, k: int, children: tuple[tree.Node, ...]) -> Truths:
    """At least `k` are true; false where too few still can be."""
    trues, falses = np.zeros(ev.length, np.int64), np.zeros(ev.length, np.int64)
    for child in children:
        true, false = node_truths(ev, child)
        trues += true
        falses += false
    return trues >= k, len(children) - falses < k


def _known(hit: npt.NDArray[Any], valid: Bools) -> Truths:
    truth = hit.astype(bool)
    return truth & valid, ~truth & valid


def pair(ev: Evaluation, left: tree.Value, right: tree.Value) -> tuple[Any, Any, Bools]:
    """Two comparable columns: numbers at one scale, dates as days, or instants as seconds."""
    kinds = (tree.kind_of(left), tree.kind_of(right))
    if Kind.DATE in kinds:
        a, b = ev.days(left), ev.days(right)
    else:
        a, b = ev.column(left), ev.column(right)
    valid = a.valid & b.valid
    scales = (tree.scale_of(left), tree.scale_of(right))
    if Kind.NUMBER in kinds:
        return as_real(a.values, scales[0]), as_real(b.values, scales[1]), valid
    if scales[0] != scales[1]:
        return *aligned(a, scales[0], b, scales[1]), valid
    return a.values, b.values, valid


def compare(ev: Evaluation, op: tree.Order, left: tree.Value, right: tree.Value) -> Truths:
    """An ordered comparison."""
    a, b, valid = pair(ev, left, right)
    match op:
        case "==":
            return _known(a == b, valid)
        case "!=":
            return _known(a != b, valid)
        case "<":
            return _known(a < b, valid)
        case "<=":
            return _known(a <= b, valid)
        case ">":
            return _known(a > b, valid)
        case ">=":
            return _known(a >= b, valid)


def _in_set(ev: Evaluation, leaf: tree.InSet) -> Truths:
    if tree.kind_of(leaf.subject) in TEXTS:
        wanted = {folded(str(item.value), leaf.exact) for item in leaf.values}
        column = ev.column(leaf.subject)
        hits = [folded(text, leaf.exact) in wanted for text in column.values]
        return _known(np.array(hits, dtype=bool), column.valid)
    hit = np.zeros(ev.length, dtype=bool)
    valid = ev.column(leaf.subject).valid
    for item in leaf.values:
        hit |= compare(ev, "==", leaf.subject, item)[0]
    return _known(hit, valid)


def folded(text: str, exact: bool) -> str:
    """A text as it is compared."""
    return text if exact else text.casefold()


def text_hits(op: str, texts: list[str], needles: list[str], exact: bool) -> Bools:
    """One text test, row by row."""
    if op == "matches":
        pattern = needles[0] if needles else ""
        found = pc.match_substring_regex(
            pa.array(texts, pa.string()), pattern=pattern, ignore_case=not exact
        )
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
    hits: list[bool] = []
    for text, needle in zip(texts, needles, strict=True):
        a, b = folded(text, exact), folded(needle, exact)
        if op == "eq":
            hits.append(a == b)
        elif op == "contains":
            hits.append(b in a)
        else:
            hits.append(a.startswith(b) if op == "starts" else a.endswith(b))
    return np.array(hits, dtype=bool)


def regex_problem(pattern: str, *, exact: bool) -> str:
    """What RE2 has against an expression; empty when nothing."""
    try:
        text_hits("matches", [""], [pattern], exact)
    except pa.ArrowInvalid as error:
        return str(error).partition(": ")[2] or str(error)
    return ""


def _text(ev: Evaluation, leaf: tree.TextTest) -> Truths:
    subject, needle = ev.column(leaf.subject), ev.column(leaf.needle)
    hits = text_hits(leaf.op, subject.values, needle.values, leaf.exact)
    return _known(hits, subject.valid & needle.valid)


def _list(ev: Evaluation, leaf: tree.ListTest) -> Truths:
    wanted = {folded(text, leaf.exact) for text in leaf.values}
    column = ev.column(leaf.subject)
    hits: list[bool] = []
    for entries in column.values:
        held = {folded(text, leaf.exact) for text in entries}
        if leaf.op == "all":
            hits.append(wanted <= held)
        else:
            hits.append(bool(wanted & held) == (leaf.op == "any"))
    return _known(np.array(hits, dtype=bool), column.valid)


def _blank(ev: Evaluation, subject: tree.Value) -> Truths:
    column = ev.column(subject)
    blank = ~column.valid
    if tree.kind_of(subject) in TEXTS:
        blank |= np.array([not text.strip() for text in column.values], dtype=bool)
    elif tree.kind_of(subject) == Kind.LIST:
        blank |= np.array([not entries for entries in column.values], dtype=bool)
    return blank, ~blank


def deadline_of(ev: Evaluation, leaf: tree.Engaged) -> Column:
    """The end of the window of `FACT within 2d`."""
    return ev.shifted(leaf.sent, leaf.window, 1)


def _engaged(ev: Evaluation, leaf: tree.Engaged) -> Truths:
    fact, sent = ev.column(leaf.fact), ev.column(leaf.sent)
    deadline = deadline_of(ev, leaf)
    done = fact.valid & deadline.valid
    done &= (sent.values <= fact.values) & (fact.values < deadline.values)
    over = deadline.valid & (deadline.values <= ev.now)
    if leaf.not_sent is not None:
        over |= ev.column(leaf.not_sent).valid
    return done, over & ~done


def next_anniversary(days: npt.NDArray[Any], today: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The first anniversary not before `today`; 29 February is kept on 28 February."""
    month = np.asarray(days, dtype=np.int64).astype("datetime64[D]").astype("datetime64[M]")
    year = np.asarray(today, dtype=np.int64).astype("datetime64[D]").astype("datetime64[Y]")
    ahead = year.astype(np.int64) * 12 - month.astype(np.int64) + month.astype(np.int64) % 12
    out = np.zeros(len(days), dtype=np.int64)
    for months in np.unique(ahead).tolist():
        rows = ahead == months
        here = months_later(days[rows], months)
        later = months_later(days[rows], months + 12)
        out[rows] = np.where(here >= today[rows], here, later)
    return out


def _date(ev: Evaluation, leaf: tree.DateTest) -> Truths:
    hit, valid = _date_hit(ev, leaf)
    if leaf.missing_false:
        return hit & valid, ~(hit & valid)
    return _known(hit, valid)


def _date_hit(ev: Evaluation, leaf: tree.DateTest) -> tuple[Bools, Bools]:
    op, window = leaf.op, leaf.window
    if op in ("today", "anniversary_today", "anniversary_in_next", "on"):
        days = ev.days(leaf.subject)
        if op == "today":
            return days.values == ev.today, days.valid
        if op == "on":
            assert leaf.other is not None
            other = ev.days(leaf.other)
            return days.values == other.values, days.valid & other.valid
        kept = next_anniversary(days.values, ev.today)
        if op == "anniversary_today":
            return kept == ev.today, days.valid
        assert window is not None
        limit = ev.shift(Column(ev.today, ev.all_valid()), True, window, 1)
        return kept < limit.values, days.valid
    assert window is not None
    if op == "within":
        assert leaf.other is not None
        return _within(ev, leaf.subject, leaf.other, window)
    column = ev.column(leaf.subject)
    is_date = tree.kind_of(leaf.subject) == Kind.DATE
    now = Column(ev.today if is_date else np.full(ev.length, ev.now), ev.all_valid())
    if op == "in_next":
        limit = ev.shift(now, is_date, window, 1)
        return (now.values <= column.values) & (column.values < limit.values), column.valid
    end = ev.shift(column, is_date, window, 1)
    valid = column.valid & end.valid
    if op == "older_than":
        return end.values <= now.values, valid
    return (column.values <= now.values) & (now.values < end.values), valid


def _within(
    ev: Evaluation, subject: tree.Value, other: tree.Value, window: tree.Duration
) -> tuple[Bools, Bools]:
    kinds = (tree.kind_of(subject), tree.kind_of(other))
    is_date = not all(kind in INSTANTS for kind in kinds)
    a = ev.days(subject) if is_date else ev.column(subject)
    b = ev.days(other) if is_date else ev.column(other)
    low, high = ev.shift(b, is_date, window, -1), ev.shift(b, is_date, window, 1)
    valid = a.valid & low.valid & high.valid
    return (low.values <= a.values) & (a.values <= high.values), valid
