"""A machine whose clocks a test moves: what engine time reads, in place of the real ones."""

from __future__ import annotations

from blaster.engine.enginetime import Reading

START = 1_800_000_000.0


class ScriptedSystem:
    """As `System`. True time goes on by `run`; the wall clock is off by whatever `jump` made it."""

    def __init__(self, true: float = START, *, boottime: float = 1_000.0) -> None:
        self.true = true
        self.booted = true - boottime
        self.boot = "boot-1"
        self.off = 0.0
        self.sync: bool | None = False
        self.asked = 0

    def read(self) -> Reading:
        return Reading(self.boot, self.true - self.booted, self.wall)

    def synchronised(self) -> bool | None:
        self.asked += 1
        return self.sync

    def monotonic(self) -> float:
        return self.true - self.booted

    @property
    def wall(self) -> float:
        return self.true + self.off

    def run(self, seconds: float) -> None:
        """So long passes, awake or asleep."""
        self.true += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock; the system says no more that it is synchronised."""
        self.off += seconds
        self.sync = False

    def repair(self) -> None:
        """The wall clock is right, and the system says so."""
        self.off, self.sync = 0.0, True

    def reboot(self, seconds: float = 60.0, *, wall: float | None = None) -> None:
        """The machine is off for so long; `wall` is what its clock chip makes of it."""
        self.true += seconds
        self.booted = self.true - 5.0
        self.boot = f"boot-{int(self.boot.rpartition('-')[2]) + 1}"
        self.sync = False
        if wall is not None:
            self.off = wall - self.true
