"""The process: what it imports, what ends it, and what it ignores."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from blaster.model.outcomes import OutcomeCode
from blaster.transport import frames
from tests.transport.doubles import LETTER, SETUP, Core, FakeRing
from tests.transport.fake_smtp import FakeSmtp

HEAVY = "[name for name in ('numpy', 'pyarrow', 'blaster.engine') if name in sys.modules]"

PROCESS = f"""
import sys
from blaster.clock import SystemClock
from blaster.transport import worker
from blaster.transport.parts import Parts
from tests.transport.doubles import FakeRing, FakeSigner, FakeTable, FakeWriter

def make(ring, suppression):
    assert suppression == "table"
    return Parts(FakeRing(), FakeTable, FakeWriter, FakeSigner, SystemClock())

worker.main(sys.argv[1:], make)
print({HEAVY})
"""


def start(arguments: list[str], **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *arguments], **options)


@contextlib.asynccontextmanager
async def process():
    """A worker process of doubles, and its core."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    fd = theirs.fileno()
    arguments = ["--socket", str(fd), "--ring", "0", "--suppression", "table", "--hold", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (Path("src"), Path())))}
    child = start(
        ["-c", PROCESS, *arguments],
        pass_fds=[fd],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    theirs.close()
    core = Core(ours, None, FakeRing(), [])
    core.say(SETUP, frames.Known(LETTER))
    try:
        await core.until(lambda: bool(core.of(frames.Ready)))
        yield core, child
        assert await asyncio.to_thread(child.wait, 10) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        ours.close()


async def test_it_delivers_until_it_is_told_to_stop_and_needs_no_numpy():
    async with FakeSmtp() as site, process() as (core, child):
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await core.answered(1)
        assert core.of(frames.Ready)[0].pid == child.pid
        assert len(site.mails) == 1
        core.say(frames.Stop())
        await core.end()
        assert (await asyncio.to_thread(child.stdout.read)).strip() == b"[]"


async def test_it_ends_when_the_core_is_gone():
    async with process() as (core, _):
        core.socket.close()


async def test_it_ends_when_the_core_is_gone_with_words_unread():
    """The socket is reset then; what is on the wire is finished, and nobody is told."""
    async with FakeSmtp() as site, process() as (core, _):
        core.lane(site.site)
        core.order(site.site, "a@example.org")
        await asyncio.to_thread(select.select, [core.socket], [], [], 10)
        site.heard = lambda verb: verb == "MAIL" and core.socket.close()
        core.order(site.site, "b@example.org")
        await site.reached("dot", "dot")
    assert len(site.mails) == 2


async def test_sigterm_is_like_stop_and_sigint_is_nothing():
    async with FakeSmtp() as site, process() as (core, child):
        core.lane(site.site, messages=1, per_s=1000.0)
        child.send_signal(signal.SIGINT)
        core.order(site.site, "a@example.org", "b@example.org")
        await core.answered(1)
        child.send_signal(signal.SIGTERM)
        await core.end()
        assert core.returned() == [2]


async def test_the_real_parts_deliver(tmp_path):
    """`python -m blaster.transport.worker` as the core starts it."""
    ring_module = pytest.importorskip("blaster.transport.ring")
    suppression = pytest.importorskip("blaster.transport.suppression")
    ring = ring_module.Ring.create(tmp_path / "ring", 8, "12345678-1234-1234-1234-123456789abc")
    table = suppression.SuppressionTable.create(tmp_path / "table", b"k" * 16, 64)
    table.put("no@example.org", 1)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with (tmp_path / "ring").open("r+b") as file, ours, theirs:
        fds = [theirs.fileno(), file.fileno()]
        child = start(
            ["-m", "blaster.transport.worker", "--socket", str(fds[0]),
             "--ring", str(fds[1]), "--suppression", str(tmp_path / "table"), "--hold", "0"],
            pass_fds=fds,
        )  # fmt: skip
        theirs.close()
        async with FakeSmtp() as site:
            core = Core(ours, None, FakeRing(), [])
            core.say(SETUP, frames.Known(LETTER))
            core.lane(site.site)
            core.order(site.site, "a@example.org", "no@example.org", first_place=1)
            await core.answered(2)
            core.say(frames.Stop())
            await core.end()
            assert await asyncio.to_thread(child.wait, 10) == 0
    assert len(site.mails) == 1
    assert [(number, code, reason) for _, number, _, code, reason, _ in ring.scan()] == [
        (1, OutcomeCode.ACCEPTED, "250 2.0.0 taken"),
        (2, OutcomeCode.SUPPRESSED, "suppressed_opt_out"),
    ]


def test_all_that_it_is_made_of_needs_no_numpy():
    """The real parts too, as far as importing them goes."""
    code = (
        "import sys, blaster.transport.worker as worker\n"
        "import blaster.content, blaster.model.letters, aiosmtplib, uvloop, idna\n"
        f"print({HEAVY})"
    )
    output = subprocess.check_output([sys.executable, "-c", code])
    assert output.strip() == b"[]"
