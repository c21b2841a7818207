"""One owner per data folder: a lock held by an open descriptor, which no crash can leave behind.

The lock is the kernel's `flock` on the file `lock`; the text in the file ("PID HOST") only names
the owner to people. It belongs to the open descriptor: a child process that inherits it keeps the
folder locked until it is gone too, and a second open is refused in the same process as well. The
file itself is never removed: another process could hold a lock on the removed one.

An owner that is gone may leave heirs, transport workers that finish what is on the wire. They end
by themselves within WORKER_ORPHAN_S, so whoever opens the folder next waits for them. One that has
not ended after HEIRS_S hangs, and is killed: what it had on the wire is in doubt, and its ring says
so. Laws: no process is killed but a transport worker that holds this very lock and whose owner is
gone; whoever was waited for is named in `waited`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from blaster.errors import FolderInUse
from blaster.limits import HEIRS_S

LOCK_NAME = "lock"
WORKER = b"blaster.transport.worker"
_OWNER_BYTES_MAX = 512
_LOOK_S = 0.05
_KILL_S = 2.0
"""How long a killed heir may take to be gone."""


class FolderLock:
    """Held from `FolderLock(folder)` until `close`, or until the process and its heirs are gone.

    `waited`: who had to end first, in words; "" when nobody had.
    """

    def __init__(self, folder: Path, *, heirs_s: float = HEIRS_S) -> None:
        """Raises FolderInUse, naming the owner, at once if another holds it.

        When the owner is gone and its heirs hold it, they have `heirs_s` seconds; then those that
        are workers are killed, and for any other the folder is refused.
        """
        self.waited = ""
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._acquire(descriptor, folder, heirs_s)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)  # a full disk may refuse the name: nobody is to hold it then
            raise
        self._descriptor = descriptor

    def _acquire(self, descriptor: int, folder: Path, heirs_s: float) -> None:
        began = time.monotonic()
        deadline = began + heirs_s
        heirs: list[int] = []
        killed: list[int] = []
        while not _taken(descriptor):
            # an owner that has not yet written its name reads as nothing
            owner = os.pread(descriptor, _OWNER_BYTES_MAX, 0).decode("utf-8", "replace").strip()
            if not _is_gone(owner, descriptor):
                text = f"{folder} is in use by process {owner or '(not named yet)'}"
                raise FolderInUse(text, owner)
            heirs = heirs or list(_holders(descriptor))
            if time.monotonic() >= deadline:
                if not killed:
                    killed = [pid for pid in _holders(descriptor) if _kill(pid, descriptor)]
                    deadline += _KILL_S if killed else 0.0
                if time.monotonic() >= deadline:
                    left = _names(list(_holders(descriptor)))
                    text = f"{folder} is still held by {left} of process {owner}, now gone"
                    raise FolderInUse(text, owner)
            time.sleep(_LOOK_S)
        if heirs:
            ending = "hung and was killed" if killed else "ended by itself"
            self.waited = (
                f"{_names(killed or heirs)} of an earlier start {ending}"
                f" after {time.monotonic() - began:.1f} s"
            )

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


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_gone(owner: str, descriptor: int) -> bool:
    """Whether "PID HOST" names a process of this machine that no longer runs.

    One that runs and does not have the lock open is another, which got the number later.
    """
    pid, _, host = owner.partition(" ")
    if not pid.isdigit() or host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
        return not _holds(int(pid), descriptor)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False


def _holds(pid: int, descriptor: int) -> bool:
    """Whether a process has the lock's file open. Raises PermissionError, ProcessLookupError."""
    mine = os.fstat(descriptor)
    try:
        found = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    for link in found:
        with contextlib.suppress(OSError):  # it was closed meanwhile
            there = link.stat()
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return True
    return False


def _holders(descriptor: int) -> Iterator[int]:
    """The other processes that have the lock's file open, as far as we may look."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if _holds(int(entry.name), descriptor):
                    yield int(entry.name)


def _kill(pid: int, descriptor: int) -> bool:
    """Whether it was a worker that holds the lock, and so was killed; never one that came later."""
    with contextlib.suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if WORKER in words and _holds(pid, descriptor):
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return True
        finally:
            os.close(process)
    return False


def _names(pids: list[int]) -> str:
    several = "processes" if len(pids) > 1 else "process"
    return f"{several} {', '.join(map(str, pids)) or '(not to be found)'}"
