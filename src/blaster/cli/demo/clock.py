"""The journeys' clock of a demo: the machine's own, and ahead of it by what was leapt over.

Law: it never goes back, and only `now` is ever ahead: what is counted per second, the throttle
above all, goes by the real `monotonic`.
"""

from __future__ import annotations

import threading
import time


class LeapingClock:
    """A `Clock`; safe to read from any thread."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self._mutex = threading.Lock()
        self._offset_s = offset_s

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC, as journeys see them."""
        with self._mutex:
            return time.time() + self._offset_s

    def monotonic(self) -> float:
        return time.monotonic()

    def offset_to(self, instant: float) -> float:
        """By how much it must be ahead to show `instant`; never less than it is."""
        with self._mutex:
            return max(self._offset_s, instant - time.time())

    def leap(self, offset_s: float) -> None:
        """Is so far ahead from now on."""
        with self._mutex:
            self._offset_s = max(self._offset_s, offset_s)
