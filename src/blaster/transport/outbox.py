"""What a worker has to say, gathered: one write for many outcomes.

Laws: an outcome waits at most RESULTS_MS for company and is written when RESULTS_ROWS wait; nothing
is added to a socket the core does not read: lanes wait at `room` while OUTBOX_ROWS_MAX outcomes lie
here. What cannot be said because the core is gone is dropped: the ring says it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from blaster.limits import OUTBOX_ROWS_MAX, RESULTS_MS, RESULTS_ROWS
from blaster.transport.desk import Order
from blaster.transport.frames import (
    Pulse,
    Ready,
    Results,
    Returned,
    Signal,
    ToCore,
    Trouble,
    encode,
)
from blaster.transport.replies import Verdict


class Outbox:
    """`write` takes bytes, `drain` returns when more may be written (OSError: nobody reads)."""

    def __init__(
        self, write: Callable[[bytes], None], drain: Callable[[], Awaitable[None]]
    ) -> None:
        self._write = write
        self._drain = drain
        self._results: dict[str, list[tuple[Order, Verdict]]] = {}
        self._returned: dict[str, list[tuple[int, int]]] = {}
        self._signals: dict[tuple[str, Trouble], tuple[int, str]] = {}
        self._ready: Ready | None = None
        self._pulse: Pulse | None = None
        self._rows = 0
        self._something = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.closed = False

    def result(self, site: str, order: Order, verdict: Verdict) -> None:
        """An outcome, which the ring has already."""
        self._results.setdefault(site, []).append((order, verdict))
        self._added()

    def returned(self, site: str, numbers: Sequence[int], places: Sequence[int]) -> None:
        """Orders that were not tried, aligned."""
        if numbers:
            self._returned.setdefault(site, []).extend(zip(numbers, places, strict=True))
            self._added(len(numbers))

    def signal(self, site: str, trouble: Trouble, reply: str) -> None:
        """Trouble of a site; the newest reply stands for all of one kind."""
        count, _ = self._signals.get((site, trouble), (0, ""))
        self._signals[site, trouble] = (count + 1, reply)
        self._something.set()

    def ready(self, frame: Ready) -> None:
        """Said once, before everything else."""
        self._ready = frame
        self._something.set()

    def pulse(self, frame: Pulse) -> None:
        """A newer one takes the place of one that was not written yet."""
        self._pulse = frame
        self._something.set()

    def _added(self, rows: int = 1) -> None:
        self._rows += rows
        self._something.set()
        if self._rows >= RESULTS_ROWS:
            self._full.set()
        if self._rows >= OUTBOX_ROWS_MAX:
            self._room.clear()

    @property
    def roomy(self) -> bool:
        """Whether another message may begin."""
        return self._room.is_set()

    async def room(self) -> None:
        """Returns when another message may begin."""
        await self._room.wait()

    async def run(self) -> None:
        """Writes what comes, until it is cancelled or nobody reads any more."""
        while not self.closed:
            await self._something.wait()
            if not self._full.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), RESULTS_MS / 1000)
            await self.flush()

    async def flush(self) -> None:
        """Everything that waits, in one write."""
        data = b"".join(encode(frame) for frame in self._frames())
        self._something.clear()
        self._full.clear()
        self._rows = 0
        self._room.set()
        if self.closed or not data:
            return
        try:
            self._write(data)
            await self._drain()
        except OSError:
            self.closed = True

    def _frames(self) -> list[ToCore]:
        frames: list[ToCore] = []
        if self._ready is not None:
            frames.append(self._ready)
        for site, rows in self._results.items():
            frames.append(
                Results(
                    site,
                    tuple(order.number for order, _ in rows),
                    tuple(order.place for order, _ in rows),
                    tuple(int(verdict.code) for _, verdict in rows),
                    tuple(verdict.reason for _, verdict in rows),
                    tuple(verdict.wait_s for _, verdict in rows),
                )
            )
        for site, pairs in self._returned.items():
            numbers, places = zip(*pairs, strict=True)
            frames.append(Returned(site, numbers, places))
        for (site, trouble), (count, reply) in self._signals.items():
            frames.append(Signal(site, trouble, count, reply))
        if self._pulse is not None:
            frames.append(self._pulse)
        self._ready = self._pulse = None
        self._results, self._returned, self._signals = {}, {}, {}
        return frames
