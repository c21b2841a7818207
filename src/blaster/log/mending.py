"""Makes a damaged log one that opens: a run of whole entries that was chosen, and nothing else.

Whoever calls holds the folder's lock and knows what is lost; nothing is decided here. Laws: what is
changed or taken away is in the backup folder first, on the disk; the mark is written last, so that
a log that was mended half is refused like one that lost its end. It can be mended again; where that
would lose more than was chosen, the files of the backup are put back first.
"""

from __future__ import annotations

import re
import shutil
from itertools import islice
from pathlib import Path

from blaster.errors import LogError
from blaster.log.disk import Disk, copy_file, make_folder
from blaster.log.examining import LogSeen, LogSpan, ReadingDisk
from blaster.log.files import LogFile, log_path, payload_path, remove_file
from blaster.log.layout import FORMAT_NAME, settle_format
from blaster.log.mark import MARK_NAME, Mark

FRAMES = 256
"""Written in one transaction."""
_SCRATCH = "mending"


def keep_entries(
    folder: Path, seen: LogSeen, run: tuple[int, int], now: float, backup: Path, disk: Disk
) -> None:
    """The log is the entries of `run` (both ends in; none when it ends before it begins).

    Raises OSError and LogError; then the folder is as it was, or is refused when it is opened.
    """
    make_folder(backup, disk)
    wanted = {span.number: span for span in (_part(each, run) for each in seen.spans) if span}
    if sorted(wanted) != list(range(min(wanted, default=0), max(wanted, default=-1) + 1)):
        raise LogError(f"entries {run[0]} to {run[1]} are not in files that follow one another")
    for number in seen.files:
        span = wanted.get(number)
        if span is None:
            _take_away(folder, number, backup, disk)
        elif not _is_all(folder, span):
            _cut_out(folder, span, backup, disk)
    newest = max(wanted, default=max((*seen.files, seen.file), default=0) + 1)
    if not wanted:
        LogFile.create(folder, newest, run[0], now, disk).close()
    _copy(folder / MARK_NAME, backup, disk)
    mark = Mark(folder, disk)
    try:
        mark.write(newest, run[1], sync=True)
    finally:
        mark.close()
    disk.sync_folder(folder)


def rewrite_format(folder: Path, backup: Path, disk: Disk) -> None:
    """The folder says that it is of this release's format."""
    make_folder(backup, disk)
    _copy(folder / FORMAT_NAME, backup, disk)
    disk.remove(folder / FORMAT_NAME)
    settle_format(folder, disk)


def _part(span: LogSpan, run: tuple[int, int]) -> LogSpan | None:
    first, last = max(span.first, run[0]), min(span.last, run[1])
    return LogSpan(span.number, first, last) if first <= last else None


def _is_all(folder: Path, span: LogSpan) -> bool:
    """Whether a file holds just these entries."""
    file = LogFile.open(folder, span.number, ReadingDisk())
    assert file is not None
    try:
        return (file.first, file.last) == span[1:]
    finally:
        file.close()


def _cut_out(folder: Path, span: LogSpan, backup: Path, disk: Disk) -> None:
    """A file of the same number that holds only these entries takes the file's place."""
    for path in parts_of(folder, span.number):
        _copy(path, backup, disk)
    scratch = folder / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    old = LogFile.open(folder, span.number, ReadingDisk())
    assert old is not None
    try:
        new = LogFile.create(scratch, span.number, span.first, old.born, disk)
        try:
            frames = old.read(span.first, span.last)
            while group := [frame for _, frame in islice(frames, FRAMES)]:
                new.write(group)
        finally:
            new.close()
    finally:
        old.close()
    remove_file(folder, span.number, disk)
    for path_of in (payload_path, log_path):  # a payload alone is litter, a log file alone is not
        if path_of(scratch, span.number).exists():
            disk.rename(path_of(scratch, span.number), path_of(folder, span.number))
    disk.sync_folder(folder)
    shutil.rmtree(scratch)


def _take_away(folder: Path, number: int, backup: Path, disk: Disk) -> None:
    for path in parts_of(folder, number):
        disk.rename(path, backup / path.name)
    disk.sync_folder(backup)
    disk.sync_folder(folder)


def parts_of(folder: Path, number: int) -> list[Path]:
    """What there is of one file of the log."""
    name = re.compile(rf"{number:06d}\.(log\.sqlite(-wal|-shm|-journal)?|payload)")
    return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))


def _copy(path: Path, backup: Path, disk: Disk) -> None:
    """A copy that is on the disk; it has its name only when it is whole."""
    if path.exists():
        draft = backup / f"{path.name}.part"
        copy_file(path, draft, disk)
        disk.rename(draft, backup / path.name)
        disk.sync_folder(backup)
