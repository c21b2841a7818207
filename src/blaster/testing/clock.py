"""A clock that stands still until a test moves it, and how to move it past what is due.

Law: it never goes back. An engine under it does what is due at the instant it shows; so a clock
moved on by a week at once makes what lay between late. `run_until` stops at each such instant.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from blaster import Engine

When = str | float | datetime
"""A local time such as "2026-03-01 09:00", seconds since 1970-01-01 UTC, or a datetime."""


class FakeClock:
    """A `Clock` for tests; safe to read from any thread.

    Local times (texts, and datetimes without a zone) are of `zone`.
    """

    def __init__(self, start: When = "2026-01-01 00:00", *, zone: str = "Asia/Jerusalem") -> None:
        self._zone = ZoneInfo(zone)
        self._mutex = threading.Lock()
        self._now = self._start = float(self.instant(start))

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        with self._mutex:
            return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self.now() - self._start

    def instant(self, when: When) -> int:
        """The instant, in whole seconds, that a local time means."""
        if isinstance(when, str):
            when = datetime.fromisoformat(when)
        if isinstance(when, datetime):
            zoned = when if when.tzinfo is not None else when.replace(tzinfo=self._zone)
            return int(zoned.timestamp())
        return int(when)

    def local(self, instant: float | None = None) -> str:
        """An instant (default: now) as a local time, "2026-03-01 09:00:00"."""
        seconds = self.now() if instant is None else instant
        here = datetime.fromtimestamp(int(seconds), UTC).astimezone(self._zone)
        return f"{here:%Y-%m-%d %H:%M:%S}"

    def set(self, when: When) -> None:
        """Shows `when` from now on. Raises ValueError for an instant that is past."""
        instant = float(self.instant(when))
        with self._mutex:
            if instant < self._now:
                raise ValueError(f"{when} is past; the clock shows {self._now:.0f}")
            self._now = instant

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Moves on; a day is 24 hours."""
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        self.set(self.now() + span.total_seconds())


async def run_until(engine: Engine, clock: FakeClock, when: When) -> None:
    """Moves the clock on to `when`, letting the engine work at each instant where it has to.

    Afterwards nothing is left to do at `when`, and everything done is durable.
    """
    end = clock.instant(when)
    due = await engine.quiet()
    while due is not None and due <= end:
        clock.set(due)
        due = await engine.quiet()
    clock.set(end)
    await engine.quiet()
