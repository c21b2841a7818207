"""Kills a demo while its mail goes out, lets it go on, and reads the account it makes.

Owns the processes it starts: each demo runs in a process group of its own, and its sink, which
outlives a killed demo, is ended by its control line. Chance is a seed; whoever fails prints it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from blaster._build import KIND
from blaster.testing import SinkReady, SinkReport, ask
from tests.cli.support import SOURCES

Victim = Literal["core", "worker", "tree"]
VICTIMS: tuple[Victim, ...] = ("core", "worker", "tree")
COMMAND = (sys.executable, "-P", "-m", "blaster")
CONTACTS = 3_000
WORKERS = 2
START_S = 120.0
"""How long a demo may take until its mail goes out; the machine may be busy."""
END_S = 600.0
"""How long one may take altogether."""
LOOK_S = 0.002
"""Between two looks at the sink."""


class Marker(msgspec.Struct):
    """What is read of demo.json."""

    stage: str
    sink: SinkReady | None = None


@dataclass(frozen=True)
class Kill:
    """What was killed, when, and what was going on."""

    victim: Victim
    share: float
    accepted: int
    open: int
    seconds: float

    def __str__(self) -> str:
        phase = f"{self.open} in flight" if self.open else "none in flight"
        return (
            f"{self.victim} killed {self.seconds:.2f} s after the start, at {self.share:.0%}:"
            f" {self.accepted} had arrived, {phase}"
        )


@dataclass(frozen=True)
class Ran:
    """A demo that came to its end: exit code, account, what it wrote to stderr."""

    code: int
    account: dict[str, Any]
    errors: str

    @property
    def wrong(self) -> list[str]:
        """What does not agree. The trace build is slow: its time does not count."""
        found = self.account.get("differences", [f"exit code {self.code}"])
        return [text for text in found if KIND == "release" or not text.startswith("time:")]


class Demo:
    """`blaster demo --keep FOLDER`, as a process that may be killed."""

    def __init__(self, folder: Path, seed: int, contacts: int = CONTACTS) -> None:
        self.folder = folder
        self._out = folder.with_name(f"{folder.name}.out")
        self._errors = folder.with_name(f"{folder.name}.err")
        words = ["--contacts", str(contacts), "--seed", str(seed), "--workers", str(WORKERS)]
        with self._out.open("wb") as out, self._errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "demo", "--keep", str(folder), "--json", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": SOURCES},
                start_new_session=True,
            )
        self._began = time.monotonic()
        self._pause = threading.Event()

    def end(self) -> Ran:
        """Waits until it has come to its end by itself."""
        code = self.process.wait(END_S)
        text = self._out.read_bytes()
        account = msgspec.json.decode(text) if text.strip() else {}
        return Ran(code, account, self._errors.read_text(errors="replace"))

    def kill(self, victim: Victim, share: float, expected: int) -> Kill | None:
        """Kills when so large a share has arrived and something is on its way.

        None when the demo was over before that.
        """
        found = self._wait_for(int(share * expected))
        if found is None:
            return None
        seconds = time.monotonic() - self._began
        if victim == "core":
            os.kill(self.process.pid, signal.SIGKILL)
        elif victim == "worker":
            workers = workers_of(self.process.pid)
            assert workers, "the demo has no worker to kill"
            os.kill(workers[found.accepted % len(workers)], signal.SIGKILL)
        else:
            for pid in (self.process.pid, *workers_of(self.process.pid)):
                os.kill(pid, signal.SIGKILL)
        if victim != "worker":
            self.process.wait(END_S)
        return Kill(victim, share, found.accepted, found.open, seconds)

    def _wait_for(self, accepted: int) -> SinkReport | None:
        deadline = time.monotonic() + START_S
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{accepted} messages had not arrived in {START_S:g} s")
            report = look(self.folder)
            if report is not None and report.accepted >= accepted and report.open:
                return report
            self._pause.wait(LOOK_S)
        return None


def look(folder: Path) -> SinkReport | None:
    """What the sink of a demo says; None while there is none."""
    try:
        marker = msgspec.json.decode((folder / "demo.json").read_bytes(), type=Marker)
        if marker.sink is None:
            return None
        return msgspec.json.decode(ask(marker.sink.control, "report"), type=SinkReport)
    except (OSError, msgspec.MsgspecError):
        return None


def end_sink(folder: Path) -> None:
    """Ends the sink that a killed demo left, if it is still there."""
    try:
        marker = msgspec.json.decode((folder / "demo.json").read_bytes(), type=Marker)
        if marker.sink is not None:
            ask(marker.sink.control, "end")
    except (OSError, msgspec.MsgspecError):
        return


def workers_of(pid: int) -> list[int]:
    """The transport workers among the children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
        if parent == pid and b"blaster.transport.worker" in words:
            found.append(int(entry.name))
    return sorted(found)


def instants(seed: int, count: int) -> list[tuple[Victim, float]]:
    """Whom to kill at which share of the mail: every victim in turn, between 5 % and 95 %."""
    dice = random.Random(seed)
    return [(VICTIMS[number % len(VICTIMS)], dice.uniform(0.05, 0.95)) for number in range(count)]


def crash(folder: Path, seed: int, victim: Victim, share: float, expected: int) -> tuple[Kill, Ran]:
    """A demo that is killed once, and goes on: the kill, and the account at the end.

    A killed worker is replaced by the demo itself, so that one only comes to its end.
    """
    demo = Demo(folder, seed)
    try:
        kill = demo.kill(victim, share, expected)
        assert kill is not None, f"the demo was over before {share:.0%} had arrived"
        print(f"seed {seed}: {kill}")
        if victim != "worker":
            demo = Demo(folder, seed)
        return kill, demo.end()
    finally:
        if demo.process.poll() is None:
            os.killpg(demo.process.pid, signal.SIGKILL)
            demo.process.wait(END_S)
        end_sink(folder)
