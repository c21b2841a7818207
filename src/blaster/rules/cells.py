"""What one value of a row can be, cut into cells: as far as a rule's literals can tell them apart.

Owns the cutting, and what each kind of condition says in a cell. A truth is one bit (TRUE, FALSE,
UNKNOWN) and an answer is a set of bits: every truth that is possible there.

Laws
1. Every value that a row can have lies in one of the cells; a cell that no value lies in may stay.
2. The answer for a cell holds every truth that the condition has for some value of the cell.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from blaster.model.fields import NEVER, Kind
from blaster.rules import tree

TRUE, FALSE, UNKNOWN = 1, 2, 4
ANY = TRUE | FALSE | UNKNOWN
MISSING = "missing"

ORDERS: dict[tree.Order, Callable[[int | Fraction, int | Fraction], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
MIRRORED: dict[tree.Order, tree.Order] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip

_PARTS = {"month": (1, 12), "day": (1, 31), "weekday": (1, 7), "hour": (0, 23)}
_INT64 = (-(2**63), 2**63 - 1)
_NEVER_MISSING = frozenset({"consent", "suppressed", "benefit"})


class Stretch(NamedTuple):
    """The numbers strictly between two marks; None is no end. A point has `low` == `high`."""

    low: Fraction | None
    high: Fraction | None

    def against(self, mark: Fraction) -> int:
        """Where it lies from a mark that is among those it was cut by: -1 below, 0 on, 1 above."""
        if self.low is not None and self.low == self.high:
            return (self.low > mark) - (self.low < mark)
        return -1 if self.high is not None and self.high <= mark else 1


class Word(NamedTuple):
    """This very text; with `others`, those that fold to it and are not named; None: the rest."""

    text: str | None
    others: bool = False


Cell = Stretch | Word | bool | str
Judge = Callable[[Cell], int]


class Range(NamedTuple):
    """The numbers a value can be: whole multiples of 1/10**scale between two ends, or all."""

    low: int | None = None
    high: int | None = None
    scale: int | None = None  # None: real numbers


def range_of(value: tree.Value) -> Range:
    """The numbers that a number, date or instant can be."""
    match value:
        case tree.Part(part=part) if part in _PARTS:
            return Range(*_PARTS[part], 0)
        case tree.Bucket(n=n):
            return Range(0, n - 1, 0)
        case tree.Length():
            return Range(0, _INT64[1], 0)
        case tree.FactRef(fact=fact) if fact.kind == Kind.INT and fact.key[-1] == "count":
            if len(fact.key) == 3:
                return Range(0, _INT64[1], 0)
    kind = tree.kind_of(value)
    if kind == Kind.TIME:
        return Range(0, NEVER - 1, 0)
    if kind == Kind.NUMBER:
        return Range()
    return Range(*_INT64, tree.scale_of(value))


def may_miss(value: tree.Value, filled: Callable[[str], bool]) -> bool:
    """Whether a value can be missing; `filled` knows the fields that never are."""
    match value:
        case tree.Literal() | tree.Now() | tree.Today() | tree.Bucket():
            return False
        case tree.Part(value=inner) | tree.DateOf(value=inner):
            return may_miss(inner, filled)
        case tree.FactRef(fact=fact):
            if fact.key[0] in _NEVER_MISSING:
                return False
            if len(fact.key) == 3 and fact.key[0] in ("list", "journey"):
                return fact.key[2] not in ("member", "running")
            if len(fact.key) == 3 and fact.key[2] == "count":
                return False
            return not (len(fact.key) == 2 and fact.key[0] == "field" and filled(fact.key[1]))
        case _:
            return True


def number_cells(marks: set[Fraction], numbers: Range) -> list[Cell]:
    """The marks and the stretches between them, without those that hold no number of the range."""
    ordered = sorted(marks)
    ends = [None, *ordered, None]
    cells = [Stretch(mark, mark) for mark in ordered]
    cells += [Stretch(ends[place], ends[place + 1]) for place in range(len(ends) - 1)]
    return [cell for cell in cells if _holds_some(cell, numbers)]


def _holds_some(cell: Stretch, numbers: Range) -> bool:
    if numbers.scale is None:
        return True
    unit = 10**numbers.scale
    least, most = numbers.low, numbers.high
    assert least is not None
    assert most is not None
    if cell.low is not None and cell.low == cell.high:
        point = cell.low * unit
        return bool(point.denominator == 1 and least <= point <= most)
    low = least if cell.low is None else max(least, int(cell.low * unit // 1) + 1)
    high = most if cell.high is None else min(most, -int(-cell.high * unit // 1) - 1)
    return low <= high


def word_cells(words: set[str]) -> list[Cell]:
    """Each text that is named, what differs from it in case only, and everything else."""
    folds = sorted({word.casefold() for word in words})
    named: list[Cell] = [Word(word) for word in sorted(words)]
    return [*named, *(Word(fold, others=True) for fold in folds), Word(None)]


def judge_order(op: tree.Order, mark: Fraction) -> Judge:
    """A number against a literal."""

    def judge(cell: Cell) -> int:
        assert isinstance(cell, Stretch)
        return TRUE if ORDERS[op](cell.against(mark), 0) else FALSE

    return judge


def judge_text(op: str, needle: str, *, exact: bool) -> Judge:
    """A text against a literal; undecided where the cell holds texts of both sorts."""
    wanted = needle if exact else needle.casefold()

    def judge(cell: Cell) -> int:
        assert isinstance(cell, Word)
        if cell.text is None:
            return FALSE if op == "eq" else TRUE | FALSE
        if cell.others and exact:  # of `eq` every needle is a cell of its own
            return FALSE if op == "eq" else TRUE | FALSE
        text = cell.text if exact or cell.others else cell.text.casefold()
        return TRUE if _TEXTS[op](text, wanted) else FALSE

    return judge


def judge_blank(cell: Cell) -> int:
    """A text that is there: whether it is empty or only spaces."""
    assert isinstance(cell, Word)
    if cell.text is None:
        return TRUE | FALSE
    if cell.text.strip():  # no letter folds to a space
        return FALSE
    return TRUE | FALSE if cell.others else TRUE


_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "eq": str.__eq__,
    "contains": str.__contains__,
    "starts": str.startswith,
    "ends": str.endswith,
}
