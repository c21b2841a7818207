"""What is asked of the machine, and what is made of its answers."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from blaster.engine import system
from blaster.engine.system import System, synchronised


@pytest.mark.parametrize(("answer", "said"), [(0, True), (1, True), (5, False), (-1, None)])
def test_whether_the_clock_is_synchronised(
    monkeypatch: pytest.MonkeyPatch, answer: int, said: bool | None
):
    library = SimpleNamespace(ntp_adjtime=lambda _: answer)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: library)
    assert synchronised() is said
    assert System().synchronised() is said


def test_a_machine_without_that_call(monkeypatch: pytest.MonkeyPatch):
    assert synchronised() in (True, False, None)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: SimpleNamespace())
    assert synchronised() is None


def test_a_reading_of_this_machine():
    machine = System()
    first, second = machine.read(), machine.read()
    assert first.boot == second.boot != ""
    assert first.boottime <= second.boottime
    assert abs(second.wall - time.time()) < 60


def test_a_process_that_is_stopped_between_two_looks(monkeypatch: pytest.MonkeyPatch):
    """For ten minutes, right after boottime was read: that is no jump of the wall clock."""
    boottimes = iter([100.0, 700.0, 700.0, 700.001])
    walls = iter([1_600.0, 1_600.0])
    clocks = SimpleNamespace(
        clock_gettime=lambda _: next(boottimes), time=lambda: next(walls), monotonic=time.monotonic
    )
    monkeypatch.setattr(system, "time", clocks)
    assert System().read()[1:] == (700.0, 1_600.0)


def test_a_machine_that_is_always_busy(monkeypatch: pytest.MonkeyPatch):
    """The narrowest of many looks has to do."""
    spans = iter(float(0.1 if at == 37 else 1 + at) for at in range(100))
    clock = SimpleNamespace(now=0.0, inside=False)

    def boottime(_: int) -> float:
        if clock.inside:
            clock.now += next(spans)
        clock.inside = not clock.inside
        return clock.now

    clocks = SimpleNamespace(clock_gettime=boottime, time=lambda: clock.now)
    monkeypatch.setattr(system, "time", clocks)
    found = System().read()
    assert found.boottime == found.wall == sum(1 + at for at in range(37))


def test_a_machine_that_does_not_name_its_boots(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Each opening is then as after a reboot."""
    monkeypatch.setattr(system, "BOOT_ID", tmp_path / "none")
    assert System().read().boot != System().read().boot
