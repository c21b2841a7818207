"""The door to a log: what the engine needs of one, whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from blaster.errors import LogError
from blaster.model.records import Entry, Streak


class Log(Protocol):
    """Entries in one order, numbered densely from 1; safe to call from any thread.

    An entry has its sequence number at once and is durable later. Nothing that left the engine
    because of an entry may do so before `durable` has reached it. After the first failed write or
    sync the log is `failed` for good: `durable` stays, every waiter is woken, and it must be closed
    and opened again.
    """

    @property
    def last(self) -> int:
        """The newest sequence given out; 0 is none."""

    @property
    def durable(self) -> int:
        """The newest sequence that survives a power loss; 0 is none."""

    @property
    def failed(self) -> LogError | None:
        """Why nothing can be appended any more."""

    @property
    def low(self) -> bool:
        """Whether there is only the reserve left, which is for what follows from entries taken."""

    def append(self, entry: Entry, timeout_s: float = 0.0, *, owed: bool = False) -> int:
        """The entry's sequence number; returns before it is durable.

        `owed` is an entry that follows from one that was taken: it may use the reserve.

        Raises TypeError or ValueError for an entry of the wrong shape and Busy when too much waits
        for the disk, after waiting up to `timeout_s` for room; then nothing was appended. Raises
        LogError once failed or closed.
        """

    def hurry(self) -> None:
        """No company is coming for what was appended: it need not wait for any."""

    def wait_durable(self, sequence: int, timeout_s: float | None = None) -> bool:
        """Block until `durable` reaches `sequence`: True; False when the time is over first.

        Raises LogError if the log failed or was closed before it got there.
        """

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """Call `callback(durable)` each time it advances, and once more, unchanged, on failure.

        It runs on the log's own thread, so it must be quick and hand over (for instance by
        `loop.call_soon_threadsafe`). One that raises fails the log.
        """

    def read(self, from_sequence: int = 1, about: int | None = None) -> Iterator[tuple[int, Entry]]:
        """The durable entries from there on, in order, up to `durable` at the time of the call.

        With a contact, operations that name contacts, and not that one, are `Skipped`.

        Every entry is verified. Raises LogCorrupt, LogVersionError or LogError, before the first
        entry that cannot be given.
        """

    def read_streaks(self, from_sequence: int = 1) -> Iterator[Entry | Streak]:
        """The same entries, for whoever wants all of them and no numbers; those of single
        happenings that were taken at once come as streaks.

        Raises as `read`; what stood in a streak before the damage may then not have been given.
        """

    def close(self) -> None:
        """Make everything appended durable (unless failed) and let go of it all; again is fine."""
