"""Attributes of events that are declared otherwise than when they came: their columns made anew.

What an event brought is stored as it was declared then, and of what did not fit nothing is left. So
before definitions come into force that declare an attribute otherwise, its column is made again
beside the one in force, out of what the log recorded (`Filling`, then `Filled`), and stands in its
place from their `Published` on. Meanwhile what happens is written both ways.
Laws: rows are filled as if they came now, so that the column is what it were had the attribute been
declared so from the beginning; of an erased contact nothing is filled; a `Published` leaves nothing
half filled behind: what it does not take is dropped. Whoever publishes fills first all that
`unfilled` names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core.happenings import kept_lists
from blaster.core.state import Effect, State
from blaster.limits import EVENT_ATTRIBUTES_MAX
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import Field, Kind

Array = np.ndarray[Any, Any]
Wanted = dict[str, tuple[Field, ...]]
"""Attributes by event."""

SPACE = "event"


def unfilled(state: State, workspace: model.Workspace) -> Wanted:
    """The attributes that this workspace declares otherwise than when events brought them.

    Had it been in force from the beginning, their columns would be others.
    """
    found: Wanted = {}
    for event in workspace.events:
        happenings = state.happenings.get((SPACE, event.name))
        if happenings is None or not happenings.rows:
            continue
        fields = happenings.attributes.fields
        declared = state.declared(SPACE, event.name)
        # Without a column nothing came, unless what came had no place: too many names, or a list.
        crowded = len(fields) >= EVENT_ATTRIBUTES_MAX
        wanted = tuple(
            each
            for each in event.attributes
            if (
                fields[each.name] != each
                if each.name in fields
                else (crowded or each.kind is Kind.LIST) and declared.get(each.name) != each
            )
        )
        if wanted:
            found[event.name] = wanted
    return found


def filling_of(wanted: Wanted) -> records.Filling:
    """The record that begins it."""
    return records.Filling(msgspec.json.encode(wanted))


def is_filling(state: State, wanted: Wanted) -> bool:
    """Whether all of these are being filled."""
    return all(
        (happenings := state.happenings.get((SPACE, event))) is not None
        and all(happenings.wanted.get(each.name) == each for each in attributes)
        for event, attributes in wanted.items()
    )


def begin_filling(state: State, at: int, operation: records.Filling) -> list[Effect]:
    """Empty columns, to be filled."""
    _end(state)
    wanted = msgspec.json.decode(operation.attributes, type=Wanted)
    for event, attributes in wanted.items():
        state.happened(SPACE, event).wanted = {each.name: each for each in attributes}
    return []


def fill(state: State, at: int, operation: records.Filled) -> list[Effect]:
    """Of those that are not erased by now."""
    found = state.happenings.get((SPACE, operation.event))
    if found is None or not found.wanted:
        return []
    contacts, whose = np.unique(operation.contacts, return_inverse=True)
    chains = chains_of(state, operation.event, contacts, found.rows)
    firsts, lengths = chains.offsets[:-1], np.diff(chains.offsets)
    there = operation.places < lengths[whose]
    rows = chains.rows[firsts[whose[there]] + operation.places[there]]
    order = np.argsort(rows)
    columns = operation.columns.take(pa.array(np.flatnonzero(there)[order]))
    found.fill(rows[order], columns)
    return []


def take_filled(state: State) -> None:
    """What the definitions in force declare so is in force; the rest is dropped."""
    for (space, event), happenings in state.happenings.items():
        if not happenings.wanted:
            continue
        declared = state.declared(space, event)
        for name, field in happenings.wanted.items():
            if declared.get(name) == field:
                happenings.attributes.take_over(name, happenings.filling, field)
    _end(state)


def _end(state: State) -> None:
    for happenings in state.happenings.values():
        for name in happenings.wanted:
            happenings.filling.drop(name)
        happenings.wanted = {}


class Chains(NamedTuple):
    """The happenings of some contacts: where each one's begin and end, their rows and instants."""

    offsets: Array
    rows: Array
    at: Array


def chains_of(state: State, event: str, contacts: Array, upto: int) -> Chains:
    """Of rows before `upto`, in order; of erased contacts none."""
    newest = state.column(("newest", SPACE, event))
    happenings = state.happenings[SPACE, event]
    offsets, rows = happenings.lists(newest.take(contacts), None)
    alive = np.repeat(~state.erased(contacts), np.diff(offsets))
    offsets, rows = kept_lists(offsets, rows, alive & (rows < upto))
    return Chains(offsets, rows, happenings.table.column("at").take(rows))
