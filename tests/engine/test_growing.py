"""Commands that may be added to: when the engine thread runs them, and with how much. No sleeps."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import numpy as np
import pytest

from blaster.core import suppressed_contacts
from blaster.engine import Machine
from blaster.engine.commands import Growing
from blaster.engine.gathering import Batch, Happening, Refusing
from blaster.engine.thread import EngineThread
from blaster.limits import GATHERED_MAX
from blaster.model.records import Joined
from tests.engine.support import START, FakeClock, GateLog, HeldTransport, people

REFUSAL = Refusing(2, "email", "all", "test")


class Grown(Growing):
    """A command that notes with how many it ran, and is an input."""

    def __init__(self, ran: list[int]) -> None:
        super().__init__(None)
        self.ran = ran

    def __call__(self, machine: Machine, now: int) -> None:
        self.ran.append(len(self.items))
        machine.accept(now, (Joined("other", np.arange(1), False, "test"),))


class Sleepless(contextlib.nullcontext[None]):
    """In place of the condition: there is one thread, the test's, and it never waits."""

    def wait(self, seconds: float) -> None:
        """Over at once."""

    def notify(self) -> None:
        """Nobody waits."""


def thread(log: GateLog) -> EngineThread:
    """A thread that the test steps itself; nothing becomes durable until the log is released."""
    machine = Machine(log)
    machine.accept(START, (people(0, 5),))
    machine.tick(START, {}, 1 << 30)
    log.release()
    log.is_open = False
    found = EngineThread(machine, FakeClock(), HeldTransport())
    mend: Any = found
    mend._news = Sleepless()
    log.on_durable(found._on_durable)
    return found


def test_it_is_run_when_those_before_it_are_durable() -> None:
    log = GateLog()
    engine, ran = thread(log), list[int]()
    first, second = Grown(ran), Grown(ran)
    answer = engine.run(first)
    engine._step()
    assert ran == [1]
    assert not engine.extend(first, None)  # it ran
    engine.run(second)
    assert engine.extend(second, None)
    engine._step()
    assert (ran, answer.done()) == ([1], False)
    log.release()
    assert answer.done()
    engine._step()
    assert ran == [1, 2]


def test_what_comes_behind_it_does_not_wait() -> None:
    engine, ran = thread(GateLog()), list[int]()
    engine.run(Grown(ran))
    engine._step()
    second = Grown(ran)
    engine.run(second)
    engine.run(lambda m, now: ran.append(0))
    assert not engine.extend(second, None)
    engine._step()
    assert ran == [1, 1, 0]


async def test_an_opt_out_does_not_wait() -> None:
    """Nor what it joins: until it is run, what is queued goes on leaving."""
    loop = asyncio.get_running_loop()
    batch = Batch(loop, (Happening("event", "seen", 0, {}), loop.create_future()))
    assert batch.may_wait
    engine = thread(GateLog())
    engine.run(Grown([]))
    engine._step()
    engine.run(batch)
    engine._woken = False
    assert engine.extend(batch, (Happening("event", "seen", 1, {}), loop.create_future()))
    assert not engine._woken
    assert engine.extend(batch, (REFUSAL, loop.create_future()))
    assert engine._woken
    engine._step()
    assert suppressed_contacts(engine._machine.state, "email").tolist() == [2]
    assert not Batch(loop, (REFUSAL, loop.create_future())).may_wait


@pytest.mark.parametrize("reason", ["full", "closing", "work"])
def test_it_does_not_wait(reason: str) -> None:
    """When it takes no more, at the end, and beside other work, which would go before it."""
    engine, ran = thread(GateLog()), list[int]()
    engine.run(Grown(ran))
    engine._step()
    second = Grown(ran)
    engine.run(second)
    assert engine.extend(second, None)
    engine._step()
    assert ran == [1]
    mend: Any = engine
    if reason == "full":
        while engine.extend(second, None):
            pass
    elif reason == "closing":
        mend._closing = True
    else:
        mend._has_work = lambda: True
    engine._step()
    assert ran == [1, GATHERED_MAX if reason == "full" else 2]
