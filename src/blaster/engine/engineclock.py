"""The clock that an engine goes by when its host gives it none: engine time over this machine.

Law: any thread may ask it; readings are taken and told to `EngineTime` one after another.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from blaster.engine.enginetime import EngineTime, Reading, TimeState
from blaster.engine.system import System
from blaster.engine.timefile import TimeFile
from blaster.limits import CLOCK_LOOK_S

SYNCHRONISED, OPERATOR = "synchronised", "operator"


class Word(NamedTuple):
    """Somebody's word for the wall clock of a reading, and engine time before it is followed."""

    by: str
    reading: Reading
    before: float


class TimeStatus(msgspec.Struct, frozen=True):
    """Engine time `now`, and what the wall clock is to it.

    `state` is "agrees", "stands" (until the wall clock has come up, in `stands_s` seconds) or
    "apart": the alarm, in which marketing and sales wait. `ahead_s` is by how much the wall clock
    is ahead of what it should show; behind, it is negative.
    """

    now: float
    state: str
    ahead_s: float
    stands_s: float

    @property
    def alarm(self) -> bool:
        return self.state == TimeState.APART.value


class EngineClock:
    """A `Clock`. `recorded` is the newest instant of the log (0: none); `folder` the account's.

    Without a folder nothing is kept: the next opening goes by the wall clock, but not before what
    was recorded.
    """

    def __init__(self, system: System, recorded: int, folder: Path | None = None) -> None:
        self._system = system
        self._mutex = threading.Lock()
        self._file = TimeFile(folder) if folder is not None else None
        kept = self._file.kept if self._file is not None else None
        self._time = EngineTime(system.read(), kept, recorded or None)
        self._looked = self._wrote = float("-inf")

    def now(self) -> float:
        """Engine time."""
        with self._mutex:
            return self._time.now(self._system.read())

    def monotonic(self) -> float:
        return self._system.monotonic()

    def status(self) -> TimeStatus:
        with self._mutex:
            now, time = self._time.now(self._system.read()), self._time
            return TimeStatus(now, time.state.value, time.ahead, time.stands)

    def witness(self) -> Word | None:
        """Who says that the wall clock is right, where it differs; None while nobody does.

        Looks once a second at most: for an operator's word first, then what the system says. That
        has to hold before and after the clock is read, so that what is believed is what was vouched
        for.
        """
        with self._mutex:
            reading = self._system.read()
            self._time.now(reading)
            if not self._time.differs or reading.boottime - self._looked < CLOCK_LOOK_S:
                return None
            self._looked = reading.boottime
            if self._file is not None and self._file.heard(reading):
                return Word(OPERATOR, reading, self._time.time)
            if not self._system.synchronised():
                return None
            reading = self._system.read()
            if not self._system.synchronised():
                return None
            return Word(SYNCHRONISED, reading, self._time.now(reading))

    def vouch(self) -> Word:
        """The word of an operator who is here, for the wall clock as it is now."""
        with self._mutex:
            reading = self._system.read()
            return Word(OPERATOR, reading, self._time.now(reading))

    def confirm(self, word: Word) -> None:
        """Goes by the wall clock that was vouched for."""
        with self._mutex:
            self._time.confirm(word.reading)
            if self._file is not None:
                self._file.forget_word()

    def keep(self, *, at_once: bool = False) -> None:
        """Keeps engine time beside the log; once a second at most unless `at_once`."""
        if self._file is None:
            return
        with self._mutex:
            self._time.now(self._system.read())
            kept = self._time.kept
        if at_once or kept.boottime - self._wrote >= CLOCK_LOOK_S:
            self._wrote = kept.boottime
            self._file.write(kept)
