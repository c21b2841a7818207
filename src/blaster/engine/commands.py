"""What the engine thread is given to run: a call with its machine and the instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from blaster.engine.machine import Machine

Command = Callable[[Machine, int], Any]


class Growing(Protocol):
    """A command that may be added to while it waits."""

    items: list[Any]

    def __call__(self, machine: Machine, now: int) -> Any:
        """Runs it, with all that was added."""
