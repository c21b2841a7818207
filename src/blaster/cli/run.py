"""`blaster run`: the daemon. Runs an account until it is told to stop, or until nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import account_folder
from blaster.cli.output import counted, fail, note, number, say, shown

if TYPE_CHECKING:
    from blaster.engine import Engine

HELP = """
Usage: blaster run [DIR] [--workers N] [--until-idle] [--quiet]

Runs the account: takes the steps that come due, and delivers. One line on
stdout says when it is ready. SIGTERM and Ctrl-C let what is on the wire finish,
keep the rest for the next start, and end it with code 0; a second one ends it
at once.

Options:
  --workers N    processes that deliver e-mail (default: what blaster.toml says,
                 else one per processor)
  --until-idle   end when nothing is left to do now: no order is under way, and
                 nobody waits but for a later hour
  --quiet        no line per minute

Example:
  blaster run club --workers 2

Exit codes: 0 ended as it was told; 1 it could not start, or its disk failed
again and again; 2 no workspace, or nothing published.
"""

REPORT_S = 60.0
LOOK_S = 0.2
OPENINGS_MAX = 5
"""Failures in a row, each within a minute of the opening, before the daemon gives up."""


def run(
    dir: Path | None = None,  # noqa: A002 - the argument's own name
    /,
    *,
    workers: int | None = None,
    until_idle: bool = False,
    quiet: bool = False,
) -> int:
    import uvloop

    folder = account_folder(dir)
    return uvloop.run(_Daemon(folder, workers, until_idle, quiet).run())


class _Daemon:
    def __init__(self, folder: Path, workers: int | None, until_idle: bool, quiet: bool) -> None:
        self._folder = folder
        self._workers = workers
        self._until_idle = until_idle
        self._quiet = quiet
        self._stop = asyncio.Event()

    async def run(self) -> int:
        import blaster

        loop = asyncio.get_running_loop()
        for number_ in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number_, self._told)
        failures = 0
        while True:
            opened = loop.time()
            engine = blaster.open(self._folder, workers=self._workers)
            async with engine:
                await self._say_ready(engine)
                await self._serve(engine)
                failure = engine.failure
                if failure is None:
                    await self._say_ended(engine)
            if failure is None:
                return 0
            failures = failures + 1 if loop.time() - opened < REPORT_S else 1
            fail(f"the engine stopped: {failure}")
            if failures >= OPENINGS_MAX or self._stop.is_set():
                return 1
            note("opening again from the log")

    def _told(self) -> None:
        if self._stop.is_set():
            os._exit(1)  # asked twice: what is on the wire is in doubt, and the next start says so
        self._stop.set()

    async def _serve(self, engine: Engine) -> None:
        """Until it is told to stop, nothing is left, or the engine fails."""
        loop = asyncio.get_running_loop()
        idle = asyncio.ensure_future(engine.settled()) if self._until_idle else None
        told = loop.time()
        try:
            while engine.failure is None and not self._stop.is_set():
                if idle is not None and idle.done():
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), LOOK_S)
                if not self._quiet and loop.time() - told >= REPORT_S:
                    told = loop.time()
                    note(_line(engine))
        finally:
            if idle is not None:
                idle.cancel()
                await asyncio.gather(idle, return_exceptions=True)

    async def _say_ready(self, engine: Engine) -> None:
        contacts = await engine.contacts.count()
        say(
            f"ready: {shown(self._folder)}, process {os.getpid()}, "
            f"{counted(contacts, 'contact')}, {counted(engine.workers, 'worker')}"
        )
        import sys

        sys.stdout.flush()

    async def _say_ended(self, engine: Engine) -> None:
        why = "told to stop" if self._stop.is_set() else "nothing is left to do now"
        note(f"{why}; {_line(engine)}")


def _line(engine: Engine) -> str:
    """How delivery is doing, in one line."""
    sites = engine.sites()
    accepted, failed = sum(s.accepted for s in sites), sum(s.failed for s in sites)
    parts = [f"{number(accepted)} accepted", f"{number(failed)} refused"]
    deferred = sum(site.deferred for site in sites)
    if deferred:
        parts.append(f"{number(deferred)} to be tried again")
    waiting = sum(site.queued + site.in_flight for site in sites)
    if waiting:
        parts.append(f"{number(waiting)} under way")
    held = [site for site in sites if site.back_off_s > 0]
    parts += [f"{shown(site.site)} held back: {site.trouble}" for site in held[:3]]
    return ", ".join(parts)
