"""State and log together: nothing is applied that is not in the log, and it is known when not."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.engine import Machine
from blaster.engine import machine as module
from blaster.errors import Busy, LogError
from blaster.log import MemoryLog
from blaster.model.records import Joined, Noted
from tests.engine.support import START, GateLog, drain, people, published, workspace

EVERYBODY = np.arange(5, dtype=np.int64)


def joined(machine: Machine, folder) -> None:
    machine.accept(START, (published(workspace(folder)), people(0, 5)))
    machine.accept(START, (Joined("club", EVERYBODY, False, "test"),))


def test_recovered_is_the_same(tmp_path):
    log = MemoryLog()
    machine = Machine(log)
    joined(machine, tmp_path)
    orders = drain(machine)
    assert [len(batch.numbers) for batch in orders] == [5]
    again = Machine.recover(log)
    assert again.state.digest() == machine.state.digest()
    assert again.state.orders.in_flight == 5


def test_refused_by_a_full_log_nothing_changed(tmp_path):
    log = GateLog()
    machine = Machine(log)
    joined(machine, tmp_path)
    before = machine.state.digest()
    log.busy = Busy("full")
    with pytest.raises(Busy):
        machine.accept(START, (people(5, 1),))
    assert machine.sound
    assert machine.state.digest() == before


def test_a_broken_watcher_leaves_the_machine_unsound(tmp_path):
    """Then the log holds what the state does not."""
    machine = Machine(MemoryLog())

    def watch(sequence, entry):
        raise ValueError("watcher")

    machine.watch = watch
    with pytest.raises(ValueError, match="watcher"):
        machine.accept(START, (people(0, 1),))
    assert not machine.sound


def test_a_tick_waits_for_room(tmp_path):
    log = GateLog()
    machine = Machine(log)
    joined(machine, tmp_path)
    busy = Busy("full", retry_after_s=0.0)

    def append(entry, timeout_s=0.0, *, owed=False):
        assert owed
        del log.append  # the next one goes through
        raise busy

    log.append = append
    sequence, entry, _ = machine.tick(START, {}, 1 << 30)
    assert entry.operations
    assert sequence == log.last
    assert machine.sound
    assert Machine.recover(log).state.digest() == machine.state.digest()


def test_a_tick_gives_up_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "APPEND_TIMEOUT_S", 0.01)
    log = GateLog()
    machine = Machine(log)
    joined(machine, tmp_path)
    log.busy = Busy("the disk has 5 bytes left", retry_after_s=1.0)
    with pytest.raises(LogError, match=r"no room for a decision in 0\.01 s") as caught:
        machine.tick(START, {}, 1 << 30)
    assert caught.value.__cause__ is log.busy
    assert not machine.sound


def test_a_tick_of_nothing_writes_nothing():
    machine = Machine(MemoryLog())
    sequence, entry, orders = machine.tick(START, {}, 10)
    assert (sequence, entry.operations, orders, machine.log.last) == (0, (), [], 0)
    assert not machine.has_work(START, {})


def test_time_never_goes_back(tmp_path):
    log = MemoryLog()
    machine = Machine(log)
    joined(machine, tmp_path)
    machine.accept(START - 100, (people(5, 1),))
    machine.tick(START - 100, {}, 1 << 30)
    assert {entry.at for _, entry in log.read()} == {START}


def test_an_input_about_nobody_is_kept_and_does_nothing(tmp_path):
    machine = Machine(MemoryLog())
    joined(machine, tmp_path)
    drain(machine)
    nobody = np.empty(0, np.int64)
    machine.accept(START, (Noted("email", "bill", "opened", nobody, np.empty(0, np.uint64), ()),))
    assert not machine.state.inbox
    assert Machine.recover(machine.log).state.digest() == machine.state.digest()
