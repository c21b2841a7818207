"""The words of a dictionary column: append-only, so that a code means the same for ever."""

from __future__ import annotations

from collections.abc import Iterable


class Dictionary:
    """Text to code and back. Codes are dense from 0, at most 2**31 - 1 of them.

    Append-only: whoever cached something per code extends it from its own length to `len(self)`.
    """

    __slots__ = ("_codes", "values")

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values: list[str] = list(dict.fromkeys(values))
        self._codes: dict[str, int] = {value: code for code, value in enumerate(self.values)}

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
