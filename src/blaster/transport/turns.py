"""Whose turn it is: the messages of a lane that wait for its window, the most urgent first."""

from __future__ import annotations

import asyncio
import math
from bisect import insort
from collections.abc import Awaitable, Callable

from blaster.clock import Clock
from blaster.transport.pacing import Window

Waiter = tuple[int, int, "asyncio.Future[bool]"]


class Turns:
    """A queue before a window. At most one waiter per connection, so it needs no bound."""

    def __init__(self, window: Window, clock: Clock) -> None:
        self._window = window
        self._clock = clock
        self._waiting: list[Waiter] = []  # by rank, then by arrival
        self._arrivals = 0
        self._timer: asyncio.TimerHandle | None = None

    async def take(
        self, rank: int, patience_s: float, tired: Callable[[], Awaitable[None]]
    ) -> bool:
        """True: the message has started in the window. False: look again at what should be sent.

        `tired` is awaited once when the turn has not come after `patience_s`.
        """
        if not self._waiting and self._window.start(self._clock.monotonic()) == 0:
            return True
        self._arrivals += 1
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiter = (rank, self._arrivals, turn)
        insort(self._waiting, waiter)
        try:
            self.go_on()
            await asyncio.wait((turn,), timeout=patience_s)
            if not turn.done():
                await tired()
            return await turn
        finally:
            if waiter in self._waiting:  # the task was cancelled
                self._waiting.remove(waiter)

    def go_on(self) -> None:
        """Gives as many turns as the window allows, and comes back when it allows the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            wait = self._window.start(self._clock.monotonic())
            if wait:
                if wait < math.inf:  # else the next completion calls
                    self._timer = asyncio.get_running_loop().call_later(wait, self.go_on)
                return
            self._waiting.pop(0)[2].set_result(True)

    def step_back(self, rank: int, count: int) -> None:
        """Sends away up to `count` waiters that are less urgent than `rank`, the least first."""
        while count and self._waiting and self._waiting[-1][0] > rank:
            self._waiting.pop()[2].set_result(False)
            count -= 1

    def send_away(self) -> None:
        """Nobody waits any more."""
        self.step_back(-1, len(self._waiting))
        self.go_on()
