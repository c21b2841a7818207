"""The worker against Postfix's smtp-sink: a peer that somebody else wrote."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from blaster.model.outcomes import OutcomeCode
from tests.transport.doubles import running

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin:/usr/bin")

pytestmark = pytest.mark.skipif(SINK is None, reason="Postfix's smtp-sink is not installed")


def start(folder: Path, port: int, *options: str) -> subprocess.Popen:
    folder.chmod(0o777)  # started by root, it writes as nobody
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [SINK, *user, *options, "-d", "message.%M.", f"127.0.0.1:{port}", "100"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)


def texts(folder: Path) -> list[bytes]:
    return [file.read_bytes().replace(b"\r\n", b"\n") for file in folder.iterdir()]


@contextlib.asynccontextmanager
async def sink(folder: Path, *options: str):
    """A sink on a free port of this machine that writes each message into `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(folder, port, *options)
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert process.poll() is None, "smtp-sink ended"
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    await writer.wait_closed()
                    break
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("options", [(), ("-p",)], ids=["pipelining", "lock step"])
async def test_fifty_messages_arrive_in_full(options):
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        async with sink(folder, *options) as site, running() as core:
            core.lane(site, connections=4, per_connection=10)
            core.order(site, *(f"a{row}@example.org" for row in range(50)))
            await core.answered(50)
            assert {result[0] for result in core.results().values()} == {OutcomeCode.ACCEPTED}
        files = texts(folder)
    for number in range(1, 51):
        (text,) = [text for text in files if b"\nnumber %d\n" % number in text]
        assert b"X-Rcpt-Args: <a%d@example.org>" % (number - 1) in text
        assert b"\n.first\n" in text
