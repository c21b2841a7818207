"""A small seeded world on the engine thread, over a log on a disk that may fail or lose its power.

People join, buy, change and opt out, in bursts that are not waited for; journeys send to them; the
post delivers, refuses or keeps silent, as dice say. What was acknowledged and what had left is
noted as it happens, so that it can be asked of whatever opens the folder afterwards.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from blaster.engine import Machine
from blaster.engine.intake import attributes
from blaster.engine.thread import EngineThread
from blaster.errors import BlasterError
from blaster.log import Disk, EmbeddedLog, Log, encode_entry
from blaster.model import records
from blaster.model.definitions import Workspace
from blaster.model.fields import NEVER
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import IN_DOUBT, OutcomeCode
from blaster.transport import Transport
from blaster.transport.ring import Ring
from blaster.transport.rings import Rings
from tests.engine.support import TEXT, WAIT_S, FakeClock, people, published
from tests.sim.test_ledgers import look

DAY = 86_400
BOOTS = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
ONCE = "---\ncategory: operational\nfrom: club\nsubject: Once\nrepeat: never\n---\n<p>Once</p>\n"
FILES = {
    "messages/once.email.html": ONCE,
    "messages/pay.sms.txt": TEXT,
    "journeys/welcome.yaml": (
        'journey: welcome\nenter:\n  on: list "club"\n  again: each time\nsteps:\n'
        "  - id: bill\n    send: email bill\n  - id: rest\n    wait: 1d\n"
        "  - id: pay\n    send: sms pay\n"
    ),
    "journeys/bought.yaml": (
        'journey: bought\nenter:\n  on: event "purchase"\n  again: each time\nsteps:\n'
        "  - id: once\n    send: email once\n"
    ),
}
MOST = 60
"""Contacts that a world comes to have."""


class Post(Transport):
    """Delivers, refuses, or says nothing: `left` are the numbers of e-mails, as they leave.

    Any other channel is a stub's: nothing of it leaves, and everything is accepted at once.
    """

    def __init__(self, folder: Path, boot: str, dice: random.Random, silent: float = 0.2) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rings = Rings(folder, Ring, boot, places=16)
        self.left: list[int] = []
        self.dice = dice
        self.silent = silent
        self._tell: Callable[[OutcomeBatch], None] = lambda batch: None

    def reclaim(self, numbers: Any, repeats: Any) -> OutcomeBatch:
        return self.rings.reclaim(numbers, repeats)

    def room(self) -> dict[str, int]:
        return {}

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        self.rings.create()
        self._tell = outcomes

    def hand_over(self, batch: OrderBatch) -> None:
        by_mail = batch.channel == "email"
        self.left += batch.numbers.tolist() if by_mail else []
        silent = self.silent if by_mail else 0.0
        answered = np.array([self.dice.random() >= silent for _ in batch.numbers], bool)
        if answered.any():
            numbers = batch.numbers[answered]
            codes = [
                OutcomeCode.FAILED if self.dice.random() < 0.2 else OutcomeCode.ACCEPTED
                for _ in numbers
            ]
            self._tell(OutcomeBatch(numbers, np.array(codes, np.uint8), ("said",) * len(numbers)))

    def settled(self, numbers: Any) -> None:
        self.rings.settle(numbers)

    def close(self) -> None:
        self.rings.close()


@dataclass
class Told:
    """What had been promised by some instant: newest acknowledged sequence, orders that left."""

    acknowledged: int
    left: int
    durable: int


class World:
    """One engine over a disk. Use `opened`; `act` does something, `advance` lets time go by."""

    def __init__(
        self, folder: Path, space: Workspace, seed: int, disk: Disk, *, file_bytes: int = 12_000
    ) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.disk = disk
        self.file_bytes = file_bytes
        self.clock = FakeClock()
        self.acknowledged = 0
        self.futures: list[Future[int]] = []
        self.post = Post(folder.with_name(f"{folder.name}-post"), BOOTS[0], self.dice)
        self.space = space
        self.log: EmbeddedLog | None = None
        self.thread: EngineThread | None = None

    def told(self) -> Told:
        durable = self.log.durable if self.log is not None else 0
        return Told(self.acknowledged, len(self.post.left), durable)

    def open(self) -> None:
        """Raises what opening raises; then nothing is open."""
        log = EmbeddedLog.open(
            self.folder, disk=self.disk, file_bytes_max=self.file_bytes, group_ms=0,
            free_bytes_min=0,
        )  # fmt: skip
        try:
            machine = Machine.recover(log)
            self.thread = EngineThread(machine, self.clock, self.post)
            self.log = log
            self.thread.prepare()
        except BaseException:
            log.close()
            raise
        self.thread.start()

    def close(self) -> None:
        if self.thread is not None:
            self.thread.close()

    # --- what happens -----------------------------------------------------------------------------

    def command(self, make: Callable[[Machine], tuple[records.Operation, ...]]) -> None:
        assert self.thread is not None
        future = self.thread.run(lambda machine, now: machine.accept(now, make(machine)))
        future.add_done_callback(self._answered)
        self.futures.append(future)

    def _answered(self, future: Future[int]) -> None:
        if future.exception() is None:
            self.acknowledged = max(self.acknowledged, future.result())

    def begin(self) -> None:
        self.command(lambda machine: (published(self.space), people(0, 8)))
        self.wait()

    def act(self) -> None:
        """One input, not waited for."""
        draw = self.dice.random()
        share, pick = self.dice.random(), self.dice.choice
        reason, more = pick(["law", "asked"]), pick([1, 3])

        def make(machine: Machine) -> tuple[records.Operation, ...]:
            rows = machine.state.contacts.rows
            who = np.arange(int(share * rows), min(rows, int(share * rows) + 4), dtype=np.int64)
            if draw < 0.35:
                return (records.Joined("club", who, False, "sim"),)
            if draw < 0.6:
                data = attributes([{"total": n} for n in who.tolist()])
                return (records.Happened("event", "purchase", who, data),)
            if draw < 0.75 and rows < MOST:
                return (people(rows, more),)
            if draw < 0.9:
                return (records.Suppressed(who[:1], "email", "all", reason),)
            return (records.Joined("club", who, True, "sim"),)

        self.command(make)

    def wait(self) -> None:
        """For every answer that is still to come. Raises what the first bad one says."""
        waiting, self.futures = self.futures, []
        for future in waiting:
            future.result(WAIT_S)

    def rest(self) -> int:
        """Until nothing is left to do now; the next instant at which there is."""
        assert self.thread is not None
        return self.thread.rest().result(WAIT_S)

    def play(self, turns: int) -> None:
        """So many bursts, some of them waited for, a few hours between them."""
        for _ in range(turns):
            for _ in range(self.dice.randint(1, 5)):
                self.act()
            if self.dice.random() < 0.5:
                self.wait()
            self.clock.time += self.dice.choice([0, 600, DAY // 4])
        self.wait()
        self.rest()

    def failed(self) -> BaseException | None:
        assert self.thread is not None
        return self.thread.failure


def settle(world: World, days: int = 60) -> None:
    """Lets time run until nothing is left to do."""
    end = world.clock.time + days * DAY
    while (due := world.rest()) < min(end, NEVER):
        world.clock.time = max(world.clock.time, float(due))


def frames_of(log: EmbeddedLog) -> list[bytes]:
    return [encode_entry(entry) for _, entry in log.read()]


def sound(machine: Machine) -> None:
    """Every ledger balances, and each order is in one state."""
    look(SimpleNamespace(state=machine.state))


def doubted(log: Log) -> Counter[int]:
    """How often the log says of an order that nobody knows whether it was taken."""
    found: Counter[int] = Counter()
    for _, entry in log.read():
        for operation in entry.operations:
            if isinstance(operation, records.Outcomes | records.Postponed):
                pairs = zip(operation.orders.tolist(), operation.reasons, strict=False)
                found.update(number for number, reason in pairs if reason.startswith(IN_DOUBT))
    return found


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def quietly(call: Callable[[], Any]) -> BaseException | None:
    """What it raised of ours, if anything."""
    try:
        call()
    except (BlasterError, OSError) as error:
        return error
    return None
