"""The files of the hand-over rings: what workers had when they, or the whole engine, ended.

Each worker's life has a file of its own, `ring-GENERATION-NUMBER`; a generation is one start of the
transport. Laws:

1. A place is cleared when its order came back untried, or its outcome is durable.
2. A file is removed when its worker is gone and no place of it waits for that.
3. Files of earlier generations say what became of orders that an earlier owner left in flight;
   they are removed when all outcomes they gave are durable.
4. Nobody needs a file that is to be removed: one that cannot be is no failure, and is an earlier
   generation's for the next owner.

What a crash means, by the state of an order's place: none, FREE or TAKEN: untried. WIRE: in doubt.
DONE: its outcome; in doubt where a damaged place says one that cannot be. After a crash of the
machine, or with a file that cannot be read: in doubt. Safe from any thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from blaster.errors import BlasterError
from blaster.limits import IN_DOUBT_WAIT_S, OUTCOME_WAIT_MAX_S, RING_PLACES
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import IN_DOUBT, OutcomeCode
from blaster.model.records import Array
from blaster.transport.answers import Answers
from blaster.transport.ring import DONE, WIRE

ENDED = f"{IN_DOUBT}: the worker ended"
_MACHINE_ENDED = f"{IN_DOUBT}: the machine ended"
_UNREADABLE = f"{IN_DOUBT}: the hand-over ring cannot be read"
_CODES = frozenset(OutcomeCode)
_NAME = re.compile(r"ring-(\d+)-(\d+)")


class Left(NamedTuple):
    """What a ring says of a place that is not free; see Ring.scan."""

    place: int
    number: int
    state: int
    code: int
    reason: str
    wait: int


class RingFile(Protocol):
    """What the core uses of a Ring."""

    @property
    def boot_id(self) -> str: ...
    def clear(self, place: int) -> None: ...
    def scan(self) -> list[tuple[int, int, int, int, str, int]]: ...


class RingKind(Protocol):
    """How rings are made and opened; the class Ring is one."""

    def create(self, path: Path, places: int, boot_id: str) -> RingFile: ...
    def open(self, file: Path) -> RingFile: ...


class _Held:
    """A ring of this process: open, and how many outcomes in it are not durable."""

    def __init__(self, path: Path, ring: RingFile) -> None:
        self.path = path
        self.ring = ring
        self.kept = 0
        self.retired = False


class Rings:
    """The rings in one folder, which must exist; `boot_id` names this start of the machine."""

    def __init__(
        self, folder: Path, kind: RingKind, boot_id: str, places: int = RING_PLACES
    ) -> None:
        self.folder = folder
        self.places = places
        self._kind = kind
        self._boot_id = boot_id
        self._mutex = threading.Lock()
        self._rings: dict[int, _Held] = {}
        self._kept: dict[int, tuple[int, int]] = {}
        self._late: list[tuple[int, int]] = []
        self._made = 0
        self._owed: set[int] = set()
        self._old = self._find()
        self._generation = 1 + max((generation for generation, _ in self._old), default=0)

    def _find(self) -> dict[tuple[int, int], Path]:
        """The files of earlier generations; what was never finished goes at once."""
        old = {}
        for path in sorted(self.folder.glob("ring-*")):
            match = _NAME.fullmatch(path.name)
            if match is not None:
                old[int(match[1]), int(match[2])] = path
            else:
                _discard(path)
        return old

    # --- rings of this process ------------------------------------------------------------------

    def create(self) -> tuple[int, Path]:
        """A new ring: its number and its file, whose name is durable. Raises OSError."""
        with self._mutex:
            number = self._made
            self._made += 1
            path = self.folder / f"ring-{self._generation}-{number}"
            ring = self._kind.create(path, self.places, self._boot_id)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._rings[number] = _Held(path, ring)
        return number, path

    def scan(self, number: int) -> list[Left] | None:
        """What a worker that is gone left; None when that cannot be read."""
        with self._mutex:
            try:
                return _scan(self._rings[number].ring)
            except BlasterError:
                return None

    def keep(self, number: int, ring: int, place: int) -> None:
        """The outcome of this order was given: its place stays until that is durable."""
        with self._mutex:
            before = self._kept.pop(number, None)
            if before is not None:  # handed over again: the earlier outcome is durable
                self._late.append(self._release(before))
            self._kept[number] = ring, place
            self._rings[ring].kept += 1

    def clear(self, ring: int, place: int) -> None:
        """Nothing of this place is needed any more."""
        with self._mutex:
            self._clear(ring, place)

    def _clear(self, ring: int, place: int) -> None:
        with contextlib.suppress(BlasterError):  # damaged: it is read as a whole or not at all
            self._rings[ring].ring.clear(place)

    def retire(self, number: int) -> None:
        """Its worker is gone, and everything it had was answered or given back."""
        with self._mutex:
            self._rings[number].retired = True
            self._remove(number)

    def _remove(self, number: int) -> None:
        held = self._rings[number]
        if held.retired and not held.kept:
            _discard(held.path)
            del self._rings[number]

    def close(self) -> None:
        """Lets go of the files; those whose outcomes are not durable stay for the next owner."""
        with self._mutex:
            self._rings.clear()
            self._kept.clear()
            self._late.clear()

    # --- what is durable ------------------------------------------------------------------------

    def settle(self, numbers: Array) -> list[tuple[int, int]]:
        """Outcomes of these orders (uint64[]) are durable: the places (ring, place) now free."""
        freed = []
        with self._mutex:
            for number in numbers.tolist():
                self._owed.discard(number)
                kept = self._kept.pop(number, None)
                if kept is None:
                    continue
                freed.append(self._release(kept))
            freed += self._late
            self._late = []
            self._forget_old()
        return freed

    def _release(self, kept: tuple[int, int]) -> tuple[int, int]:
        ring, place = kept
        self._clear(ring, place)
        self._rings[ring].kept -= 1
        self._remove(ring)
        return kept

    def _forget_old(self) -> None:
        if not self._owed:
            for path in self._old.values():
                _discard(path)
            self._old = {}

    # --- after a crash --------------------------------------------------------------------------

    def reclaim(self, numbers: Array, repeats: Array) -> OutcomeBatch:
        """See Transport.reclaim; without an outcome to give, the old files go at once."""
        answers = Answers()
        with self._mutex:
            found, doubt = self._read_old()
            for number, repeat in zip(numbers.tolist(), repeats.tolist(), strict=True):
                left = found.get(number)
                if doubt or (left is not None and left.state == WIRE):
                    code = OutcomeCode.DEFERRED if repeat else OutcomeCode.UNKNOWN
                    answers.add(number, code, doubt or ENDED, IN_DOUBT_WAIT_S if repeat else 0)
                elif left is not None and left.state == DONE:
                    answers.add(number, left.code, left.reason, left.wait)
                else:
                    continue
                self._owed.add(number)
            self._forget_old()
        batch = answers.take()
        return batch or OutcomeBatch(np.empty(0, np.uint64), np.empty(0, np.uint8))

    def _read_old(self) -> tuple[dict[int, Left], str]:
        """By order what is known of it, and why all of it is in doubt ("": it is not).

        Of two generations the newer one knows; within one, what went further.
        """
        found: dict[int, tuple[tuple[int, int], Left]] = {}
        for (generation, _), path in self._old.items():
            try:
                ring = self._kind.open(path)
                entries = _scan(ring)
            except (BlasterError, OSError):
                return {}, _UNREADABLE
            if ring.boot_id != self._boot_id:
                return {}, _MACHINE_ENDED
            for left in entries:
                rank = (generation, left.state)
                if left.number not in found or found[left.number][0] < rank:
                    found[left.number] = rank, left
        return {number: left for number, (_, left) in found.items()}, ""


def _discard(path: Path) -> None:
    """Law 4."""
    with contextlib.suppress(OSError):
        path.unlink()


def _scan(ring: RingFile) -> list[Left]:
    """See Ring.scan; a place with an outcome that cannot be counts as WIRE. Raises BlasterError."""
    return [_believed(Left(*entry)) for entry in ring.scan()]


def _believed(left: Left) -> Left:
    if left.state != DONE or (left.code in _CODES and left.wait <= OUTCOME_WAIT_MAX_S):
        return left
    return Left(left.place, left.number, WIRE, 0, "", 0)
