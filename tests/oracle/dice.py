"""Chance as an argument: the same generator runs seeded (stable counts) or under hypothesis."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Dice(Protocol):
    """What a generator asks of chance."""

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""

    def deal(self, deck: Sequence[T]) -> T:
        """One of the deck; whoever can, deals all of it before one comes again."""


class Seeded:
    """Python's own generator, the same for one seed for ever."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._decks: dict[int, list[Any]] = {}

    def below(self, n: int) -> int:
        return self._random.randrange(n)

    def deal(self, deck: Sequence[T]) -> T:
        left = self._decks.setdefault(id(deck), [])
        if not left:
            left.extend(deck)
            self._random.shuffle(left)
        dealt: T = left.pop()
        return dealt


class Drawn:
    """Hypothesis, which looks for the smallest example that fails."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def below(self, n: int) -> int:
        return int(self._draw(st.integers(0, n - 1))) if n > 1 else 0

    def deal(self, deck: Sequence[T]) -> T:
        return deck[self.below(len(deck))]


def choice(dice: Dice, options: Sequence[T]) -> T:
    """One of the options."""
    return options[dice.below(len(options))]


def one_in(dice: Dice, n: int) -> bool:
    """True once in `n` times; hypothesis shrinks to False."""
    return dice.below(n) == n - 1
