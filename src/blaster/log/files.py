"""One file of the log: an SQLite file of frames, and beside it the payload file for large ones.

    NNNNNN.log.sqlite   head(number, first, born)    one row: this file's number, the sequence of
                                                     its first entry, seconds since 1970
                        entries(sequence, seal, frame, offset, length)
    NNNNNN.payload      frames larger than LOG_PAYLOAD_INLINE_BYTES_MAX, end to end

An entry's frame is in its row, or (frame null) `length` bytes at `offset` of the payload file.
`seal` binds the number to the content (`seals`).

Laws: a payload is synced before the row that names it is committed; a commit is one transaction and
one sync; sequences are dense from `first`; a file without a head was never used. The SQLite file is
only ever opened by SQLite (closing any other descriptor of it would drop SQLite's locks).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from blaster.errors import LogCorrupt, LogError
from blaster.limits import LOG_PAYLOAD_INLINE_BYTES_MAX
from blaster.log.disk import Disk
from blaster.log.seals import is_whole, seal_of

SCHEMA = """
CREATE TABLE head(number INTEGER NOT NULL, first INTEGER NOT NULL, born REAL NOT NULL);
CREATE TABLE entries(
    sequence INTEGER PRIMARY KEY, seal INTEGER NOT NULL, frame BLOB, offset INTEGER, length INTEGER
);
"""
READ_ROWS = 256  # of one read transaction: a longer one would keep the write-ahead file growing


def log_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.log.sqlite"


def payload_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.payload"


def remove_file(folder: Path, number: int, disk: Disk) -> None:
    """Remove all that belongs to one file of the log; the SQLite file first, and for good.

    What a crash then leaves is a payload or a write-ahead file without its SQLite file: litter, and
    never a log file that lacks a part. So the first name is gone from the disk before the others.
    Raises OSError; then it is to be called again, whichever part is gone already.
    """
    path = log_path(folder, number)
    disk.remove(path)
    disk.sync_folder(folder)
    for part in ("-wal", "-shm", "-journal"):
        disk.remove(Path(f"{path}{part}"))
    disk.remove(payload_path(folder, number))
    disk.sync_folder(folder)


class LogFile:
    """An open file of the log. Used by one thread at a time; `read` on a file of its own.

    `first`: sequence of its first entry; `last`: of its newest, `first` - 1 when empty; `nbytes`:
    frames written to it; `born`: when it was made.
    """

    def __init__(self, folder: Path, number: int, disk: Disk, *, create: bool = False) -> None:
        self.folder = folder
        self.number = number
        self.path = log_path(folder, number)
        self.first = self.last = self.nbytes = 0
        self.born = 0.0
        self._disk = disk
        self._payload = -1
        self._payload_end = 0
        self._connection = disk.connect(self.path, create=create)

    @classmethod
    def create(cls, folder: Path, number: int, first: int, born: float, disk: Disk) -> LogFile:
        """A new, empty file; it is durable, name and head, when this returns."""
        file = cls(folder, number, disk, create=True)
        try:
            file._write_ahead()
            file._connection.execute(f"BEGIN IMMEDIATE;{SCHEMA}")
            file._connection.execute("INSERT INTO head VALUES(?, ?, ?)", (number, first, born))
            disk.commit(file._connection)
            disk.sync_folder(folder)
        except BaseException:
            file.close()  # or its locks would be in the way of the next opening
            raise
        file.first, file.last, file.born = first, first - 1, born
        return file

    @classmethod
    def open(cls, folder: Path, number: int, disk: Disk) -> LogFile | None:
        """An existing file, read back to its newest entry; None if it was never used.

        Raises LogCorrupt when SQLite finds the file damaged or the head is not its own.
        """
        with reading(log_path(folder, number)):
            file = cls(folder, number, disk)
        try:
            with reading(file.path):
                if file._load_head():
                    return file
        except LogError:
            file.close()
            raise
        file.close()
        return None

    def _load_head(self) -> bool:
        run = self._connection.execute
        if not list(run("SELECT 1 FROM sqlite_schema WHERE name = 'head'")):
            return False
        heads = list(run("SELECT number, first, born FROM head"))
        if len(heads) != 1 or heads[0][0] != self.number:
            raise LogCorrupt(f"{self.path.name}: the head is that of another file")
        self.first, self.born = heads[0][1], heads[0][2]
        newest = list(run("SELECT sequence FROM entries ORDER BY sequence DESC LIMIT 1"))
        self.last = newest[0][0] if newest else self.first - 1
        return True

    def recover(self) -> None:
        """Make all that was read back durable, and forget payload bytes that no row names.

        What a crash left may lie only in the kernel's cache: the checkpoint writes it out again and
        syncs it. Raises LogCorrupt when the newest payload is not there whole.
        """
        with reading(self.path):
            self._write_ahead()  # who copied the file may have left it in another mode
            run = self._connection.execute
            run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            inline: Any = run("SELECT total(length(frame)) FROM entries").fetchall()[0][0]
            named: list[Any] = run(
                "SELECT sequence, offset + length FROM entries WHERE frame IS NULL"
                " ORDER BY sequence DESC LIMIT 1"
            ).fetchall()
        end: int = named[0][1] if named else 0
        path = payload_path(self.folder, self.number)
        size = path.stat().st_size if path.exists() else 0
        if size < end:
            raise LogCorrupt(
                f"{path.name}: ends at {size}, entry {named[0][0]} at {end}", named[0][0]
            )
        if size > end:
            self._open_payload(create=False)
            self._disk.truncate(self._payload, end)
            self._disk.sync(self._payload)
        self._payload_end = end
        self.nbytes = int(inline) + end

    def _write_ahead(self) -> None:
        """From now on a commit is there for good when it returns. Raises LogError.

        In any other mode the removal of a journal ends a commit, and `synchronous=FULL` does not
        make that durable (https://sqlite.org/pragma.html#pragma_synchronous). SQLite answers with
        the mode that it stays in where it could not change it, and raises nothing.
        """
        ((mode,),) = self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
        if mode != "wal":
            raise LogError(
                f"{self.path.name}: SQLite stays in journal mode {mode} where it should write"
                " ahead: the disk refused a write, or its file system shares no memory"
            )

    def _open_payload(self, *, create: bool) -> None:
        self._payload = self._disk.open(payload_path(self.folder, self.number), create=create)

    def write(self, frames: Sequence[bytes]) -> None:
        """Append frames as the next entries; all are durable when this returns.

        Whatever it raises (OSError, apsw.Error), some may be durable: it must be opened again.
        """
        rows: list[tuple[int, int, bytes | None, int | None, int | None]] = []
        end = self._payload_end
        for sequence, frame in enumerate(frames, self.last + 1):
            seal = seal_of(sequence, frame)
            if len(frame) <= LOG_PAYLOAD_INLINE_BYTES_MAX:
                rows.append((sequence, seal, frame, None, None))
                continue
            if self._payload < 0:
                self._open_payload(create=True)
                self._disk.sync_folder(self.folder)
            self._disk.write(self._payload, frame, end)
            rows.append((sequence, seal, None, end, len(frame)))
            end += len(frame)
        if end > self._payload_end:
            self._disk.sync(self._payload)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO entries VALUES(?, ?, ?, ?, ?)", rows)
        self._disk.commit(self._connection)
        self._payload_end = end
        self.last += len(rows)
        self.nbytes += sum(map(len, frames))

    def checkpoint(self) -> None:
        """Move what is committed from the write-ahead file into the file; never stops a writer.

        On its own connection, so that it may run beside `write` on another thread.
        """
        connection = self._disk.connect(self.path)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()

    def read(self, from_sequence: int, to_sequence: int) -> Iterator[tuple[int, bytes]]:
        """The frames of entries in that range (both ends in), their numbers and seals verified."""
        expected = from_sequence
        while expected <= to_sequence:
            with reading(self.path):
                rows: list[Any] = self._connection.execute(
                    "SELECT sequence, seal, frame, offset, length FROM entries"
                    " WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?",
                    (expected, to_sequence, READ_ROWS),
                ).fetchall()
            if not rows:
                raise LogCorrupt(f"{self.path.name}: entry {expected} is missing", expected)
            for sequence, seal, inline, offset, length in rows:
                if sequence != expected:
                    raise LogCorrupt(f"{self.path.name}: entry {expected} is missing", expected)
                frame = self._payload_of(sequence, offset, length) if inline is None else inline
                sealed = isinstance(frame, bytes) and seal == seal_of(sequence, frame)
                if not (sealed and is_whole(frame)):
                    name = self.path.name
                    if inline is None:  # the row or the payload: one of them is not the other's
                        name += f" or {payload_path(self.folder, self.number).name}"
                    raise LogCorrupt(f"{name}: entry {sequence} is damaged", sequence)
                yield sequence, frame
                expected += 1

    def _payload_of(self, sequence: int, offset: object, length: object) -> bytes:
        path = payload_path(self.folder, self.number)
        if not isinstance(offset, int) or not isinstance(length, int) or min(offset, length) < 0:
            raise LogCorrupt(f"{self.path.name}: entry {sequence} has no frame", sequence)
        if self._payload < 0:
            if not path.exists():
                raise LogCorrupt(f"{path.name} with entry {sequence} is missing", sequence)
            self._open_payload(create=False)
        if os.fstat(self._payload).st_size < offset + length:
            raise LogCorrupt(f"{path.name}: entry {sequence} is cut off", sequence)
        return os.pread(self._payload, length, offset)

    def close(self) -> None:
        """Close it; the last connection to close moves everything into the file. Again is fine."""
        if self._payload >= 0:
            self._disk.close(self._payload)
            self._payload = -1
        self._connection.close()


class reading:  # noqa: N801 - reads as the verb it is
    """While inside, SQLite's complaints about a file become LogCorrupt or LogError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
            raise LogCorrupt(f"{self._path.name}: {error}") from error
        if isinstance(error, apsw.Error):
            raise LogError(f"{self._path.name}: {error}") from error
