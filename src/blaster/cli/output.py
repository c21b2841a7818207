"""What is printed: results on stdout, everything else on stderr, colours only on a terminal.

Laws: no name is cut; a name in right-to-left letters stands in a bidi isolate and is measured in
display columns; what is piped holds no escape codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

_COLOURS = {"bold": "1", "red": "1;31", "yellow": "33", "green": "32", "dim": "2"}


class UsageError(Exception):
    """The command line asks for what makes no sense or is not there; `advice` says what to do."""

    def __init__(self, message: str, advice: str = "") -> None:
        self.advice = advice
        super().__init__(message)


def say(text: str) -> None:
    """A result."""
    print(text)


def note(text: str) -> None:
    """Something for the person at the terminal that is no result; after what was printed so far."""
    sys.stdout.flush()
    print(text, file=sys.stderr)


def fail(text: str, advice: str = "") -> None:
    """An error, and what to do about it."""
    note(f"{paint('error:', 'red', sys.stderr)} {text}")
    if advice:
        note(f"  {advice}")


def say_json(value: Any) -> None:
    """A result for programs: indented JSON, Hebrew as it is."""
    import msgspec

    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def shown(text: object) -> str:
    """A name or path within a sentence: right-to-left letters do not reorder what is around it."""
    from blaster.definitions import names

    return names.isolate(str(text))


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """The text in a colour, if `stream` (stdout) is a terminal that shows colours."""
    stream = sys.stdout if stream is None else stream
    if not text or not stream.isatty() or "NO_COLOR" in os.environ or _is_dumb():
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def _is_dumb() -> bool:
    return os.environ.get("TERM", "") in ("", "dumb")


def number(value: float) -> str:
    """A count as people read it."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str = "") -> str:
    """`1 journey`, `7 journeys`."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def lasting(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h`, `5 days`: how long something is, in whole units, rounded down."""
    for size, unit in ((2 * 86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{number(int(seconds // (86_400 if unit == 'days' else size)))} {unit}"
    return f"{int(seconds)} s"


def table(heads: Sequence[str], rows: Sequence[Sequence[str | int]], indent: int = 2) -> str:
    """Columns under their heads: numbers to the right, names to the left, two spaces between."""
    from blaster.definitions import render

    columns = render.columns
    cells = [[number(c) if isinstance(c, int) else shown(c) for c in row] for row in rows]
    right = [all(isinstance(row[at], int) for row in rows) for at in range(len(heads))]
    widths = [
        max([columns(head), *(columns(row[at]) for row in cells)]) for at, head in enumerate(heads)
    ]

    def line(row: Sequence[str]) -> str:
        padded = []
        for cell, width, to_right in zip(row, widths, right, strict=True):
            space = " " * (width - columns(cell))
            padded.append(space + cell if to_right else cell + space)
        return " " * indent + "  ".join(padded).rstrip()

    head = paint(line(heads), "dim")
    return "\n".join([head, *(line(row) for row in cells)])
