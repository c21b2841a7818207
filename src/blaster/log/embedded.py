"""The log of an embedded engine: a folder of SQLite files, and one thread that writes and syncs.

`append` numbers an entry and puts its frame in a queue. The log thread takes all that waits (at
most GROUP_BYTES_MAX), writes it in one transaction with one sync, advances `durable`, wakes who
waits and calls the callbacks. While it writes, the next group gathers: under load groups form by
themselves. Only an idle log waits for company: until whoever appends says by `hurry` that none is
coming, and at most `group_ms` from its first entry.

Laws: sequences are in the order of `append`; `durable` only grows, and only after the commit; after
the first error of the log thread it never grows again. Bounds: `pending_bytes_max` bytes not yet
durable (one larger entry is let in alone, if the disk has room for it), and no entry at all while
the disk has less than `free_bytes_min` left, so that a full disk is met before an entry has its
number, not by the commit. What follows from an entry that was taken may use that reserve, and as
many bytes again in memory.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import apsw

from blaster.clock import Clock, SystemClock
from blaster.errors import Busy, LogError
from blaster.limits import LOG_FILE_BYTES_MAX, LOG_GROUP_MS, LOG_PENDING_BYTES_MAX
from blaster.log.chain import Chain
from blaster.log.codec import encode_entry
from blaster.log.disk import Disk, make_folder
from blaster.log.layout import check_format, settle_format
from blaster.log.lock import FolderLock
from blaster.log.streaks import decoded, streaks
from blaster.model.records import Entry, Streak

GROUP_BYTES_MAX = 8 * 1024 * 1024
"""Frames of one transaction; without it a burst would make its first entry wait for its last."""

RETRY_S_MIN, RETRY_S_MAX = 0.1, 5.0
"""After what time whoever is told Busy may try again: when half of what waits should be written."""


class EmbeddedLog:
    """A `Log` in a folder. Made by `open`; one owner per folder; a context, or `close` it."""

    def __init__(
        self,
        chain: Chain,
        lock: FolderLock,
        disk: Disk,
        bounds: tuple[int, int, float],
    ) -> None:
        """Use `open`. `bounds`: pending_bytes_max, free_bytes_min, seconds of a group."""
        self._chain = chain
        self._lock = lock
        self._disk = disk
        self._pending_bytes_max, self._free_bytes_min, self._group_s = bounds
        self._mutex = threading.Lock()
        self._work = threading.Condition(self._mutex)  # for the log thread: entries, or closing
        self._news = threading.Condition(self._mutex)  # for everybody else: durable, room, failure
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._last = self._durable = chain.last
        self._commits = self._appended = self._read_bytes = 0
        self._byte_s = 0.0  # what a byte of the last group took
        self._failed: LogError | None = None
        self._closing = self._hurried = False
        self._low = self._free_bytes() < self._free_bytes_min
        self._callbacks: list[Callable[[int], None]] = []
        self._roll_after: int | None = None
        self._thread = threading.Thread(target=self._run, name="blaster-log", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        clock: Clock | None = None,
        disk: Disk | None = None,
        file_bytes_max: int = LOG_FILE_BYTES_MAX,
        pending_bytes_max: int = LOG_PENDING_BYTES_MAX,
        free_bytes_min: int | None = None,
        group_ms: float = LOG_GROUP_MS,
    ) -> EmbeddedLog:
        """Lock the folder (made if missing), check the chain of files, and recover its end.

        `free_bytes_min` is by default what may be pending and owed, each twice (it goes to the
        write-ahead file, then to the file), and what the checkpoint of a whole file may add.

        Raises FolderInUse; LogVersionError for a folder of a newer release, before anything of it
        is touched; LogCorrupt naming the file or entry that is missing or damaged; LogError for
        anything else that keeps the log from being read or written.
        """
        folder, disk = Path(folder), disk or Disk()
        try:
            check_format(folder)
            make_folder(folder, disk)
            lock = FolderLock(folder)
        except OSError as error:
            raise LogError(f"{folder}: {error}") from error
        if free_bytes_min is None:
            free_bytes_min = 4 * pending_bytes_max + file_bytes_max
        bounds = (pending_bytes_max, free_bytes_min, group_ms / 1000)
        chain: Chain | None = None
        try:
            settle_format(folder, disk)
            chain = Chain(folder, clock or SystemClock(), disk, file_bytes_max)
            return cls(chain, lock, disk, bounds)
        except BaseException as error:
            try:
                if chain is not None:
                    chain.close()
            finally:
                lock.close()
            if isinstance(error, LogError) or not isinstance(error, Exception):
                raise
            raise LogError(f"{folder}: {error}") from error

    # --- what it is ---------------------------------------------------------------------------

    @property
    def first(self) -> int:
        """The oldest sequence that can be read."""
        return self._chain.first

    @property
    def last(self) -> int:
        return self._last

    @property
    def durable(self) -> int:
        return self._durable

    @property
    def failed(self) -> LogError | None:
        return self._failed

    @property
    def commits(self) -> int:
        """Transactions, each one sync, since it was opened."""
        return self._commits

    @property
    def appended(self) -> int:
        """Bytes of the frames appended since it was opened."""
        return self._appended

    @property
    def read_bytes(self) -> int:
        """Bytes of the frames read since it was opened, by whoever read them."""
        return self._read_bytes

    @property
    def lock(self) -> FolderLock:
        """The folder's lock; its descriptor is passed on to workers."""
        return self._lock

    # --- appending ----------------------------------------------------------------------------

    @property
    def low(self) -> bool:
        if self._pending_bytes > self._pending_bytes_max // 2:
            return True
        return self._low and self._free_bytes() < self._free_bytes_min

    def append(self, entry: Entry, timeout_s: float = 0.0, *, owed: bool = False) -> int:
        frame = encode_entry(entry)
        size = len(frame)
        with self._mutex:
            self._raise_if_over()
            if not owed and (self._low or size > self._pending_bytes_max):
                self._look_for_space(size)
            if not self._has_room(size, owed):
                self._news.wait_for(lambda: self._over or self._has_room(size, owed), timeout_s)
                self._raise_if_over()
                if not self._has_room(size, owed):
                    raise Busy(
                        f"{self._pending_bytes} bytes wait to be written to the log",
                        min(max(self._pending_bytes / 2 * self._byte_s, RETRY_S_MIN), RETRY_S_MAX),
                    )
            if not self._pending or self._pending_bytes + size >= GROUP_BYTES_MAX:
                self._work.notify()
            self._pending.append(frame)
            self._pending_bytes += size
            self._appended += size
            self._last += 1
            return self._last

    def hurry(self) -> None:
        with self._mutex:
            if self._pending and not self._hurried:
                self._hurried = True
                self._work.notify()

    @property
    def _over(self) -> bool:
        return self._closing or self._failed is not None

    def _raise_if_over(self) -> None:
        if self._failed is not None:
            raise LogError(str(self._failed)) from self._failed
        if self._closing:
            raise LogError("the log is closed")

    def _has_room(self, size: int, owed: bool) -> bool:
        most = self._pending_bytes_max * (2 if owed else 1)
        return not self._pending_bytes or self._pending_bytes + size <= most

    def _look_for_space(self, size: int) -> None:
        """The reserve is for entries of usual sizes; a larger one must find room of its own."""
        free = self._free_bytes()
        more = size if size > self._pending_bytes_max else 0
        if free < self._free_bytes_min + more:
            raise Busy(f"the disk of the log has {free} bytes left", retry_after_s=1.0)
        self._low = False

    def _free_bytes(self) -> int:
        return self._disk.free_bytes(self._chain.folder)

    # --- waiting ------------------------------------------------------------------------------

    def wait_durable(self, sequence: int, timeout_s: float | None = None) -> bool:
        with self._mutex:
            self._news.wait_for(
                lambda: (
                    self._durable >= sequence
                    or self._failed is not None
                    or not self._thread.is_alive()
                ),
                timeout_s,
            )
            if self._durable >= sequence:
                return True
            if self._failed is not None or not self._thread.is_alive():
                self._raise_if_over()
            return False

    def on_durable(self, callback: Callable[[int], None]) -> None:
        with self._mutex:
            self._callbacks.append(callback)

    # --- the log thread -----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (group := self._take()) or self._rolls:
                if group:
                    began = time.monotonic()
                    self._chain.write(group)
                    self._byte_s = (time.monotonic() - began) / sum(map(len, group))
                    self._advance(group)
                if self._rolls:
                    self._roll_after = None
                    self._chain.roll()
        except Exception as error:  # noqa: BLE001 - durable must never advance again
            self._fail(error)

    def _take(self) -> list[bytes]:
        """The next group; waits for one. Empty: a file is to end, or the log is closing."""
        with self._mutex:
            if not self._pending:
                self._work.wait_for(lambda: self._pending or self._closing or self._rolls)
                self._work.wait_for(
                    lambda: (
                        self._closing
                        or self._rolls
                        or self._hurried
                        or self._pending_bytes >= GROUP_BYTES_MAX
                    ),
                    self._group_s,
                )
            self._hurried = False
            group: list[bytes] = []
            size = 0
            while self._pending and size < GROUP_BYTES_MAX:
                group.append(self._pending.popleft())
                size += len(group[-1])
            return group

    def _advance(self, group: list[bytes]) -> None:
        low = self._free_bytes() < self._free_bytes_min
        with self._mutex:
            self._low = low
            self._commits += 1
            self._durable += len(group)
            self._pending_bytes -= sum(map(len, group))
            self._news.notify_all()
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback(self._durable)

    def _fail(self, error: Exception) -> None:
        failed = error if isinstance(error, LogError) else LogError(f"the log failed: {error}")
        if failed is not error:
            failed.__cause__ = error
        with self._mutex:
            self._failed = failed
            self._pending.clear()
            self._news.notify_all()
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            with contextlib.suppress(Exception):  # the log has failed already, and says why
                callback(self._durable)

    # --- reading, closing ---------------------------------------------------------------------

    def read(self, from_sequence: int = 1, about: int | None = None) -> Iterator[tuple[int, Entry]]:
        return self._decoded(self._chain.read(from_sequence, self._durable), about)

    def read_streaks(self, from_sequence: int = 1) -> Iterator[Entry | Streak]:
        return streaks(self._counted(self._chain.read(from_sequence, self._durable)))

    def _decoded(
        self, frames: Iterator[tuple[int, bytes]], about: int | None
    ) -> Iterator[tuple[int, Entry]]:
        for sequence, frame in self._counted(frames):
            yield sequence, decoded(sequence, frame, about)

    def _counted(self, frames: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        for each in frames:
            self._read_bytes += len(each[1])
            yield each

    @property
    def begins(self) -> int:
        """The first sequence of the newest file."""
        return self._chain.begins

    @property
    def _rolls(self) -> bool:
        return self._roll_after is not None and self._durable >= self._roll_after

    def roll(self) -> None:
        """All that was appended so far ends the newest file, once it is durable.

        `begins` then is behind it. What is appended meanwhile may be on either side.
        """
        with self._mutex:
            if self.begins <= self._last:
                self._roll_after = self._last
                self._work.notify()

    def trim(self, before_sequence: int) -> None:
        """Remove whole files that hold nothing from `before_sequence` on. Not while one is read.

        Raises LogError if the disk refuses; what was removed stays removed, the rest stays whole,
        and the next trim goes on where this one stopped.
        """
        try:
            self._chain.trim(before_sequence)
        except OSError as error:
            raise LogError(f"{self._chain.folder}: {error}") from error

    def close(self) -> None:
        """As `Log.close`. Never from a callback: it waits for the thread that runs them."""
        with self._mutex:
            self._closing = True
            self._work.notify()
        self._thread.join()
        with self._mutex:
            self._news.notify_all()
        try:
            self._chain.close()
        except apsw.Error as error:  # all that was promised is durable; opening finishes the rest
            if self._failed is None:
                raise LogError(f"the log could not be closed: {error}") from error
        finally:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
