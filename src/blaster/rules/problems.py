"""What is wrong with a rule, where, and how that is shown to a person.

A problem's offsets count characters of the original text (before normalisation), so that whoever
holds the file can turn them into lines and columns. `caret` underlines the place in display
columns: East-Asian wide characters take two, combining marks and format controls none. A line that
holds right-to-left letters gets left-to-right marks around the underlined span; with them the span
keeps its columns both in terminals that reorder (the span is a whole run then) and in those that do
not.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from typing import cast

import msgspec

from blaster.errors import DefinitionError

LINE_COLUMNS_MAX = 100
"""A longer line is cut around the span; a rule of one megabyte may be a single line."""

LOOKED_AT_MAX = 4 * LINE_COLUMNS_MAX
"""So many characters on each side of the span, and in it, are looked at for what can be shown."""

PROBLEMS_MAX = 1000
"""Of one text; reading stops there, or a megabyte of rubbish would take seconds to complain of."""

TOO_MANY = "the rest is not read: there are too many mistakes before it"

BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Invisible characters that only steer display; they are dropped from names and literals."""

SHOWN_MAX = 20
"""Problems that an error shows in full when it is printed; the rest are counted."""

_LEFT_TO_RIGHT_MARK = "\u200e"


class Problem(msgspec.Struct, frozen=True):
    """One finding: `text[start:end]` is the place; `suggestion` is a sentence, or empty."""

    message: str
    start: int
    end: int
    suggestion: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.suggestion}" if self.suggestion else self.message


class RuleError(DefinitionError):
    """A text is no rule; `problems` (of Problem) lists every finding, `text` is what was read."""

    def __init__(self, problems: Iterable[Problem], text: str) -> None:
        ordered = sorted(dict.fromkeys(problems), key=lambda one: (one.start, one.end))
        super().__init__(tuple(ordered))
        self.text = text

    def __str__(self) -> str:
        found = cast("tuple[Problem, ...]", self.problems)
        shown = [f"{one}\n{_indented(caret(self.text, one))}" for one in found[:SHOWN_MAX]]
        if len(found) > SHOWN_MAX:
            shown.append(f"and {len(found) - SHOWN_MAX} more")
        return "\n".join(shown)

    def __reduce__(self) -> tuple[type[RuleError], tuple[object, str]]:
        return RuleError, (self.problems, self.text)


def _indented(lines: str) -> str:
    return "\n".join(f"  | {line}" for line in lines.splitlines())


def width(text: str) -> int:
    """How many columns a terminal gives to `text`."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def caret(text: str, problem: Problem) -> str:
    """The line of the problem with its span underlined, and no newline at the end."""
    place = min(max(problem.start, 0), len(text))
    line_start = text.rfind("\n", 0, place) + 1
    line_end = text.find("\n", place)
    line_end = len(text) if line_end < 0 else line_end
    end = max(place, min(problem.end, line_end))
    before = _visible(text[max(line_start, place - LOOKED_AT_MAX) : place])
    inside = _visible(text[place : min(end, place + LOOKED_AT_MAX)])
    after = _visible(text[end : min(line_end, end + LOOKED_AT_MAX)])
    before, inside, after = _cropped(before, inside, after)
    mark = _LEFT_TO_RIGHT_MARK if _reorders(before + inside + after) else ""
    under = " " * width(before) + "^" * max(1, width(inside))
    return f"{mark}{before}{mark}{inside}{mark}{after}\n{under}"


def _visible(text: str) -> str:
    """Without controls that would move the cursor or reorder the line; each tab is one space."""
    shown = (" " if character in "\t\r\v\f" else character for character in text)
    return "".join(
        character
        for character in shown
        if character not in BIDI_CONTROLS and unicodedata.category(character) != "Cc"
    )


def _cropped(before: str, inside: str, after: str) -> tuple[str, str, str]:
    if len(before) + len(inside) + len(after) <= LINE_COLUMNS_MAX:
        return before, inside, after
    side = LINE_COLUMNS_MAX // 4
    half = LINE_COLUMNS_MAX // 2
    if len(before) > side:
        before = "\u2026" + before[-side:]
    if len(inside) > half:
        inside = inside[:half] + "\u2026"
    if len(after) > side:
        after = after[:side] + "\u2026"
    return before, inside, after


def _reorders(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean X?` for the known name that resembles `name` most; empty when none does."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]}?" if close else ""
