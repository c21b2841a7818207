"""The few calls by which the log reaches the disk: the seam at which tests let it fail.

Law: whatever these return from without raising has been handed to the kernel (`write`) or is on
the disk (`sync`, `sync_folder`, `commit`).
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw


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

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            offset += written
            view = view[written:]

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

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
