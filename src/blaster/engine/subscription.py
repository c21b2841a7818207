"""A listener's side of notices: they wait here, boundedly, until he asks for the next."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable

from blaster.engine.notices import Notice
from blaster.errors import BlasterError, Busy, EngineClosed
from blaster.limits import NOTICES_MAX


class Subscription(AsyncIterator[Notice]):
    """Notices for one listener. Iterate it; `end` stops it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, forget: Callable[[Subscription], None]
    ) -> None:
        self._loop = loop
        self._forget: Callable[[Subscription], None] | None = forget
        self._news = asyncio.Event()
        self._mutex = threading.Lock()
        self._waiting: deque[Notice] = deque()
        self._why: BlasterError | None = None

    def offer(self, notices: list[Notice]) -> None:
        """Called on the engine thread, when they are durable."""
        with self._mutex:
            if self._forget is None:
                return
            lagging = len(self._waiting) + len(notices) > NOTICES_MAX
            if not lagging:
                self._waiting.extend(notices)
        if lagging:
            self._end(Busy(f"more than {NOTICES_MAX} notices waited; subscribe again"))
        self._wake()

    def end(self, failure: BaseException | None = None) -> None:
        """No more notices after those that wait; then EngineClosed if there was a failure."""
        why = None
        if failure is not None:
            why = EngineClosed(f"the engine stopped: {failure}")
            why.__cause__ = failure
        self._end(why)
        self._wake()

    def _end(self, why: BlasterError | None) -> None:
        with self._mutex:
            forget, self._forget = self._forget, None
            if forget is not None:
                self._why = why
        if forget is not None:
            forget(self)

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._news.set)

    async def __anext__(self) -> Notice:
        while True:
            with self._mutex:
                if self._waiting:
                    return self._waiting.popleft()
                ended, why = self._forget is None, self._why
                if not ended:
                    self._news.clear()
            if why is not None:
                raise why
            if ended:
                raise StopAsyncIteration
            await self._news.wait()
