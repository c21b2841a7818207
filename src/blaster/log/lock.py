"""One owner per data folder: a lock held by an open descriptor, which no crash can leave behind.

The lock is the kernel's `flock` on the file `lock`; the text in the file ("PID HOST") only names
the owner to people. It belongs to the open descriptor: a child process that inherits it keeps the
folder locked until it is gone too, and a second open is refused in the same process as well. The
file itself is never removed: another process could hold a lock on the removed one.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import Self

from blaster.errors import FolderInUse

LOCK_NAME = "lock"
_OWNER_BYTES_MAX = 512


class FolderLock:
    """Held from `FolderLock(folder)` until `close`, or until the process and its heirs are gone."""

    def __init__(self, folder: Path) -> None:
        """Raises FolderInUse, naming the owner, at once if another holds it."""
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # an owner that has not yet written its name reads as nothing
            owner = os.pread(descriptor, _OWNER_BYTES_MAX, 0).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise FolderInUse(
                f"{folder} is in use by process {owner or '(not named yet)'}", owner
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor, to be passed to processes that share the folder; -1 when closed."""
        return self._descriptor

    def close(self) -> None:
        """Let go of it; never unlocks for a process that inherited it. Again is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
