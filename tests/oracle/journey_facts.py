"""What the plain model knows of one contact: fields, lists, events, sendings, runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from blaster.model import definitions as model


@dataclass
class Meaning:
    """What a rule's text means; for an expression `truth` gives its value."""

    truth: Callable[[Person, Run | None, int], Any]
    change: Callable[[Person, Run | None, int], int | None] = lambda person, run, now: None


@dataclass
class Sending:
    """One order and what became of it."""

    at: int
    run: Run
    step: str
    accepted: int | None = None
    not_sent: int | None = None
    reason: str = ""
    noted: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Run:
    """A contact inside a journey. `step` is None when it is over."""

    journey: model.Journey
    entered: int
    number: int
    key: str | None
    attributes: dict[str, Any]
    step: str | None = None
    item: int = 0
    sub: str = ""
    arrived: int = 0
    target: int | None = None
    """When the wait is over, or the deadline of a wait until; None: not by itself."""
    queued: bool = False
    sendings: dict[tuple[str, str], Sending] = field(default_factory=dict)
    events: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    was: dict[int, bool] = field(default_factory=dict)
    """What the exits that lead to a step were."""
    baseline: dict[str, Any] = field(default_factory=dict)

    def sending(self, channel: str, name: str) -> Sending | None:
        return self.sendings.get((channel, name))


@dataclass(eq=False)
class Person:
    """One contact and everything that is known of it."""

    created: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    joined: dict[str, int] = field(default_factory=dict)
    events: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    newest: dict[tuple[str, str], Sending] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    entered: dict[str, int] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    crossed: dict[tuple[str, int], bool] = field(default_factory=dict)
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    armed: dict[tuple[str, int], int | None] = field(default_factory=dict)
    entries_at: tuple[int, int] = (0, 0)
    caps: dict[int, list[int]] = field(default_factory=dict)
