"""Snapshots beside a running engine: begun between two slices, written by a thread of their own.

Law: what goes wrong with a snapshot is said (`status.warning`) and tried again later; it is never
the engine's end. One snapshot at a time; the thread of a snapshot ends with it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from blaster.clock import Clock
from blaster.core import Capture, Catalogue
from blaster.engine.machine import Machine
from blaster.engine.recovery import Recovered, encode_operation
from blaster.errors import LogError, SnapshotCorrupt
from blaster.limits import (
    SNAPSHOT_AGE_S,
    SNAPSHOT_CLOSE_BYTES,
    SNAPSHOT_CLOSE_ENTRIES,
    SNAPSHOT_LOG_BYTES,
    SNAPSHOT_LOG_ENTRIES,
    SNAPSHOT_PIN_BYTES_MAX,
    SNAPSHOT_RETRY_S,
)
from blaster.log import Draft, EmbeddedLog, Snapshots

LOOK_PIECES = 64
"""Pieces written between two looks at how much memory is held."""
DURABLE_S = 60.0
"""How long a written snapshot waits for the log; a slower one is tried again later."""


@dataclass(frozen=True, slots=True)
class SnapshotStatus:
    """The newest snapshot: its number (0: none yet), sequence, instant and size.

    `pause_s` is what the engine waited for it, `written` what it wrote, `seconds` how long that
    took. `warning` says why there is no newer one, or what was set aside; "" when all is well.
    """

    number: int = 0
    sequence: int = 0
    at: float = 0.0
    nbytes: int = 0
    pause_s: float = 0.0
    written: int = 0
    seconds: float = 0.0
    warning: str = ""


class _GivenUp(Exception):
    pass


class Beside(Protocol):
    """Whoever needs snapshots for a purpose of his own: `sweeping.Sweeper`."""

    def look(self, machine: Machine) -> None:
        """Between two slices, after the snapshotter itself looked."""

    def is_removing(self) -> bool:
        """Whether it removes snapshots: none is begun meanwhile."""

    def close(self) -> None:
        """No snapshot is written any more."""


class Snapshotter:
    """`look` belongs to the engine thread; `status` may be read by any."""

    def __init__(
        self,
        snapshots: Snapshots,
        recovered: Recovered,
        log: EmbeddedLog,
        clock: Clock,
        needed: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        """`needed` says up to which entries snapshots are kept besides the newest ones."""
        self._needed = needed
        self._snapshots = snapshots
        self._catalogue = recovered.catalogue
        self._log = log
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._stopping = False
        self.cleaned = SnapshotStatus()  # the newest clean one
        self.sweeper: Beside | None = None
        manifest = recovered.manifest
        warning = "; ".join(recovered.said)
        self.status = SnapshotStatus(warning=warning)
        if manifest is not None:
            self.status = SnapshotStatus(
                manifest.number, manifest.sequence, manifest.at, manifest.nbytes, warning=warning
            )
        self._at_bytes = log.appended - recovered.tail_bytes  # what was read again counts as well
        self._since = self._retry = clock.monotonic()
        if manifest is None:
            return
        self._since -= max(0.0, min(SNAPSHOT_AGE_S, clock.now() - manifest.at))

    # --- when -----------------------------------------------------------------------------------

    def look(self, machine: Machine) -> None:
        """Begins a snapshot if it is time for one. Between two slices."""
        held = self.sweeper is not None and self.sweeper.is_removing()
        if not held and not self.is_busy() and self._is_due():
            self.begin(machine)
        if self.sweeper is not None:
            self.sweeper.look(machine)

    def is_busy(self) -> bool:
        """Whether one is under way."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
        return self._thread is not None

    def _is_due(self) -> bool:
        entries = self._log.last - self.status.sequence
        if not entries or self._clock.monotonic() < self._retry:
            return False
        return (
            entries >= SNAPSHOT_LOG_ENTRIES
            or self._log.appended - self._at_bytes >= SNAPSHOT_LOG_BYTES
            or self._clock.monotonic() - self._since >= SNAPSHOT_AGE_S
        )

    def begin(self, machine: Machine, *, clean: bool = False) -> None:
        """Captures this instant, and has it written. Between two slices, with none under way.

        A `clean` one shares no file with those before it.
        """
        began = self._clock.monotonic()
        sequence, appended, at = self._log.last, self._log.appended, self._clock.now()
        try:
            capture = self._catalogue.capture(machine.state)
        except Exception as error:  # noqa: BLE001 - the engine goes on without it
            self._warn(error)
            return
        pause_s = self._clock.monotonic() - began
        self._thread = threading.Thread(
            target=self._write,
            args=(capture, sequence, appended, at, pause_s, clean),
            name="blaster-snapshot",
            daemon=True,
        )
        self._thread.start()

    def wait(self) -> None:
        """Until no snapshot is under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self, machine: Machine | None) -> None:
        """Stops what is under way; with a sound machine that came far, writes a last snapshot.

        When nobody touches the machine any more, and before its log is closed.
        """
        far = machine is not None and (
            self._log.last - self.status.sequence >= SNAPSHOT_CLOSE_ENTRIES
            or self._log.appended - self._at_bytes >= SNAPSHOT_CLOSE_BYTES
        )
        if self.sweeper is not None:
            self.sweeper.close()
        self._stopping = True
        self.wait()
        if far and machine is not None and self._log.failed is None:
            self._stopping = False
            self.begin(machine)
            self.wait()
            self._stopping = True

    # --- on the snapshot's own thread -----------------------------------------------------------

    def _write(
        self,
        capture: Capture,
        sequence: int,
        appended: int,
        at: float,
        pause_s: float,
        clean: bool,
    ) -> None:
        began = self._clock.monotonic()
        draft: Draft | None = None
        try:
            draft = self._snapshots.begin()
            self._put(capture, draft)
            table = draft.seal(capture.table(), clean=clean, stop=lambda: self._stopping)
            if not self._log.wait_durable(sequence, DURABLE_S):
                raise _GivenUp(f"the log has not got to entry {sequence} in {DURABLE_S:g} s")
            manifest = draft.publish(sequence, at, table, capture.root())
        except Exception as error:  # noqa: BLE001 - said, and tried again later
            capture.forget()
            if draft is not None:
                draft.drop()
            if isinstance(error, SnapshotCorrupt):
                # What is damaged on disk is still whole in memory: all of it is written again.
                self._catalogue = Catalogue(encode_operation)
            self._warn(error)
            return
        capture.commit(table)
        self._at_bytes, self._since = appended, began
        self.status = SnapshotStatus(
            manifest.number,
            sequence,
            at,
            manifest.nbytes,
            pause_s,
            draft.written,
            self._clock.monotonic() - began,
        )
        if clean:
            self.cleaned = self.status
        with self._snapshots.removing, contextlib.suppress(OSError, LogError):
            self._snapshots.prune(*self._needed())  # what is left is removed next time

    def _put(self, capture: Capture, draft: Draft) -> None:
        for count, (kind, content, settle) in enumerate(capture.pieces()):
            settled = draft.put(kind, content)
            if isinstance(content, memoryview):
                content.release()
            settle(settled)
            if self._stopping:
                raise _GivenUp("the engine is closing")
            if count % LOOK_PIECES == 0 and capture.held() > SNAPSHOT_PIN_BYTES_MAX:
                raise _GivenUp(
                    f"more than {SNAPSHOT_PIN_BYTES_MAX} bytes changed while it was written"
                )

    def _warn(self, error: Exception) -> None:
        self._retry = self._clock.monotonic() + SNAPSHOT_RETRY_S
        text = "" if self._stopping else f"no snapshot could be written: {error}"
        self.status = replace(self.status, warning=text)
