"""A step while its journey is read: where its ways lead is known by name, by nesting or not yet.

`flatten` turns nested steps into the one order of the journey and gives every step the step that
comes after it; `target` then answers the id that a way leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from blaster.definitions.nodes import Scalar
from blaster.definitions.sources import Place
from blaster.model.definitions import END, Case, RuleText, Step


@dataclass(slots=True)
class Way:
    """One way out of a step: to a named step, into steps in place, or (neither) on to the next."""

    name: Scalar | None = None
    inside: list[Draft] | None = None

    @property
    def falls(self) -> bool:
        """Whether nobody wrote where it leads."""
        return self.name is None and not self.inside


class Ways(NamedTuple):
    """The ways of a step with their targets resolved, as `make` wants them."""

    then: str
    otherwise: str | None
    cases: tuple[Case, ...]


@dataclass(slots=True)
class Draft:
    """One step. `then` None: it has no such way (a branch, `goto`, `end`); `cases` come with
    their rule. `make` builds the model's step once every way is resolved.
    """

    id: str
    place: Place
    given: bool = False
    then: Way | None = field(default_factory=Way)
    otherwise: Way | None = None
    cases: list[tuple[RuleText, Way]] = field(default_factory=list)
    make: Callable[[Ways], Step] | None = None
    waits: bool = False
    next: str = END

    def ways(self) -> list[Way]:
        """Every way out, in the order they were written."""
        found = [way for _, way in self.cases]
        found += [way for way in (self.then, self.otherwise) if way is not None]
        return found

    def target(self, way: Way) -> str:
        """The id (or END) that a way of this step leads to."""
        if way.name is not None:
            return way.name.text
        return way.inside[0].id if way.inside else self.next

    def build(self) -> Step | None:
        """The step of the model."""
        if self.make is None:
            return None
        cases = tuple(Case(when, self.target(way)) for when, way in self.cases)
        then = self.target(self.then) if self.then is not None else self.next
        otherwise = self.target(self.otherwise) if self.otherwise is not None else None
        return self.make(Ways(then, otherwise, cases))


def flatten(drafts: list[Draft], after: str = END) -> list[Draft]:
    """Every step in the order of the journey. Steps in place stand behind the step that holds
    them and go on with the step behind it.
    """
    flat: list[Draft] = []
    for index, draft in enumerate(drafts):
        draft.next = drafts[index + 1].id if index + 1 < len(drafts) else after
        flat.append(draft)
        for way in draft.ways():
            if way.inside:
                flat.extend(flatten(way.inside, draft.next))
    return flat
