"""One account, lived again and again: each life is forked from a process that has loaded all.

    python -m tests.crash.life FOLDER

takes orders from stdin, a JSON list a line, and says what happens on stdout, likewise:

    ["live", FIRST, AT]     a life under load from the instant AT; inputs are numbered from FIRST
    ["settle", AT]          a life that adds nothing and ends when nothing is left to do
    ["born", PID], ["ready", CONTACTS, BALANCED], ["made", N], ["joined", N], ["gone", STATUS],
    ["settled", {..}]

A life begins in some hundredths of a second, so that many can be killed; each starts a campaign,
and writes snapshots as fast as it can. What is said was acknowledged: whoever listens holds the
account to it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import blaster
import blaster.transport.smtp  # and all it needs, so that no life has to load it
from blaster.engine import Engine, snapshotting
from blaster.log import EmbeddedLog, Snapshots
from blaster.model.fields import NEVER
from tests.sim.durable import LOG, SNAPSHOTS, doubted, recovered

WORKERS = 2
AT_ONCE = 4
"""Inputs that wait for the disk at the same time."""
OPT_OUT_EVERY = 10
JOURNEY = "all"
DOMAIN = "there.example"
WAVES = tuple(f"wave{number:02}" for number in range(20))
"""Campaigns to everybody who is in the club when one is started; further lives start none."""
SNAPSHOT_ENTRIES = 40


class Clock:
    """The account's own time: from where it was told to begin, at the machine's pace."""

    def __init__(self, at: float) -> None:
        self.at = at
        self._began = time.monotonic()

    def now(self) -> float:
        return self.at + time.monotonic() - self._began

    def monotonic(self) -> float:
        return time.monotonic()


def say(*words: Any) -> None:
    os.write(1, f"{json.dumps(words)}\n".encode())


def address(number: int) -> str:
    return f"p{number}@{DOMAIN}"


async def load(engine: Engine, numbers: Any) -> None:
    """New people, who join and so are sent something; some opt out at once."""
    for number in numbers:
        await engine.contacts.upsert([{"email": address(number)}])
        say("made", number)
        await engine.lists.join("club", [address(number)])
        say("joined", number)
        if number % OPT_OUT_EVERY == 0:
            await engine.contacts.suppress(address(number), "email", "asked", scope="all")


async def next_wave(engine: Engine) -> None:
    for campaign in await engine.campaigns.status():
        if campaign.phase == "planned":
            await engine.campaigns.start(campaign.name)
            return


async def live(folder: Path, first: int, at: float) -> None:
    async with blaster.open(folder, clock=Clock(at), workers=WORKERS) as engine:
        lines = await engine.ledger(JOURNEY)
        balanced = all(line.balanced for line in lines)
        say("ready", await engine.contacts.count(), balanced)
        await next_wave(engine)
        numbers = iter(range(first, first + 1_000_000))
        await asyncio.gather(*(load(engine, numbers) for _ in range(AT_ONCE)))


async def settle(folder: Path, at: float) -> None:
    clock = Clock(at)
    async with blaster.open(folder, clock=clock, workers=WORKERS) as engine:
        while (due := await engine.settled()) is not None and due < NEVER:
            clock.at += max(0.0, due - clock.now())
        (line,) = await engine.ledger(JOURNEY)
        waves = [line for name in WAVES for line in await engine.ledger(name)]
        doubts = await engine._run(lambda machine, now: doubted(machine.log).total())
    found = {
        term: sum(getattr(each, term) for each in (line, *waves))
        for term in ("balanced", "waiting", "in_flight", "accepted", "failed", "expired")
    }
    with EmbeddedLog.open(folder / LOG) as log:
        recovered(folder, log)
    numbers = {
        "audience": line.audience,
        "lines": 1 + len(waves),
        "waves": sum(wave.audience for wave in waves),
        "doubts": doubts,
        "snapshots": max(Snapshots(folder / SNAPSHOTS).numbers(), default=0),
    }
    say("settled", found | numbers)


def main() -> None:
    folder = Path(sys.argv[1])
    snapshotting.SNAPSHOT_LOG_ENTRIES = SNAPSHOT_ENTRIES
    for text in sys.stdin:
        word, *arguments = json.loads(text)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            say("born", os.getpid())
            try:
                asyncio.run({"live": live, "settle": settle}[word](folder, *arguments))
            except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
                traceback.print_exc()
                os._exit(3)
            os._exit(0)
        say("gone", os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
