"""A log in memory: for simulations and tests. Whatever is appended is durable at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from blaster.errors import LogError
from blaster.log.codec import decode_entry, encode_entry
from blaster.log.streaks import streaks
from blaster.model.records import Entry, Streak


class MemoryLog:
    """A `Log` that keeps encoded frames (`keep`), so that a replay goes through the codec.

    With `keep=False` it only counts: entries are not encoded, not checked and cannot be read. The
    callbacks of `on_durable` run inside `append`, on its thread.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._frames: list[bytes] = []
        self._last = 0
        self._closed = False
        self._callbacks: list[Callable[[int], None]] = []
        self._lock = threading.Lock()

    @property
    def last(self) -> int:
        return self._last

    @property
    def durable(self) -> int:
        return self._last

    @property
    def failed(self) -> LogError | None:
        return None

    @property
    def nbytes(self) -> int:
        """The bytes of all frames kept."""
        return sum(map(len, self._frames))

    @property
    def low(self) -> bool:
        return False

    def append(self, entry: Entry, timeout_s: float = 0.0, *, owed: bool = False) -> int:
        frame = encode_entry(entry) if self._keep else b""
        with self._lock:
            if self._closed:
                raise LogError("the log is closed")
            if self._keep:
                self._frames.append(frame)
            self._last += 1
            sequence = self._last
        for callback in self._callbacks:
            callback(sequence)
        return sequence

    def hurry(self) -> None:
        """Nothing waits here."""

    def wait_durable(self, sequence: int, timeout_s: float | None = None) -> bool:
        """Everything appended is durable; what was not yet appended is not waited for."""
        return sequence <= self._last

    def on_durable(self, callback: Callable[[int], None]) -> None:
        self._callbacks.append(callback)

    def read(self, from_sequence: int = 1, about: int | None = None) -> Iterator[tuple[int, Entry]]:
        self._check_readable(from_sequence)
        frames = self._frames[from_sequence - 1 : self._last]
        return (
            (sequence, decode_entry(frame, about))
            for sequence, frame in enumerate(frames, from_sequence)
        )

    def read_streaks(self, from_sequence: int = 1) -> Iterator[Entry | Streak]:
        self._check_readable(from_sequence)
        return streaks(enumerate(self._frames[from_sequence - 1 : self._last], from_sequence))

    def _check_readable(self, from_sequence: int) -> None:
        if not self._keep:
            raise LogError("a log in memory with keep=False keeps nothing to read")
        if from_sequence < 1:
            raise LogError(f"sequences begin at 1, not {from_sequence}")

    def close(self) -> None:
        self._closed = True
