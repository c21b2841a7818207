"""Whose turn it is."""

from __future__ import annotations

import asyncio

from blaster.transport.pacing import Window
from blaster.transport.turns import Turns


class StandingClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


async def never() -> None:
    raise AssertionError("nobody is tired yet")


async def begin(*coroutines) -> list[asyncio.Task]:
    """Tasks that have come as far as they can."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_the_most_urgent_goes_first_and_the_least_urgent_steps_back():
    clock, window = StandingClock(), Window(1, 10.0)
    turns = Turns(window, clock)
    assert await turns.take(2, 1000, never)
    last, later, first = await begin(
        turns.take(2, 1000, never), turns.take(2, 1000, never), turns.take(0, 1000, never)
    )
    turns.step_back(1, 1)
    assert await later is False
    window.done(0)
    clock.at = 10.0
    turns.go_on()
    assert await first is True
    assert not last.done()
    turns.send_away()
    assert await last is False


async def test_a_turn_comes_by_itself_when_the_time_has_passed():
    clock, window = StandingClock(), Window(1, 0.005)
    turns = Turns(window, clock)
    assert await turns.take(0, 1000, never)
    window.done(0)
    (waiting,) = await begin(turns.take(0, 1000, never))
    assert not waiting.done()
    clock.at = 0.005
    assert await waiting is True


async def test_who_waits_too_long_is_tired_once_and_waits_on():
    clock, window = StandingClock(), Window(1, 1000.0)
    turns = Turns(window, clock)
    assert await turns.take(0, 1000, never)
    tired = asyncio.Event()

    async def tire() -> None:
        tired.set()

    (waiting,) = await begin(turns.take(0, 0.001, tire))
    await tired.wait()
    window.undo()
    turns.go_on()
    assert await waiting is True


async def test_who_is_cancelled_waits_no_more():
    window = Window(1, 1000.0)
    turns = Turns(window, StandingClock())
    assert await turns.take(0, 1000, never)
    (waiting,) = await begin(turns.take(0, 1000, never))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    window.undo()
    turns.go_on()
    assert window.free(0.0) == 1
