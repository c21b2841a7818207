"""A transport of the broker's and the table's real code, with workers that a test moves on.

Each worker takes orders into its queue, looks each up at its turn with the desk that real workers
have, and is done with it one step later. Time is the test's. Safe for one engine thread that hands
over and one test that steps.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.clock import Clock
from blaster.limits import RING_PLACES
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.transport import Transport, frames
from blaster.transport.broker import Broker
from blaster.transport.desk import Desk, KnownLetter, Order, orders_of
from blaster.transport.parts import Parts
from blaster.transport.sites import SiteLimits
from blaster.transport.suppression import SuppressionTable

KEY = b"sixteen bytes..."
FAST = 1_000_000
"""Messages a second that the one site takes."""


class Worker:
    """Orders in, the last look, orders on the wire."""

    def __init__(self, number: int, table: Path, clock: Clock) -> None:
        unused: Any = None  # what writes, signs and keeps rings
        parts = Parts(unused, lambda: SuppressionTable.open(str(table)), unused, unused, clock)
        self.number = number
        self.desk = Desk(parts)
        self.queue: deque[Order] = deque()
        self.wire: list[Order] = []
        self.letters: dict[str, KnownLetter] = {}

    def hear(self, frame: frames.ToWorker) -> None:
        if isinstance(frame, frames.Known):
            self.letters[frame.letter.version] = KnownLetter(frame.letter)
        elif isinstance(frame, frames.Orders):
            self.queue.extend(orders_of(frame, self.letters[frame.letter]))

    def turn(self, count: int, mailed: Callable[[Order], None]) -> list[frames.Results]:
        """What was on the wire is taken; so many more go there, unless they are forbidden."""
        done = [(order, OutcomeCode.ACCEPTED, "250 taken") for order in self.wire]
        self.wire = []
        for _ in range(min(count, len(self.queue))):
            order = self.queue.popleft()
            if self.desk.forbids(order):
                done.append((order, OutcomeCode.SUPPRESSED, "suppressed_opt_out"))
            else:
                mailed(order)
                self.wire.append(order)
        if not done:
            return []
        orders, codes, reasons = zip(*done, strict=True)
        numbers = tuple(order.number for order in orders)
        places = tuple(order.place for order in orders)
        return [frames.Results("", numbers, places, codes, reasons, (0,) * len(orders))]


class Exchange(Transport):
    """`mailed` is called for each message that goes on the wire."""

    def __init__(
        self, folder: Path, clock: Clock, mailed: Callable[[Order], None], workers: int = 2
    ) -> None:
        self.table = SuppressionTable.create(folder / "table", KEY, 16)
        self.mailed = mailed
        self.clock = clock
        self.kept: dict[int, tuple[int, int]] = {}
        self.broker = Broker(self, workers, self.limits, RING_PLACES)
        self.workers = [Worker(number, folder / "table", clock) for number in range(workers)]
        self.mutex = threading.Lock()
        self.tell: Callable[[OutcomeBatch], None] = lambda batch: None

    @staticmethod
    def limits(site: str) -> SiteLimits:
        return SiteLimits(site, "mx", 25, 100, FAST, FAST, 1.0)

    # --- what the broker sees ---------------------------------------------------------------------

    def keep(self, number: int, ring: int, place: int) -> None:
        self.kept[number] = ring, place

    def clear(self, ring: int, place: int) -> None:
        return

    # --- what the engine sees ---------------------------------------------------------------------

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        self.tell = outcomes
        with self.mutex:
            for worker in self.workers:
                self.broker.attach(worker.number, worker.number, self.clock.monotonic())

    def suppress(self, addresses: pa.StringArray, scopes: Any) -> None:
        for address, bits in zip(addresses.to_pylist(), scopes.tolist(), strict=True):
            self.table.put(address, bits)

    def room(self) -> dict[str, int]:
        with self.mutex:
            return self.broker.room(self.clock.monotonic())

    def hand_over(self, batch: OrderBatch) -> None:
        with self.mutex:
            self.broker.hand_over(batch, self.clock.monotonic())

    def settled(self, numbers: Any) -> None:
        with self.mutex:
            found = [self.kept.pop(number, None) for number in numbers.tolist()]
            self.broker.free([place for place in found if place is not None])

    # --- what the test does -----------------------------------------------------------------------

    def step(self, count: int) -> bool:
        """Each worker goes on by up to `count` messages; whether anything was done."""
        now = self.clock.monotonic()
        with self.mutex:
            self.broker.tick(now)
            told, self.broker.frames = self.broker.frames, []
            for number, frame in told:
                self.workers[number].hear(frame)
            busy = False
            for worker in self.workers:
                for results in worker.turn(count, self.mailed):
                    busy = True
                    self.broker.results(worker.number, results, now)
                busy = busy or bool(worker.queue or worker.wire)
            answers = self.broker.answers.take()
        if answers is not None:
            self.tell(answers)
        return busy


def everybody(count: int) -> Any:
    return np.arange(count, dtype=np.int64)
