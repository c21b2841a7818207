"""Crashes: processes killed while they append, and power lost at every single sync."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from blaster.errors import FolderInUse
from blaster.log.disk import Disk
from blaster.log.embedded import EmbeddedLog
from blaster.log.lock import LOCK_NAME, FolderLock
from tests.log.support import HastyDisk, numbered, same
from tests.log.test_embedded import LARGE, WAIT_S
from tests.log.test_failures import environment

APPENDER = """
import os, sys
from blaster.log.embedded import EmbeddedLog
from tests.log.support import numbered
log = EmbeddedLog.open(sys.argv[1], file_bytes_max=40_000, group_ms=0)
log.on_durable(lambda durable: os.write(1, b"%d\\n" % durable))
os.write(1, b"open\\n")
while True:
    number = log.last + 1
    log.append(numbered(number, 70_000 if number % 17 == 0 else 200), 30)
    if number % 8 == 0:
        log.wait_durable(number, 30)
"""


def size_of(number: int) -> int:
    return 70_000 if number % 17 == 0 else 200


def start(program: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, env=environment()
    )


@pytest.mark.parametrize("reports", [1, 40])
def test_killed_while_appending(tmp_path, reports):
    """Everything that was reported durable is there, whole; and the log goes on. Twice over."""
    floor = 0
    for _ in range(2):
        child = start(APPENDER, tmp_path)
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        for _ in range(reports):
            floor = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split(b"\n")
        child.wait(WAIT_S)
        child.stdout.close()
        floor = max([floor, *(int(line) for line in rest[:-1] if line)])
        with EmbeddedLog.open(tmp_path) as log:
            assert log.last >= floor
            read = list(log.read())
            assert [n for n, _ in read] == list(range(1, log.last + 1))
            assert all(same(entry, numbered(n, size_of(n))) for n, entry in read)
            assert log.append(numbered(log.last + 1, size_of(log.last + 1))) == len(read) + 1
            floor = log.last


def test_a_full_disk_that_takes_no_name_leaves_no_lock(tmp_path, monkeypatch):
    """Whoever tries again when there is room must not find himself in the way."""

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("blaster.log.lock.os.pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            FolderLock(tmp_path)
    FolderLock(tmp_path).close()


def test_the_lock_names_its_owner_and_dies_with_him(tmp_path):
    program = """
import sys
from pathlib import Path
from blaster.log.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(FolderInUse) as caught:
        FolderLock(tmp_path)
    assert caught.value.owner == f"{child.pid} {os.uname().nodename}"
    child.kill()
    child.wait(WAIT_S)
    child.stdin.close()
    child.stdout.close()
    with FolderLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text().startswith(f"{os.getpid()} ")
    with FolderLock(tmp_path) as lock:
        heir = os.dup(lock.fileno())
    with pytest.raises(FolderInUse):  # who inherited the descriptor still holds it
        FolderLock(tmp_path)
    os.close(heir)
    lock = FolderLock(tmp_path)
    lock.close()
    lock.close()


HEIRS = """
import os, subprocess, sys
from pathlib import Path
from blaster.log.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
heir = subprocess.Popen(
    [sys.executable, "-c", "import sys; sys.stdin.read()", *sys.argv[2:]],
    stdin=0, pass_fds=[lock.fileno()],
)
print(heir.pid, flush=True)
os._exit(0)
"""


@contextlib.contextmanager
def orphaned(folder: Path, *words: str) -> Iterator[tuple[int, int, subprocess.Popen[bytes]]]:
    """A lock whose owner is gone: his number, that of what he had started, and its end."""
    gone = subprocess.Popen(
        [sys.executable, "-c", HEIRS, str(folder), *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert gone.stdout is not None
    assert gone.stdin is not None
    heir = int(gone.stdout.readline())
    gone.wait(WAIT_S)
    try:
        yield gone.pid, heir, gone
    finally:
        gone.stdout.close()
        gone.stdin.close()


def test_whoever_comes_next_waits_for_what_a_dead_owner_left_running(tmp_path):
    with orphaned(tmp_path) as (owner, heir, gone):
        held = f"held by process {heir} of process {owner} .*, now gone"
        with pytest.raises(FolderInUse, match=held):
            FolderLock(tmp_path, heirs_s=0.1)  # it is no worker, and so it is left alone
        gone.stdin.close()  # the heir ends
        with FolderLock(tmp_path, heirs_s=WAIT_S) as lock:
            assert lock.fileno() >= 0
            assert lock.waited in (
                "", f"process {heir} of an earlier start ended by itself{lock.waited[-12:]}"
            )  # fmt: skip
    with FolderLock(tmp_path) as lock:
        assert lock.waited == ""


def test_a_worker_that_hangs_is_killed_and_named(tmp_path):
    """It holds the folder of an owner who is gone, and does not end by itself."""
    with orphaned(tmp_path, "blaster.transport.worker") as (_, heir, _):
        os.kill(heir, signal.SIGSTOP)
        with FolderLock(tmp_path, heirs_s=0.1) as lock:
            assert lock.waited.startswith(f"process {heir} of an earlier start hung and was killed")


def test_a_number_that_went_to_another_process_is_no_owner(tmp_path):
    """The owner's number runs again, as somebody who never had the lock."""
    with orphaned(tmp_path) as (_, heir, gone):
        (tmp_path / LOCK_NAME).write_text(f"{os.getppid()} {os.uname().nodename}\n")
        with pytest.raises(FolderInUse, match=f"held by process {heir} "):
            FolderLock(tmp_path, heirs_s=0.1)
        gone.stdin.close()


# --- power loss -------------------------------------------------------------------------------


class Camera(Disk):
    """What a disk holds that loses, with its power, every write that was not yet synced.

    At every sync, just before it takes effect, it takes a picture: the sequence that was durable
    then, the synced content of every file whose name was synced, and the content now of the file
    that is being synced and of those that SQLite does not own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vfs = f"camera-{id(self)}"
        self.log: EmbeddedLog | None = None
        self.names: set[str] = set()
        self.synced: dict[str, bytes] = {}
        self.pictures: list[tuple[int, dict[str, bytes], dict[str, bytes]]] = []
        self.mutex = threading.Lock()
        self.registered = CameraVFS(self)

    def take(self, name: str, content: bytes) -> None:
        with self.mutex:
            durable = self.log.durable if self.log is not None else 0
            held = {name: self.synced[name] for name in self.names & self.synced.keys()}
            loose = {
                path.name: path.read_bytes()
                for path in self.folder.iterdir()
                if path.suffix in (".payload", "") and path.name != LOCK_NAME
            }
            self.pictures.append((durable, held, {**loose, name: content}))
            self.synced[name] = content

    def sync(self, descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.take(name, os.pread(descriptor, os.fstat(descriptor).st_size, 0))

    def sync_folder(self, folder: Path) -> None:
        with self.mutex:
            if folder == self.folder:
                self.names = {path.name for path in folder.iterdir()}


class CameraVFS(apsw.VFS):
    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        super().__init__(str(camera.vfs), "")

    def xOpen(self, name, flags):  # noqa: N802
        return CameraFile(self.camera, name, flags)

    def xDelete(self, name, sync):  # noqa: N802
        super().xDelete(name, sync)
        if sync:
            with self.camera.mutex:
                self.camera.synced.pop(Path(name).name, None)


class CameraFile(apsw.VFSFile):
    def __init__(self, camera: Camera, name, flags) -> None:
        self.camera = camera
        self.name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        self.folder_synced = not self.name.endswith(("-wal", "-journal"))
        super().__init__("", name, flags)

    def xSync(self, flags):  # noqa: N802
        size = self.xFileSize()
        self.camera.take(self.name, self.xRead(size, 0) if size else b"")
        if not self.folder_synced:  # SQLite's own file system does so with the first sync of these
            self.folder_synced = True
            self.camera.sync_folder(self.camera.folder)


def lay_out(folder: Path, content: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)


def torn(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Some sectors of a write reached the disk, some did not."""
    sectors = [
        (new if chance.random() < 0.5 else old)[at : at + 512] or new[at : at + 512]
        for at in range(0, len(new), 512)
    ]
    return b"".join(sectors)


def test_power_lost_at_every_sync(tmp_path):
    """Dropped, half written or all written: what was durable is there, whole, and goes on."""
    folder = tmp_path / "log"
    camera = Camera(folder)
    log = EmbeddedLog.open(folder, disk=camera, file_bytes_max=9000, group_ms=0)
    camera.log = log
    for number in range(1, 12):
        sequence = log.append(numbered(number, LARGE if number % 5 == 0 else 3000))
        assert log.wait_durable(sequence, WAIT_S)
        if number == 2:
            log._chain._keeper.put(log._chain._newest.checkpoint)
    assert len(log._chain.files) >= 3
    log.close()
    assert len(camera.pictures) > 30
    chance = random.Random(3)
    for index, (durable, held, now) in enumerate(camera.pictures):
        half = {name: torn(held.get(name, b""), data, chance) for name, data in now.items()}
        for way, content in (("lost", {}), ("half", half), ("kept", now)):
            copy = tmp_path / f"{index}-{way}"
            lay_out(copy, held | content)
            with EmbeddedLog.open(copy, disk=HastyDisk()) as after:
                assert after.last >= durable, (index, way)
                read = list(after.read())
                assert [n for n, _ in read] == list(range(1, after.last + 1))
                for number, entry in read:
                    assert same(entry, numbered(number, LARGE if number % 5 == 0 else 3000))
                assert after.wait_durable(after.append(numbered(0)), WAIT_S)
