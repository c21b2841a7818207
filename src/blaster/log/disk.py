"""The few calls by which the log reaches the disk: the seam at which tests let it fail.

Laws: whatever these return from without raising has been handed to the kernel (`write`, `truncate`,
`open`, `rename`, `remove`) or is on the disk (`sync`, `sync_folder`, `commit`). Names are durable
only after `sync_folder`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from typing_extensions import Buffer

_CAUSES_MAX = 16
_PIECE_BYTES = 4 * 1024 * 1024
_LOST = frozenset(
    {errno.EIO, errno.ENODATA, errno.EILSEQ, errno.EREMOTEIO, errno.EBADMSG, errno.EUCLEAN}
)
"""What Linux says of a medium that lost something (block layer: EIO, ENODATA, EILSEQ, EREMOTEIO),
and a file system of a checksum that fails (EBADMSG, EUCLEAN)."""


class Disk:
    """The real disk. `vfs` names the SQLite file system to use; None is the platform's."""

    vfs: str | None = None

    def connect(self, path: Path, *, create: bool = False) -> apsw.Connection:
        """A connection to a log file that syncs every commit.

        Checkpoints are never made by a commit: they would let it wait for the whole file.
        """
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
        connection = apsw.Connection(str(path), flags=flags, vfs=self.vfs)
        connection.set_busy_timeout(10_000)
        for pragma in ("synchronous=FULL", "wal_autocheckpoint=0", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def commit(self, connection: apsw.Connection) -> None:
        connection.execute("COMMIT")

    def open(self, path: Path, *, create: bool = True) -> int:
        """A descriptor to read and write; the caller closes it."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return os.open(path, flags, 0o644)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def write(self, descriptor: int, data: Buffer, offset: int) -> None:
        view = memoryview(data).cast("B")
        while view:
            written = os.pwrite(descriptor, view, offset)
            offset += written
            view = view[written:]

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """In one step, in place of what stood there; durable with the folder's next sync."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """What is not there is no error; durable with the folder's next sync."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable: files made, renamed or removed."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """What an unprivileged writer may still use of the folder's disk."""
        state = os.statvfs(folder)
        return state.f_bavail * state.f_frsize


def make_folder(folder: Path, disk: Disk) -> None:
    """Make a folder and the folders above it, each durable in the one that holds it."""
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, path in enumerate(missing) if path.exists())]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        disk.sync_folder(path.parent)


def write_whole(path: Path, data: Buffer, disk: Disk, *, sync: bool = True) -> None:
    """The file's content from now on: after a crash it is the old one or the new one, whole.

    Written as NAME.new beside it. Without `sync` it may also be missing or torn, after a loss of
    power. Raises OSError.
    """
    beside = path.with_name(f"{path.name}.new")
    descriptor = disk.open(beside)
    try:
        disk.truncate(descriptor, 0)
        disk.write(descriptor, data, 0)
        if sync:
            disk.sync(descriptor)
    finally:
        disk.close(descriptor)
    disk.rename(beside, path)
    if sync:
        disk.sync_folder(path.parent)


def copy_file(path: Path, target: Path, disk: Disk) -> None:
    """A copy whose content is on the disk; its name is after the folder's sync."""
    descriptor = disk.open(target)
    try:
        disk.truncate(descriptor, 0)
        end = 0
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                disk.write(descriptor, piece, end)
                end += len(piece)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def is_lost(error: OSError) -> bool:
    """Whether the disk cannot give back what stood there, which is as good as damaged.

    Anything else (too many open files, no memory, no permission) says nothing of the file.
    """
    return error.errno in _LOST


def is_full(error: BaseException | None) -> bool:
    """Whether it comes of a disk without room, so that trying again helps once there is some."""
    seen = 0
    while error is not None and seen < _CAUSES_MAX:
        if isinstance(error, apsw.FullError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
        seen += 1
    return False
