"""Engine time: the instant an account goes by. It never goes back, and no wall clock makes it leap.

Sans-I/O: it is given readings of the machine and answers; it reads no clock itself.

Engine time goes along a *line*: CLOCK_BOOTTIME, which runs on while the machine sleeps and which
nobody sets, plus an offset. The offset is what was confirmed last; at the first opening of an
account, and after a reboot, it follows from the wall clock. Engine time is the line's highest point
so far. What the line and the wall clock are to each other is the state:

    state   wall to line   line to engine time   engine time      marketing, sales
    AGREES  near           reached               goes             go on
    STANDS  near           behind                stands           go on
    APART   far            either                as before        wait

`near` is CLOCK_APART_S at most. The state follows from each reading alone, so leaving APART needs
nothing but a wall clock that was set right again. Three events move the line:

    event      when                                        the line is then at
    confirmed  the system says it is synchronised, or an   the wall clock: engine time leaps there,
               operator says that the wall clock is right  or stands until it is reached
    rebooted   another boot id, or a boottime before the   the later of wall clock and engine time;
               one that was kept                           the latter if the wall clock is over
                                                           CLOCK_LEAP_MAX_S ahead of what was kept
    opened     within the boot that was kept               where it is without the pause

Laws, for any readings: engine time never goes back; between two confirmations or reboots it gains
no second on boottime; after a confirmation it is the wall clock's, or stands. A mistaken hour is
therefore nothing but a wait of marketing and sales, unless somebody confirms it.
Weakness: whoever has the clock confirmed an hour ahead, and then corrected, has an hour in which
engine time stands; that is the price of never going back.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from blaster.limits import CLOCK_APART_S, CLOCK_FOLLOW_S, CLOCK_LEAP_MAX_S


class Reading(NamedTuple):
    """The machine at one instant: which boot, seconds since then (asleep or not), wall clock."""

    boot: str
    boottime: float
    wall: float


class Kept(NamedTuple):
    """What outlives the process: engine time and line at a boottime of a boot."""

    time: float
    line: float
    boottime: float
    boot: str


class TimeState(Enum):
    """What wall clock and engine time are to each other."""

    AGREES = "agrees"
    STANDS = "stands"
    APART = "apart"


STATES = {
    # (the wall clock is near the line, the line has reached engine time)
    (True, True): TimeState.AGREES,
    (True, False): TimeState.STANDS,
    (False, True): TimeState.APART,
    (False, False): TimeState.APART,
}


class EngineTime:
    """One account's time. `recorded` is the newest instant of its log, None for a new account."""

    def __init__(
        self, reading: Reading, kept: Kept | None = None, recorded: float | None = None
    ) -> None:
        if kept is not None and recorded is not None and recorded > _newest(kept, reading) + 1:
            kept = None  # the log went on without it: what was kept is of another time
        times = [time for time in (kept.time if kept else None, recorded) if time is not None]
        self._time = max(times) if times else reading.wall
        if kept is not None and _same_boot(kept.boot, kept.boottime, reading):
            self._offset = kept.line - kept.boottime
        else:
            self._offset = _rebooted(self._time, reading, guarded=kept is not None)
        self._last = reading
        self._take(reading)

    def now(self, reading: Reading) -> float:
        """Engine time at this reading; never less than at one before."""
        if not _same_boot(self._last.boot, self._last.boottime, reading):
            self._offset = _rebooted(self._time, reading, guarded=True)
        self._take(reading)
        return self._time

    def _take(self, reading: Reading) -> None:
        self._last = reading
        self._time = max(self._time, self._line)

    @property
    def _line(self) -> float:
        return self._last.boottime + self._offset

    @property
    def time(self) -> float:
        """Engine time at the last reading."""
        return self._time

    @property
    def ahead(self) -> float:
        """By how many seconds the wall clock was ahead of the line at the last reading."""
        return self._last.wall - self._line

    @property
    def stands(self) -> float:
        """For how many seconds engine time will stand."""
        return max(0.0, self._time - self._line)

    @property
    def state(self) -> TimeState:
        return STATES[abs(self.ahead) <= CLOCK_APART_S, self._line >= self._time]

    @property
    def differs(self) -> bool:
        """Whether there is anything to confirm."""
        return abs(self.ahead) >= CLOCK_FOLLOW_S

    def confirm(self, reading: Reading) -> None:
        """The wall clock of this reading is right."""
        self.now(reading)
        self._offset = reading.wall - reading.boottime
        self._take(reading)

    @property
    def kept(self) -> Kept:
        """What is to outlive the process."""
        return Kept(self._time, self._line, self._last.boottime, self._last.boot)


def _same_boot(boot: str, boottime: float, reading: Reading) -> bool:
    return boot == reading.boot and boottime <= reading.boottime


def _newest(kept: Kept, reading: Reading) -> float:
    """The latest instant that an engine could have recorded by what was kept."""
    if not _same_boot(kept.boot, kept.boottime, reading):
        return float("inf")
    return max(kept.time, kept.line + reading.boottime - kept.boottime)


def _rebooted(time: float, reading: Reading, *, guarded: bool) -> float:
    """The offset of a line that begins at this reading."""
    leaps = guarded and reading.wall - time > CLOCK_LEAP_MAX_S
    return (time if leaps else max(time, reading.wall)) - reading.boottime
