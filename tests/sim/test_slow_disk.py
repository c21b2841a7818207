"""A disk a hundred times slower than what comes in: callers are told Busy, and nothing grows.

The disk goes on by one commit when the test says so; no time passes.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from blaster.engine import Machine
from blaster.engine import thread as module
from blaster.engine.intake import attributes
from blaster.engine.thread import EngineThread
from blaster.errors import Busy
from blaster.log import EmbeddedLog
from blaster.model.definitions import Workspace
from blaster.model.records import Happened, Joined
from tests.engine.support import (
    START,
    WAIT_S,
    FakeClock,
    HeldTransport,
    people,
    published,
    workspace,
)
from tests.log.support import HastyDisk

PENDING_BYTES = 20_000
GROUP_BYTES = 500
"""What the disk takes in one commit."""
AT_ONCE = 40
"""Events that come meanwhile."""
TURNS = 20
CONTACTS = 20


class SlowDisk(HastyDisk):
    """Each commit waits until `steps` allows one more; `on` lets all of them go."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.on = True

    def commit(self, connection) -> None:
        if not self.on:
            self.arrived.release()
            assert self.steps.acquire(timeout=WAIT_S)
        super().commit(connection)

    def stop(self) -> None:
        self.on = False

    def step(self) -> None:
        """One commit that waits, or comes next, is done."""
        assert self.arrived.acquire(timeout=WAIT_S)
        self.steps.release()

    def go(self) -> None:
        self.on = True
        self.steps.release(100_000)


class Rig:
    """An engine thread over a slow disk; CONTACTS people, everybody in a journey that waits."""

    def __init__(self, folder: Path, space: Workspace) -> None:
        self.disk = SlowDisk()
        self.log = EmbeddedLog.open(
            folder, disk=self.disk, pending_bytes_max=PENDING_BYTES, free_bytes_min=0, group_ms=0
        )
        self.clock = FakeClock()
        self.transport = HeldTransport(answers=True)
        self.thread = EngineThread(Machine.recover(self.log), self.clock, self.transport)
        self.thread.prepare()
        self.thread.start()
        everybody = np.arange(CONTACTS, dtype=np.int64)
        self.run(published(space), people(0, CONTACTS)).result(WAIT_S)
        self.run(Joined("club", everybody, False, "test")).result(WAIT_S)
        self.thread.rest().result(WAIT_S)

    def run(self, *operations):
        return self.thread.run(lambda machine, now: machine.accept(now, operations))

    def event(self, number: int):
        who = np.array([number % CONTACTS], np.int64)
        return self.run(
            Happened("event", "visit", who, attributes([{"n": number}]), (f"key {number}",))
        )


@pytest.fixture
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    journey = (
        'journey: welcome\nenter:\n  on: list "club"\nsteps:\n'
        "  - id: rest\n    wait: 1d\n  - id: bill\n    send: email bill\n"
    )
    return workspace(tmp_path_factory.mktemp("space"), {"journeys/welcome.yaml": journey})


def looked(rig: Rig) -> tuple[int, int]:
    """Once every command before this one was run: bytes that wait, and answers that do."""
    seen = threading.Event()
    found = []

    def command(machine, now):
        found.append((rig.log._pending_bytes, len(rig.thread._answers)))
        seen.set()

    rig.thread.run(command)
    assert seen.wait(WAIT_S)
    return found[0]


def test_callers_are_told_busy_and_nothing_grows(
    tmp_path: Path, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blaster.log.embedded.GROUP_BYTES_MAX", GROUP_BYTES)
    rig = Rig(tmp_path / "log", space)
    accepted, refused = [], 0
    try:
        rig.disk.stop()
        for turn in range(TURNS):
            futures = [rig.event(turn * AT_ONCE + n) for n in range(AT_ONCE)]
            waiting, answers = looked(rig)
            assert waiting <= 2 * PENDING_BYTES
            assert answers <= PENDING_BYTES // 20
            for future in futures:
                if not future.done():
                    accepted.append(future)
                    continue
                error = future.exception()
                if error is None:
                    accepted.append(future)
                else:
                    assert isinstance(error, Busy), error
                    assert 0.1 <= error.retry_after_s <= 5.0
                    refused += 1
            if turn % 2:
                rig.disk.step()
        assert refused > TURNS * AT_ONCE // 2
        assert rig.thread.failure is None
        rig.disk.go()
        sequences = [future.result(WAIT_S) for future in accepted]
        assert len(set(sequences)) == len(accepted)
        kept = [
            operation.keys[0]
            for _, entry in rig.log.read()
            for operation in entry.operations
            if isinstance(operation, Happened)
        ]
        assert len(kept) == len(accepted)
    finally:
        rig.disk.go()
        rig.thread.close()
    assert rig.thread.failure is None


def test_what_only_time_calls_for_waits_for_the_disk(tmp_path: Path, space: Workspace) -> None:
    """The tick rests while much is ahead of the disk, and takes what is due when it is not."""
    rig = Rig(tmp_path / "log", space)
    try:
        rig.disk.stop()
        number = 0
        while not rig.log.low:
            rig.event(number)
            looked(rig)
            number += 1
        rig.clock.time = START + 2 * 86_400
        looked(rig)
        looked(rig)
        assert not rig.transport.handed
        assert rig.log.low
        rig.disk.go()
        rig.transport.until(CONTACTS)
    finally:
        rig.disk.go()
        rig.thread.close()
    assert rig.thread.failure is None


def asked(rig: Rig, number: int):
    """An event, which the engine thread has taken by now."""
    future = rig.event(number)
    looked(rig)
    return future


def test_more_answers_than_may_wait_are_refused_at_once(
    tmp_path: Path, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small they are: who waits for the disk counts as much as who waits for his turn."""
    monkeypatch.setattr(module, "COMMANDS_MAX", 5)
    rig = Rig(tmp_path / "log", space)
    try:
        rig.disk.stop()
        futures = []
        with pytest.raises(Busy, match="5 commands wait already"):
            futures.extend(asked(rig, number) for number in range(20))
        assert 1 <= len(futures) <= 5
        rig.disk.go()
        assert all(future.result(WAIT_S) for future in futures)
    finally:
        rig.disk.go()
        rig.thread.close()
