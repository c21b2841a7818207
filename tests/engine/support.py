"""What the engine's tests share: a small account, a clock, and doubles of log and transport."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from blaster.clock import SystemClock
from blaster.definitions import check
from blaster.engine import Engine, Machine
from blaster.errors import Busy, LogError
from blaster.log.codec import decode_entry, encode_entry
from blaster.model import definitions as model
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Entry, Published, Upserted
from blaster.simulate.scenario import synthetic
from blaster.transport import Transport

WAIT_S = 20
START = 1_800_000_000
ANY_ROOM: dict[str, int] = {}

TOML = """[account]
name = "Club"
address = "1 Main Street"
contact = "03-5550000"

[senders.club]
address = "club@example.com"

[transports.email]
kind = "stub"
[transports.sms]
kind = "stub"
[transports.crm]
kind = "stub"
"""
MAIL = "---\ncategory: operational\nfrom: club\nsubject: Hello\n---\n<p>Hello</p>\n"
TEXT = "---\ncategory: operational\n---\nHello\n"
FILES = {
    "blaster.toml": TOML,
    "fields.yaml": (
        "city: text\nvisits: {type: integer, default: 0}\nborn: date\nseen: instant\ntags: list\n"
        "price: {type: number, scale: 2}\nvip: boolean\nkind: {type: enum, values: [a, b]}\n"
    ),
    "messages/bill.email.html": MAIL,
    "messages/pay.sms.txt": TEXT,
    "journeys/welcome.yaml": (
        'journey: welcome\nenter:\n  on: list "club"\nsteps:\n  - id: bill\n    send: email bill\n'
    ),
}


def write(folder: Path, files: dict[str, str] | None = None) -> Path:
    """The account's files, with these in their place."""
    for name, text in {**FILES, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def workspace(folder: Path, files: dict[str, str] | None = None) -> model.Workspace:
    """The checked workspace of these files."""
    checked = check(write(folder, files))
    assert checked.workspace is not None, checked.text
    return checked.workspace


def published(made: model.Workspace) -> Published:
    from blaster.definitions import to_json

    return Published(to_json(made))


def people(first: int, count: int) -> Upserted:
    """New contacts with an address each."""
    contacts = np.arange(first, first + count, dtype=np.int64)
    return Upserted(contacts, np.ones(count, bool), synthetic(contacts), "test")


def drain(machine: Machine, now: int = START, room: dict[str, int] = ANY_ROOM) -> list[OrderBatch]:
    """Ticks until nothing is left to do; the orders that came."""
    orders: list[OrderBatch] = []
    while machine.has_work(now, room):
        orders += machine.tick(now, room, 1 << 30)[2]
    return orders


async def quiet(engine: Engine, room: dict[str, int] = ANY_ROOM) -> None:
    """Until the engine has nothing left to do and no order in flight."""

    def busy(machine: Machine, now: int) -> bool:
        return bool(machine.has_work(now, room) or machine.state.orders.in_flight)

    while await engine._run(busy):
        pass


class FakeClock:
    """Stands still until it is moved; `pace` is what each look at `monotonic` costs."""

    def __init__(self, now: float = START) -> None:
        self.time = now
        self.pace = 0.0
        self.ran = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        self.ran += self.pace
        return self.ran


class GateLog:
    """A log in memory that is durable when the test says so, full or broken as well."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.busy: Busy | None = None
        self.refused = 0
        self.frames: list[bytes] = []
        self.durable = 0
        self.failed: LogError | None = None
        self.closed = False
        self.callbacks: list[Callable[[int], None]] = []
        self.changed = threading.Condition()

    @property
    def last(self) -> int:
        return len(self.frames)

    @property
    def low(self) -> bool:
        return False

    def append(self, entry: Entry, timeout_s: float = 0.0, *, owed: bool = False) -> int:
        frame = encode_entry(entry)
        with self.changed:
            self.changed.notify_all()
            if self.failed is not None:
                raise LogError(str(self.failed)) from self.failed
            if self.busy is not None:
                self.refused += 1
                raise self.busy
            self.frames.append(frame)
            sequence = self.last
        if self.is_open:
            self.release()
        return sequence

    def hurry(self) -> None:
        """It waits for `release`, not for company."""

    def release(self) -> None:
        """Everything appended is durable."""
        self.durable = self.last
        for callback in self.callbacks:
            callback(self.durable)

    def open(self) -> None:
        """From now on whatever is appended is durable at once."""
        self.is_open = True
        self.release()

    def fail(self) -> None:
        self.failed = LogError("the disk is gone")
        for callback in self.callbacks:
            callback(self.durable)

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until it is so; what an append brings about may come just after its news."""
        deadline = time.monotonic() + WAIT_S
        with self.changed:
            while not condition():
                assert time.monotonic() < deadline
                self.changed.wait(0.01)

    def wait_durable(self, sequence: int, timeout_s: float | None = None) -> bool:
        return sequence <= self.durable

    def on_durable(self, callback: Callable[[int], None]) -> None:
        self.callbacks.append(callback)

    def read(self, from_sequence: int = 1, about: int | None = None) -> Iterator[tuple[int, Entry]]:
        frames = self.frames[from_sequence - 1 : self.durable]
        return ((n, decode_entry(frame, about)) for n, frame in enumerate(frames, from_sequence))

    def read_streaks(self, from_sequence: int = 1) -> Iterator[Entry]:
        return (entry for _, entry in self.read(from_sequence))

    def close(self) -> None:
        if self.failed is None:
            self.release()
        self.closed = True


class HeldTransport(Transport):
    """Keeps what it is handed; the test answers. `rooms`: what each channel takes at once."""

    def __init__(self, rooms: dict[str, int] | None = None, *, answers: bool = False) -> None:
        self.rooms = rooms or {}
        self.answers = answers
        self.handed: list[OrderBatch] = []
        self.closed = 0
        self.last_words: list[OutcomeBatch] = []
        self.settlements: list[int] = []
        self.changed = threading.Condition()
        self.outcomes: Callable[[OutcomeBatch], None] = lambda batch: None

    def room(self) -> dict[str, int]:
        return self.rooms

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        self.outcomes = outcomes

    def hand_over(self, batch: OrderBatch) -> None:
        with self.changed:
            self.handed.append(batch)
            self.changed.notify_all()
        if self.answers:
            self.answer(batch)

    def answer(self, batch: OrderBatch, code: int = OutcomeCode.ACCEPTED, reason: str = "") -> None:
        self.outcomes(outcomes(batch, code, reason))

    def numbers(self) -> list[int]:
        return [int(n) for batch in self.handed for n in batch.numbers]

    def until(self, count: int) -> None:
        """Waits until so many orders were handed over."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.numbers()) >= count, WAIT_S)

    def settled(self, numbers) -> None:
        self.settlements += numbers.tolist()

    def stop(self) -> None:
        for batch in self.last_words:
            self.outcomes(batch)

    def close(self) -> None:
        self.closed += 1


def outcomes(batch: OrderBatch, code: int = OutcomeCode.ACCEPTED, reason: str = "") -> OutcomeBatch:
    count = len(batch.numbers)
    reasons = (reason,) * count if reason else ()
    return OutcomeBatch(batch.numbers, np.full(count, code, np.uint8), reasons)


REAL = SystemClock()
