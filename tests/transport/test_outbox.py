"""What a worker says: together, soon, and no more than the core takes."""

from __future__ import annotations

import asyncio

from blaster.limits import OUTBOX_ROWS_MAX, RESULTS_ROWS
from blaster.transport import frames
from blaster.transport.desk import KnownLetter, Order
from blaster.transport.outbox import Outbox
from blaster.transport.replies import Verdict
from tests.transport.doubles import LETTER


def order(number: int) -> Order:
    return Order(number, number, 0, 1, "a@example.org", KnownLetter(LETTER), 0, 1, (), ())


class Far:
    """The far end: keeps what is written; reads only while `reads` is set."""

    def __init__(self) -> None:
        self.writes: list[list[frames.ToCore]] = []
        self.written = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = False

    def write(self, data: bytes) -> None:
        self.writes.append(frames.FrameReader(frames.ToCore).feed(data))
        self.written.set()

    async def drain(self) -> None:
        if self.gone:
            raise ConnectionResetError
        await self.reads.wait()


async def test_what_comes_within_a_moment_is_one_write():
    far = Far()
    outbox = Outbox(far.write, far.drain)
    task = asyncio.create_task(outbox.run())
    outbox.signal("site", "busy", "451 a")
    outbox.signal("site", "busy", "451 b")
    outbox.result("site", order(1), Verdict(1, "250 ok"))
    outbox.returned("site", [2, 3], [12, 13])
    outbox.returned("site", [], [])
    outbox.pulse(frames.Pulse({}, 1.0))
    outbox.pulse(frames.Pulse({"site": 1}, 2.0))
    outbox.ready(frames.Ready(7))
    await far.written.wait()
    assert far.writes == [
        [
            frames.Ready(7),
            frames.Results("site", (1,), (1,), (1,), ("250 ok",), (0,)),
            frames.Returned("site", (2, 3), (12, 13)),
            frames.Signal("site", "busy", 2, "451 b"),
            frames.Pulse({"site": 1}, 2.0),
        ]
    ]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_many_do_not_wait_for_more():
    far = Far()
    outbox = Outbox(far.write, far.drain)
    task = asyncio.create_task(outbox.run())
    for number in range(RESULTS_ROWS):
        outbox.result("site", order(number), Verdict(1))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(far.writes) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_core_that_does_not_read_stops_what_begins_and_loses_nothing():
    far = Far()
    far.reads.clear()
    outbox = Outbox(far.write, far.drain)
    task = asyncio.create_task(outbox.run())
    outbox.result("site", order(0), Verdict(1))
    await far.written.wait()
    for number in range(1, OUTBOX_ROWS_MAX):
        outbox.result("site", order(number), Verdict(1))
    assert outbox.roomy
    outbox.result("site", order(OUTBOX_ROWS_MAX), Verdict(1))
    assert not outbox.roomy
    far.written.clear()
    far.reads.set()
    await outbox.room()
    assert outbox.roomy
    numbers = [number for write in far.writes for frame in write for number in frame.numbers]
    assert numbers == list(range(OUTBOX_ROWS_MAX + 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_core_that_is_gone_costs_nothing():
    far = Far()
    far.gone = True
    outbox = Outbox(far.write, far.drain)
    outbox.result("site", order(1), Verdict(1))
    await outbox.run()
    outbox.result("site", order(2), Verdict(1))
    await outbox.flush()
    assert outbox.closed
    assert len(far.writes) == 1
