"""The filters and functions of message templates: which exist and how many values they take.

This is the table that the check and the rendering share.
"""

from __future__ import annotations

from typing import NamedTuple


class Arity(NamedTuple):
    """How many values a filter or function takes in its brackets."""

    least: int
    most: int

    def takes(self, count: int) -> bool:
        """Whether so many values will do."""
        return self.least <= count <= self.most

    def __str__(self) -> str:
        values = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        return "no values" if not self.most else f"{values} value{'s'[: self.most != 1]}"


FILTERS: dict[str, Arity] = {
    "default": Arity(1, 1),  # when missing
    "date": Arity(1, 1),  # a pattern like 'd.M.yyyy'
    "number": Arity(0, 1),  # decimals
    "upper": Arity(0, 0),
    "lower": Arity(0, 0),
    "trim": Arity(0, 0),
    "truncate": Arity(1, 1),  # characters
    "join": Arity(0, 1),  # the items of a list field
    "url": Arity(0, 0),  # percent-encoded, for use inside an address
}

FUNCTIONS: dict[str, Arity] = {
    "map": Arity(2, 2),  # latitude, longitude: a link to the place
}
