"""Which column a fact reads: its key, its space, and what nobody declared."""

from __future__ import annotations

import pytest

from blaster.model.fields import Field, Kind
from blaster.rules import tree
from blaster.rules.facts import Fact
from blaster.rules.scope import Place
from tests.rules.scopes import scope
from tests.rules.test_check import refused, rule


def read(text: str, place: Place = "steps") -> list[Fact]:
    return list(tree.facts_of(rule(text, scope(place))))


TIME = Kind.TIME


@pytest.mark.parametrize(
    ("text", "space", "kind", "key"),
    [
        ("visits == 1", "contact", Kind.INT, ("field", "visits")),
        ("contact.weight == 1", "contact", Kind.NUMBER, ("field", "weight")),
        ("price == 1", "contact", Kind.INT, ("field", "price")),
        ("email is set", "contact", Kind.TEXT, ("field", "email")),
        ("contact.created is set", "contact", TIME, ("created",)),
        ('list("vip")', "contact", Kind.BOOL, ("list", "vip", "member")),
        ('list("vip").left is set', "contact", TIME, ("list", "vip", "left")),
        ('email("b").sent', "run", TIME, ("message", "email", "b", "sent")),
        ('sms("b").delivered', "run", TIME, ("message", "sms", "b", "delivered")),
        ('email("b").bounced("hard")', "run", TIME, ("message", "email", "b", "bounced:hard")),
        ('email("b").clicked("l")', "run", TIME, ("message", "email", "b", "clicked", "l")),
        ('email("b").ever.clicked', "contact", TIME, ("message", "email", "b", "clicked:ever")),
        (
            'email("b").ever.clicked("l")',
            "contact",
            TIME,
            ("message", "email", "b", "clicked:ever", "l"),
        ),
        ('email("b").opened in last 3d', "contact", TIME, ("message", "email", "b", "opened")),
        ('email("b").opened older than 3d', "run", TIME, ("message", "email", "b", "opened")),
        ('email("b").reason == "x"', "contact", Kind.CODE, ("message", "email", "b", "reason")),
        ('sms("b").reply == "x"', "contact", Kind.TEXT, ("message", "sms", "b", "reply")),
        ('event("e")', "run", TIME, ("event", "e", "last")),
        ('event("e").ever', "contact", TIME, ("event", "e", "last")),
        ('event("e") in last 3d', "contact", TIME, ("event", "e", "last")),
        ('event("e").first is set', "contact", TIME, ("event", "e", "first")),
        ('event("e").count == 1', "contact", Kind.INT, ("event", "e", "count")),
        ('form("f").filled', "run", TIME, ("form", "f", "last")),
        ('form("f").filled.count == 1', "contact", Kind.INT, ("form", "f", "count")),
        ('form("f").answer("q") == ""', "contact", Kind.TEXT, ("form", "f", "answer", "q")),
        ('page("p").visited', "run", TIME, ("page", "p", "last")),
        ('file("p").ever.downloaded', "contact", TIME, ("file", "p", "last")),
        ('journey("j").running', "contact", Kind.BOOL, ("journey", "j", "running")),
        ('journey("j").entered', "contact", TIME, ("journey", "j", "entered")),
        ('journey("welcome").entered', "run", TIME, ("entered",)),
        ('consent("sms")', "contact", Kind.BOOL, ("consent", "sms")),
        ('consent("email", "tips")', "contact", Kind.BOOL, ("consent", "email", "tips")),
        ('suppressed("email")', "contact", Kind.BOOL, ("suppressed", "email")),
        ("event.x == 'a'", "run", Kind.TEXT, ("attribute", "x")),
        ("event.x == 1", "run", Kind.NUMBER, ("attribute", "x")),
        ("event.x == true", "run", Kind.BOOL, ("attribute", "x")),
        ("event.x", "run", Kind.BOOL, ("attribute", "x")),
        ("event.x before today", "run", Kind.DATE, ("attribute", "x")),
        ("event.x in last 3d", "run", Kind.INSTANT, ("attribute", "x")),
        ("event.time < now", "run", TIME, ("attribute", "time")),
        ("bucket(9) == 1", "contact", Kind.ID, ("number",)),
    ],
)
def test_keys(text: str, space: str, kind: Kind, key: tuple[str, ...]) -> None:
    found = read(text)[0]
    assert (found.space, found.kind, found.key) == (space, kind, key)


@pytest.mark.parametrize("place", ["enter", "audience", "scenario"])
@pytest.mark.parametrize("text", ['email("b").sent', 'event("e")', 'journey("welcome").entered'])
def test_outside_a_run_everything_counts(text: str, place: Place) -> None:
    assert [fact.space for fact in read(text, place)] == ["contact"]


def test_within_reads_the_first_and_the_sending() -> None:
    assert [fact.key for fact in read('event("e") within 2d')] == [
        ("event", "e", "first"),
        ("entered",),
    ]
    assert [fact.key[-1] for fact in read('email("b").opened within 2d')] == [
        "opened",
        "sent",
        "not_sent",
    ]
    outside = read('email("b").opened within 2d', "enter")
    assert {fact.space for fact in outside} == {"contact"}


def test_the_zone_is_a_fact_where_the_calendar_counts() -> None:
    zone = Fact("contact", Kind.CODE, ("field", "zone"))
    assert zone in read("conference_date is today")
    assert zone not in read("visits == 1")


def test_attributes_that_are_declared() -> None:
    attributes = {"total": Field("total", "number", scale=2), "product": Field("product")}
    where = scope("steps", attributes=attributes)
    found = tree.facts_of(rule("event.total > 3.5 and event.time < now", where))
    assert found[0] == Fact("run", Kind.INT, ("attribute", "total"))
    assert "did you mean product?" in refused("event.prodct == 'x'", where)[0]


@pytest.mark.parametrize("place", ["audience", "scenario"])
def test_no_run_no_event(place: Place) -> None:
    assert "nothing started a run" in refused("event.x == 1", scope(place))[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('list("vpi")', "there is no list vpi; did you mean vip?"),
        ('event("vist")', "there is no event vist; did you mean visit?"),
        ('form("rgister").filled', "there is no form rgister; did you mean register?"),
        ('email("bil").sent', "there is no e-mail bil; did you mean bill?"),
        ('sms("bill").sent', "there is no SMS bill"),
        ('consent("fax")', "there is no channel fax"),
        ('suppressed("emial")', "did you mean email?"),
        ("vsits == 1", "there is no field vsits; did you mean visits?"),
        ("sunday == 1", "did you mean Sunday?"),
        ("contact.n == 1", "there is no field n"),
    ],
)
def test_unknown_names(text: str, message: str) -> None:
    where = scope(
        lists=frozenset({"vip"}),
        events=frozenset({"visit"}),
        forms=frozenset({"register"}),
        messages=frozenset({("email", "bill"), ("sms", "coupon")}),
    )
    found = refused(text, where)
    assert len(found) == 1
    assert message in found[0]


def test_names_meet_in_normal_form() -> None:
    fields = {"cafe\u0301": Field("cafe\u0301"), "plain": Field("plain")}
    found = rule("café == 'x'", scope(fields=fields, lists=frozenset({"cafe\u0301"})))
    assert tree.facts_of(found)[0].key == ("field", "cafe\u0301")
    rule('list("café\u200f")', scope(lists=frozenset({"café"})))
