"""Engine time over readings alone: the table of jumps, and its laws over random ones."""

from __future__ import annotations

import random

import pytest

from blaster.engine.enginetime import STATES, EngineTime, Kept, Reading, TimeState
from blaster.limits import CLOCK_APART_S, CLOCK_FOLLOW_S, CLOCK_LEAP_MAX_S
from tests.engine.machines import START, ScriptedSystem
from tests.volume import cases

HOUR, DAY = 3600.0, 86_400.0
AGREES, STANDS, APART = TimeState.AGREES, TimeState.STANDS, TimeState.APART


def looked(time: EngineTime, system: ScriptedSystem) -> float:
    """As an engine looks: it follows a wall clock that the system vouches for."""
    reading = system.read()
    time.now(reading)
    if time.differs and system.sync:
        time.confirm(reading)
    return time.now(reading)


def test_a_new_account_begins_at_the_wall_clock():
    system = ScriptedSystem()
    time = EngineTime(system.read())
    assert (time.time, time.state, time.differs) == (START, AGREES, False)
    system.run(10)
    assert time.now(system.read()) == START + 10


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, DAY, -DAY, CLOCK_APART_S + 1])
def test_a_jump_that_nobody_confirms_changes_nothing(seconds: float):
    """It is an alarm, for as long as it lasts."""
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.jump(seconds)
    for _ in range(5):
        system.run(HOUR)
        assert (time.now(system.read()), time.state) == (system.true, APART)
        assert time.ahead == seconds
    system.jump(-seconds)
    assert (time.now(system.read()), time.state) == (system.true, AGREES)


@pytest.mark.parametrize("seconds", [0.5, -0.5, CLOCK_APART_S, -CLOCK_APART_S])
def test_a_small_difference_is_no_alarm(seconds: float):
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.jump(seconds)
    assert (time.now(system.read()), time.state) == (START, AGREES)
    assert time.differs is (abs(seconds) >= CLOCK_FOLLOW_S)


def test_a_jump_forwards_that_is_confirmed_is_followed_at_once():
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.jump(HOUR)
    time.confirm(system.read())
    assert (time.time, time.state, time.ahead) == (START + HOUR, AGREES, 0)
    system.run(10)
    assert time.now(system.read()) == START + HOUR + 10


def test_a_jump_back_that_is_confirmed_lets_engine_time_stand():
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.jump(-HOUR)
    time.confirm(system.read())
    for _ in range(6):
        assert (time.time, time.state) == (START, STANDS)
        assert time.stands == START - system.wall
        system.run(600)
        time.now(system.read())
    assert (time.time, time.state, time.stands) == (START, AGREES, 0)
    system.run(1)
    assert time.now(system.read()) == START + 1


def test_a_jump_while_it_stands_is_an_alarm_as_any_other():
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.jump(-HOUR)
    time.confirm(system.read())
    system.jump(HOUR)
    assert (time.now(system.read()), time.state) == (START, APART)
    system.run(2 * HOUR)
    assert time.now(system.read()) == START + HOUR  # the line that was confirmed goes on
    time.confirm(system.read())
    assert (time.time, time.state) == (system.wall, AGREES)


def test_drift_by_steps_of_seconds():
    """Corrected by steps for days: within a second, and never an alarm."""
    system = ScriptedSystem()
    system.sync = True
    time = EngineTime(system.read())
    for step in range(500):
        system.run(600)
        system.off += (-1.5, 2.0, 0.7)[step % 3]
        before = time.time
        assert looked(time, system) >= before
        assert time.state is not APART
        assert abs(time.time - system.wall) <= max(CLOCK_FOLLOW_S, time.stands)


def test_suspended_for_eight_hours():
    """Boottime goes on: no jump."""
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.run(8 * HOUR)
    assert (time.now(system.read()), time.state) == (START + 8 * HOUR, AGREES)


# --- over the death of the process ----------------------------------------------------------------


def test_opened_again_within_the_same_boot():
    """Whatever the wall clock shows by then."""
    for seconds in (0.0, HOUR, -HOUR):
        system = ScriptedSystem()
        kept = EngineTime(system.read()).kept
        system.jump(seconds)
        system.run(600)
        time = EngineTime(system.read(), kept, recorded=START)
        assert (time.time, time.state) == (START + 600, APART if seconds else AGREES)


def test_opened_again_while_it_stands():
    system = ScriptedSystem()
    time = EngineTime(system.read())
    system.jump(-HOUR)
    time.confirm(system.read())
    system.run(600)
    again = EngineTime(system.read(), time.kept, recorded=START)
    assert (again.time, again.state, again.stands) == (START, STANDS, HOUR - 600)


REBOOTS = {
    "in order": (START + 600, START + 600, AGREES),
    "a clock ahead cannot be told from a longer rest": (START + DAY, START + DAY, AGREES),
    "a little behind": (START - 30, START, AGREES),
    "behind": (START - HOUR, START, APART),
    "a chip without a battery": (0.0, START, APART),
    "a chip that lost its mind": (START + CLOCK_LEAP_MAX_S + 1, START, APART),
}


@pytest.mark.parametrize("name", REBOOTS)
def test_opened_again_after_a_reboot(name: str):
    """The wall clock, but not before what was recorded, and not wildly after it."""
    wall, expected, state = REBOOTS[name]
    system = ScriptedSystem()
    kept = EngineTime(system.read()).kept
    system.reboot(600, wall=wall)
    time = EngineTime(system.read(), kept, recorded=START - 5)
    assert (time.time, time.state) == (expected, state)
    system.run(100)
    assert time.now(system.read()) == expected + 100
    system.repair()
    assert looked(time, system) == max(system.true, expected + 100)


def test_a_boottime_that_went_back_is_another_boot():
    system = ScriptedSystem(boottime=5_000)
    kept = EngineTime(system.read()).kept
    system.booted += 4_000  # as in another container of the same boot
    system.run(60)
    assert EngineTime(system.read(), kept, recorded=START).time == START + 60


def test_nothing_kept_is_as_after_a_reboot():
    """Accounts of an older release, and those whose file was lost or damaged."""
    system = ScriptedSystem()
    assert EngineTime(system.read(), None, recorded=START - 2 * CLOCK_LEAP_MAX_S).time == START
    ahead = EngineTime(system.read(), None, recorded=START + HOUR)
    assert (ahead.time, ahead.state) == (START + HOUR, APART)


def test_a_log_that_went_on_without_what_was_kept():
    """It was written under another clock: what was kept says nothing of that."""
    system = ScriptedSystem()
    kept = EngineTime(system.read()).kept
    system.run(60)
    time = EngineTime(system.read(), kept, recorded=START + DAY)
    assert (time.time, time.state) == (START + DAY, APART)
    system.run(60)
    assert time.now(system.read()) == START + DAY + 60


def test_the_table_is_whole():
    assert set(STATES) == {(near, reached) for near in (True, False) for reached in (True, False)}


# --- random ---------------------------------------------------------------------------------------


def deed(draw: random.Random, system: ScriptedSystem) -> None:
    """Something that happens to machines."""
    match draw.randrange(8):
        case 0:
            system.jump(draw.choice([HOUR, -HOUR, DAY, -DAY, 61, -61, 1e8, -1e8]))
        case 1:
            system.jump(draw.uniform(-70, 70))
        case 2:
            system.repair()
        case 3:
            system.sync = draw.choice([True, False, None])
        case 4:
            system.run(8 * HOUR)
        case _:
            system.run(draw.choice([0, 0.05, 1, 60, 600]))


def scenario(seed: int) -> None:
    """Laws: never back; no second more than boottime gives, but by a confirmation or a reboot."""
    draw = random.Random(seed)
    system = ScriptedSystem(boottime=draw.choice([0.0, 1.0, 1e6]))
    time = EngineTime(system.read())
    newest, recorded = time.time, None
    for _ in range(60):
        gained, boot, at = False, system.boot, system.read().boottime
        if draw.random() < 0.05:
            chip = draw.choice([None, 0.0, system.true + 1e9, system.true - DAY])
            system.reboot(draw.choice([5, 600, DAY]), wall=chip)
        else:
            deed(draw, system)
        if draw.random() < 0.2 or system.boot != boot:  # a new process
            recorded = int(newest)
            kept = draw.choice([time.kept, time.kept, time.kept, None])
            time = EngineTime(system.read(), kept, recorded)
            gained = kept is None or system.boot != boot
            newest = recorded if gained else newest  # less than a second that nobody recorded
        reading = system.read()
        now = time.now(reading)
        assert now >= newest
        if not gained:
            assert now <= newest + reading.boottime - at + 1e-3
        vouched = system.sync or draw.random() < 0.05
        if vouched and time.differs:
            time.confirm(reading)
            assert time.time >= now
            assert time.state is not APART
        if vouched:
            assert abs(time.time - reading.wall) <= max(CLOCK_FOLLOW_S, time.stands) + 1e-3
        assert (time.state is APART) == (abs(time.ahead) > CLOCK_APART_S)
        newest = time.time


@pytest.mark.parametrize("seed", range(cases(200)))
def test_the_laws_hold_whatever_the_clocks_do(seed: int):
    scenario(seed)


def test_what_is_kept_is_where_it_was():
    time = EngineTime(Reading("b", 10.0, 1_000.0))
    time.now(Reading("b", 15.0, 1_005.0))
    assert time.kept == Kept(1_005.0, 1_005.0, 15.0, "b")
