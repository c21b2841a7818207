"""What the engine thread is given to run: a call with its machine and the instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blaster.engine.machine import Machine
from blaster.limits import GATHERED_MAX

Command = Callable[[Machine, int], Any]


class Growing:
    """A command that may be added to while it waits: a subclass says what running it is."""

    def __init__(self, first: Any) -> None:
        self.items = [first]

    def __call__(self, machine: Machine, now: int) -> Any:
        """Runs it, with all that was added."""
        raise NotImplementedError

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return len(self.items) >= GATHERED_MAX

    def add(self, item: Any) -> None:
        """One more."""
        self.items.append(item)

    @property
    def may_wait(self) -> bool:
        """Whether it may wait for more."""
        return not self.is_full
