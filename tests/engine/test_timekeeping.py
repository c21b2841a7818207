"""What the engine thread does about time: a full log, words that come and go, how often it asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from blaster.engine import Machine
from blaster.engine.engineclock import OPERATOR, SYNCHRONISED, EngineClock
from blaster.engine.timefile import WORD_FILE, give_word, read_time
from blaster.engine.timekeeping import HELD, Timekeeping
from blaster.errors import Busy
from blaster.limits import CLOCK_LOOK_S
from blaster.model.records import Operation, TimeConfirmed
from tests.engine.machines import START, ScriptedSystem
from tests.engine.support import FakeClock, GateLog

HOUR = 3_600
RECORD = TimeConfirmed(SYNCHRONISED, int(START), int(START) + HOUR)


class Desk:
    """A machine over a log in memory, its clock, and what is done about time."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            (folder / "data").mkdir()
        self.system, self.log = ScriptedSystem(), GateLog()
        self.machine = Machine(self.log)
        self.clock = EngineClock(self.system, 0, folder)
        self.time = Timekeeping(self.machine, self.clock)

    def look(self, after: float = CLOCK_LOOK_S) -> None:
        self.system.run(after)
        self.time.look()

    def records(self) -> list[Operation]:
        return [operation for _, entry in self.log.read() for operation in entry.operations]


def test_a_clock_that_agrees_is_not_asked_about():
    desk = Desk()
    desk.system.sync = True
    for _ in range(5):
        desk.look()
    assert (desk.system.asked, desk.time.held, desk.time.warning) == (0, {}, "")


def test_the_system_is_asked_once_a_second():
    desk = Desk()
    desk.system.jump(HOUR)
    for _ in range(10):
        desk.look(0.25)
    assert desk.system.asked == 3
    assert desk.time.held == HELD
    assert desk.records() == []


def test_a_full_log_holds_the_confirmation_back():
    """Nothing is decided by it before it is recorded; then it is, without anybody's doing."""
    desk = Desk()
    desk.system.jump(HOUR)
    desk.system.sync, desk.log.busy = True, Busy("full")
    desk.look()
    assert (desk.log.refused, desk.time.held, desk.clock.now()) == (1, HELD, desk.system.true)
    desk.log.busy = None
    desk.look()
    assert (desk.time.held, desk.time.warning, desk.clock.now()) == ({}, "", desk.system.wall)
    assert desk.records() == [TimeConfirmed(SYNCHRONISED, int(START) + 2, int(START) + HOUR + 2)]
    assert desk.machine.state.now == START + HOUR + 2


def test_a_full_log_uses_no_word_up(tmp_path: Path):
    desk = Desk(tmp_path)
    desk.system.jump(-HOUR)
    give_word(tmp_path, desk.system.read())
    desk.log.busy = Busy("full")
    desk.look()
    assert (tmp_path / WORD_FILE).exists()
    with pytest.raises(Busy):
        desk.time.confirm()
    desk.log.busy = None
    desk.look()
    assert not (tmp_path / WORD_FILE).exists()
    assert desk.records() == [TimeConfirmed(OPERATOR, int(START) + 2, int(START) - HOUR + 2)]
    assert desk.clock.status().state == "stands"


def test_a_system_that_takes_its_word_back_meanwhile(monkeypatch: pytest.MonkeyPatch):
    """The clock is set right between the question and the look at it."""
    desk = Desk()
    desk.system.jump(HOUR)
    answers = iter([True, False, None, False])
    monkeypatch.setattr(desk.system, "synchronised", lambda: next(answers))
    for _ in range(3):
        desk.look()
    assert (desk.records(), desk.time.held) == ([], HELD)
    assert next(answers, "all asked") == "all asked"


def test_it_is_kept_with_the_commits(tmp_path: Path):
    desk = Desk(tmp_path)
    desk.look()
    first = read_time(tmp_path)
    assert first is not None
    for _ in range(3):
        desk.look()
    assert read_time(tmp_path) == first
    desk.machine.accept(int(desk.clock.now()), (RECORD,))
    desk.look()
    assert read_time(tmp_path) == first._replace(
        time=first.time + 4, line=first.line + 4, boottime=first.boottime + 4
    )
    desk.system.run(100)
    desk.time.close()
    assert read_time(tmp_path) == first._replace(
        time=first.time + 104, line=first.line + 104, boottime=first.boottime + 104
    )


def test_a_small_difference_is_followed_in_silence():
    desk = Desk()
    desk.system.jump(5)
    desk.look()
    assert desk.time.held == {}
    assert desk.clock.now() == desk.system.true
    desk.system.sync = True
    desk.look()
    assert desk.clock.now() == desk.system.wall
    assert len(desk.records()) == 1


def test_another_jump_is_another_warning():
    desk = Desk()
    said = []
    for seconds in (HOUR, 0, 30, 2 * HOUR):
        desk.system.jump(seconds)
        desk.look()
        said.append(desk.time.warning.partition(" ahead")[0])
    assert said == ["the wall clock is 3,600 seconds"] * 3 + ["the wall clock is 10,830 seconds"]


def test_with_the_hosts_clock_there_is_nothing_to_do():
    log = GateLog()
    time = Timekeeping(Machine(log), FakeClock())
    time.look()
    time.close()
    assert (time.held, time.warning, log.frames) == ({}, "", [])
