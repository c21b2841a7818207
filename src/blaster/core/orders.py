"""The orders without a final outcome: with the transport, or waiting for their next try.

Numbers are issued once, densely; a block of 65,536 is dropped when each of its orders is settled.
An order keeps its number over all its tries. `due` is NEVER while the transport has it. An order
whose next try has come is `found` by the tick once; which ones were is a cache, not state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from blaster.core.rows import distinct
from blaster.core.shelves import epoch
from blaster.model.fields import BATCH_ROWS, NEVER

Array = np.ndarray[Any, Any]

ORDER = np.dtype(
    [
        ("run", np.int64),
        ("contact", np.int64),
        ("version", np.int32),
        ("step", np.int32),
        ("at", np.uint32),
        ("due", np.uint32),
        ("tries", np.uint16),
        ("doubt", np.bool_),
        ("open", np.bool_),
        ("found", np.bool_),
    ]
)
_WHOLE = np.dtype((np.void, ORDER.itemsize))
"""An order as so many bytes: NumPy copies structs field by field, many times slower."""
STATE = ("run", "contact", "version", "step", "at", "due", "tries", "doubt")
"""The fields of an open order that are state; `doubt`: some try of it may have been taken."""


class Orders:
    """Orders by number, from 1. `in_flight` counts those with the transport, `waiting` the rest."""

    def __init__(self) -> None:
        self.next = 1
        self.in_flight = 0
        self.waiting = 0
        self._blocks: dict[int, Array] = {}
        self._open: dict[int, int] = {}
        self._stamps: dict[int, int] = {}  # of each block, the epoch in which it was last written
        self._held: set[int] = set()  # blocks that a snapshot holds on to
        # The earliest due instant of each block's orders that were not found yet; None: look.
        self._soonest: dict[int, int | None] = {}
        self._kinds: dict[tuple[int, int], list[int]] = {}  # see `counts_of`

    def add(
        self, numbers: Array, runs: Array, contacts: Array, version: int, step: int, at: int
    ) -> None:
        """Notes that these orders are in flight."""
        for block, positions in _by_block(numbers):
            rows = self._writable(block)
            fresh = np.zeros(len(positions), ORDER)
            fresh["run"], fresh["contact"] = runs[positions], contacts[positions]
            fresh["version"], fresh["step"], fresh["at"], fresh["open"] = version, step, at, True
            fresh["due"], fresh["tries"] = NEVER, 1
            rows.view(_WHOLE)[_offset(numbers[positions])] = fresh.view(_WHOLE)
            self._open[block] += len(positions)
        if len(numbers):
            self.next = max(self.next, int(numbers.max()) + 1)
        self._count(version, step, len(numbers), 0)

    def open_next(self, version: int, by_step: Array) -> tuple[int, list[Array]]:
        """Room for so many orders in flight, of each step of a sender (int64[]).

        Answers with the first number, and the blocks to write them in.
        """
        first, count = self.next, int(by_step.sum())
        blocks = []
        for block in range((first - 1) // BATCH_ROWS, (first + count - 2) // BATCH_ROWS + 1):
            rows = self._writable(block)
            low, high = block * BATCH_ROWS + 1, (block + 1) * BATCH_ROWS
            self._open[block] += min(high, first + count - 1) - max(low, first) + 1
            blocks.append(rows)
        self.next += count
        for step in np.flatnonzero(by_step).tolist():
            self._count(version, step, int(by_step[step]), 0)
        return first, blocks

    def find(self, numbers: Array) -> Array:
        """The orders as structs of ORDER; `open` is false for one that is settled or never was."""
        found = np.zeros(len(numbers), ORDER)
        whole = found.view(_WHOLE)
        for block, positions in _by_block(numbers):
            rows = self._blocks.get(block)
            if rows is not None:
                whole[positions] = rows.view(_WHOLE)[_offset(numbers[positions])]
        return found

    def settle(self, numbers: Array) -> None:
        """Forgets open orders (each given once)."""
        for block, positions in _by_block(numbers):
            rows, offsets = self._writable(block), _offset(numbers[positions])
            away = rows["due"][offsets] != NEVER
            rows["open"][offsets] = False
            self._count_rows(rows, offsets[away], 0, -1)
            self._count_rows(rows, offsets[~away], -1, 0)
            self._open[block] -= len(positions)
            if (away & ~rows["found"][offsets]).any():
                self._soonest[block] = None
            if self._open[block] == 0 and self.next > (block + 1) * BATCH_ROWS:
                for known in (self._blocks, self._open, self._soonest, self._stamps):
                    del known[block]

    def postpone(self, numbers: Array, due: Array, doubt: Array) -> None:
        """Takes orders back from the transport until `due` (orders in flight, each given once).

        `doubt` (bool[]): whether this try may have been taken.
        """
        for block, positions in _by_block(numbers):
            rows, offsets = self._writable(block), _offset(numbers[positions])
            rows["due"][offsets], rows["found"][offsets] = due[positions], False
            rows["doubt"][offsets] |= doubt[positions]
            soonest = self._soonest[block]
            if soonest is not None:
                self._soonest[block] = min(soonest, int(due[positions].min()))
            self._count_rows(rows, offsets, -1, 1)

    def resume(self, numbers: Array) -> None:
        """Waiting orders are with the transport again (each given once)."""
        for block, positions in _by_block(numbers):
            rows, offsets = self._writable(block), _offset(numbers[positions])
            rows["due"][offsets] = NEVER
            rows["tries"][offsets] = np.minimum(rows["tries"][offsets], 0xFFFE) + 1
            if not rows["found"][offsets].all():
                self._soonest[block] = None
            self._count_rows(rows, offsets, 1, -1)

    def _count(self, version: int, step: int, in_flight: int, waiting: int) -> None:
        """So many more orders of a step are in flight, and wait."""
        self.in_flight += in_flight
        self.waiting += waiting
        counts = self._kinds.setdefault((version, step), [0, 0])
        counts[0] += in_flight
        counts[1] += waiting

    def _count_rows(self, rows: Array, offsets: Array, in_flight: int, waiting: int) -> None:
        """As `_count`, for each of these orders of a block."""
        for (version, step), count in _kinds_in(rows, offsets):
            self._count(version, step, in_flight * count, waiting * count)

    def _writable(self, block: int) -> Array:
        """The rows of a block, made now if there are none; copied while a snapshot holds them."""
        rows = self._blocks.get(block)
        if rows is None:
            rows = self._blocks[block] = np.zeros(BATCH_ROWS, ORDER)
            self._open[block] = 0
            self._soonest[block] = NEVER
        elif block in self._held:
            self._held.discard(block)
            rows = self._blocks[block] = rows.copy()
        self._stamps[block] = epoch()
        return rows

    # --- snapshots ------------------------------------------------------------------------------

    def hold(self, since: int) -> tuple[list[int], dict[int, Array]]:
        """Every block's number, and the rows of those written after an epoch.

        But for `found` these do not change until `let_go`.
        """
        changed = {
            block: rows for block, rows in self._blocks.items() if self._stamps[block] > since
        }
        self._held |= changed.keys()
        return list(self._blocks), changed

    def let_go(self, block: int) -> None:
        """Of a block that was held; on any thread."""
        self._held.discard(block)

    def holds(self, block: int) -> bool:
        """Whether a block that was held is still the one in use."""
        return block in self._held

    def adopt(self, block: int, rows: Array) -> None:
        """These are the orders of a block, as they were."""
        self._blocks[block] = rows
        open_now = np.flatnonzero(rows["open"])
        away = rows["due"][open_now] != NEVER
        self._open[block] = len(open_now)
        self._count_rows(rows, open_now[away], 0, 1)
        self._count_rows(rows, open_now[~away], 1, 0)
        self._soonest[block] = None
        self._stamps[block] = 0

    # --- looking --------------------------------------------------------------------------------

    def is_in_flight(self, numbers: Array, tries: Array) -> Array:
        """bool[]: the orders that the transport has, in these tries of theirs (from 1)."""
        found = self.find(numbers)
        mine: Array = found["open"] & (found["due"] == NEVER) & (found["tries"] == tries)
        return mine

    def numbers(self) -> Array:
        """Every open order, ascending."""
        return self._where(lambda rows: rows["open"])

    def with_transport(self) -> Array:
        """The orders in flight, ascending."""
        return self._where(lambda rows: rows["open"] & (rows["due"] == NEVER))

    def waiting_of(self, version: int, step: int, most: int) -> Array:
        """The first `most` orders of a step that wait for their next try, ascending."""
        found = [np.empty(0, np.uint64)]
        left = min(most, self.counts_of(version, step)[1])
        for block, rows in sorted(self._blocks.items()):
            if left <= 0:
                break
            mine = rows["open"] & (rows["due"] != NEVER)
            mine &= (rows["version"] == version) & (rows["step"] == step)
            found.append(_numbers(block, mine)[:left])
            left -= len(found[-1])
        return np.concatenate(found)

    def counts_of(self, version: int, step: int) -> tuple[int, int]:
        """How many orders of a step are in flight, and how many wait for their next try."""
        in_flight, waiting = self._kinds.get((version, step), (0, 0))
        return in_flight, waiting

    def kinds(self) -> list[tuple[int, int]]:
        """The steps that there are open orders of: version and step, in order."""
        return sorted(kind for kind, counts in self._kinds.items() if any(counts))

    def oldest(self) -> Iterator[list[tuple[int, int, bool, int]]]:
        """Of each step the oldest order in flight and the oldest that waits, block by block.

        Version, step, whether it is in flight, and when it was made. Later orders have greater
        numbers, so each is told once, and it ends with the last of them.
        """
        left = {
            (*kind, handed)
            for kind, counts in self._kinds.items()
            for handed, count in zip((True, False), counts, strict=True)
            if count
        }
        for _, rows in sorted(self._blocks.items()):
            if not left:
                return
            found = []
            for version, step, handed in sorted(left):
                mine = rows["open"] & ((rows["due"] == NEVER) == handed)
                mine &= (rows["version"] == version) & (rows["step"] == step)
                if mine.any():
                    found.append((version, step, handed, int(rows["at"][mine.argmax()])))
            left -= {each[:3] for each in found}
            yield found

    def of_contacts(self, version: int, first: int, count: int) -> Array:
        """The open orders of a sender's step 0 to contacts from `first` on, ascending."""
        if not any(self.counts_of(version, 0)):
            return np.empty(0, np.uint64)
        found = [np.empty(0, np.uint64)]
        for block, rows in sorted(self._blocks.items()):
            near = np.flatnonzero((rows["contact"] - first).view(np.uint64) < count)
            near = near[rows["open"][near] & (rows["version"][near] == version)]
            found.append(near.astype(np.uint64) + np.uint64(block * BATCH_ROWS + 1))
        return np.concatenate(found)

    def waiting_for(self, contacts: Array, version: int | None = None) -> Array:
        """The orders to these contacts that wait for their next try, ascending.

        With `version` those of one sender alone.
        """

        def mine(rows: Array) -> Array:
            waiting: Array = rows["open"] & (rows["due"] != NEVER)
            if version is not None:
                waiting &= rows["version"] == version
            waiting[waiting] = np.isin(rows["contact"][waiting], contacts)
            return waiting

        return self._where(mine)

    def _where(self, chosen: Any) -> Array:
        parts = [_numbers(block, chosen(rows)) for block, rows in sorted(self._blocks.items())]
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def every(self) -> Iterator[Array]:
        """The open orders as structs, block by block."""
        for _, rows in sorted(self._blocks.items()):
            yield rows[rows["open"]]

    def next_due(self) -> int:
        """When the next try of an order comes that was not found yet; NEVER when none waits."""
        if not self.waiting:
            return NEVER
        for block, soonest in self._soonest.items():
            if soonest is None:
                rows = self._blocks[block]
                due = rows["due"][rows["open"] & ~rows["found"]]
                self._soonest[block] = int(due.min()) if len(due) else NEVER
        return min((s for s in self._soonest.values() if s is not None), default=NEVER)

    def find_due(self, now: int, most: int) -> Array:
        """Up to `most` orders whose next try has come, ascending; each is found once per try."""
        found: list[Array] = []
        if self.next_due() > now:
            return np.empty(0, np.uint64)
        for block in sorted(self._blocks):
            soonest = self._soonest[block]
            if most > 0 and soonest is not None and soonest <= now:
                rows = self._blocks[block]
                mask = rows["open"] & ~rows["found"] & (rows["due"] <= now)
                offsets = np.flatnonzero(mask)[:most]
                rows["found"][offsets] = True
                self._soonest[block] = None
                found.append(offsets.astype(np.uint64) + np.uint64(block * BATCH_ROWS + 1))
                most -= len(offsets)
        return np.concatenate(found) if found else np.empty(0, np.uint64)

    def forget_found(self) -> None:
        """Orders that wait are looked for again."""
        for block, rows in self._blocks.items():
            rows["found"] = False
            self._soonest[block] = None


def picked(found: Array, chosen: Array) -> Array:
    """Those orders (structs of ORDER) that are chosen (bool[]); the array itself if all are."""
    if chosen.all():
        return found
    some: Array = found.view(_WHOLE)[chosen].view(ORDER)
    return some


def _kinds_in(rows: Array, offsets: Array) -> Iterator[tuple[tuple[int, int], int]]:
    """The versions and steps of these orders of a block, and how many are of each."""
    if not len(offsets):
        return
    kinds = rows["version"][offsets].astype(np.int64) << 32 | rows["step"][offsets]
    if (kinds == kinds[0]).all():
        found, counts = kinds[:1], np.array([len(kinds)])
    else:
        found, counts = np.unique(kinds, return_counts=True)
    for kind, count in zip(found.tolist(), counts.tolist(), strict=True):
        yield (kind >> 32, kind & 0xFFFFFFFF), count


def _numbers(block: int, chosen: Array) -> Array:
    found: Array = np.flatnonzero(chosen).astype(np.uint64) + np.uint64(block * BATCH_ROWS + 1)
    return found


def _offset(numbers: Array) -> Array:
    return (numbers - np.uint64(1)) % np.uint64(BATCH_ROWS)


def _by_block(numbers: Array) -> Iterator[tuple[int, Array]]:
    """Positions per block; numbers of one hand-over are almost always in one."""
    if not len(numbers):
        return
    blocks = ((numbers - np.uint64(1)) // np.uint64(BATCH_ROWS)).astype(np.int64)
    first, last = int(blocks.min()), int(blocks.max())
    if first == last:
        yield first, np.arange(len(numbers))
        return
    for block in distinct(blocks).tolist():
        yield block, np.flatnonzero(blocks == block)
