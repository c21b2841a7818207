"""The words of a dictionary column: append-only, so that a code means the same for ever.

Only a word that no row holds any more may be forgotten: its code is never given again, and stands
for a blank, which nobody can have written.
"""

from __future__ import annotations

from collections.abc import Iterable


class Dictionary:
    """Text to code and back. Codes are dense from 0, at most 2**31 - 1 of them.

    Append-only: whoever cached something per code extends it from its own length to `len(self)`.
    Whoever keeps words looks at `forgotten` too, which counts the calls of `forget`.
    """

    __slots__ = ("_codes", "forgotten", "values")

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values: list[str] = list(dict.fromkeys(values))
        self._codes: dict[str, int] = {value: code for code, value in enumerate(self.values)}
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self.values)

    def add(self, value: str) -> int:
        """The code of `value`, given now if it has none."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code

    def find(self, value: str) -> int:
        """The code of `value`, or -1."""
        return self._codes.get(value, -1)

    def forget(self, codes: Iterable[int]) -> None:
        """No row holds these codes: their words are gone, and get other codes when they come back.

        `values` is another list afterwards; who still reads the old one sees what was.
        """
        values = list(self.values)
        for code in codes:
            if is_blank(values[code]):
                continue
            del self._codes[values[code]]
            blank = f"{BLANK}{code}"
            while blank in self._codes:
                blank += BLANK
            values[code] = blank
            self._codes[blank] = code
        self.values = values
        self.forgotten += 1


BLANK = "\0"
"""What the place of a forgotten word begins with."""


def is_blank(word: str) -> bool:
    """Whether this is the place of a forgotten word."""
    return word.startswith(BLANK)
