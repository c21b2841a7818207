"""A folder's log files as one log: opened, checked, written at its end, rolled over, read, trimmed.

Files are numbered without a gap from the oldest kept; each begins where the one before ended. The
states that a crash can leave, and what opening makes of them, are listed in README.md.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import apsw

from blaster.clock import Clock
from blaster.errors import LogCorrupt, LogError
from blaster.log.disk import Disk
from blaster.log.files import LogFile, log_path, remove_file
from blaster.log.keeper import Keeper
from blaster.log.mark import Mark

LOG_FILE_SECONDS_MAX = 86_400
"""A log file is closed at this age, so that erased values are in files old enough to remove."""

CHECKPOINT_BYTES = 16 * 1024 * 1024
"""Written between two checkpoints; without them opening after a crash would read back the file."""

_NAME = re.compile(r"(\d{6,})\.(log\.sqlite(?:-wal|-shm|-journal)?|payload)")


class Chain:
    """The open chain. `write` and `roll` by one thread at a time; `read` and `trim` by any.

    `first`: the oldest sequence kept; `last`: the newest, `first` - 1 when there is none.
    """

    def __init__(self, folder: Path, clock: Clock, disk: Disk, file_bytes_max: int) -> None:
        self.folder = folder
        self._clock = clock
        self._disk = disk
        self._file_bytes_max = file_bytes_max
        self._since_checkpoint = 0
        self._heads_lock = threading.Lock()  # writers add at the end, trimmers take away
        self._leaving: tuple[tuple[int, int], ...] = ()  # the head that is being removed
        self._mark = Mark(folder, disk)
        try:
            self._heads, self._newest = self._open()
        except BaseException:
            self._mark.close()
            raise
        self._keeper = Keeper()

    @property
    def first(self) -> int:
        return self._heads[0][1]

    @property
    def last(self) -> int:
        return self._newest.last

    @property
    def begins(self) -> int:
        """The first sequence of the newest file."""
        return self._newest.first

    @property
    def files(self) -> tuple[int, ...]:
        """The numbers of the files kept, oldest first."""
        return tuple(number for number, _ in self._heads)

    # --- opening ------------------------------------------------------------------------------

    def _open(self) -> tuple[tuple[tuple[int, int], ...], LogFile]:
        """(number, first sequence) of each file, and the newest one, recovered and open."""
        heads: list[tuple[int, int]] = []
        newest: LogFile | None = None
        try:
            for file in self._files(self._numbers()):
                before, newest = newest, file
                if before is not None:
                    before.close()
                    if file.first != before.last + 1:
                        raise LogCorrupt(
                            f"{before.path.name} ends at entry {before.last},"
                            f" but {file.path.name} begins at {file.first}",
                            file.first,
                        )
                heads.append((file.number, file.first))
            if newest is None:
                return self._begin()
            self._check(newest)
            self._disk.sync_folder(self.folder)  # what is read from here on is promised, and names
            self._mark.write(newest.number, newest.last)
        except BaseException:
            if newest is not None:
                newest.close()
            raise
        return tuple(heads), newest

    def _files(self, numbers: list[int]) -> Iterator[LogFile]:
        """The files, open; a newest one that was never used is removed."""
        for number in numbers:
            file = LogFile.open(self.folder, number, self._disk)
            if file is not None:
                yield file
            elif number == numbers[-1] and number > self._mark.number:
                remove_file(self.folder, number, self._disk)
            else:
                raise LogCorrupt(f"{log_path(self.folder, number).name} has lost its content")

    def _begin(self) -> tuple[tuple[tuple[int, int], ...], LogFile]:
        if self._mark.number:
            raise LogCorrupt(f"{log_path(self.folder, self._mark.number).name} is missing")
        file = self._create(1, 1)
        return ((1, 1),), file

    def _numbers(self) -> list[int]:
        """The numbers of the files; what a crash left of removed or unborn ones is cleared away."""
        found: dict[int, set[str]] = {}
        for path in self.folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match:
                found.setdefault(int(match[1]), set()).add(match[2])
        whole = sorted(number for number, parts in found.items() if "log.sqlite" in parts)
        for number, parts in found.items():
            trimmed = bool(whole) and number < whole[0]
            unborn = number > self._mark.number and "payload" not in parts
            if number not in whole and (trimmed or unborn):
                remove_file(self.folder, number, self._disk)
            elif number not in whole:
                raise LogCorrupt(f"{log_path(self.folder, number).name} is missing")
        for number in range(whole[0], whole[-1]) if whole else ():
            if number not in whole:
                raise LogCorrupt(f"{log_path(self.folder, number).name} is missing")
        return whole

    def _check(self, newest: LogFile) -> None:
        """Recover the newest file, verify its last entry, and hear the witness."""
        newest.recover()
        if newest.last >= newest.first:
            for _ in newest.read(newest.last, newest.last):
                pass
        if newest.number < self._mark.number:
            raise LogCorrupt(f"{log_path(self.folder, self._mark.number).name} is missing")
        if newest.last < self._mark.sequence:
            raise LogCorrupt(
                f"{newest.path.name} ends at entry {newest.last}, but {self._mark.sequence} was"
                " durable: the file lost its end, or an older copy of it was put here",
                self._mark.sequence,
            )

    def _create(self, number: int, first: int) -> LogFile:
        file = LogFile.create(self.folder, number, first, self._clock.now(), self._disk)
        self._mark.write(number, first - 1, sync=True)
        return file

    # --- use ----------------------------------------------------------------------------------

    def write(self, frames: Sequence[bytes]) -> None:
        """Append frames in one transaction; durable when it returns. What it raises is final."""
        if self._keeper.error is not None:
            raise LogError(f"a checkpoint failed: {self._keeper.error}") from self._keeper.error
        file = self._newest
        if file.last >= file.first and (
            file.nbytes >= self._file_bytes_max
            or self._clock.now() - file.born >= LOG_FILE_SECONDS_MAX
        ):
            self.roll()
            file = self._newest
        before = file.nbytes
        file.write(frames)
        self._mark.write(file.number, file.last)
        self._since_checkpoint += file.nbytes - before
        if self._since_checkpoint >= CHECKPOINT_BYTES:
            self._since_checkpoint = 0
            self._keeper.put(partial(self._keep, file, LogFile.checkpoint))

    def roll(self) -> None:
        """Go on in a new file; the old one is closed off the commit path."""
        old = self._newest
        self._newest = self._create(old.number + 1, old.last + 1)
        with self._heads_lock:
            self._heads = (*self._heads, (self._newest.number, self._newest.first))
        self._since_checkpoint = 0
        self._keeper.put(partial(self._keep, old, LogFile.close))

    def _keep(self, file: LogFile, work: Callable[[LogFile], None]) -> None:
        """On the keeper's thread; what goes wrong with a file that was trimmed is no matter."""
        try:
            work(file)
        except (OSError, apsw.Error):
            if file.number in self.files:  # trimming takes it out of them before it removes it
                raise

    def read(self, from_sequence: int, to_sequence: int) -> Iterator[tuple[int, bytes]]:
        """Frames with their sequences, both ends in, verified; on connections of their own."""
        heads = self._heads
        if from_sequence < heads[0][1]:
            raise LogError(f"the log begins at entry {heads[0][1]}, not {from_sequence}")
        return self._read(heads, from_sequence, to_sequence)

    def _read(
        self, heads: tuple[tuple[int, int], ...], from_sequence: int, to_sequence: int
    ) -> Iterator[tuple[int, bytes]]:
        ends = [first - 1 for _, first in heads[1:]] + [to_sequence]
        for (number, first), end in zip(heads, ends, strict=True):
            low, high = max(first, from_sequence), min(end, to_sequence)
            if low > high:
                continue
            file = LogFile.open(self.folder, number, self._disk)
            if file is None or file.first != first:
                raise LogCorrupt(f"{log_path(self.folder, number).name} has lost its content", low)
            try:
                yield from file.read(low, high)
            finally:
                file.close()

    def trim(self, before_sequence: int) -> None:
        """Remove the files all of whose entries lie before that sequence; never the newest.

        Raises OSError when the disk refuses. No file goes before the older one is gone with all
        that belongs to it: what was left of that one, the next trim removes first.
        """
        with self._heads_lock:
            while self._leaving or self._ends_before(before_sequence):
                if not self._leaving:  # before its file goes: nobody is told of one that is gone
                    self._leaving, self._heads = self._heads[:1], self._heads[1:]
                ((number, _),) = self._leaving
                try:
                    remove_file(self.folder, number, self._disk)
                except OSError:
                    if log_path(self.folder, number).exists():  # whole: that went first
                        self._leaving, self._heads = (), (*self._leaving, *self._heads)
                    raise
                self._leaving = ()

    def _ends_before(self, sequence: int) -> bool:
        return len(self._heads) > 1 and self._heads[1][1] <= sequence

    def close(self) -> None:
        """Again is fine. Lets go of everything, whatever it raises (apsw.Error)."""
        self._keeper.close()
        try:
            self._newest.close()
        finally:
            self._mark.close()
