"""What a rule may speak of: the fields, attributes and names known where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from blaster.model.fields import BUILT_IN_FIELDS, Field

Place = Literal["enter", "steps", "audience", "scenario"]

_BUILT_IN = {field.name: field for field in BUILT_IN_FIELDS}


class Untyped(Field, frozen=True):
    """A name whose type nobody knows: it becomes what it is compared with."""


class Narrow(Field, frozen=True):
    """A number in a column of float32: beside it, a literal is the float32 nearest to it."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule stands.

    `place` decides since when things count: in "steps" (also exits and goals) since the run's
    entry, elsewhere ever. `own_messages` are those the journey itself sends, as (channel, name).
    `attributes` are those of what starts the run, `extras` names that the caller adds. A set of
    names that is None lets every name pass; `messages` holds (channel, name). `tables` are what
    `lookup` reads (None: there are none), `event_attributes` the declared ones, by event.
    """

    fields: Mapping[str, Field] = {}
    tables: Mapping[str, Mapping[str, str]] | None = None
    event_attributes: Mapping[str, Mapping[str, Field]] = {}
    place: Place = "audience"
    journey: str = ""
    own_messages: frozenset[tuple[str, str]] = frozenset()
    attributes: Mapping[str, Field] = {}
    extras: Mapping[str, Field] = {}
    lists: frozenset[str] | None = None
    events: frozenset[str] | None = None
    forms: frozenset[str] | None = None
    messages: frozenset[tuple[str, str]] | None = None

    def field(self, name: str) -> Field | None:
        """The contact field of this name, declared or built in."""
        return self.fields.get(name) or _BUILT_IN.get(name)

    def field_names(self) -> frozenset[str]:
        return frozenset((*self.fields, *_BUILT_IN, *self.extras))
