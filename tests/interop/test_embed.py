"""blaster inside another process: the example as it is, and a host that is killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blaster.cli import main as blaster_command
from tests.cli.sending import Receiver, receiving
from tests.cli.support import SOURCES, edit

EXAMPLE = Path(__file__).parents[2] / "examples" / "embed.py"
END_S = 12.0
"""A worker's patience with what is on the wire, and a little."""

HOST = """
import asyncio, sys, blaster

async def main():
    async with blaster.open(sys.argv[1], workers=2) as engine:
        await engine.publish()
        people = [f"p{n}@example.com" for n in range(400)]
        day = {"billing_date": "2020-01-01"}
        await engine.contacts.upsert([{"email": each, **day} for each in people])
        await engine.send("email", "bill", people)
        print("sending", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def club(tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> Path:
    """What a new user has, with the receiver as its smarthost."""
    folder = tmp_path / "club"
    assert blaster_command(["init", str(folder)]) == 0
    assert blaster_command(["keygen", "example.co.il", "--dir", str(folder)]) == 0
    edit(folder / "blaster.toml", "127.0.0.1:2525", f"127.0.0.1:{receiver.port}")
    capsys.readouterr()
    return folder


def host(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": SOURCES},
    )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_example(club: Path, receiver: Receiver, loop: str) -> None:
    """On the host's own loop, twice over the same folder."""
    for times in (1, 2):
        process = host(str(EXAMPLE), str(club), loop)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert re.fullmatch(r"accepted email thanks 250 .*\n", out)
        assert receiver.report.accepted == times
    mail = receiver.messages()[0]
    assert b"\r\nTo: dana@example.com\r\n" in mail
    assert b"\r\nDKIM-Signature: " in b"\r\n" + mail


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has asked about yet."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_workers_end_with_a_host_that_is_killed(club: Path, receiver: Receiver) -> None:
    """And let go of the folder; what was on the wire is finished, and none is sent twice."""
    limits = club / "shaping.toml"
    limits.write_text("[smarthost]\nmessages_per_second = 40\n", encoding="utf-8")
    process = host("-c", HOST, str(club))
    assert process.stdout.readline() == "sending\n", process.stderr.read()
    end = time.monotonic() + 60
    while receiver.report.accepted < 10:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "nothing arrives"
        time.sleep(0.02)
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    end = time.monotonic() + END_S
    while any(map(is_alive, workers)):
        assert time.monotonic() < end, "a worker outlived its host"
        time.sleep(0.05)
    before = receiver.report
    assert before.open == 0
    assert before.repeated == 0
    edit(limits, "40", "1000")
    for word in ("publish", "run"):
        more = ["--until-idle"] if word == "run" else []
        process = host("-m", "blaster", word, str(club), *more)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert receiver.report.distinct + len(in_doubt(club)) >= 400
    assert receiver.report.repeated == 0


def in_doubt(club: Path) -> list[str]:
    """Orders that may or may not have arrived, and rest."""
    process = host("-m", "blaster", "report", "ledger", "send email bill", "--dir", str(club))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    row = out.splitlines()[1].split()
    waiting, in_flight = int(row[4]), int(row[5])
    return ["?"] * (waiting + in_flight)
