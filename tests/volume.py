"""How many cases a test draws where their number is only volume.

The release build and the sanitizer build search; the trace build, some ten times slower, is there
to see which lines run, and the first cases reach them.
"""

from __future__ import annotations

from blaster._build import KIND

TRACED = KIND == "trace"
TRACED_PART = 10


def cases(count: int) -> int:
    """`count`, or on the trace build a tenth of it."""
    return -(-count // TRACED_PART) if TRACED else count
