"""Why a rule says what it says for one row.

Owns the tree of answers that people read. Laws: it computes with the same functions as the rule
(`leaves`, `values`), so it cannot disagree; it reads one row and changes nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
import numpy as np

from blaster.model.fields import Kind
from blaster.rules import tree
from blaster.rules.leaves import truths_of
from blaster.rules.values import TEXTS, Evaluation

Truth = Literal["true", "false", "unknown"]
MISSING = "missing"
_EPOCH = date(1970, 1, 1)


class Explained(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part of a rule: its text, its truth (None for a value), its value, its parts."""

    text: str
    truth: Truth | None = None
    value: str = ""
    children: tuple[Explained, ...] = ()


def explain_node(ev: Evaluation, node: tree.Node, text: str) -> Explained:
    """The answer of a node for the one row of `ev`; `text` is the whole rule's."""
    here = text[node.start : node.end] or text
    match node:
        case tree.Constant(value=value):
            return Explained(here, _word(value))
        case tree.Not(child=child) | tree.SoFar(child=child):
            inner = explain_node(ev, child, text)
            truth = _not(inner.truth) if isinstance(node, tree.Not) else _so_far(inner.truth)
            return Explained(here, truth, children=(inner,))
        case tree.And(children=children) | tree.Or(children=children):
            inners = tuple(explain_node(ev, child, text) for child in children)
            first: Truth = "false" if isinstance(node, tree.And) else "true"
            return Explained(here, _first_of(first, inners), children=inners)
        case tree.AtLeast(k=k, children=children):
            inners = tuple(explain_node(ev, child, text) for child in children)
            truths = [inner.truth for inner in inners]
            enough = truths.count("true") >= k
            hopeless = len(truths) - truths.count("false") < k
            return Explained(here, _word(True if enough else False if hopeless else None),
                             children=inners)  # fmt: skip
        case _:
            true, false = truths_of(ev, node)
            truth = _word(True if true[0] else False if false[0] else None)
            return Explained(here, truth, children=_values(ev, node, text))


def _values(ev: Evaluation, node: tree.Node | tree.Value, text: str) -> tuple[Explained, ...]:
    out: list[Explained] = []
    for child in tree.children_of(node):
        if isinstance(child, tree.Value) and not isinstance(child, tree.Literal):
            alone = isinstance(child, tree.FactRef | tree.Aggregate)
            inner = () if alone else _values(ev, child, text)
            here = text[child.start : child.end] or " ".join(_key_of(child))
            out.append(Explained(here, None, shown(ev, child), inner))
    return tuple(out)


def _key_of(value: tree.Value) -> tuple[str, ...]:
    return value.fact.key if isinstance(value, tree.FactRef) else (type(value).__name__.lower(),)


def shown(ev: Evaluation, value: tree.Value) -> str:
    """The value of the one row, as people read it; instants in the row's zone."""
    column = ev.column(value)
    if not column.valid[0]:
        return MISSING
    item: Any = column.values[0]
    kind = tree.kind_of(value)
    if kind in TEXTS:
        return str(item)
    if kind == Kind.LIST:
        return ", ".join(item)
    if kind == Kind.BOOL:
        return "true" if item else "false"
    if kind == Kind.DATE:
        return _day(int(item))
    if kind in (Kind.INSTANT, Kind.TIME):
        offset = int(ev.zones.offsets(np.array([item], dtype=np.int64), ev.zone)[0])
        return _moment(int(item) + offset)
    if kind == Kind.NUMBER:
        return f"{float(item):g}" if float(item).is_integer() else repr(float(item))
    scale = tree.scale_of(value)
    return str(Decimal(int(item)).scaleb(-scale)) if scale else str(int(item))


def _day(days: int) -> str:
    try:
        return (_EPOCH + timedelta(days=days)).isoformat()
    except OverflowError:
        return f"day {days}"


def _moment(seconds: int) -> str:
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(
            "%Y-%m-%d %H:%M:%S"
        )
    except OverflowError:
        return f"second {seconds}"


def _word(value: bool | None) -> Truth:
    return "unknown" if value is None else "true" if value else "false"


def _not(truth: Truth | None) -> Truth:
    return _word({"true": False, "false": True}.get(truth or ""))


def _so_far(truth: Truth | None) -> Truth:
    return "true" if truth == "true" else "false"


def _first_of(first: Truth, inners: tuple[Explained, ...]) -> Truth:
    truths = {inner.truth for inner in inners}
    if first in truths:
        return first
    return "unknown" if "unknown" in truths else "false" if first == "true" else "true"
