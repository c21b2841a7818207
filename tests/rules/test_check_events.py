"""Facts over happenings: which column they read, what a filter may say, what is refused."""

from __future__ import annotations

import pytest

from blaster.model.fields import Field, Kind
from blaster.rules import tree
from blaster.rules.facts import Fact, Item
from blaster.rules.scope import Place
from tests.rules.scopes import scope
from tests.rules.test_check import refused, rule

DECLARED = {
    "total": Field("total", "number", scale=2), "product": Field("product", repeats=True),
    "grade": Field("grade", "enum", values=("low", "high")), "day": Field("day", "date"),
}  # fmt: skip


def aggregates(text: str, place: Place = "steps", **changes: object) -> list[tree.Aggregate]:
    found = rule(text, scope(place, **changes))
    return [item for item in tree.walk(found) if isinstance(item, tree.Aggregate)]


@pytest.mark.parametrize(
    ("text", "place", "space", "key"),
    [
        ('event("e", x == 1)', "steps", "run", ("event", "e", "each")),
        ('event("e", x == 1)', "enter", "contact", ("event", "e", "each")),
        ('event("e", x == 1).ever', "steps", "contact", ("event", "e", "each")),
        ('event("e", x == 1) in last 3d', "steps", "contact", ("event", "e", "each")),
        ('event("e", x == 1) within 3d', "steps", "run", ("event", "e", "each")),
        ('event("e", x == 1).count > 1', "steps", "contact", ("event", "e", "each")),
        ('event("e").count since entry > 1', "steps", "run", ("event", "e", "each")),
        ('event("e").count in last 3d > 1', "steps", "contact", ("event", "e", "each")),
        ('form("f").filled.count in last 3d > 1', "steps", "contact", ("form", "f", "each")),
        ('page("p").visited.count of last 3 > 1', "steps", "contact", ("page", "p", "each")),
        ('file("g").downloaded.count since entry > 1', "steps", "run", ("file", "g", "each")),
        ('messages(topic == "t").opened', "steps", "run", ("messages", "each")),
        ("messages().opened.count > 1", "steps", "contact", ("messages", "each")),
        ("messages().count > 1", "audience", "contact", ("messages", "each")),
    ],
)
def test_the_column(text: str, place: Place, space: str, key: tuple[str, ...]) -> None:
    for found in aggregates(text, place):
        fact = found.events.fact
        assert (fact.space, fact.kind, fact.key) == (space, Kind.EVENTS, key)
    assert aggregates(text, place)


def test_counts_without_filter_and_window_are_columns_of_their_own() -> None:
    assert not aggregates('event("e").count > 1 and event("e").last is set and event("e")')


def test_items_follow_what_they_meet() -> None:
    """Undeclared: the type of the other side; declared: their own."""
    text = 'event("e", total > 1 and product == "x" and day before today).count > 1'
    (free,) = aggregates(text)
    assert free.events.fact.items == (
        Item("total", Kind.NUMBER), Item("product", Kind.TEXT), Item("day", Kind.DATE),
    )  # fmt: skip
    (typed,) = aggregates(text, event_attributes={"e": DECLARED})
    assert typed.events.fact.items == (
        Item("total", Kind.INT, 2), Item("product", Kind.CODE), Item("day", Kind.DATE),
    )  # fmt: skip
    (value,) = aggregates('event("e").value(x) before today')
    assert value.events.fact.items == (Item("x", Kind.DATE),)


def test_facts_of_the_row_in_a_filter_are_facts_of_the_rule() -> None:
    found = rule('event("e", x == contact.first_name and y == event.z and list("v")).count > 1')
    assert [fact.key for fact in tree.facts_of(found)] == [
        ("event", "e", "each"), ("field", "first_name"), ("attribute", "z"),
        ("list", "v", "member"),
    ]  # fmt: skip


def test_within_looks_at_the_first_or_at_the_newest_sending() -> None:
    first = rule('event("e", x == 1) within 2d')
    assert isinstance(first, tree.Engaged)
    assert isinstance(first.fact, tree.Aggregate)
    assert first.fact.what == "first"
    sending = rule('messages(topic == "t").opened within 2d', scope("audience"))
    assert isinstance(sending, tree.Engaged)
    assert isinstance(sending.fact, tree.Aggregate)
    assert isinstance(sending.sent, tree.Aggregate)
    assert (sending.fact.what, sending.sent.what) == ("value", "last")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('event("e", totl > 1)', "the event e has no attribute totl; did you mean total?"),
        ('event("e", visits > 1)', "the contact's field is contact.visits"),
        ('event("e").sum(product) > 1', ".sum is of numbers; product is a text"),
        ('event("e").max(product) > 1', ".max is of numbers, dates and instants"),
        ('event("e").avg(day) > 1', ".avg is of numbers; day is a date"),
        ('event("e").value(grade) == "hi"', "grade is never hi"),
        ('event("e", grade == "hgh")', "did you mean high?"),
        ('event("e", event("f", x == 1))', "cannot stand inside a filter"),
        ('event("e", event("f").count in last 3d > 1)', "cannot stand inside a filter"),
        ('event("e", total)', "a number is not a condition"),
        ('event("e").ever.count since entry > 1', ".ever and since entry contradict"),
        ('event("e", total > 1).ever within 2d', ".ever at all of them"),
        ('email("b").ever.opened within 2d', ".ever at all of them"),
        ('not event("e", total > 1)', "its not is never certain"),
        ('not messages(topic == "t").opened', "its not is never certain"),
        ("not (visits == 1 and messages().sent.ever)", "its not is never certain"),
        ('messages(tpic == "t").opened', "a sending has no attribute tpic; did you mean topic?"),
        ('messages(category == "marketng").opened', "did you mean marketing?"),
        ("messages(opened == 3).opened", "an instant and a number cannot be compared"),
        ("messages().opened.count so far", "leave it out"),
        ('event("u").max(x) == "a"', "a number and a text cannot be compared"),
        ('event("e").count in last 0d > 1', "a window of no length"),
        ('event("e").count in last -3d > 1', "a window has no negative length"),
        ('event("e").count of last 0 > 1', "expected a number from 1"),
    ],
)
def test_refused(text: str, message: str) -> None:
    found = refused(text, scope(event_attributes={"e": DECLARED}))
    assert len(found) == 1, found
    assert message in found[0]


def test_every_problem_of_a_filter_at_once() -> None:
    text = 'event("e", totl > 1, day == 3, product == 1).count > 1 and vsits == 1'
    assert len(refused(text, scope(event_attributes={"e": DECLARED}))) == 4


@pytest.mark.parametrize("place", ["enter", "audience"])
def test_no_run_no_entry(place: Place) -> None:
    assert "there is no run here" in refused('event("e").count since entry > 1', scope(place))[0]
    assert "no run here" in refused('event("e", x == 1) within 2d', scope(place))[0]


def test_the_hint_for_a_name_that_is_only_a_field_needs_declared_attributes() -> None:
    rule('event("e", visits > 1)')  # undeclared: whatever the event brings


def test_other_facts() -> None:
    keys = {
        'benefit("b")': (Kind.BOOL, ("benefit", "b")),
        'journey("j").step == "x"': (Kind.CODE, ("journey", "j", "step")),
        'contact.provider == "x"': (Kind.CODE, ("provider",)),
        "last_activity is set": (Kind.TIME, ("last_activity",)),
        'email("b").ever.opened("any")': (Kind.TIME, ("message", "email", "b", "opened:any:ever")),
        'email("b").ever.bounced("soft")': (
            Kind.TIME, ("message", "email", "b", "bounced:soft:ever"),
        ),
    }  # fmt: skip
    for text, (kind, key) in keys.items():
        assert tree.facts_of(rule(text)) == (Fact("contact", kind, key),)
