"""The instruction sets of this machine: what compares the kernels has a turn with each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from blaster.rules import kernels

LEVELS = tuple(kernels.levels())
"""Plain C first, to which hypothesis shrinks."""


@contextmanager
def instructions(name: str) -> Iterator[None]:
    """Within it the kernels of one instruction set are used; what fails names it."""
    before = kernels.use(name)
    try:
        yield
    except AssertionError as error:
        error.add_note(f"instruction set: {name}")
        raise
    finally:
        kernels.use(before)


class Turns:
    """The instruction sets in turn, and how often each had one."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    @contextmanager
    def next(self) -> Iterator[None]:
        """Within it the one whose turn it is is used."""
        name = LEVELS[self.count.total() % len(LEVELS)]
        self.count[name] += 1
        with instructions(name):
            yield

    def __str__(self) -> str:
        return ", ".join(f"{self.count[name]} {name}" for name in LEVELS)
