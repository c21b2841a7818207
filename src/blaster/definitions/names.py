"""Names as people see them: quoted in messages, and the nearest known one to a slip."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

FIRST_STRONG_ISOLATE = "\u2068"
POP_ISOLATE = "\u2069"
_RIGHT_TO_LEFT = ("R", "AL", "AN")


def isolate(text: str) -> str:
    """The text in a bidi isolate when it holds right-to-left letters, so that its surroundings
    keep their order on a terminal.
    """
    if any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text):
        return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"
    return text


def show(name: str) -> str:
    """A name in quotes."""
    return f"'{isolate(name)}'"


def fold(name: str) -> str:
    """The form in which two spellings of a name are compared."""
    return unicodedata.normalize("NFC", name).casefold()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, if any is like it."""
    spelled = {fold(candidate): candidate for candidate in sorted(known)}
    found = get_close_matches(fold(name), spelled, n=1, cutoff=0.6)
    return spelled[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A suggestion that names the nearest known name; `otherwise` when none is near."""
    near = nearest(name, known)
    return f"did you mean {show(near)}?" if near is not None else otherwise


def one_letter_apart(a: str, b: str) -> bool:
    """Whether two names differ by one letter left out, added, changed or swapped with its
    neighbour; numbering (day1, day2) and short names do not count.
    """
    a, b = sorted((fold(a), fold(b)), key=len)
    if a == b or len(b) - len(a) > 1 or len(a) < 4:
        return False
    start = 0
    while start < len(a) and a[start] == b[start]:
        start += 1
    if len(a) < len(b):
        return a[start:] == b[start + 1 :] and not b[start].isdigit()
    if a[start].isdigit() or b[start].isdigit():
        return False
    if a[start + 1 :] == b[start + 1 :]:
        return True
    swapped = a[start : start + 2] == b[start : start + 2][::-1]
    return swapped and a[start + 2 :] == b[start + 2 :]
