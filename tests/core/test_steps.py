"""Steps that change something: values that fit, sums, resets, memberships, series."""

from __future__ import annotations

import random

import pytest

from blaster.model import definitions as model
from blaster.model import records
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    add,
    branch,
    instant,
    journey,
    leave_when,
    numbers,
    on_date,
    on_event,
    on_list,
    on_rule,
    put,
    rule,
    send,
    wait,
    workspace,
)
from tests.volume import cases

ELSE = model.End("else")


def step(*steps: model.Step, **fields: object) -> Play:
    """Steps on `go`, one contact with these fields, one `go`."""
    play = Play(workspace(journey("j", on_event("go"), *steps)))
    play.create(**fields)
    play.event("go", 0)
    return play


# --- set ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("city", "חיפה", "חיפה"),
        ("note", " two words ", "two words"),
        ("points", "-7", -7),
        ("rate", "1.5", 1.5),
        ("price", "9.90", 990),
        ("due", "2026-03-01", 20513),
        ("when", "1970-01-02T00:00:00+00:00", DAY),
        ("vip", "no", False),
        ("size", "small", "Small"),
        ("tags", "a, b", ["a", "b"]),
        ("email", "Dana@EXAMPLE.com", "Dana@example.com"),
        ("phone", "054-412-3456", "+972544123456"),
    ],
)
def test_a_literal_is_fitted_to_its_field(field: str, text: str, value: object) -> None:
    """Whatever the type; addresses get their one form."""
    play = step(put("s", "yes", "no", **{field: text}), send("yes"), send("no"))
    assert play.value(0, field) == value
    assert play.messages() == ["yes"]


@pytest.mark.parametrize(
    ("field", "text"),
    [("points", "seven"), ("price", "9.999"), ("due", "31.12.2026"), ("size", "Huge"),
     ("email", "no address"), ("phone", "12"), ("points", "=points * 2"), ("rate", "=rate / 0")],
)  # fmt: skip
def test_a_value_that_is_missing_or_does_not_fit_takes_else(field: str, text: str) -> None:
    """Nothing of the step is written, not even what would fit."""
    play = step(put("s", "end", "no", city="Haifa", **{field: text}), send("no", channel="sms"))
    assert play.value(0, "city") is None
    assert play.messages() == ["no"]


def test_all_values_are_worked_out_before_one_is_written() -> None:
    """Two fields may change places."""
    play = step(put("s", points="=visits", visits="=points"), points=5, visits=2)
    assert (play.value(0, "points"), play.value(0, "visits")) == (2, 5)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("note", "=city", "Haifa"),
        ("city", "=lower(city)", "haifa"),
        ("due", "=today", 20513),
        ("when", "=now", START),
        ("rate", "=points / 2", 2.5),
        ("note", "=event.text", "from outside"),
        ("size", "=note", None),
    ],
)
def test_an_expression_gives_the_field_s_own_kind(field: str, text: str, value: object) -> None:
    """Text into an enum must be one of its values."""
    space = workspace(journey("j", on_event("go"), put("s", **{field: text})))
    play = Play(space)
    play.create(city="Haifa", points=5)
    play.event("go", 0, text="from outside")
    assert play.value(0, field) == value


def test_a_set_to_the_same_value_is_no_change() -> None:
    """Its readers are not woken."""
    space = workspace(
        journey("j", on_event("go"), put("s", city="Haifa")),
        journey("r", on_rule('city == "Haifa"'), send("m")),
    )
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.event("go", 0)
    assert play.messages() == ["m"]


def test_a_new_address_is_written_to_and_found() -> None:
    """The step after it sends there, and the directory knows it."""
    space = workspace(
        journey("j", on_event("go"), put("s", "m", email="=event.address"), send("m"))
    )
    play = Play(space)
    play.create(2)
    play.event("go", 0, address="New@Example.com")
    assert play.batches[0].addresses.to_pylist() == ["New@example.com"]
    found, created, _ = play.state.directory.resolve(None, ["new@example.com"], None)
    assert (found.tolist(), created.tolist()) == ([0], [False])
    _, created, _ = play.state.directory.resolve(None, ["c0@example.com"], None)
    assert created.tolist() == [True]


def test_an_address_that_is_another_s_takes_else() -> None:
    """One address has one owner: else what he asked for would not hold for it."""
    space = workspace(
        journey("j", on_event("go"), put("s", "yes", "no", city="Haifa", email="=event.address"),
                send("yes"), send("no")),
    )  # fmt: skip
    play = Play(space)
    play.create(2)
    play.do(records.Suppressed(numbers(1), "email", "all", "asked"))
    play.event("go", 0, address="C1@EXAMPLE.com")
    assert (play.value(0, "email"), play.value(0, "city")) == ("c0@example.com", None)
    assert play.messages() == ["no"]
    assert [batch.addresses.to_pylist() for batch in play.batches] == [["c0@example.com"]]
    play.event("go", 0, address="C0@example.com")
    assert (play.value(0, "email"), play.messages()[1:]) == ("C0@example.com", ["yes"])
    assert play.recovered().state.digest() == play.state.digest()


@pytest.mark.parametrize(
    ("field", "theirs", "free"),
    [("email", "c3@Example.com", "new@example.com"), ("phone", "054-412-3456", "054-412-3457"),
     ("id", "card-3", "card-9")],
)  # fmt: skip
def test_of_several_rows_the_first_gets_what_was_free(field: str, theirs: str, free: str) -> None:
    """What an earlier row of the step took is its own; a row that did not fit took nothing."""
    writes = {field: "=event.new", "points": "=event.points"}
    play = Play(workspace(journey("j", on_event("go"), put("s", "yes", "no", **writes),
                                  send("yes"), send("no"))))  # fmt: skip
    play.create(4)
    play.set(3, email="c3@example.com")
    play.set(3, phone="+972544123456")
    play.set(3, id="card-3")
    before = play.value(0, field)
    play.event("go", 0, 1, 2, 3, new=[free, free, free, theirs], points=["x", "1", "2", "3"])
    assert [play.messages(contact) for contact in range(4)] == [["no"], ["yes"], ["no"], ["yes"]]
    assert [play.value(contact, "points") for contact in range(4)] == [None, 1, None, 3]
    assert play.value(0, field) == before
    play.event("go", 0, new=theirs, points="1")
    assert (play.value(0, field), play.messages(0)) == (before, ["no", "no"])


def test_a_row_takes_all_its_addresses_or_none() -> None:
    """Whose e-mail address is another's leaves the phone to the next."""
    steps = put("s", "yes", "no", email="=event.mail", phone="=event.number"), send("yes")
    play = Play(workspace(journey("j", on_event("go"), *steps, send("no"))))
    play.create(3)
    play.event("go", 0, 1, mail=["c2@example.com", "n@example.com"], number=["054-412-3456"] * 2)
    assert (play.value(0, "phone"), play.value(1, "phone")) == ("+972500000000", "+972544123456")
    assert (play.messages(0), play.messages(1)) == (["no"], ["yes"])


@pytest.mark.parametrize("seed", range(cases(20)))
def test_one_address_has_one_owner(seed: int) -> None:
    """Whoever asks for whatever together with whomever, beside a plain book of who has what."""
    draw = random.Random(seed)
    play = Play(workspace(journey("j", on_event("go"), put("s", email="=event.address"))))
    play.create(5)
    book = [f"c{contact}@example.com" for contact in range(5)]
    pool = [*book[:3], "C1@example.com", "n@example.com", "N@example.com", "m@example.com", "odd"]
    for _ in range(30):
        who = sorted(draw.sample(range(5), draw.randint(1, 5)))
        asked = [draw.choice(pool) for _ in who]
        play.event("go", *who, address=asked)
        before, taken = {address.lower(): c for c, address in enumerate(book)}, set[str]()
        for contact, address in zip(who, asked, strict=True):
            key = address.lower()
            if before.get(key, contact) == contact and key not in taken and key != "odd":
                taken.add(key)
                book[contact] = address
        assert [play.value(contact, "email") for contact in range(5)] == book
        found, _, _ = play.state.directory.resolve(None, book, None)
        assert found.tolist() == [0, 1, 2, 3, 4]


def test_an_address_of_two_in_an_old_log_does_not_break_the_directory() -> None:
    """Records apply as they stand: both contacts hold it; nobody else gets lost."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create(3)
    play.set(0, email="c1@example.com")
    assert play.value(0, "email") == play.value(1, "email") == "c1@example.com"
    play.set(0, email="c0@example.com")
    found, _, _ = play.state.directory.resolve(
        None, ["c0@example.com", "c1@example.com", "c2@example.com"], None
    )
    assert found.tolist() == [0, 1, 2]


# --- add and reset --------------------------------------------------------------------------------


def test_add_counts_from_the_default_and_refuses_an_overflow() -> None:
    """No sum of the step is written when one does not fit."""
    play = step(add("a", "end", "no", visits="2", points="1"), send("no"), points=2**63 - 1)
    assert (play.value(0, "visits"), play.messages()) == (0, ["no"])
    play.set(0, points=None)
    play.event("go", 0)
    assert (play.value(0, "visits"), play.value(0, "points")) == (2, 1)
    play = step(add("a", "end", "no", points="-1"), send("no"), points=-(2**63) + 1)
    play.event("go", 0)
    assert (play.value(0, "points"), play.messages()) == (-(2**63), ["no"])


def test_add_of_numbers_and_prices() -> None:
    """A scale is exact; a number that would become infinite takes else."""
    play = step(
        add("a", "end", "no", price="0.10", rate="1e308"), send("no"), price="0.20", rate=1e308
    )
    assert (play.value(0, "price"), play.messages()) == (20, ["no"])
    play.set(0, rate=0.5)
    play.event("go", 0)
    assert (play.value(0, "price"), play.value(0, "rate")) == (30, 1e308)


def test_reset_keeps_what_was_added_since_the_entry() -> None:
    """Also a second time in the same run; other types go back to their default."""
    space = workspace(
        journey("j", on_event("go"), wait("w", "r", span=(0, 1, 0)),
                model.Reset("r", ("visits", "city", "points"), "again"),
                wait("again", "r2", span=(0, 1, 0)), model.Reset("r2", ("visits",), "end"))
    )  # fmt: skip
    play = Play(space)
    play.create(visits=5, city="Haifa")
    play.event("go", 0)
    play.set(0, visits=7)
    play.after(DAY)
    assert (play.value(0, "visits"), play.value(0, "city"), play.value(0, "points")) == (2, None, 0)
    play.set(0, visits=3)
    play.after(DAY)
    assert play.value(0, "visits") == 3


# --- lists ----------------------------------------------------------------------------------------


def test_a_move_is_one_step() -> None:
    """Whoever looks sees the contact in exactly one list; who is not in `from` still joins."""
    both, neither = 'list("a") and list("b")', 'not list("a") and not list("b")'
    space = workspace(
        journey("j", on_event("go"), model.Membership("m", "end", "b", "a")),
        journey("both", on_rule(both), send("both")),
        journey("joined", on_list("b"), branch("b", {neither: "neither"}, "one"), send("neither"),
                send("one")),
        journey("left", on_list("a", leaving=True), send("left")),
    )  # fmt: skip
    play = Play(space)
    play.create(2)
    play.join("a", 0)
    play.event("go", 0, 1)
    play.event("go", 0)
    assert sorted(play.messages(0)) == ["left", "one"]
    assert play.messages(1) == ["one"]
    assert (play.count("list", "a"), play.count("list", "b")) == (0, 2)


def test_a_list_joined_by_a_step_triggers_like_any_other() -> None:
    """Once per membership, whoever brought it about."""
    space = workspace(
        journey("j", on_event("go"), model.Membership("m", "l", join="a"),
                model.Membership("l", "again", leave="a"),
                model.Membership("again", "end", join="a")),
        journey("a", on_list("a"), send("m")),
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    assert play.messages() == ["m", "m"]


# --- series ---------------------------------------------------------------------------------------


def item(day: int, name: str, clock: int | None = None, unless: str = "") -> model.SeriesItem:
    return model.SeriesItem(day, "email", name, clock, rule(unless) if unless else None)


def test_a_series_goes_by_calendar_days_from_the_entry() -> None:
    """At its own clock time or the entry's; across the night in which the clocks change."""
    space = workspace(
        journey("j", on_event("go"),
                model.Series("s", (item(0, "a"), item(1, "b"), item(2, "c", 10 * HOUR)),
                                                  "bye"), send("bye"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.at("2026-03-26 12:30").event("go", 0)
    play.at("2026-04-20 00:00")
    assert [at for at, _, _ in play.sent] == [
        instant("2026-03-26 12:30"), instant("2026-03-27 12:30"), instant("2026-03-28 10:00"),
        instant("2026-03-28 10:00"),
    ]  # fmt: skip


def test_unless_looks_when_the_item_is_due_and_an_exit_cancels_the_rest() -> None:
    """What is skipped is skipped; what is left is never sent."""
    items = (item(0, "a"), item(1, "b", unless='event("seen")'), item(2, "c"), item(3, "d"))
    space = workspace(
        journey("j", on_event("go"), model.Series("s", items, "end"),
                exits=(leave_when('event("paid")'),))
    )  # fmt: skip
    play = Play(space)
    play.create(2)
    play.event("go", 0, 1)
    play.after(HOUR).event("seen", 0)
    play.at(START + 2 * DAY).event("paid", 0)
    play.at(START + 9 * DAY)
    assert (play.messages(0), play.messages(1)) == (["a", "c"], ["a", "b", "c", "d"])


@pytest.mark.parametrize(("skip", "sent"), [(False, ["a", "b", "c"]), (True, ["a", "c"])])
def test_a_late_item_is_sent_at_once_or_left_out(skip: bool, sent: list[str]) -> None:
    """The first one waits for room; the second is past by then."""
    items = (item(0, "a"), item(1, "b"), item(3, "c"))
    space = workspace(journey("j", on_event("go"), model.Series("s", items, "end", late_skip=skip)))
    play = Play(space)
    play.create()
    play.room = {"email": 0}
    play.event("go", 0)
    play.after(2 * DAY)
    play.room = {}
    play.settle()
    play.at(START + 4 * DAY)
    assert play.messages() == sent


def test_a_series_from_a_date_moves_with_it() -> None:
    """Every item not yet sent moves; days may be negative; a missing date skips or waits."""
    items = (item(-2, "before", 9 * HOUR), item(0, "there", 9 * HOUR), item(1, "after", 9 * HOUR))
    space = workspace(
        journey("j", on_event("go"), model.Series("s", items, "end", rule("due"), late_skip=True)),
        journey("i", on_event("go"), model.Series("s", (item(1, "instant"),), "end", rule("when"))),
    )
    play = Play(space)
    play.create(due="2026-03-05")
    play.event("go", 0)
    play.at("2026-03-04 00:00").set(0, due="2026-03-10")
    play.at("2026-03-05 12:00")
    assert play.times("before") == [instant("2026-03-03 09:00")]
    assert play.times("there") == []
    play.set(0, when="2026-03-07T12:00:00+02:00")
    play.at("2026-03-20 00:00")
    assert play.times("there") == [instant("2026-03-10 09:00")]
    assert play.times("after") == [instant("2026-03-11 09:00")]
    assert play.times("instant") == [instant("2026-03-08 00:00")]


def test_a_text_attribute_where_a_number_is_compared_is_missing() -> None:
    """An attribute that does not fit the type it is compared with breaks nothing."""
    space = workspace(
        journey("j", on_event("go"), branch("b", {"event.total > 100": "big"}, "small"),
                send("big"), send("small"))
    )  # fmt: skip
    play = Play(space)
    play.create(4)
    play.event("go", 0, total="lots")
    play.event("go", 1, total=101)
    play.event("go", 2, total="250")
    play.event("go", 3, total=99.5)
    assert [play.messages(n) for n in range(4)] == [["small"], ["big"], ["big"], ["small"]]


def test_writing_a_date_wakes_its_trigger() -> None:
    """A step's change is a change like any other."""
    space = workspace(
        journey("j", on_event("go"), put("s", due="2026-03-05")),
        journey("d", on_date("due"), send("m")),
    )
    play = Play(space)
    play.create()
    play.do(records.Joined("x", numbers(0), False, "t"))
    play.event("go", 0)
    play.at("2026-03-06 00:00")
    assert play.times("m") == [instant("2026-03-05 09:00")]
