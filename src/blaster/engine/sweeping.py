"""Erased values on their way out of the files: what the account does after an erasure, in time.

A sweep ends the newest log file, lets go of words that nobody holds, has a snapshot written that
shares nothing with an older one, and waits until all before it is history. Then it removes the
older snapshots, empties the contacts' rows of history, and, once nobody reads what was replaced or
the log before it, removes the log's files before the new one. What is left was written when the
values were gone. Laws: one sweep does for all erasures before it; one that fails or is broken off
is begun again, from its beginning; nothing is removed before what stands for it was read back and
found whole; whoever reads keeps nothing else waiting.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blaster.clock import Clock
from blaster.core import State, forget_words
from blaster.engine.archiving import Archiver
from blaster.engine.erasures import (
    PENDING_MAX,
    Erasures,
    Pending,
    read_erasures,
    write_erasures,
)
from blaster.engine.finding import account_of
from blaster.engine.machine import Machine
from blaster.engine.snapshotting import SnapshotStatus, Snapshotter
from blaster.errors import BlasterError, EngineClosed, LogError
from blaster.limits import SWEEP_READERS_S, SWEEP_RETRY_S, SWEEP_WAIT_S
from blaster.log import Disk, EmbeddedLog, Snapshots
from blaster.model.fields import BATCH_ROWS, NEVER
from blaster.model.records import Array

_READ = (
    "somebody reads the past (a list, a report, an explanation) and holds files that they are in"
)


class _Failed(LogError):
    pass


class Sweeper:
    """`look` and `want` belong to the engine thread; `pending` and `warning` may be read by any."""

    def __init__(
        self,
        folder: Path,
        snapshots: Snapshots,
        snapshotter: Snapshotter,
        log: EmbeddedLog,
        clock: Clock,
        archiver: Archiver,
        disk: Disk | None = None,
    ) -> None:
        """Raises LogVersionError when a newer release wrote what it kept."""
        self._folder = folder
        self._snapshots = snapshots
        self._snapshotter = snapshotter
        self._log = log
        self._clock = clock
        self._archiver = archiver
        self._disk = disk or Disk()
        self._kept = read_erasures(folder) or Erasures()
        self._seen = -1
        self._retry = clock.monotonic()
        self._sweep: Iterator[None] | None = None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._replaced = frozenset[str]()  # files of history that the sweep under way replaced
        self._wanted: list[Future[None]] = []
        self._stopping = self._removing = False
        self.warning = ""

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The erasures that files may still know of."""
        return self._kept.pending

    def want(self, future: Future[None]) -> None:
        """Sweeps now; the future is told when nothing is pending, or why that cannot be."""
        self._wanted.append(future)
        self._retry = self._clock.monotonic()

    def close(self) -> None:
        """Breaks off what is under way; it is begun anew when the account is opened again."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join()
        self._answer(EngineClosed("the engine was closed before all erased values were gone"))

    # --- when -----------------------------------------------------------------------------------

    def look(self, machine: Machine) -> None:
        """Goes on with a sweep, or begins one if it is time for it. Between two slices."""
        state = machine.state
        if state.counts["erased",] != self._seen and not self.is_removing():
            self._note(state)
        try:
            if self._sweep is None:
                if not self._is_due(state):
                    return
                self._sweep = self._swept(machine)
            next(self._sweep)
        except StopIteration:
            self._sweep, self.warning = None, ""
            self._note(state)
            self._answer(None)
        except Exception as error:  # noqa: BLE001 - said, and tried again later
            self._sweep = None
            self._retry = self._clock.monotonic() + SWEEP_RETRY_S
            self.warning = _warning(error)
            self._answer(error)

    def _answer(self, error: Exception | None) -> None:
        if error is None and self._kept.pending:
            return
        wanted, self._wanted = self._wanted, []
        for future in wanted:
            if not future.set_running_or_notify_cancel():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error if isinstance(error, BlasterError) else LogError(error))

    def _is_due(self, state: State) -> bool:
        if not self._kept.pending:
            self._answer(None)
            return False
        if self._clock.monotonic() < self._retry:
            return False
        waited = self._clock.now() - self._kept.pending[0].at
        return bool(self._wanted) or waited >= min(SWEEP_WAIT_S, self._kept.within_s / 2)

    def _note(self, state: State) -> None:
        """What is pending, for whoever looks without opening the account."""
        total = state.counts["erased",]
        if self._seen < 0 and not total and self._kept == Erasures():
            self._seen = 0
            return
        done = self._kept.done if self._kept.done <= total else 0
        _, instants = _newest(state, total - done)
        within_s = account_of(state).erase_within_s
        self._kept = Erasures(done, within_s, _told(instants))
        self._seen = total
        with contextlib.suppress(OSError):  # it is written again with the next one
            write_erasures(self._folder, self._kept, self._disk, sync=False)

    # --- how ------------------------------------------------------------------------------------

    def _swept(self, machine: Machine) -> Iterator[None]:
        """One sweep, in pieces between which the engine goes on."""
        state = machine.state
        total = state.counts["erased",]
        contacts, _ = _newest(state, total - self._kept.done)
        upto = self._log.last
        self._log.roll()
        while self._log.begins <= upto:
            yield
        yield from forget_words(state)
        while self._snapshotter.is_busy():
            yield
        before = self._snapshotter.cleaned.number
        self._snapshotter.begin(machine, clean=True)
        while self._snapshotter.is_busy():
            yield
        clean = self._snapshotter.cleaned
        if clean.number == before:
            raise _Failed(self._snapshotter.status.warning or "the snapshot was not written")
        self._archiver.hurry()
        while self._archiver.status.sequence < clean.sequence:
            if why := self._archiver.refused(clean.sequence):
                raise _Failed(why)
            yield
        self._removing = True
        try:
            while self._snapshotter.is_busy():  # what one is writing, nothing names yet
                yield
            yield from self._beside(partial(self._replace, clean, contacts))
        finally:
            self._removing = False
        yield from self._unread(clean.sequence)
        self._removing = True
        try:
            yield from self._beside(partial(self._end, clean, total))
        finally:
            self._removing = False

    def _beside(self, work: Callable[[], None]) -> Iterator[None]:
        """On a thread of its own. Raises what that raised."""
        self._error = None

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - raised below
                self._error = error

        self._thread = threading.Thread(target=run, name="blaster-sweep", daemon=True)
        self._thread.start()
        while self._thread.is_alive():
            yield
        if self._error is not None:
            raise self._error

    def _unread(self, upto: int) -> Iterator[None]:
        """Until nobody reads what is to go. Who wants the sweep is told if that takes long."""
        late = time.monotonic() + SWEEP_READERS_S  # readers are on no other clock
        while self._archiver.is_held(self._replaced, upto):
            if time.monotonic() >= late:
                error = _Failed(_READ)
                self.warning = _warning(error)
                self._answer(error)
            yield

    def is_removing(self) -> bool:
        """Whether a thread of its own removes snapshots and keeps `pending`, or is about to."""
        return self._removing

    def _replace(self, clean: SnapshotStatus, contacts: Array) -> None:
        """When the clean snapshot is there."""
        with self._snapshots.removing:
            self._snapshots.drop_before(clean.number, *self._archiver.needed())
        self._replaced = self._archiver.empty(contacts, lambda: self._stopping)

    def _end(self, clean: SnapshotStatus, done: int) -> None:
        """When nobody reads what was before."""
        self._archiver.cut(clean.sequence)
        kept = Erasures(done, self._kept.within_s)
        write_erasures(self._folder, kept, self._disk, sync=True)
        self._kept = kept


def _warning(error: Exception) -> str:
    return f"erased values are still on disk: {error}"


def _newest(state: State, count: int) -> tuple[Array, Array]:
    """The contacts erased last (`count`, or some more of the same second), and when, in order."""
    column = state.find(("erased",))
    found, instants = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if column is not None and count > 0:
        for first in range(0, column.rows, BATCH_ROWS):
            rows = np.arange(first, min(first + BATCH_ROWS, column.rows), dtype=np.int64)
            when = column.take(rows)
            found.append(rows[when != NEVER])
            instants.append(when[when != NEVER].astype(np.int64))
    contacts, at = np.concatenate(found), np.concatenate(instants)
    order = np.argsort(at, kind="stable")
    contacts, at = contacts[order], at[order]
    if count <= 0 or not len(at):
        return contacts[:0], at[:0]
    mine = at >= at[max(0, len(at) - count)]
    return contacts[mine], at[mine]


def _told(instants: Array) -> tuple[Pending, ...]:
    """Instant by instant; the oldest together where there are too many."""
    at, counts = np.unique(instants, return_counts=True)
    pairs: list[Any] = list(zip(at.tolist(), counts.tolist(), strict=True))
    over = len(pairs) - PENDING_MAX
    if over > 0:
        pairs = [(pairs[0][0], sum(count for _, count in pairs[: over + 1])), *pairs[over + 1 :]]
    return tuple(Pending(when, count) for when, count in pairs)
