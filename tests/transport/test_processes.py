"""Worker processes: started, watched, buried. The workers are fakes, the processes are not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import msgspec
import pytest

from blaster.clock import SystemClock
from blaster.limits import WORKER_DEATHS_MAX
from blaster.transport import frames
from blaster.transport.processes import Crew, Patience
from blaster.transport.rings import Rings
from tests.transport.fake_ring import DONE, TAKEN, WIRE, FakeRing
from tests.transport.support import BOOT, FAKE_WORKER

WAIT_S = 30
SETUP = frames.Setup(b"secret", "host", 1.0, 1.0, 1.0, 1.0)


class Notes:
    """A host that writes everything down."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple] = asyncio.Queue()

    def ready(self, worker, ring):
        self.events.put_nowait(("ready", worker, ring))

    def heard(self, worker, frame):
        self.events.put_nowait(("heard", worker, frame))

    def clogged(self, worker, *, clogged):
        self.events.put_nowait(("clogged", worker, clogged))

    def gone(self, worker, left):
        self.events.put_nowait(("gone", worker, left))

    def trouble(self, text):
        self.events.put_nowait(("trouble", text))

    async def next(self, kind: str) -> tuple:
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self.events.get()
                if event[0] == kind:
                    return event


@pytest.fixture
def made(tmp_path):
    """Makes crews over one folder."""
    hold = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    rings = Rings(tmp_path, FakeRing, BOOT, places=8)

    def make(
        *words: str, count: int = 1, command: Sequence[str] = (), clock=None, **patience: float
    ):
        notes = Notes()
        crew = Crew(
            notes,
            rings,
            count=count,
            suppression=tmp_path / "table",
            hold=hold,
            greeting=lambda: [SETUP],
            clock=clock or SystemClock(),
            command=command
            or (sys.executable, str(FAKE_WORKER), "--once", str(tmp_path / "once"), *words),
            patience=Patience(**{"end_s": 10.0, **patience}),
        )
        return crew, notes

    yield make
    os.close(hold)


def orders(word: str, *numbers: int) -> frames.Orders:
    count = len(numbers)
    return frames.Orders(
        "a:25", "marketing", "v", 1, numbers, tuple(range(count)), (0,) * count, (1,) * count,
        (f"{word}@x",) * count, (), (),
    )  # fmt: skip


async def test_workers_come_up_and_answer_and_end(made, tmp_path):
    crew, notes = made(count=2)
    await crew.start()
    assert {(await notes.next("ready"))[1] for _ in range(2)} == {0, 1}
    assert sorted(path.name for path in tmp_path.glob("ring-*")) == ["ring-1-0", "ring-1-1"]
    crew.tell(1, orders("accept", 7))
    _, worker, frame = await notes.next("heard")
    assert (worker, frame.numbers, frame.codes) == (1, (7,), (1,))
    await crew.stop()
    assert (await notes.next("gone"))[0] == "gone"
    crew.tell(1, orders("accept", 8))  # nobody is there


async def test_what_a_worker_holds_comes_back_at_the_end(made):
    crew, notes = made()
    await crew.start()
    await notes.next("ready")
    crew.tell(0, orders("hold", 7))
    crew.tell(0, orders("accept", 8))
    await notes.next("heard")
    await crew.stop()
    assert (await notes.next("heard"))[2] == frames.Returned("a:25", (7,), (0,))
    await notes.next("gone")


@pytest.mark.parametrize(("word", "state"), [("taken", TAKEN), ("wire", WIRE), ("done", DONE)])
async def test_a_death_tells_how_far_it_came_and_another_starts(made, word, state):
    crew, notes = made()
    await crew.start()
    _, _, ring = await notes.next("ready")
    crew.tell(0, orders(word, 7))
    _, _, left = await notes.next("gone")
    assert [(entry.number, entry.state) for entry in left] == [(7, state)]
    _, worker, second = await notes.next("ready")
    assert worker == 0
    assert second != ring
    crew.tell(0, orders(word, 8))
    assert (await notes.next("heard"))[2].numbers == (8,)
    await crew.stop()


async def test_one_that_is_never_ready_is_killed(made):
    crew, notes = made("--mode", "deaf", ready_s=0.2, end_s=0.2)
    await crew.start()
    await notes.next("gone")
    await crew.stop()


async def test_one_that_says_nothing_is_killed(made):
    crew, notes = made("--mode", "stuck", silent_s=0.2, end_s=0.2)
    await crew.start()
    await notes.next("ready")
    pid = crew._lives[0][1].pid
    _, said = await notes.next("trouble")
    assert said == f"worker 0 (process {pid}) hangs: it said nothing for 0.2 s; it is replaced"
    await notes.next("gone")
    assert (await notes.next("ready"))[1] == 0
    await crew.stop()


async def test_one_that_is_stopped_is_replaced_and_its_orders_are_as_its_ring_says(made):
    """Stopped by a signal, it neither reads nor ends by itself."""
    crew, notes = made(silent_s=0.5, end_s=0.2)
    await crew.start()
    _, _, ring = await notes.next("ready")
    crew.tell(0, orders("hold", 7))
    crew.tell(0, msgspec.structs.replace(orders("accept", 8), places=(1,)))
    await notes.next("heard")
    crew._lives[0][1].send_signal(signal.SIGSTOP)
    _, said = await notes.next("trouble")
    assert "hangs" in said
    _, worker, left = await notes.next("gone")
    assert (worker, [(entry.number, entry.state) for entry in left]) == (0, [(7, TAKEN), (8, DONE)])
    _, _, second = await notes.next("ready")
    assert second != ring
    await crew.stop()


class Looks:
    """A clock that goes on by `pace` at each look, and tells whoever waits for so many."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pace = 0.0
        self.left = 0
        self.enough = asyncio.Event()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        self.time += self.pace
        self.left -= 1
        if self.left <= 0:
            self.enough.set()
        return self.time

    async def looked(self, times: int) -> None:
        self.left = times
        self.enough.clear()
        async with asyncio.timeout(WAIT_S):
            await self.enough.wait()


async def test_time_in_which_the_core_itself_stood_still_is_nobodys_silence(made):
    """Ten minutes pass between two looks: the workers were stopped with it, and nobody hangs."""
    clock = Looks()
    crew, notes = made(count=2, clock=clock, silent_s=5.0, ready_s=5.0, end_s=5.0)
    await crew.start()
    for _ in range(2):
        await notes.next("ready")
    for _ in range(3):
        clock.time += 600.0
        await clock.looked(8)
    crew.tell(0, orders("accept", 7))
    assert (await notes.next("heard"))[2].numbers == (7,)
    clock.pace = 0.4  # from now on it is awake, and they say nothing
    named = {(await notes.next("trouble"))[1].partition(" (")[0] for _ in range(2)}
    assert named == {"worker 0", "worker 1"}
    clock.pace = 0.0
    await crew.stop()


async def test_one_that_does_not_end_is_killed(made):
    crew, notes = made("--mode", "stuck", end_s=0.2)
    await crew.start()
    await notes.next("ready")
    await crew.stop()
    await notes.next("gone")


async def test_one_that_talks_rubbish_is_let_go(made):
    crew, notes = made("--mode", "rubbish")
    await crew.start()
    await notes.next("gone")
    await crew.stop()


async def test_one_that_always_dies_is_given_a_rest(made):
    crew, notes = made("--mode", "dead")
    await crew.start()
    _, text = await notes.next("trouble")
    assert text == f"worker 0 ended {WORKER_DEATHS_MAX} times within 60 s"
    async with asyncio.timeout(WAIT_S):
        await crew.stop()  # does not wait for the rest to be over


async def test_it_is_started_again_after_the_rest(made):
    crew, notes = made("--mode", "dead", rest_s=5.0)
    crew._patience = crew._patience._replace(rest_s=0.01)
    crew._deaths[0].extend([float("inf")] * (WORKER_DEATHS_MAX - 1))
    await crew.start()
    await notes.next("trouble")
    await notes.next("gone")
    await notes.next("gone")
    await crew.stop()


async def test_a_program_that_is_not_there(made, tmp_path):
    crew, _ = made(count=2, command=["/nowhere/at/all"])
    with pytest.raises(FileNotFoundError):
        await crew.start()
    assert list(tmp_path.glob("ring-*")) == []


async def test_when_the_second_cannot_be_had_the_first_goes_too(made, tmp_path, monkeypatch):
    crew, _ = made(count=2)
    begin = crew._begin

    async def fail(worker: int) -> None:
        if worker == 1:
            raise OSError("no more")
        await begin(worker)

    monkeypatch.setattr(crew, "_begin", fail)
    with pytest.raises(OSError, match="no more"):
        await crew.start()
    assert list(tmp_path.glob("ring-*")) == []


async def test_trouble_when_it_cannot_be_started_again(made):
    crew, notes = made("--mode", "dead", rest_s=0.01)
    await crew.start()
    crew._command = ("/nowhere/at/all",)
    _, text = await notes.next("trouble")
    assert text.startswith("worker 0 cannot be started: ")
    await crew.stop()


async def test_a_fault_of_ours_with_one_worker_is_told_at_once_and_the_others_are_ended(made):
    crew, notes = made(count=2)
    told = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.put_nowait(what))
    fault = ValueError("ours")
    gone = notes.gone

    def fail(worker, left):
        if worker == 0:
            raise fault
        gone(worker, left)

    notes.gone = fail
    await crew.start()
    for _ in range(2):
        await notes.next("ready")
    crew.tell(0, orders("taken", 7))
    async with asyncio.timeout(WAIT_S):
        assert (await told.get())["exception"] is fault
    await crew.stop()
    assert (await notes.next("gone"))[1] == 1
    assert told.empty()
