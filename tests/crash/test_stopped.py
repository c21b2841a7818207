"""Processes that stand still: all of them for ten minutes, and no harm is done; or one worker.

The processes are real and are stopped by the kernel. The minutes pass on the engine's clock.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from blaster.limits import WORKER_SILENT_S
from blaster.testing import Provider, SmtpSink
from tests.engine.delivery import (
    Clock,
    account,
    addresses,
    line,
    moment,
    opened,
    settled,
    until,
    workers,
)

PEOPLE = 60
RATE = 20
SLOW = {"shaping.toml": f"[default]\nconnections = 2\nmessages_per_second = {RATE}\n"}
TEN_MINUTES = 600.0


@contextlib.contextmanager
def released(pids: list[int]) -> Iterator[None]:
    """Whatever happens in between, nobody stays stopped."""
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def test_a_tree_that_stood_still_for_ten_minutes_does_no_harm(tmp_path: Path) -> None:
    """Nobody is taken to hang, nobody gets anything twice, and no limit is broken."""
    clock = Clock()
    async with SmtpSink([Provider("one")], sample=9) as sink:
        folder = account(tmp_path, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        async with opened(folder, clock) as engine:
            await engine.send("email", "bill", addresses("one.example", PEOPLE))
            await until(lambda: sink.report().accepted >= 5)
            pids = workers()
            with released(pids):
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                clock.skip(TEN_MINUTES)
                clock.time += TEN_MINUTES
            await settled(engine)
            assert workers() == pids
            assert not any(site.trouble for site in engine.sites())
            assert (await line(engine)).accepted == PEOPLE
        report = sink.report()
        assert (report.distinct, report.repeated) == (PEOPLE, 0)
        assert report.providers[0].highest <= RATE


async def test_a_worker_that_hangs_is_named_and_replaced(tmp_path: Path) -> None:
    """It is stopped in the middle of its work while the core goes on."""
    clock = Clock()
    async with SmtpSink([Provider("one")], sample=9) as sink:
        folder = account(tmp_path, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        async with opened(folder, clock) as engine:
            await engine.send("email", "bill", addresses("one.example", PEOPLE))
            await until(lambda: sink.report().accepted >= 5)
            (pid,) = workers()

            def is_named() -> bool:
                """Soon, and for a minute of the clock; the next worker may be there before that."""
                hangs = f"worker 0 (process {pid}) hangs"
                return any(hangs in site.trouble for site in engine.sites())

            with released([pid]):
                os.kill(pid, signal.SIGSTOP)
                for _ in range(int(WORKER_SILENT_S) * 10):
                    clock.skip(0.4)
                    await moment(0.06)
                    if workers() != [pid]:
                        break
            await until(is_named)
            await until(lambda: workers() not in ([], [pid]))
            clock.time += TEN_MINUTES
            await settled(engine, clock)
            clock.time += TEN_MINUTES
            await settled(engine, clock)
            found = await line(engine)
            assert found.accepted == PEOPLE, found
        report = sink.report()
        assert report.distinct == PEOPLE
        assert report.repeated <= 2  # what its two connections had on the wire
