"""What the machine says of time: the one place that asks it, for engine time and for `doctor`."""

from __future__ import annotations

import ctypes
import time
import uuid
from pathlib import Path

from blaster.engine.enginetime import Reading

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
_TIMEX_BYTES = 512  # struct timex is 208 on 64-bit Linux; all 0 asks and sets nothing
_APART_S = 0.05
_TRIES = 100
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class System:
    """Reads the machine's clocks."""

    def __init__(self) -> None:
        try:
            self._boot = BOOT_ID.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            self._boot = str(uuid.uuid4())  # as if it had just booted, whenever it is asked

    def read(self) -> Reading:
        """Both clocks at one instant.

        A process that was stopped between the two looks would see a jump that there was none; so
        boottime is read on both sides of the wall clock, again if they lie apart.
        """
        found: list[tuple[float, float, float]] = []
        for _ in range(_TRIES):
            before = time.clock_gettime(_BOOTTIME)
            wall = time.time()
            took = time.clock_gettime(_BOOTTIME) - before
            found.append((took, before, wall))
            if took <= _APART_S:
                break
        _, boottime, wall = min(found)
        return Reading(self._boot, boottime, wall)

    def synchronised(self) -> bool | None:
        """As `synchronised`."""
        return synchronised()

    def monotonic(self) -> float:
        return time.monotonic()


def synchronised() -> bool | None:
    """Whether the kernel says that its clock follows others; None when that cannot be found out.

    The kernel takes it back the moment anybody sets the clock, until whoever keeps it says so
    again; a file that a daemon leaves behind does not.
    """
    asked = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None).ntp_adjtime(asked)
    except (OSError, AttributeError):
        return None
    return bool(state != _TIME_ERROR) if state >= 0 else None
