"""What `blaster run` does: one account's engine, opened, watched, and opened again when it fails.

Laws: a signal ends it in order: what is on the wire is finished, the rest stays; a second one ends
it at once. An engine that fails is opened again from its log: at once the first time, then after
longer and longer pauses, OPENINGS_MAX times in a row; while the disk has no room for as long as it
takes. What stands in the way of the very first opening is for whoever gave the command. The ready
line alone is for stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import typed
from blaster.cli.output import counted, fail, lasting, note, number, say, shown
from blaster.errors import BlasterError, EngineClosed, LogCorrupt, LogError, LogVersionError

if TYPE_CHECKING:
    from blaster.engine import Engine

REPORT_S = 60.0
LOOK_S = 0.2
OPENINGS_MAX = 5
"""Failures in a row, each within a minute of the opening, before the daemon gives up."""
AGAIN_S, FULL_S = 1.0, 5.0
"""Between two openings: doubled each time, at most eight times; and while the disk is full."""


class Daemon:
    """One account, by its folder."""

    def __init__(
        self,
        folder: Path,
        workers: int | None,
        threads: int | None,
        *,
        until_idle: bool,
        quiet: bool,
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._threads = threads
        self._until_idle = until_idle
        self._quiet = quiet
        self._stop = asyncio.Event()
        self._warned = ""
        self._apart = False

    async def run(self) -> int:
        """Until it is told to stop; the exit code. Raises what an opening raises."""
        loop = asyncio.get_running_loop()
        for told in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(told, self._told)
        failures, full = 0, False
        while True:
            opened = loop.time()
            failure = await self._again() if failures else await self._once()
            if failure is None:
                return 0
            failures = failures + 1 if loop.time() - opened < REPORT_S else 1
            was_full, full = full, self._is_full(failure)
            if not (full and was_full):  # said once, not every few seconds
                fail(f"the engine stopped: {failure}")
            if full and not was_full:
                note("the disk is full; opening again from the log as soon as there is room")
            elif not full and failures < OPENINGS_MAX and not self._stop.is_set():
                note("opening again from the log")
            if self._stop.is_set() or (failures >= OPENINGS_MAX and not full):
                return 1
            failures = 1 if full else failures
            again_s = AGAIN_S * 2 ** min(failures - 2, 3) if failures > 1 else 0.0
            await self._pause(FULL_S if full else again_s)
            if self._stop.is_set():
                return 1

    async def _again(self) -> BaseException | None:
        """As `_once`; a disk that stands in the way is a reason too. Others are raised."""
        try:
            return await self._once()
        except (LogCorrupt, LogVersionError):
            raise
        except (LogError, OSError) as error:
            return error

    @staticmethod
    def _is_full(failure: BaseException) -> bool:
        from blaster.log import is_full

        return is_full(failure)

    async def _pause(self, seconds: float) -> None:
        """Unless it is told to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _once(self) -> BaseException | None:
        """One engine, from its opening to its end; why it ended by itself."""
        import blaster

        fault = ""
        async with blaster.open(
            self._folder, workers=self._workers, threads=self._threads
        ) as engine:
            try:
                await self._say_ready(engine)
                await self._serve(engine)
                fault = engine.fault
                if engine.failure is None and not fault:
                    self._say_ended(engine)
            except EngineClosed:
                if engine.failure is None:
                    raise
        return engine.failure or (BlasterError(fault) if fault else None)

    def _told(self) -> None:
        if self._stop.is_set():
            os._exit(1)  # asked twice: what is on the wire is in doubt, and the next start says so
        self._stop.set()

    async def _serve(self, engine: Engine) -> None:
        """Until it is told to stop, nothing is left, or the engine or its delivery fails."""
        loop = asyncio.get_running_loop()
        idle = asyncio.ensure_future(engine.settled(rates=True)) if self._until_idle else None
        told = loop.time()
        gc.collect()
        gc.freeze()  # or each search for cycles would stop everybody to look through what stays
        try:
            while engine.failure is None and not engine.fault and not self._stop.is_set():
                self._say_warning(engine)
                if idle is not None and idle.done():
                    await asyncio.sleep(LOOK_S)  # what the sites say of it is a little behind
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), LOOK_S)
                if not self._quiet and loop.time() - told >= REPORT_S:
                    told = loop.time()
                    note(_line(engine))
        finally:
            gc.unfreeze()
            if idle is not None:
                idle.cancel()
                await asyncio.gather(idle, return_exceptions=True)

    async def _say_ready(self, engine: Engine) -> None:
        contacts, workers = await engine.contacts.count(), await engine.workers()
        say(
            f"ready: {shown(self._folder)}, process {os.getpid()}, "
            f"{counted(contacts, 'contact')}, {counted(workers, 'worker')}"
        )
        sys.stdout.flush()
        for late in engine.late:
            note(
                f"late: journey {shown(late.journey)}, {counted(late.count, 'step')}, "
                f"the oldest by {lasting(late.seconds)}"
            )

    def _say_warning(self, engine: Engine) -> None:
        """Each once, when it comes."""
        warning = engine.warning
        if warning and warning != self._warned:
            note(f"warning: {warning}")
        self._warned = warning
        time = engine.time
        apart = time is not None and time.alarm
        if apart and not self._apart:
            confirm = f"blaster clock {typed(self._folder)} --confirm"
            note(f"if the clock of this machine is right: {confirm}")
        if self._apart and not apart and time is not None:
            until = f"; engine time stands for {lasting(time.stands_s)}" if time.stands_s else ""
            note(f"the clock is in order again: marketing and sales go on{until}")
        self._apart = apart

    def _say_ended(self, engine: Engine) -> None:
        self._say_warning(engine)
        why = "told to stop" if self._stop.is_set() else "nothing is left to do now"
        note(f"{why}; {_line(engine)}")


def _line(engine: Engine) -> str:
    """How delivery is doing, and what it waits for, in one line."""
    sites = engine.sites()
    accepted, failed = sum(s.accepted for s in sites), sum(s.failed for s in sites)
    parts = [f"{number(accepted)} accepted", f"{number(failed)} refused"]
    deferred = sum(site.deferred for site in sites)
    if deferred:
        parts.append(f"{number(deferred)} to be tried again")
    waiting = sum(site.queued + site.in_flight for site in sites)
    if waiting:
        parts.append(f"{number(waiting)} under way")
    time = engine.time
    if time is not None and time.alarm:
        parts.append("marketing and sales wait for the clock")
    held = [site for site in sites if site.back_off_s > 0]
    parts += [f"{shown(site.site)} held back: {site.trouble}" for site in held[:3]]
    return ", ".join(parts)
