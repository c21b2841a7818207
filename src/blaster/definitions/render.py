"""Findings as people read them on a terminal: place, sentence, source line, caret, what to do.

Laws: the caret is counted in display columns (a niqqud mark takes none, a wide letter two);
control and bidi control characters of the source are shown as a replacement character, so that no
file can rearrange its own error message.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from blaster.definitions.findings import Finding
from blaster.definitions.names import isolate
from blaster.definitions.sources import Source

LEFT_TO_RIGHT_MARK = "\u200e"
LINE_COLUMNS_MAX = 120
"""A longer line is cut around the caret; a message's body may be one line."""
TAB_COLUMNS = 4
_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def shown(text: str) -> str:
    """A source line with tabs widened and control characters made visible."""
    pieces: list[str] = []
    column = 0
    for letter in text:
        piece = letter
        if letter == "\t":
            piece = " " * (TAB_COLUMNS - column % TAB_COLUMNS)
        elif letter in _BIDI_CONTROLS or unicodedata.category(letter) == "Cc":
            piece = "\ufffd"
        pieces.append(piece)
        column += columns(piece)
    return "".join(pieces)


def columns(text: str) -> int:
    """How many display columns a text takes."""
    return sum(_columns_of(letter) for letter in text)


def _columns_of(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def render_findings(
    findings: Sequence[Finding],
    folder: str | Path,
    sources: Mapping[str, Source] | None = None,
) -> str:
    """Every finding with its source line and caret; the empty text when there is none.

    `folder` is the workspace; files are read from it again unless `sources` holds them by path.
    """
    texts = dict(sources or {})
    parts: list[str] = []
    for finding in findings:
        if finding.line and finding.file not in texts:
            texts[finding.file] = _read(Path(folder), finding.file)
        parts.append(_render(finding, texts.get(finding.file)))
    return "\n".join(parts)


def summary(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`, or that nothing was found."""
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    if not findings:
        return "no errors"
    counts = [_count(errors, "error")] if errors else ["no errors"]
    if warnings:
        counts.append(_count(warnings, "warning"))
    return ", ".join(counts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _read(folder: Path, path: str) -> Source:
    try:
        return Source(path, (folder / path).read_bytes().decode("utf-8", errors="replace"))
    except OSError:
        return Source(path, "")


def _render(finding: Finding, source: Source | None) -> str:
    where = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
    lines = [f"{where}: {finding.severity} {finding.code}: {finding.message}"]
    text = source.line(finding.line) if source is not None and finding.line else ""
    if text.strip():
        margin = f"{finding.line:>5} | "
        line, under = _underlined(text, finding.column - 1, finding.length)
        lines.append(margin + line)
        lines.append(" " * (len(margin) - 2) + "| " + under)
    if finding.suggestion:
        lines.append(f"      = {finding.suggestion}")
    return "\n".join(lines) + "\n"


def _underlined(text: str, at: int, length: int) -> tuple[str, str]:
    """A source line and the carets below it, both cut around the place when the line is long.

    When the line holds right-to-left letters, marks around the underlined stretch make it a run
    of its own: it then keeps its columns on terminals that reorder and on those that do not.
    """
    before = shown(text[:at])
    whole = shown(text).rstrip()
    inside = shown(text[: at + length])[len(before) :]
    after = whole[len(before) + len(inside) :]
    if len(whole) > LINE_COLUMNS_MAX:
        side = LINE_COLUMNS_MAX // 3
        before = "\u2026" + before[-side:] if len(before) > side else before
        inside = inside[:side] + "\u2026" if len(inside) > side else inside
        after = after[:side] + "\u2026" if len(after) > side else after
    mark = LEFT_TO_RIGHT_MARK if isolate(whole) != whole else ""
    line = f"{mark}{before}{mark}{inside}{mark}{after}"
    return line, " " * columns(before) + "^" * max(1, columns(inside))
