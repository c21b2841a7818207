"""Whose each record is: contacts of runs, of orders and of inputs, along the log.

A record of a run or an order says nothing of the contact; who goes over the log from a point at
which all is known knows it: runs by `Entered`, orders by `Ordered`, inputs by themselves. That
point is the log's beginning, or a picture, of which only what is asked for is read, piece by piece.
Laws: `of` is called with each operation, in order; a record that concerns a contact is his; one of
an order that was over already may be given to its contact, or to nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from blaster.core.campaigns import SUFFIX
from blaster.core.column import Column
from blaster.core.holding import Read
from blaster.core.picture import ColumnPicture, Picture, int64_of
from blaster.core.shelves import PLACE, ColumnShelf
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, Kind

Array = np.ndarray[Any, Any]
Decode = Callable[[bytes], records.Operation]

NOBODY = -1
_ALONE = np.array([NOBODY], np.int64)
_OF_ORDERS = (records.Outcomes, records.Postponed, records.Resumed, records.Revoked)


class Base(NamedTuple):
    """A picture, the places of its pieces, and what reads them and decodes an operation."""

    picture: Picture
    table: Array
    read: Read
    decode: Decode

    def places(self, shelf: int) -> Array:
        ends = np.cumsum([0, *self.picture.shelves]).tolist()
        low, high = list(pairwise(ends))[shelf]
        found: Array = self.table[low:high]
        return found

    def piece(self, place: Any) -> bytearray:
        content = bytearray(int(place["length"]))
        self.read(place, memoryview(content))
        return content


class Owners:
    """Whose records are, from one point of the log on. `inputs` counts inputs from 1."""

    def __init__(self, base: Base | None = None) -> None:
        """Without a base from the log's beginning. Raises what the base's `read` raises."""
        self.inputs = 0
        self._base = base
        self._runs: dict[str, _Runs] = {}
        self._orders = _Orders(base)
        self._queued: deque[tuple[int, Array, Array]] = deque()
        if base is None:
            return
        self.inputs = base.picture.inputs
        for version in base.picture.versions:
            columns = dict(version.table.columns)
            contacts = columns["contact"]
            self._runs[version.version] = _Runs(base, contacts, version.table.rows)
        for queued in base.picture.inbox:
            (place,) = base.places(queued.operation)
            self._queue(queued.number, base.decode(bytes(base.piece(place))))

    def of(self, operation: records.Operation) -> Array:
        """The contact of each of its rows, or whom an operation without rows concerns (int64[])."""
        is_input = isinstance(operation, records.INPUTS)
        self.inputs += is_input
        match operation:
            case records.Took(input=number, turn=turn):
                return self._taken(number, turn)
            case records.Entered(journey=version, contacts=contacts, runs=runs):
                self._runs.setdefault(version, _Runs()).put(runs, contacts)
                return contacts
            case records.Ordered(numbers=numbers):
                owners = self._of_runs(operation)
                self._orders.put(numbers, owners)
                return owners
        if is_input:
            return self._queue(self.inputs, operation)
        return self._of(operation)

    def _of(self, operation: records.Operation) -> Array:
        if isinstance(operation, _OF_ORDERS):
            return self._orders.take(operation.orders)
        if hasattr(operation, "contacts"):
            owners: Array = operation.contacts
            return owners
        if hasattr(operation, "runs"):
            return self._of_runs(operation)
        return _ALONE

    def _of_runs(self, operation: Any) -> Array:
        if operation.journey.endswith(SUFFIX):
            contacts: Array = operation.runs
            return contacts
        return self._runs.setdefault(operation.journey, _Runs()).take(operation.runs)

    # --- inputs that wait to be taken -------------------------------------------------------------

    def _queue(self, number: int, operation: records.Operation) -> Array:
        owners = self._of(operation)
        self._queued.append((number, *np.unique(owners, return_counts=True)))
        return owners

    def _taken(self, number: int, turn: int) -> Array:
        """Whose fact the round takes: whoever has so many in the input."""
        while self._queued and self._queued[0][0] < number:
            self._queued.popleft()
        if not self._queued or self._queued[0][0] != number:
            return _ALONE
        _, contacts, counts = self._queued[0]
        if turn:
            contacts = contacts[counts > turn]
        return contacts if len(contacts) else _ALONE


class _Runs:
    """The contact of each run row of a version."""

    def __init__(
        self, base: Base | None = None, picture: ColumnPicture | None = None, rows: int = 0
    ) -> None:
        self._column = Column(Kind.INT)
        self._column.grow(rows)
        self._base = base
        self._left: Array | None = None
        if base is not None and picture is not None:
            self._left = base.places(picture.shelf).copy()
            self._used, self._garbage = int64_of(picture.used), int64_of(picture.garbage)

    def _load(self, runs: Array) -> None:
        """Reads the batches of these that were not read yet."""
        if self._left is None or self._base is None or not len(runs):
            return
        batches = np.unique(runs // BATCH_ROWS)
        for batch in batches[batches < len(self._left)].tolist():
            if not self._left[batch]["segment"]:
                continue
            alone = np.zeros(len(self._left), PLACE)
            alone[batch], self._left[batch] = self._left[batch], np.zeros((), PLACE)
            column = Column(Kind.INT)
            column.grow(len(self._left) * BATCH_ROWS)
            ColumnShelf(column).restore(alone, self._used, self._garbage, self._base.read)
            first = batch * BATCH_ROWS
            rows = np.arange(first, min(first + BATCH_ROWS, self._column.rows))
            self._column.put(rows, column.take(rows), column.take_valid(rows))

    def put(self, runs: Array, contacts: Array) -> None:
        self._load(runs)
        if len(runs) and int(runs.max()) >= self._column.rows:
            self._column.grow(int(runs.max()) + 1)
        self._column.put(runs, contacts)

    def take(self, runs: Array) -> Array:
        self._load(runs)
        found = np.full(len(runs), NOBODY, np.int64)
        known = runs < self._column.rows
        rows = runs[known]
        found[known] = np.where(self._column.take_valid(rows), self._column.take(rows), NOBODY)
        return found


class _Orders:
    """The contact of each order, a block of numbers at a time."""

    def __init__(self, base: Base | None) -> None:
        self._base = base
        self._blocks: dict[int, Array] = {}
        self._places: dict[int, Any] = {}
        if base is not None:
            orders = base.picture.orders
            self._places = dict(zip(orders.blocks, base.places(orders.shelf), strict=True))

    def _block(self, number: int) -> Array:
        found = self._blocks.get(number)
        if found is None:
            found = self._blocks[number] = np.full(BATCH_ROWS, NOBODY, np.int64)
            place = self._places.pop(number, None)
            if place is not None and self._base is not None:
                fields = np.dtype([*self._base.picture.orders.fields])
                saved = np.frombuffer(self._base.piece(place), fields)
                found[: len(saved)] = np.where(saved["open"], saved["contact"], NOBODY)
        return found

    def put(self, orders: Array, contacts: Array) -> None:
        for block, here, places in _by_block(orders):
            self._block(block)[places] = contacts[here]

    def take(self, orders: Array) -> Array:
        found = np.full(len(orders), NOBODY, np.int64)
        for block, here, places in _by_block(orders):
            found[here] = self._block(block)[places]
        return found


def _by_block(orders: Array) -> list[tuple[int, Array, Array]]:
    """By block of numbers which of the orders are in it, and their places there."""
    places = (orders - np.uint64(1)).astype(np.int64)
    blocks = places // BATCH_ROWS
    found = []
    for block in np.unique(blocks).tolist():
        here = np.flatnonzero(blocks == block)
        found.append((block, here, places[here] % BATCH_ROWS))
    return found
