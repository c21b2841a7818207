"""The text of one file of a workspace, and the way from an offset in it to a line and column.

Laws: offsets count characters of the decoded text without its byte order mark; only line feed,
carriage return and their pair end a line; lines and columns are 1-based characters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\n|\r")


class Source:
    """One file: its path within the workspace (with `/`) and its text."""

    __slots__ = ("_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text.removeprefix("\ufeff")
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its end; empty when there is no such line."""
        if not 1 <= number <= len(self._starts):
            return ""
        found = _LINE_END.search(self.text, self._starts[number - 1])
        return self.text[self._starts[number - 1] : found.start() if found else len(self.text)]

    def line_start(self, number: int) -> int:
        """The offset at which a line begins."""
        return self._starts[number - 1]

    def line_end(self, offset: int) -> int:
        """The offset at which the line that holds `offset` ends."""
        found = _LINE_END.search(self.text, offset)
        return found.start() if found else len(self.text)

    def on_line(self, start: int, end: int) -> int:
        """How many characters of start..end lie on the first line; at least 1."""
        return max(1, min(end, self.line_end(start)) - start)

    def place(self, start: int, end: int | None = None) -> Place:
        """A stretch of this source; one character when no end is given."""
        return Place(self, start, start + 1 if end is None else end)


class Place(NamedTuple):
    """A stretch of a source."""

    source: Source
    start: int
    end: int
