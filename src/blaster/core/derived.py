"""Facts that are worked out of other columns when a rule asks, for some contacts.

`derive` answers with a fact's column over these contacts, or None for a fact that has a column of
its own. Nothing here is state; `state.provider_words` only keeps codes the same between two looks.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from blaster.core.column import Column
from blaster.core.consent import permits
from blaster.core.plan import Key
from blaster.core.providers import provider_codes
from blaster.core.state import State
from blaster.model.fields import NEVER, Kind
from blaster.rules import Dictionary, Vector, from_bools

Array = np.ndarray[Any, Any]

ACTIVITY = {
    "click": (("activity", "clicked"),),
    "reply": (("activity", "replied"),),
    "open": (("activity", "opened"),),
    "visit": (("activity", "page"),),
    "form": (("activity", "form"),),
    "download": (("activity", "file"),),
}
"""What the words of the policy's `activity` mean beside the event of that name."""


class HasContacts(Protocol):
    """Rows of an evaluation."""

    @property
    def contacts(self) -> Array:
        """int64[]: a contact each."""


def derive(state: State, key: Key, rows: HasContacts) -> Vector | None:
    """The values of a derived fact; whose they are is asked only if it is one."""
    match key:
        case ("number",):
            return Vector(Kind.ID, len(rows.contacts), (rows.contacts + 1).astype(np.uint64))
        case ("consent", channel, topic):
            given = permits(state, channel, topic, rows.contacts)
            return Vector(Kind.BOOL, len(given), from_bools(given))
        case ("field", name, "changed"):
            return _times(changed(state, name, rows.contacts))
        case ("last_activity",):
            return _times(last_activity(state, rows.contacts))
        case ("provider",):
            return _provider(state, rows.contacts)
        case ("journey", name, "step"):
            return _newest_step(state, name, rows.contacts)
        case ("message", _, _, "sent:ever"):
            newest = _instants(state, (*key[:3], "sent"), rows.contacts)
            before = _instants(state, key, rows.contacts)
            return _times(np.where(newest != NEVER, newest, before))
        case ("message", channel, name, what) if ":any" in what:
            plain, machine = what.replace(":any", ""), what.replace(":any", ":machine")
            head = ("message", channel, name)
            return _times(
                np.minimum(
                    _instants(state, (*head, plain), rows.contacts),
                    _instants(state, (*head, machine), rows.contacts),
                )
            )
    return None


def _times(values: Array) -> Vector:
    return Vector(Kind.TIME, len(values), values)


def _instants(state: State, key: Key, contacts: Array) -> Array:
    """A TIME column (uint32[]); NEVER where nothing was ever written."""
    column = state.find(key)
    return np.full(len(contacts), NEVER, np.uint32) if column is None else column.take(contacts)


def changed(state: State, name: str, contacts: Array) -> Array:
    """When a field got the value that it has; NEVER where it never had one.

    Written only when it changes after the contact was made: a value from then is as old as the
    contact, or, where a default stands, as the field if that came later.
    """
    column = state.find(("field", name))
    if column is None:
        return np.full(len(contacts), NEVER, np.uint32)
    since = _instants(state, ("created",), contacts)
    born = state.born.get(name)
    if born is not None:
        since = np.maximum(since, np.uint32(born))
    first = np.where(column.take_valid(contacts), since, np.uint32(NEVER))
    written = _instants(state, ("changed", name), contacts)
    return np.where(written != NEVER, written, first)


def last_activity(state: State, contacts: Array) -> Array:
    """The newest instant of the policy's kinds of activity, else when the contact was made."""
    newest = np.zeros(len(contacts), np.uint32)
    words = state.plan.workspace.account.activity if state.plan is not None else ()
    for word in words:
        for key in (("event", word, "last"), *ACTIVITY.get(word, ())):
            found = _instants(state, key, contacts)
            newest = np.where(found != NEVER, np.maximum(newest, found), newest)
    return np.where(newest != 0, newest, _instants(state, ("created",), contacts))


def _provider(state: State, contacts: Array) -> Vector:
    emails = pa.array(state.column(("field", "email")).take(contacts), pa.string())
    return _coded(provider_codes(emails, state.provider_words), state.provider_words)


def _coded(codes: Array, words: Dictionary) -> Vector:
    column = Column(Kind.CODE, dictionary=words)
    column.grow(len(codes))
    places = np.arange(len(codes), dtype=np.int64)
    column.put(places, codes)
    return column.gather(places)


def _newest_step(state: State, name: str, contacts: Array) -> Vector:
    """Where the newest run that is not over stands; the newest of a version leads its list."""
    words = Dictionary()
    codes = np.full(len(contacts), -1, np.int32)
    newest = np.zeros(len(contacts), np.uint64)
    for journey in state.versions:
        if journey.plan.name != name or not journey.running:
            continue
        runs = journey.heads.take(contacts)
        here = np.flatnonzero(runs >= 0)
        numbers = journey.column("number").take(runs[here])
        newer = numbers > newest[here]
        here, numbers = here[newer], numbers[newer]
        newest[here] = numbers
        codes[here] = journey.step_codes(runs[here], words)
    return _coded(codes, words)


def own_step(journey: Any, runs: Array) -> Vector:
    """Where these very runs stand."""
    words = Dictionary()
    return _coded(journey.step_codes(runs, words), words)
