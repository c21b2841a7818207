"""Plans: steps numbered, series lowered, readers listed, caps matched."""

from __future__ import annotations

import pytest

from blaster.core.plan import GONE, UNSET, LookStep, SendStep, WaitStep, base_key, make_plan
from blaster.errors import DefinitionError
from blaster.model import definitions as model
from tests.core.world import (
    branch,
    journey,
    leave_when,
    mail,
    on_date,
    on_event,
    on_rule,
    put,
    rule,
    send,
    until,
    wait,
    workspace,
)


def test_targets_are_numbers_of_primitive_steps() -> None:
    """A series takes two or three; whoever points behind it finds the right one."""
    items = (
        model.SeriesItem(0, "email", "a"),
        model.SeriesItem(1, "email", "b", None, rule('list("x")')),
    )
    plan = make_plan(
        workspace(
            journey("j", on_event("go"), branch("b", {"vip": "last"}, "s"),
                    model.Series("s", items, "last", late_skip=True), send("last"))
        )
    ).journeys["j"]  # fmt: skip
    assert [type(step).__name__ for step in plan.steps] == [
        "LookStep", "WaitStep", "SendStep", "WaitStep", "LookStep", "SendStep", "SendStep"
    ]  # fmt: skip
    look = plan.steps[0]
    assert isinstance(look, LookStep)
    assert (look.targets, look.otherwise) == ((6,), 1)
    assert [(s.then, s.otherwise) for s in plan.steps[1:]] == [
        (2, 3), (3, 3), (4, 6), (6, 5), (6, 6), (GONE, GONE)
    ]  # fmt: skip
    assert [step.source for step in plan.steps] == ["b", "s", "s", "s", "s", "s", "last"]
    assert plan.own == {("email", "a"), ("email", "b"), ("email", "last")}


def test_a_target_that_was_not_given_is_told_apart() -> None:
    """A wait without else; an exit that ends."""
    plan = make_plan(
        workspace(
            journey("j", on_event("go"), wait("w", until=rule("due")), exits=(leave_when("vip"),))
        )
    ).journeys["j"]
    assert isinstance(plan.steps[0], WaitStep)
    assert (plan.steps[0].then, plan.steps[0].otherwise) == (GONE, UNSET)
    assert plan.exits[0][1] == GONE


def test_readers_are_listed_by_fact() -> None:
    """Who looks again: exits, waits, entries; what branches read is kept but wakes nobody."""
    plan = make_plan(
        workspace(
            journey("j", (on_rule("visits > 1"), on_date("due"), on_date("contact.created"),
                          on_date("list:club")),
                    branch("b", {'event("seen")': "w"}),
                    until("w", {'email("m").opened': "v", "vip": "v"}),
                    wait("v", "s", until=rule("due")), put("s", city="=event.town"),
                    exits=(leave_when('list("gone")'),)),
            messages=[mail("m")],
        )
    ).journeys["j"]  # fmt: skip
    assert plan.readers["list", "gone"].exits == [0]
    assert plan.readers["message", "email", "m"].steps == [1]
    assert plan.readers["field", "vip"].steps == [1]
    assert (plan.readers["field", "due"].steps, plan.readers["field", "due"].entries) == ([2], [1])
    assert plan.readers["created",].entries == [2]
    assert plan.readers["list", "club"].entries == [3]
    assert plan.readers["field", "zone"].entries == [1, 2, 3]
    seen = plan.readers["event", "seen"]
    assert (seen.exits, seen.steps, seen.entries) == ([], [], [])
    assert plan.attributes == {"town"}
    assert len(plan.rules()) == 4
    assert len(plan.values()) == 2


def test_the_fact_behind_a_column() -> None:
    """Every column of a message, list or event is one fact."""
    assert base_key(("message", "email", "m", "clicked", "pay")) == ("message", "email", "m")
    assert base_key(("event", "e", "last")) == ("event", "e")
    assert base_key(("consent", "email", "tips")) == ("consent", "email")
    assert base_key(("created",)) == ("created",)


def test_caps_cover_what_they_name() -> None:
    """By category, topic and channel; a message remembers which."""
    caps = (
        model.Cap(1, 1),
        model.Cap(1, 1, category="marketing"),
        model.Cap(1, 1, topic="tips"),
        model.Cap(1, 1, channel="sms"),
    )
    space = workspace(
        messages=[
            mail("a"),
            mail("b", category="marketing", topic="tips"),
            mail("c", channel="sms"),
        ],
        caps=caps,
    )
    plan = make_plan(space)
    found = {name: outgoing.caps for (_, name), outgoing in plan.outgoing.items()}
    assert found == {"a": (0,), "b": (0, 1, 2), "c": (0, 3)}
    assert plan.outgoing["email", "a"].key == ("message", "email", "a")


def test_a_call_is_a_send_without_policy() -> None:
    """Of its own category, on its own channel."""
    space = workspace(
        journey("j", on_event("go"), model.Call("c", "crm", ("upsert",), "end", "end"))
    )
    step = make_plan(space).journeys["j"].steps[0]
    assert isinstance(step, SendStep)
    assert (step.outgoing.channel, step.outgoing.category, step.outgoing.caps) == (
        "crm",
        "call",
        (),
    )


def test_a_rule_that_does_not_compile_is_refused() -> None:
    """Before anything is published."""
    with pytest.raises(DefinitionError):
        make_plan(workspace(journey("j", on_rule("no such field here"), send("m"))))
