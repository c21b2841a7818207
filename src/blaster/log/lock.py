"""One owner per data folder: a lock held by an open descriptor, which no crash can leave behind.

The lock is the kernel's `flock` on the file `lock`; the text in the file ("PID HOST") only names
the owner to people. It belongs to the open descriptor: a child process that inherits it keeps the
folder locked until it is gone too, and a second open is refused in the same process as well. The
file itself is never removed: another process could hold a lock on the removed one.

An owner that is gone may leave heirs, transport workers that finish what is on the wire. They end
by themselves within WORKER_STOP_S, so whoever opens the folder next waits for them.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import Self

from blaster.errors import FolderInUse
from blaster.limits import WORKER_STOP_S

LOCK_NAME = "lock"
_OWNER_BYTES_MAX = 512
_LOOK_S = 0.05


class FolderLock:
    """Held from `FolderLock(folder)` until `close`, or until the process and its heirs are gone."""

    def __init__(self, folder: Path, *, heirs_s: float = WORKER_STOP_S + 4) -> None:
        """Raises FolderInUse, naming the owner, at once if another holds it.

        When the owner is gone and its heirs hold it, only after `heirs_s` seconds of waiting.
        """
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._acquire(descriptor, folder, heirs_s)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        self._descriptor = descriptor

    @staticmethod
    def _acquire(descriptor: int, folder: Path, heirs_s: float) -> None:
        deadline = time.monotonic() + heirs_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return
            # an owner that has not yet written its name reads as nothing
            owner = os.pread(descriptor, _OWNER_BYTES_MAX, 0).decode("utf-8", "replace").strip()
            if not _is_gone(owner):
                text = f"{folder} is in use by process {owner or '(not named yet)'}"
                raise FolderInUse(text, owner)
            if time.monotonic() >= deadline:
                text = f"{folder} is still held by what process {owner}, now gone, had started"
                raise FolderInUse(text, owner)
            time.sleep(_LOOK_S)

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


def _is_gone(owner: str) -> bool:
    """Whether "PID HOST" names a process of this machine that no longer runs."""
    pid, _, host = owner.partition(" ")
    if not pid.isdigit() or host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
