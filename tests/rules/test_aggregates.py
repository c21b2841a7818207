"""Amounts over happenings: each kind of amount and window, exactness, and when to look again."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import (
    EventLists,
    Scope,
    Zones,
    compile_rule,
    compile_value,
    to_bools,
    to_list,
    vector_of,
)

DAY = 86_400
NOW = int(dt.datetime(2026, 3, 28, 8, 0, tzinfo=dt.UTC).timestamp())
ZONES = Zones("Asia/Jerusalem")
ATTRIBUTES = {
    field.name: field
    for field in (
        Field("order_id"), Field("product", repeats=True), Field("total", "number", scale=2),
        Field("ratio", "number"), Field("items", "integer"), Field("day", "date"),
        Field("gift", "boolean"), Field("tags", "list"),
    )
}  # fmt: skip
SCOPE = Scope(
    fields={"city": Field("city", repeats=True), "limit": Field("limit", "number", scale=2)},
    event_attributes={"purchase": ATTRIBUTES},
)
STORY = (
    # row, days ago, attributes
    (0, 40, {"order_id": "a", "product": "lenses", "total": 10_050, "ratio": 0.1, "items": 1}),
    (0, 30, {"order_id": "b", "product": "Lenses", "total": 250, "ratio": 0.2, "gift": True}),
    (0, 2, {"order_id": "c", "product": "frames", "items": 7, "tags": ["x", "y"]}),
    (0, 1, {"product": "LENSES", "total": -100, "day": 20_000}),
    (2, 3, {"order_id": "d", "product": "frames", "total": 5, "items": 2**62}),
    (2, 2, {"order_id": "e", "product": "frames", "total": 7, "items": 2**62}),
)
ROWS = 4


def happenings(fact, story=STORY, rows=ROWS, now=NOW):
    """The EVENTS column of a story."""
    sizes = [sum(row == one for one, _, _ in story) for row in range(rows)]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    at = vector_of(Kind.TIME, [now - int(days * DAY) for _, days, _ in story])
    items = [
        vector_of(item.kind, [attributes.get(item.name) for _, _, attributes in story])
        for item in fact.items
    ]
    return EventLists(offsets, at, tuple(items))


def columns(facts, **values):
    return [
        happenings(fact)
        if fact.kind == Kind.EVENTS
        else vector_of(fact.kind, values.get(fact.key[1], [None] * ROWS))
        for fact in facts
    ]


def value(text, **values):
    """The expression's value per row, None where missing."""
    found = compile_value(text, SCOPE)
    result = found.evaluate(columns(found.facts, **values), ROWS, NOW, ZONES)
    if not hasattr(result, "valid"):
        return list(result)
    return [v.item() if ok else None for v, ok in zip(result.values, result.valid, strict=True)]


def true(text, **values):
    rule = compile_rule(text, SCOPE)
    words = rule.evaluate(columns(rule.facts, **values), ROWS, NOW, ZONES)
    return to_bools(words, ROWS).tolist()


LENSES = 'event("purchase", product == "lenses")'
ALL = 'event("purchase")'


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (f"{LENSES}.count", [3, 0, 0, 0]),
        (f"{ALL}.sum(total)", [10_200, 0, 12, 0]),
        (f"{LENSES}.min(total)", [-100, None, None, None]),
        (f"{ALL}.max(total)", [10_050, None, 7, None]),
        (f"{ALL}.avg(total)", [34.0, None, 0.06, None]),
        (f"{ALL}.max(day)", [20_000, None, None, None]),
        (f"{ALL}.value(order_id)", [None, None, "e", None]),
        ('event("purchase", order_id is set).value(order_id)', ["c", None, "e", None]),
        (f"{ALL}.value(product)", ["LENSES", None, "frames", None]),
        ('event("purchase", tags is set).value(tags)', [("x", "y"), None, None, None]),
        (f"{ALL}.sum(ratio)", [0.1 + 0.2, 0.0, 0.0, 0.0]),
        (f"{LENSES}.first", [NOW - 40 * DAY, None, None, None]),
        (f"{LENSES}.last", [NOW - DAY, None, None, None]),
        (f"{ALL}.count in last 30d", [2, 0, 2, 0]),
        (f"{ALL}.count in last 2592001s", [3, 0, 2, 0]),
        (f"{ALL}.count of last 3", [3, 0, 2, 0]),
        (f"{ALL}.sum(total) of last 3", [150, 0, 12, 0]),
        (f"{LENSES}.sum(total) of last 1", [-100, 0, 0, 0]),
        (f"{LENSES}.count in last 1 month", [1, 0, 0, 0]),
        ('form("f").filled.count in last 30d', [2, 0, 2, 0]),
    ],
)  # fmt: skip
def test_amounts(text, answers):
    assert value(text) == answers


def test_what_does_not_fit_64_bits_is_missing():
    """2**62 and 2**62 again; row 0 fits."""
    assert value(f"{ALL}.sum(items)") == [8, 0, None, 0]
    assert value(f"{ALL}.avg(items)") == [4.0, None, None, None]
    assert value(f"{ALL}.max(items)") == [7, None, 2**62, None]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_edge_of_a_sum(sign):
    """What fits is exact, whatever the order; one more is missing."""
    story = [(0, 3, {"items": sign * (2**63 - 5)}), (0, 2, {"items": sign * 4})]
    found = compile_value(f"{ALL}.sum(items)", SCOPE)
    for more, valid in (({}, True), ({"items": sign}, False)):
        lists = happenings(found.facts[0], [*story, (0, 1, more)], 1)
        result = found.evaluate([lists], 1, NOW, ZONES)
        assert result.valid.tolist() == [valid]
        assert not valid or result.values.tolist() == [sign * (2**63 - 1)]


def test_a_filter_reaches_out():
    """The contact's city and limit are repeated for each happening."""
    cities = ["LENSES", "lenses", "Frames", None]
    assert true('event("purchase", product == contact.city) so far', city=cities) == [
        True, False, True, False,
    ]  # fmt: skip
    limits = [0, 0, 6, None]
    text = 'event("purchase", total > contact.limit).count == 1'
    assert true(text, limit=limits) == [False, False, True, False]


def test_happened_is_true_or_unknown():
    """And its negation never certain; with a window it is."""
    rule = compile_rule(LENSES, SCOPE)
    given = columns(rule.facts)
    assert to_bools(rule.evaluate(given, ROWS, NOW, ZONES), ROWS).tolist() == [
        True, False, False, False,
    ]  # fmt: skip
    assert not to_bools(rule.negated().evaluate(given, ROWS, NOW, ZONES), ROWS).any()
    assert true(f"not {LENSES} in last 1d") == [True] * ROWS
    assert true(f"not {LENSES} in last 2d") == [False, True, True, True]


def test_presence_and_lists_of_amounts():
    assert true(f"{ALL}.value(gift) is set") == [False] * ROWS
    assert true('event("purchase", gift).value(gift)') == [True, False, False, False]
    assert true('event("purchase", items == 7).value(tags) any of ["X"]')[0]
    assert true(f"{ALL}.max(total) is blank") == [False, True, False, True]


def test_the_next_look_is_when_a_happening_leaves_the_window():
    rule = compile_rule(f"{ALL}.count in last 30d >= 2", SCOPE)
    assert rule.time_dependent
    given = columns(rule.facts)
    looks = rule.next_change(given, ROWS, NOW, ZONES)
    assert looks.tolist() == [NOW + 28 * DAY, NEVER, NOW + 27 * DAY, NEVER]
    before, after = (
        to_bools(rule.evaluate(given, ROWS, NOW + 28 * DAY + off, ZONES), ROWS)[0]
        for off in (-1, 0)
    )
    assert (before, after) == (True, False)


def test_the_next_look_of_a_filter_that_reads_the_clock():
    rule = compile_rule('event("purchase", time older than 3d).count == 4', SCOPE)
    looks = rule.next_change(columns(rule.facts), ROWS, NOW, ZONES)
    assert looks.tolist() == [NOW + DAY, NEVER, NOW + DAY, NEVER]


def test_no_window_no_look():
    rule = compile_rule(f"{LENSES}.count of last 2 == 1", SCOPE)
    assert not rule.time_dependent
    assert compile_value(f"{LENSES}.count in last 3d", SCOPE).time_dependent


def test_explained_with_its_value():
    rule = compile_rule(f"{LENSES}.sum(total) in last 60d > 100", SCOPE)
    found = rule.explain(columns(rule.facts), 0, NOW, ZONES)
    assert found.truth == "true"
    assert [(one.text, one.value, one.children) for one in found.children] == [
        (f"{LENSES}.sum(total) in last 60d", "102.00", ())
    ]


def test_json_comes_back_the_same():
    rule = compile_rule(f"{LENSES}.sum(total) of last 2 > 100", SCOPE)
    assert type(rule).from_json(rule.to_json()) == rule


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65])
def test_batches_without_a_happening(length):
    rule = compile_rule(f"{LENSES}.count in last 3d == 0 and {ALL}.max(total) is not set", SCOPE)
    given = [happenings(fact, (), length) for fact in rule.facts]
    found = to_bools(rule.evaluate(given, length, NOW, ZONES), length)
    assert found.tolist() == [True] * length
    assert rule.next_change(given, length, NOW, ZONES).tolist() == [NEVER] * length


def test_one_row_of_happenings():
    fact = compile_rule(f"{ALL}.value(order_id) == 'a'", SCOPE).facts[0]
    row = happenings(fact).row(2)
    assert row.offsets.tolist() == [0, 2]
    assert to_list(row.items[0]) == ["d", "e"]
