"""Texts in SQL: quoting, and case folding that agrees with Python's for every character.

Owns how a text is folded in SQL. Law: no table of the database is used. A text is compared with
known words, so only the characters that fold to one of theirs are folded, each as `str.casefold`
folds it; any other character is in no word, before folding and after.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from blaster.errors import NoSql

FOLD_END = 0x1F000
"""No character from here on folds."""
SPACES = "".join(chr(point) for point in range(0x3001) if chr(point).isspace())
"""What `str.strip` takes away."""


def quoted(text: str) -> str:
    """A literal."""
    if "\0" in text:
        raise NoSql("SQL texts hold no NUL character", text)
    return "'" + text.replace("'", "''") + "'"


def named(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=1)
def _sources() -> dict[str, frozenset[str]]:
    """Character to the characters whose folding holds it and that are not folded themselves."""
    found: dict[str, set[str]] = {}
    for point in range(FOLD_END):
        if 0xD800 <= point < 0xE000:
            continue
        character = chr(point)
        folded = character.casefold()
        if folded != character:
            for part in folded:
                found.setdefault(part, set()).add(character)
    return {part: frozenset(characters) for part, characters in found.items()}


def folded(expression: str, words: Iterable[str] | None) -> str:
    """A text folded as far as these folded words can tell; None: all of it."""
    sources = _sources()
    parts = sources if words is None else set().union(*words)
    raw = sorted(set[str]().union(*(sources.get(part, ()) for part in parts)))
    for character in raw:
        if len(character.casefold()) > 1:
            expression = (
                f"replace({expression}, {quoted(character)}, {quoted(character.casefold())})"
            )
    single = [character for character in raw if len(character.casefold()) == 1]
    if not single:
        return expression
    into = "".join(character.casefold() for character in single)
    return f"translate({expression}, {quoted(''.join(single))}, {quoted(into)})"
