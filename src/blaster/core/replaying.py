"""Applying the log again, many entries at once where that gives the same.

What happened comes one by one, an entry for each few, and is taken by an entry of its own; of a
thousand of them the same columns are written a thousand times. So happenings that were accepted
and taken without anything between them are held, and put into the columns together; a streak of
them is held as it comes.

Laws: the state is, after `finish`, what `apply_entry` of each entry would have made it, the order
of rows included; an entry that is anything else finds everything before it applied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
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
HELD_BYTES_MAX = 64 * 1024 * 1024
"""And bytes of what was told with them, unless one operation has more: Arrow joins no more than
2 GiB of texts."""


@dataclass(slots=True)
class Part:
    """Rows of one operation with their `columns`, when they were accepted, and when taken (of all,
    or of each row).
    """

    operation: records.Happened
    positions: Array
    columns: pa.RecordBatch
    accepted: int | Array
    taken: int | Array


class Replay:
    """Entries in their order, by `apply`; the state is theirs after `finish`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._inputs: deque[Queued] = deque()
        self._groups: dict[Key, list[Part]] = {}
        self._rows = self._bytes = 0

    def apply(self, entry: records.Entry | records.Streak) -> None:
        """The next entry, or many."""
        if self._rows >= HELD_ROWS_MAX:
            self.finish()
        if isinstance(entry, records.Streak):
            if not self._holds(entry):
                for each in _entries(entry):
                    self.apply(each)
        elif not (self._accepts(entry) or self._takes(entry)):
            self.finish()
            apply_entry(self._state, entry)

    def finish(self) -> None:
        """Everything that is held enters the state."""
        for group in self._groups.values():
            _apply(self._state, group)
        self._groups.clear()
        self._rows = self._bytes = 0
        self._state.inbox += self._inputs
        self._inputs.clear()

    def _holds(self, streak: records.Streak) -> bool:
        """Holds a streak, if each of its entries takes the one before it, and no run knows."""
        state, happened = self._state, streak.happened
        key = (happened.space, happened.name)
        if state.inbox or self._inputs or happens_in_runs(state, key):
            return False
        state.now = max(state.now, int(streak.accepted.max()), int(streak.taken.max()))
        state.inputs += len(happened.contacts)
        positions = np.flatnonzero(~state.erased(happened.contacts))
        if len(positions):
            self._hold(happened, positions, streak.accepted[positions], streak.taken[positions])
        return True

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
        self,
        operation: records.Happened,
        positions: Array,
        accepted: int | Array,
        taken: int | Array,
    ) -> None:
        key = (operation.space, operation.name)
        columns = rows_of(operation.columns, positions)
        size = columns.nbytes
        group = self._groups.get(key)
        if group is None or not _alike(group[0].operation, operation):
            # What spaces keep of a contact (`activity`) is of the newest, whatever its name.
            if group is not None or any(held[0] == key[0] != "event" for held in self._groups):
                self._finish_held()
        elif self._bytes + size > HELD_BYTES_MAX:
            self._finish_held()
        self._groups.setdefault(key, []).append(
            Part(operation, positions, columns, accepted, taken)
        )
        self._rows += len(positions)
        self._bytes += size

    def _finish_held(self) -> None:
        """What is held enters the state; what was accepted and not taken stays where it is."""
        inputs, self._inputs = self._inputs, deque()
        self.finish()
        self._inputs = inputs


def _entries(streak: records.Streak) -> Iterator[records.Entry]:
    """The entries that a streak was read from, as far as the state is made of them."""
    all_of, took = streak.happened, records.Took(0, 0)
    for row, (accepted, taken) in enumerate(
        zip(streak.accepted.tolist(), streak.taken.tolist(), strict=True)
    ):
        operation = records.Happened(
            all_of.space,
            all_of.name,
            all_of.contacts[row : row + 1],
            all_of.columns.slice(row, 1),
            all_of.keys[row : row + 1],
        )
        yield records.Entry(accepted, (operation,))
        yield records.Entry(taken, (took,))


def _alike(one: records.Happened, other: records.Happened) -> bool:
    """Whether their rows may be rows of one operation."""
    return bool(one.columns.schema == other.columns.schema)


def _apply(state: State, group: list[Part]) -> None:
    contacts = np.concatenate([part.operation.contacts[part.positions] for part in group])
    count_afresh(state, contacts, _instants([(each.taken, each.positions) for each in group]))
    first = group[0].operation
    parts = [each.columns for each in group]
    columns = parts[0] if len(parts) == 1 else _joined(parts)
    keys: tuple[str, ...] = ()
    if any(each.operation.keys for each in group):
        keys = tuple(
            each.operation.keys[position] if each.operation.keys else ""
            for each in group
            for position in each.positions.tolist()
        )
    operation = records.Happened(first.space, first.name, contacts, columns, keys)
    at = _instants([(each.accepted, each.positions) for each in group])
    happen(state, at, operation, np.arange(len(contacts)))


def _instants(given: list[tuple[int | Array, Array]]) -> Array:
    """One for each row (uint32[]), of one for all of a part, or one each."""
    return np.concatenate([np.full(len(rows), at, np.uint32) for at, rows in given])


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if not parts[0].num_columns:
        return parts[0]
    return pa.concat_batches(parts)
