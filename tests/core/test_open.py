"""What the core does not do yet, each with its smallest case. Mending one turns its test red."""

from __future__ import annotations

import pytest

from blaster.model.fields import Field
from tests.core.world import (
    DAY,
    Play,
    add,
    branch,
    happened,
    journey,
    on_date,
    on_event,
    on_rule,
    send,
    workspace,
)


@pytest.mark.xfail(strict=True, raises=ValueError, reason="a column keeps the kind it was made in")
def test_a_field_may_change_its_type_by_publishing() -> None:
    """Or publishing refuses it; an input that is in the log must always apply."""
    play = Play(workspace(fields=[Field("x")]))
    play.create(x="a")
    changed = workspace(journey("j", on_rule("x > 3"), send("m")), fields=[Field("x", "integer")])
    play.publish(changed)
    play.set(0, x="5")
    assert play.messages() == ["m"]


@pytest.mark.xfail(strict=True, reason="which occurrence was used is not remembered")
@pytest.mark.parametrize("late", [False, True])
def test_an_occurrence_of_a_date_enters_once(late: bool) -> None:
    """A zone that changes after the date was used does not bring it back."""
    play = Play(workspace(journey("j", on_date("due", late_run=late), send("m"))))
    play.create(due="2026-02-01" if late else "2026-03-02")
    play.at("2026-03-02 09:00").set(0, zone="America/New_York")
    play.after(2 * DAY)
    assert len(play.messages()) == 1


@pytest.mark.xfail(strict=True, reason="a chain that is parked lets the next fact pass it")
def test_the_whole_chain_of_a_fact_comes_before_the_next_fact() -> None:
    """Also when it has more immediate steps than a tick has rounds."""
    steps = [add(f"s{n}", f"s{n + 1}", visits="1") for n in range(20)]
    look = branch("b", {"visits == 20": "all"}, "part")
    space = workspace(
        journey("j", on_event("go"), *steps, send("s20")),
        journey("k", on_event("look"), look, send("all"), send("part")),
    )
    play = Play(space)
    play.create()
    play.accept(happened("go", 0), happened("look", 0))
    play.settle()
    assert "all" in play.messages()
