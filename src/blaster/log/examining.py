"""What is whole of a folder's log, as somebody finds it who will not change a byte of it.

Every frame that can be read is read and verified, file by file; what cannot is said, file and entry
by name. Laws: nothing is written (SQLite's index beside a write-ahead file excepted, which is never
trusted); whoever examines a folder holds its lock, so that nobody else does either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import apsw

from blaster.errors import LogCorrupt, LogError, LogVersionError
from blaster.log.codec import decode_entry
from blaster.log.disk import Disk
from blaster.log.files import LogFile, log_path
from blaster.log.layout import FORMAT, check_format
from blaster.log.mark import read_mark

DAMAGES_MAX = 100
"""Damaged entries of one file that are told apart; behind more of them the file counts as lost."""

_NAME = re.compile(r"(\d{6,})\.(?:log\.sqlite|payload)")


class ReadingDisk(Disk):
    """Opens log files for reading only: closing one then moves nothing and removes nothing."""

    def connect(self, path: Path, *, create: bool = False) -> apsw.Connection:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=self.vfs)
        connection.set_busy_timeout(10_000)
        return connection


class LogSpan(NamedTuple):
    """Whole entries of one file without a gap, both ends in.

    Of an empty file the entry that it begins with, and the one before.
    """

    number: int
    first: int
    last: int


class LogSeen(NamedTuple):
    """The log as it was found: its whole entries in order, and what is wrong, in words.

    `format` says what is wrong with the version of the folder, "" when nothing is. `files` are all
    numbers that something is there of. `file` and `durable` are what the mark says; 0, 0 nothing.
    """

    spans: tuple[LogSpan, ...]
    said: tuple[str, ...]
    format: str
    files: tuple[int, ...]
    file: int
    durable: int

    @property
    def first(self) -> int:
        """The oldest whole entry; 0 is none."""
        return min((span.first for span in self.spans), default=0)

    @property
    def last(self) -> int:
        """The newest whole entry; 0 is none."""
        return max((span.last for span in self.spans), default=0)

    def runs(self) -> list[tuple[int, int]]:
        """The whole entries as runs without a gap, over files."""
        runs: list[tuple[int, int]] = []
        for span in self.spans:
            if runs and runs[-1][1] + 1 == span.first:
                runs[-1] = runs[-1][0], span.last
            else:
                runs.append((span.first, span.last))
        return runs


def examine(folder: Path) -> LogSeen:
    """Reads all of it. Raises LogVersionError for what a newer release wrote, and OSError."""
    said: list[str] = []
    spans: list[LogSpan] = []
    named = ""
    try:
        version = check_format(folder)
        if version is not None and version < FORMAT:
            raise LogVersionError(
                f"{folder} has format {version}: opening it migrates it to format {FORMAT}",
                version=version,
            )
    except LogVersionError:
        raise
    except LogError as error:
        named = str(error)
    file, durable = read_mark(folder)
    numbers = sorted({int(m[1]) for m in map(_NAME.fullmatch, _names(folder)) if m})
    for number in range(numbers[0], max(numbers[-1], file) + 1) if numbers else ():
        for found in _examined(folder, number):
            if isinstance(found, LogSpan):
                spans.append(found)
            else:
                said.append(found)
    for before, after in pairwise(spans):
        if before.number != after.number and before.last + 1 != after.first:
            name = log_path(folder, after.number).name
            said.append(f"{name} goes on at entry {after.first}, not at {before.last + 1}")
    last = max((span.last for span in spans), default=0)
    if last < durable:
        said.append(f"the whole entries end at {last}, but {durable} was durable")
    return LogSeen(tuple(spans), tuple(said), named, tuple(numbers), file, durable)


def entry_instant(folder: Path, span: LogSpan, sequence: int) -> int:
    """The instant of a whole entry of a span."""
    file = LogFile.open(folder, span.number, ReadingDisk())
    assert file is not None
    try:
        ((_, frame),) = file.read(sequence, sequence)
        return decode_entry(frame).at
    finally:
        file.close()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _examined(folder: Path, number: int) -> Iterator[LogSpan | str]:
    """The spans of a file, and what is wrong between them."""
    path = log_path(folder, number)
    if not path.exists():
        yield f"{path.name} is missing"
        return
    try:
        file = LogFile.open(folder, number, ReadingDisk())
    except LogError as error:
        yield str(error)
        return
    if file is None:
        if number <= read_mark(folder)[0]:
            yield f"{path.name} has lost its content"
        return
    try:
        yield from _spans(file)
    finally:
        file.close()


def _spans(file: LogFile) -> Iterator[LogSpan | str]:
    first = file.first
    if file.last < first:
        yield LogSpan(file.number, first, file.last)
        return
    for _ in range(DAMAGES_MAX):
        at = first
        try:
            for at, frame in file.read(first, file.last):
                _decode(file, at, frame)
                at += 1
        except LogVersionError:
            raise
        except LogError as error:
            if first < at:
                yield LogSpan(file.number, first, at - 1)
            yield str(error)
            sequence = error.sequence if isinstance(error, LogCorrupt) else 0
            if not at <= sequence <= file.last:
                return
            first = sequence + 1
            continue
        if first <= file.last:
            yield LogSpan(file.number, first, file.last)
        return


def _decode(file: LogFile, sequence: int, frame: bytes) -> None:
    try:
        decode_entry(frame)
    except LogCorrupt as error:
        raise LogCorrupt(f"{file.path.name}: entry {sequence}: {error}", sequence) from error
