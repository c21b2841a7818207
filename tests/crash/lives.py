"""Kills an account's processes hundreds of times, and holds it to what it had acknowledged.

Owns the process that forks the lives, and the sink that takes their mail. A life is killed at a
drawn instant, also while it opens its log or starts its workers; the next one goes on in the same
folder. Chance is a seed; whoever fails prints it.
"""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import blaster
from tests.cli.sending import Receiver
from tests.cli.support import SOURCES
from tests.crash.harness import VICTIMS, Victim, workers_of
from tests.crash.life import WAVES
from tests.engine.delivery import account, mail
from tests.engine.support import START

ROOT = Path(__file__).parents[2]
WAIT_S = 120.0
LIFE_S = 0.8
"""A life is killed within so many seconds of its birth, or of what it first took."""
EARLY = 0.3
"""The part of the lives that are killed while they begin."""
APART_S = 700.0
"""Between two lives in the account's time: orders in doubt are tried again by then."""
FILES = {
    "messages/ad.email.html": mail("Ad", "News"),
    **{
        f"campaigns/{name}.yaml": f'campaign: {name}\naudience: list("club")\nsend: email ad\n'
        for name in WAVES
    },
    "journeys/all.yaml": (
        'journey: all\nenter:\n  on: list "club"\nsteps:\n  - id: bill\n    send: email bill\n'
    ),
}


@dataclass
class Record:
    """What was acknowledged so far, and what was done to the account."""

    made: set[int] = field(default_factory=set)
    joined: set[int] = field(default_factory=set)
    kills: dict[Victim, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    early: int = 0
    """Kills counted from a life's birth: most come before it is ready."""


class Account:
    """An account in a folder of its own, and the process that its lives come from."""

    def __init__(self, folder: Path, receiver: Receiver, seed: int) -> None:
        self.folder = account(folder, {"there.example": f"127.0.0.1:{receiver.port}"}, FILES)
        self.receiver = receiver
        self.dice = random.Random(seed)
        self.record = Record()
        self.at = float(START)
        self.next = 0
        self.pid = 0
        self._heard: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
        self._errors = (folder.with_name(f"{folder.name}.err")).open("w+", encoding="utf-8")

    def __enter__(self) -> Self:
        self._publish()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.life", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([SOURCES, str(ROOT)])},
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pid in (self.pid, *workers_of(self.pid)) if self.pid else ():
            kill(pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)
        self._process.stdout.close()
        self._errors.close()

    def _publish(self) -> None:
        import asyncio

        async def publish() -> None:
            async with blaster.open(self.folder, deliver=False) as engine:
                await engine.publish()

        asyncio.run(publish())

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._heard.put(json.loads(line))
        self._heard.put(None)

    def _tell(self, *words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(words)}\n")
        self._process.stdin.flush()

    def errors(self) -> str:
        self._errors.flush()
        return Path(self._errors.name).read_text(encoding="utf-8", errors="replace")[-4_000:]

    # --- what it says -----------------------------------------------------------------------------

    def _hear(self, *until: str, deadline: float) -> list[Any] | None:
        """Notes what is said, up to one of these words; None when the time is over first."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                words = self._heard.get(timeout=left)
            except queue.Empty:
                return None
            assert words is not None, f"the process ended\n{self.errors()}"
            match words:
                case ["made", number]:
                    self.record.made.add(number)
                case ["joined", number]:
                    self.record.joined.add(number)
                case ["ready", contacts, balanced]:
                    assert contacts >= len(self.record.made), "contacts that were acknowledged"
                    assert balanced, "the ledger does not balance"
            if words[0] in until:
                return words
        return None

    def _must_hear(self, word: str) -> list[Any]:
        words = self._hear(word, "gone", deadline=time.monotonic() + WAIT_S)
        said = words[0] if words is not None else "nothing"
        assert said == word, f"{words}, not {word}\n{self.errors()}"
        return words or []

    # --- lives ------------------------------------------------------------------------------------

    def kill_once(self, victim: Victim) -> None:
        """A life up to the kill; of a worker, on to the kill of its core."""
        self.at += APART_S
        self._tell("live", self.next, self.at)
        (_, self.pid) = self._must_hear("born")
        early = victim != "worker" and self.dice.random() < EARLY
        self.record.early += early
        if not early:
            self._must_hear("joined")  # something is on its way by then
        self._hear("gone", deadline=time.monotonic() + self.dice.uniform(0.0, LIFE_S))
        workers = workers_of(self.pid)
        if victim == "worker" and workers:
            kill(self.dice.choice(workers))
            self._hear("gone", deadline=time.monotonic() + self.dice.uniform(0.0, LIFE_S))
        kill(self.pid)
        for pid in workers if victim == "tree" else ():
            kill(pid)
        self.record.kills[victim] += 1
        status = self._must_hear("gone")[1]
        self.pid = 0
        assert os.WIFSIGNALED(status), f"it ended by itself: {status}\n{self.errors()}"
        self.next = max(self.next, *self.record.made, 0) + 100 if self.record.made else 100

    def settle(self) -> dict[str, Any]:
        """A last life, to its end; what the ledger says then."""
        self.at += APART_S
        self._tell("settle", self.at)
        (_, self.pid) = self._must_hear("born")
        (_, found) = self._must_hear("settled")
        status = self._must_hear("gone")[1]
        self.pid = 0
        assert status == 0, self.errors()
        return found


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def check(account: Account, found: dict[str, Any]) -> None:
    """Nothing acknowledged is missing, everybody is accounted for, and repeats are owned up to."""
    record, report = account.record, account.receiver.report
    about = f"{found}, {report}, {record.kills}"
    assert found["balanced"] == found["lines"], about
    assert found["waiting"] == found["in_flight"] == 0, about
    assert found["audience"] >= len(record.joined), about
    assert found["accepted"] <= report.distinct <= found["accepted"] + found["doubts"], about
    assert report.repeated <= found["doubts"], about
    assert found["failed"] == found["expired"] == 0, about
