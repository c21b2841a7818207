"""Which start of the machine this is: what a mapped file held is worth nothing after another."""

from __future__ import annotations

from pathlib import Path

_FILE = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's name of this start of the machine, 36 characters (random(4))."""
    return _FILE.read_text(encoding="ascii").strip()
