"""The world of a scenario: its bounds, its clockwork, and what it keeps in its log."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from blaster import simulate
from blaster.engine import Machine
from blaster.errors import BlasterError, DefinitionError
from blaster.log import MemoryLog
from blaster.model import definitions as model
from blaster.model.records import Joined
from blaster.simulate import World, run_scenario
from blaster.simulate import scenario as scenario_module
from blaster.simulate import world as world_module
from tests.engine.support import drain, people, workspace
from tests.simulate.support import journey, made, run

# --- bounds ---------------------------------------------------------------------------------------


def restless(tmp_path) -> model.Workspace:
    """A loop that checking would refuse."""
    ready = workspace(tmp_path)
    rule = model.RuleText("visits == 0")
    step = model.Branch("spin", (model.Case(rule, "spin"),), "end")
    turning = msgspec.structs.replace(ready.journeys[0], name="turning", steps=(step,))
    return msgspec.structs.replace(ready, journeys=(turning,))


def test_a_journey_that_never_rests(tmp_path, monkeypatch):
    monkeypatch.setattr(world_module, "TICKS_PER_INSTANT_MAX", 50)
    _, scenario = made(tmp_path, "events:\n  - {at: 2026-03-01 10:00, join: club}\n", {})
    with pytest.raises(BlasterError, match=r"after 50 ticks .* in turning; a wait is missing"):
        run_scenario(restless(tmp_path), scenario)


def test_behaviour_that_answers_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(scenario_module, "ROUNDS_PER_INSTANT_MAX", 50)
    steps = (
        "  - id: again\n    send: email bill\n    then: look\n"
        '  - id: look\n    wait until: email("bill").opened\n    then: again\n'
    )
    files = journey('  on: event "again"', steps=steps)
    text = """\
        events:
          - {at: 2026-03-01 10:00, where: n == 0, event: again}
        behaviour:
          - {when: email("bill").sent, do: open email bill}
        """
    match = r"50 rounds .* 2026-03-01 10:00; an `after:` is missing"
    with pytest.raises(BlasterError, match=match):
        run(tmp_path, text, files)


def test_a_workspace_that_does_not_compile(tmp_path):
    ready, scenario = made(tmp_path, "", {})
    entry = model.Entrance(model.OnRule(model.RuleText("nothing ==")))
    journeys = (msgspec.structs.replace(ready.journeys[0], entries=(entry,)),)
    with pytest.raises(DefinitionError):
        run_scenario(msgspec.structs.replace(ready, journeys=journeys), scenario)


# --- the world ------------------------------------------------------------------------------------


def test_a_world_by_hand(tmp_path):
    """Contacts that come after a `fail` are not among those who fail."""
    log = MemoryLog()
    world = World(workspace(tmp_path), 1000, log)
    ticks = []
    world.on_tick = lambda now, entry: ticks.append(now)
    world.accept(people(0, 2))
    world.settle()
    world.fail("email", "bill", np.array([0], np.int64))
    world.fail("email", "bill", np.array([1], np.int64))
    world.accept(people(2, 4))
    world.take()
    assert world.state.contacts.rows == 6
    world.accept(Joined("club", np.arange(6, dtype=np.int64), False, "x"))
    world.settle()
    assert world.state.counts["message", "email", "bill", "sent"] == 4
    assert world.state.counts["message", "email", "bill", "not_sent", "failed"] == 2
    assert set(ticks) == {1000}
    assert not drain(world.machine, 1000)
    assert world.next_due() > 1000
    assert Machine.recover(log).state.digest() == world.state.digest()


def test_the_front():
    assert sorted(simulate.__all__) == ["Mismatch", "Result", "World", "run_scenario"]
