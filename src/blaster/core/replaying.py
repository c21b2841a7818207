"""Applying the log again, many entries at once where that gives the same.

What happened comes one by one, an entry for each few, and is taken by an entry of its own; of a
thousand of them the same columns are written a thousand times. So happenings that were accepted
and taken without anything between them are held, and put into the columns together.

Laws: the state is, after `finish`, what `apply_entry` of each entry would have made it, the order
of rows included; an entry that is anything else finds everything before it applied.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.apply import apply_entry, count_afresh
from blaster.core.inputs import happen, happens_in_runs, rounds, rows_of
from blaster.core.plan import Key
from blaster.core.state import Queued, State
from blaster.model import records

Array = np.ndarray[Any, Any]

HELD_ROWS_MAX = 16_384
"""Rows that are held; more gain nothing."""


@dataclass(slots=True)
class Group:
    """Rows of one happening, in the order in which they were taken."""

    operations: list[tuple[records.Happened, Array]]
    accepted: list[int]  # when, of each of the operations
    taken: list[int]


class Replay:
    """Entries in their order, by `apply`; the state is theirs after `finish`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._inputs: deque[Queued] = deque()
        self._groups: dict[Key, Group] = {}
        self._rows = 0

    def apply(self, entry: records.Entry) -> None:
        """The next entry."""
        if self._rows >= HELD_ROWS_MAX:
            self.finish()
        if not (self._accepts(entry) or self._takes(entry)):
            self.finish()
            apply_entry(self._state, entry)

    def finish(self) -> None:
        """Everything that is held enters the state."""
        for group in self._groups.values():
            _apply(self._state, group)
        self._groups.clear()
        self._rows = 0
        self._state.inbox += self._inputs
        self._inputs.clear()

    def _accepts(self, entry: records.Entry) -> bool:
        """Holds an entry of happenings alone."""
        state = self._state
        for operation in entry.operations:
            if not isinstance(operation, records.Happened) or not len(operation.contacts):
                return False
            if happens_in_runs(state, (operation.space, operation.name)):
                return False
        if state.inbox or not entry.operations:
            return False
        state.now = max(state.now, entry.at)
        for operation in entry.operations:
            state.inputs += 1
            turns = rounds(state, operation)
            self._inputs.append(Queued(state.inputs, entry.at, operation, turns))
        return True

    def _takes(self, entry: records.Entry) -> bool:
        """Holds an entry that takes what is held, and decides nothing."""
        left = sum(len(queued.rounds) for queued in self._inputs)
        if not 0 < len(entry.operations) <= left:
            return False
        if not all(isinstance(operation, records.Took) for operation in entry.operations):
            return False
        self._state.now = max(self._state.now, entry.at)
        for _ in entry.operations:
            queued = self._inputs[0]
            assert isinstance(queued.operation, records.Happened)
            positions = queued.rounds.popleft()
            queued.turn += 1
            if not queued.rounds:
                self._inputs.popleft()
            positions = positions[~self._state.erased(queued.operation.contacts[positions])]
            if len(positions):
                self._hold(queued.operation, positions, queued.at, entry.at)
        return True

    def _hold(
        self, operation: records.Happened, positions: Array, accepted: int, taken: int
    ) -> None:
        key = (operation.space, operation.name)
        group = self._groups.get(key)
        if group is None or not _alike(group.operations[0][0], operation):
            if group is not None or any(held[0] == key[0] != "event" for held in self._groups):
                # What spaces keep of a contact (`activity`) is of the newest, whatever its name.
                inputs, self._inputs = self._inputs, deque()
                self.finish()
                self._inputs = inputs
            group = self._groups[key] = Group([], [], [])
        group.operations.append((operation, positions))
        group.accepted.append(accepted)
        group.taken.append(taken)
        self._rows += len(positions)


def _alike(one: records.Happened, other: records.Happened) -> bool:
    """Whether their rows may be rows of one operation."""
    return bool(one.columns.schema == other.columns.schema)


def _apply(state: State, group: Group) -> None:
    sizes = [len(positions) for _, positions in group.operations]
    contacts = np.concatenate([each.contacts[positions] for each, positions in group.operations])
    count_afresh(state, contacts, np.repeat(np.array(group.taken, np.uint32), sizes))
    first = group.operations[0][0]
    parts = [rows_of(each.columns, positions) for each, positions in group.operations]
    columns = parts[0] if len(parts) == 1 else _joined(parts)
    keys: tuple[str, ...] = ()
    if any(each.keys for each, _ in group.operations):
        keys = tuple(
            each.keys[position] if each.keys else ""
            for each, positions in group.operations
            for position in positions.tolist()
        )
    operation = records.Happened(first.space, first.name, contacts, columns, keys)
    at = np.repeat(np.array(group.accepted, np.uint32), sizes)
    happen(state, at, operation, np.arange(len(contacts)))


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if not parts[0].num_columns:
        return parts[0]
    return pa.concat_batches(parts)
