"""What the tests of delivery share: letters, batches, workspaces, a broker without processes."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.model.definitions import Account, Shaping, Workspace
from blaster.model.letters import Letter
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.transport import frames
from blaster.transport.broker import Broker
from blaster.transport.processes import Patience
from blaster.transport.rings import Left
from blaster.transport.sites import limits_of, sites_of
from blaster.transport.smtp import Parts
from tests.transport.fake_ring import FakeRing

SITE = "127.0.0.1:2525"
BOOT = "11111111-2222-3333-4444-555555555555"
QUICK = Patience(ready_s=20.0, silent_s=60.0, end_s=10.0, rest_s=60.0)
FAKE_WORKER = Path(__file__).parent / "fake_worker.py"


def letter(version: str = "v1", *, repeat: bool = True) -> Letter:
    return Letter(
        version, "news", "email", "marketing", "a@shop.example", "Shop", (), (), (), (), (),
        opt_out=True, web="", repeat=repeat,
    )  # fmt: skip


def batch(
    numbers: list[int] | range, category: str = "marketing", site: str = SITE, *,
    address: str = "accept@there.example", repeat: bool = True, version: str = "v1",
    slots: tuple[tuple[str | None, ...], ...] = (),
) -> OrderBatch:  # fmt: skip
    count = len(numbers)
    return OrderBatch(
        "email", "news", np.array(numbers, np.uint64), np.arange(count, dtype=np.int64),
        np.arange(count, dtype=np.int64) + 1000,
        pa.array([address] * count), category, site, letter(version, repeat=repeat), slots,
    )  # fmt: skip


def workspace(*shaping: Shaping, kind: str = "smtp", **options: str) -> Workspace:
    transport = {"kind": kind, **options}
    return Workspace(
        Account(
            routes={"there.example": SITE}, transports={"email": transport}, shaping=tuple(shaping)
        )
    )


class NoRings:
    """Notes what becomes of places."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[int, int]] = {}
        self.cleared: list[tuple[int, int]] = []

    def keep(self, number: int, ring: int, place: int) -> None:
        self.kept[number] = ring, place

    def clear(self, ring: int, place: int) -> None:
        self.cleared.append((ring, place))


class Table:
    """A suppression table as a dict."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def put_all(self, ends: Any, text: Any, scopes: Any) -> None:
        for place, bits in enumerate(scopes.tolist()):
            self.rows[bytes(text[ends[place] : ends[place + 1]]).decode()] = bits


class Bench:
    """A broker, and what a worker would do to it. Each life has a ring: 100, 101, .."""

    def __init__(self, *shaping: Shaping, workers: int = 1, places: int = 256) -> None:
        self.account = workspace(*shaping).account
        self.rings = NoRings()
        self.ring = 100
        self.broker = Broker(self.rings, workers, self.limits, places)
        self.broker.configure(sites_of(self.account), self.limits, 0.0)
        self.has: dict[int, dict[int, tuple[int, str]]] = {n: {} for n in range(workers)}
        self.lanes: dict[tuple[int, str], frames.Lane] = {}
        self.known: list[tuple[int, str]] = []
        self.pushed: list[int] = []

    def limits(self, site: str):
        return limits_of(self.account, site)

    def up(self, worker: int = 0, now: float = 0.0) -> None:
        self.broker.attach(worker, self.ring, now)
        self.ring += 1
        self.carry()

    def turn(self, now: float) -> None:
        self.broker.tick(now)
        self.carry()

    def give(self, orders: OrderBatch, now: float = 0.0) -> None:
        self.broker.hand_over(orders, now)
        self.broker.turn(now)
        self.carry()

    def carry(self) -> list[frames.ToWorker]:
        """Takes the frames as the workers would."""
        told, self.broker.frames = self.broker.frames, []
        for worker, frame in told:
            if isinstance(frame, frames.Lane):
                self.lanes[worker, frame.site] = frame
            elif isinstance(frame, frames.Known):
                self.known.append((worker, frame.letter.version))
            elif isinstance(frame, frames.Orders):
                assert len(frames.encode(frame)) < 16 * 1024 * 1024
                self.pushed += frame.numbers
                for number, place in zip(frame.numbers, frame.places, strict=True):
                    assert place not in {p for p, _ in self.has[worker].values()}
                    self.has[worker][number] = place, frame.site
        return [frame for _, frame in told]

    def result(
        self, numbers: list[int], now: float, code: int = 1, reason: str = "", worker: int = 0
    ) -> None:
        for number in numbers:
            place, site = self.has[worker].pop(number)
            frame = frames.Results(site, (number,), (place,), (code,), (reason,), (0,))
            self.broker.results(worker, frame, now)
        self.broker.turn(now)
        self.carry()

    def settle(self, now: float) -> None:
        self.broker.free(list(self.rings.kept.values()))
        self.rings.kept.clear()
        self.turn(now)

    def give_back(self, numbers: list[int], now: float, worker: int = 0) -> None:
        found = [self.has[worker].pop(number) for number in numbers]
        places = tuple(place for place, _ in found)
        frame = frames.Returned(found[0][1], tuple(numbers), places)
        self.broker.returned(worker, frame, now)
        self.broker.turn(now)
        self.carry()

    def trouble(self, kind: frames.Trouble, now: float, reply: str = "421 wait") -> None:
        self.broker.signal(frames.Signal(SITE, kind, 1, reply), now)
        self.broker.turn(now)
        self.carry()

    def left(self, states: dict[int, int], worker: int = 0) -> list[Left]:
        """What the ring of a worker says that had brought its orders to these states."""
        return [
            Left(self.has[worker][number][0], number, state, 1, "250 ok", 0)
            for number, state in states.items()
        ]

    def outcomes(self) -> dict[int, tuple[int, str, int]]:
        return rows(self.broker.answers.take())


def rows(answer: OutcomeBatch | None) -> dict[int, tuple[int, str, int]]:
    """Number to (code, reason, wait)."""
    if answer is None:
        return {}
    count = len(answer.numbers)
    reasons, waits = answer.reasons or ("",) * count, answer.waits or (0,) * count
    return dict(
        zip(
            answer.numbers.tolist(),
            zip(answer.codes.tolist(), reasons, waits, strict=True),
            strict=True,
        )
    )


class Heard:
    """Takes outcomes from another thread."""

    def __init__(self) -> None:
        self._queue: queue.Queue[OutcomeBatch] = queue.Queue()

    def __call__(self, answer: OutcomeBatch) -> None:
        self._queue.put(answer)

    def wait(self, count: int) -> dict[int, tuple[int, str, int]]:
        found: dict[int, tuple[int, str, int]] = {}
        while len(found) < count:
            found |= rows(self._queue.get(timeout=30))
        return found

    def rest(self) -> dict[int, tuple[int, str, int]]:
        return dict(item for answer in self._all() for item in rows(answer).items())

    def _all(self) -> Iterator[OutcomeBatch]:
        while not self._queue.empty():
            yield self._queue.get_nowait()


def parts(folder: Path, table: Table, *words: str, patience: Patience = QUICK) -> Parts:
    once = folder / "once"
    return Parts(
        ring=FakeRing,
        table=lambda path, key, capacity: table,
        load_key=lambda domain, selector, pem, *, checked: None,
        boot_id=lambda: BOOT,
        command=(sys.executable, str(FAKE_WORKER), "--once", str(once), *words),
        patience=patience,
    )
