"""What checking a workspace finds, and where.

Laws: a finding is a value; findings are collected and never raised; one mistake is one finding.
"""

from __future__ import annotations

import msgspec

from blaster.definitions.codes import CODES, Severity
from blaster.definitions.sources import Place


class Finding(msgspec.Struct, frozen=True):
    """One finding. `line` and `column` are 1-based characters; 0 when the file itself is meant.

    `length` is how many characters of the line the caret underlines; `suggestion` says what to do.
    """

    severity: Severity
    code: str
    file: str
    line: int
    column: int
    message: str
    suggestion: str = ""
    length: int = 1

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        advice = f" ({self.suggestion})" if self.suggestion else ""
        return f"{where}: {self.severity} {self.code}: {self.message}{advice}"


class Report:
    """Collects findings while files are read."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def add(self, code: str, place: Place, message: str, suggestion: str = "") -> None:
        """One finding at a place of a source; its severity is the code's."""
        line, column = place.source.position(place.start)
        length = place.source.on_line(place.start, place.end)
        self._append(code, place.source.path, line, column, message, suggestion, length)

    def add_file(self, code: str, path: str, message: str, suggestion: str = "") -> None:
        """One finding about a whole file or folder."""
        self._append(code, path, 0, 0, message, suggestion, 0)

    def _append(
        self, code: str, path: str, line: int, column: int, message: str, advice: str, length: int
    ) -> None:
        severity = CODES[code].severity
        self._found[Finding(severity, code, path, line, column, message, advice, length)] = None

    @property
    def broken(self) -> bool:
        """Whether there is an error among the findings."""
        return any(found.severity == "error" for found in self._found)

    def findings(self) -> tuple[Finding, ...]:
        """Everything found, by file and place."""
        return tuple(
            sorted(self._found, key=lambda f: (f.file, f.line, f.column, f.code, f.message))
        )
