"""Delivery end to end, when something ends: a worker, the engine, its process, the disk's space."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import blaster
from blaster.engine import Engine
from blaster.errors import Busy, EngineClosed, LogError
from blaster.log import EmbeddedLog
from blaster.testing import Provider, SmtpSink
from tests.engine.delivery import (
    START,
    Notes,
    account,
    addresses,
    facts,
    line,
    mail,
    opened,
    runs,
    settled,
    until,
    workers,
)  # fmt: skip
from tests.engine.support import HeldTransport
from tests.transport.fake_smtp import STALL, FakeSmtp

pytestmark = pytest.mark.usefixtures("clean")

SLOW = {"shaping.toml": "[default]\nconnections = 4\nmessages_per_second = 20\n"}


class Troubled(HeldTransport):
    def warning(self) -> str:
        return "worker 0 ended 5 times within 60 s"

    def fault(self) -> str:
        return "delivery stopped by a fault"


async def test_what_is_wrong_with_the_transport_as_a_whole_is_said(tmp_path):
    account(tmp_path, {})
    async with blaster.open(tmp_path, transport=Troubled()) as engine:
        assert engine.warning == "worker 0 ended 5 times within 60 s"
        assert engine.fault == "delivery stopped by a fault"
    assert engine.warning == engine.fault == ""


async def test_a_killed_worker_loses_nothing(tmp_path, clock):
    people = addresses("one.example", 60)
    async with SmtpSink([Provider("one")], sample=99) as sink:
        account(tmp_path, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        async with opened(tmp_path, clock) as engine:
            await engine.send("email", "bill", people)
            await until(lambda: sink.report().accepted >= 15)
            (killed,) = workers()
            os.kill(killed, signal.SIGKILL)
            await settled(engine)
            assert workers() != [killed]
            first = await line(engine)
            clock.time += 1_200
            await settled(engine)
            last = await line(engine)
        report = sink.report()
        assert (last.accepted, last.audience) == (60, 60)
        assert report.distinct == 60
        assert report.repeated <= first.waiting
        assert first.accepted + first.waiting == 60


@pytest.mark.parametrize("repeat", [True, False])
async def test_a_worker_killed_on_the_wire(tmp_path, clock, repeat):
    letter = mail(more="" if repeat else "repeat: never\n")
    async with FakeSmtp([{"dot": STALL}, {}]) as site:
        account(tmp_path, {"one.example": site.site}, {"messages/bill.email.html": letter})
        async with opened(tmp_path, clock) as engine:
            notes = Notes(engine)
            (number,) = await engine.send("email", "bill", "a@one.example")
            await site.reached("dot")
            (killed,) = workers()
            os.kill(killed, signal.SIGKILL)
            due = await settled(engine)
            first = await line(engine)
            assert "in doubt: the worker ended" in " ".join(await facts(engine, "a@one.example"))
            if repeat:
                assert (first.waiting, first.unknown) == (1, 0)
                assert due >= START + 600
                clock.time = due - 1
                await settled(engine)
                assert site.mails == []
                clock.time = due
                await settled(engine)
            last = await line(engine)
            found = await notes.end()
    assert len(site.mails) == repeat
    assert (last.accepted, last.unknown) == (repeat, not repeat)
    fact = ("accepted", "250 2.0.0 taken") if repeat else ("unknown", "in doubt: the worker ended")
    assert found[number] == [fact]


async def test_orders_of_a_closed_engine_go_out_when_it_opens_again(tmp_path, clock):
    people = addresses("one.example", 60)
    async with SmtpSink([Provider("one")], sample=99) as sink:
        account(tmp_path, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        async with opened(tmp_path, clock) as engine:
            await engine.send("email", "bill", people)
            await until(lambda: sink.report().accepted >= 10)
        before = sink.report().accepted
        assert before < 60
        async with opened(tmp_path, clock, publish=False) as engine:
            await settled(engine)
            last = await line(engine)
        assert (last.accepted, last.audience) == (60, 60)
        assert (sink.report().distinct, sink.report().repeated) == (60, 0)


OWNER = """
import asyncio, sys
from pathlib import Path
from tests.engine.delivery import Clock, addresses, opened

async def run():
    async with opened(Path(sys.argv[1]), Clock()) as engine:
        await engine.send("email", "bill", addresses("one.example", 60))
        await engine.settled()

asyncio.run(run())
"""


def started(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", OWNER, str(folder)])


async def test_a_killed_engine_leaves_a_worker_that_ends(tmp_path, clock):
    async with SmtpSink([Provider("one")], sample=99) as sink:
        account(tmp_path, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        owner = started(tmp_path)
        try:
            await until(lambda: sink.report().accepted >= 15)
            (orphan,) = workers(owner.pid)
        finally:
            owner.kill()
            owner.wait()
        async with opened(tmp_path, clock, publish=False) as engine:  # waits for the orphan
            assert not runs(orphan)
            await settled(engine)
            first = await line(engine)
            clock.time += 1_200
            await settled(engine)
            last = await line(engine)
        assert (last.accepted, last.audience) == (60, 60)
        assert sink.report().distinct == 60
        assert sink.report().repeated <= first.waiting


# --- a full disk --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB, which only root can have."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """Takes all the space there is, but for so many bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while shutil.disk_usage(folder).free > left:
            file.write(bytes(4_096))
    return filler


def small_log(folder: Path) -> EmbeddedLog:
    """A log that wants 4 MiB free."""
    return EmbeddedLog.open(folder / "data/log", file_bytes_max=1 << 20, pending_bytes_max=1 << 20)


async def busy(engine: Engine) -> None:
    """Returns when the engine takes no input any more, and says why."""
    with contextlib.suppress(Busy):
        while True:
            await engine.contacts.upsert([{"email": "b@one.example"}])
    with pytest.raises(Busy, match=r"the disk of the log has .* bytes left"):
        await engine.contacts.upsert([{"email": "c@one.example"}])


async def test_a_disk_without_a_byte_left_stops_the_engine(small_disk, clock):
    folder = small_disk / "account"
    async with SmtpSink([Provider("one")], sample=99) as sink:
        account(folder, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        async with blaster.open(folder, clock=clock, workers=1, log=small_log(folder)) as engine:
            await engine.publish()
            await engine.send("email", "bill", addresses("one.example", 80))
            await until(lambda: sink.report().accepted >= 10)
            filler = fill(small_disk, 0)
            await until(lambda: engine.failure is not None)
            assert "database or disk is full" in str(engine.failure)
            with pytest.raises(EngineClosed) as refused:
                await engine.contacts.upsert([{"email": "b@one.example"}])
            assert refused.value.__cause__ is engine.failure
        assert sink.report().accepted < 80
        with pytest.raises(LogError, match="database or disk is full"):
            await blaster.open(folder, clock=clock, workers=1).start()
        filler.unlink()
        async with blaster.open(folder, clock=clock, workers=1, log=small_log(folder)) as engine:
            await settled(engine)
            first = await line(engine)
            clock.time += 1_200
            await settled(engine)
            last = await line(engine)
        assert (last.accepted, last.audience) == (80, 80)
        assert sink.report().distinct == 80
        assert sink.report().repeated <= first.waiting


async def test_a_disk_below_its_reserve_makes_everything_wait(small_disk, clock):
    folder = small_disk / "account"
    async with SmtpSink([Provider("one")], sample=99) as sink:
        account(folder, {"one.example": f"127.0.0.1:{sink.ports['one']}"}, SLOW)
        async with blaster.open(folder, clock=clock, workers=1, log=small_log(folder)) as engine:
            await engine.publish()
            await engine.send("email", "bill", addresses("one.example", 30))
            await until(lambda: sink.report().accepted >= 10)
            filler = fill(small_disk, 2 << 20)
            await asyncio.wait_for(busy(engine), 20)
            assert engine.failure is None
            filler.unlink()
            await settled(engine)
            last = await line(engine)
        assert (last.accepted, last.audience) == (30, 30)
        assert (sink.report().distinct, sink.report().repeated) == (30, 0)
