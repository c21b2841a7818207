"""Code that is never run: the type checker must accept it, and infer what it says."""

from __future__ import annotations

from typing import Literal, assert_type

from blaster._build import KIND
from blaster.clock import Clock, SystemClock
from blaster.errors import BlasterError, Busy, LogCorrupt

assert_type(KIND, Literal["release", "trace", "sanitize"])


class Frozen:
    """A clock of one's own needs no base class."""

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


def takes_a_clock(clock: Clock) -> float:
    return clock.now()


takes_a_clock(Frozen())
takes_a_clock(SystemClock())


def details_are_attributes(error: BlasterError) -> None:
    if isinstance(error, Busy):
        assert_type(error.retry_after_s, float)
    if isinstance(error, LogCorrupt):
        assert_type(error.sequence, int)
