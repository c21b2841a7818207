"""What an engine does about its time: follow what was confirmed, record it, hold and tell.

Laws: all of it on the engine thread. A confirmation is in the log before anything is decided by it;
if a crash swallows the record, the decisions behind it are gone too, and the wall clock has to be
confirmed again. While the wall clock is apart the tick has no room for marketing and sales: they
wait in their steps like behind a site that is down, and nothing about them is decided.
"""

from __future__ import annotations

import contextlib

from blaster.clock import Clock
from blaster.engine.engineclock import EngineClock, TimeStatus, Word
from blaster.engine.machine import Machine
from blaster.errors import Busy, InputError
from blaster.limits import CLOCK_APART_S
from blaster.model.records import TimeConfirmed

HELD = {"marketing": 0, "sales": 0}
"""Their room while the wall clock is apart."""


class Timekeeping:
    """Of one machine; idle when its clock is the host's."""

    def __init__(self, machine: Machine, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock if isinstance(clock, EngineClock) else None
        self._kept = -1
        self.held: dict[str, int] = {}
        self.warning = ""
        self._said_of = 0.0
        self._see()

    def look(self) -> None:
        """Follows a wall clock that is vouched for; what is held, and the warning, are of now."""
        clock, log = self._clock, self._machine.log
        if clock is None:
            return
        word = clock.witness()
        if word is not None:
            with contextlib.suppress(Busy):  # the next look finds it again
                self._follow(clock, word)
        self._see()
        if log.durable != self._kept:
            self._kept = log.durable
            clock.keep()

    def confirm(self) -> float:
        """An operator says that the wall clock is right: by how many seconds engine time leaps.

        Below 0, for how many it stands. Raises InputError where the host keeps the time, and Busy.
        """
        clock = self._clock
        if clock is None:
            raise InputError("this engine goes by its host's clock: there is nothing to confirm")
        moved = self._follow(clock, clock.vouch())
        self._see()
        return moved

    def close(self) -> None:
        """Keeps the time for the next owner."""
        if self._clock is not None:
            self._clock.keep(at_once=True)

    def _follow(self, clock: EngineClock, word: Word) -> float:
        wall = word.reading.wall
        record = TimeConfirmed(word.by, int(word.before), int(wall))
        self._machine.accept(int(max(word.before, wall)), (record,))
        clock.confirm(word)
        clock.keep(at_once=True)
        return wall - word.before

    def _see(self) -> None:
        status = self._clock.status() if self._clock is not None else None
        if status is None or not status.alarm:
            self.held, self.warning = {}, ""
            return
        self.held = HELD
        if not self.warning or abs(status.ahead_s - self._said_of) > CLOCK_APART_S:
            self.warning, self._said_of = said(status), status.ahead_s


def said(status: TimeStatus) -> str:
    """The alarm in words."""
    side = "ahead of" if status.ahead_s > 0 else "behind"
    return (
        f"the wall clock is {abs(status.ahead_s):,.0f} seconds {side} engine time; marketing and "
        "sales wait until the system says that it is synchronised, or somebody confirms it"
    )
