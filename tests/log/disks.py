"""A disk in front of the real one that remembers what was synced, and fails when it is told to.

Every call by which a log and its snapshots reach the disk goes through it, SQLite's by a file
system of its own. Files are named by their paths below the disk's folder.
What was written and not synced is known write by write, so that a picture of the disk can be laid
out as a loss of power might have left it: such writes dropped, torn, or done out of order, and
names made or removed since the folder's last sync there or not.

A sync that fails takes what it was for with it (the kernel calls those pages clean): a later sync
that succeeds does not bring them to the disk, though reading still shows them.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import apsw

from blaster.log.disk import Disk
from blaster.log.lock import LOCK_NAME

Way = Literal["lost", "kept", "torn", "reordered"]
WAYS: tuple[Way, ...] = ("lost", "torn", "reordered", "kept")
SECTOR = 512
PASSING = ("lock", "-shm")
"""Files that mean nothing after a loss of power, by the end of their names."""


@dataclass
class Image:
    """A file: what is on the disk, and the writes since, each (offset, bytes) or (size, None)."""

    synced: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        for write in self.waiting:
            apply(self.synced, write)
        self.waiting = []


def apply(content: bytearray, write: tuple[int, bytes | None]) -> None:
    at, data = write
    if data is None:
        if at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


Content = tuple[bytes, list[tuple[int, bytes | None]]]
"""What is on the disk of a file, and the writes since."""


@dataclass
class Picture:
    """The disk at one instant; `told` is what the test had noted by then.

    `names`: by name the file that has it now, and the one that had it at the folder's last sync.
    """

    call: int
    about: str
    told: Any
    names: dict[str, tuple[Content | None, Content | None]]

    def lay_out(self, folder: Path, way: Way, dice: random.Random) -> None:
        """Writes the folder as a loss of power at this instant may have left it."""
        folder.mkdir(parents=True)
        for name, (now, before) in sorted(self.names.items()):
            chosen = {"lost": before, "kept": now}.get(way, dice.choice((now, before)))
            if chosen is not None:
                content = bytearray(chosen[0])
                for write in surviving(chosen[1], way, dice):
                    apply(content, write)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)


def surviving(
    waiting: list[tuple[int, bytes | None]], way: Way, dice: random.Random
) -> list[tuple[int, bytes | None]]:
    """Which of the writes that nobody synced reached the disk all the same."""
    match way:
        case "lost":
            return []
        case "kept":
            return waiting
        case "reordered":
            return [write for write in waiting if dice.random() < 0.5]
    done = waiting[: dice.randint(0, len(waiting))]
    if len(done) < len(waiting):
        at, data = waiting[len(done)]
        if data is not None:
            done = done + torn(at, data, dice)
    return done


def torn(at: int, data: bytes, dice: random.Random) -> list[tuple[int, bytes | None]]:
    """Some sectors of a write, or of a short one some bytes."""
    size = SECTOR if len(data) > SECTOR else max(1, len(data) // 4)
    parts = [(at + n, data[n : n + size]) for n in range(0, len(data), size)]
    return [part for part in parts if dice.random() < 0.5]


class WeakDisk(Disk):
    """A disk whose every call is counted, may be refused, and may be the last before a power cut.

    `trouble(call, about)` is asked before each call and raises what that shall fail with; `about`
    is the call and the file's name. `at` names the calls at which a picture is taken, before they
    take effect; `tell()` is what stands in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vfs = f"weak-{id(self)}"
        self.calls = 0
        self.heard: list[str] = []
        self.trouble: Callable[[int, str], None] = lambda call, about: None
        self.at: set[int] = set()
        self.tell: Callable[[], Any] = lambda: None
        self.pictures: list[Picture] = []
        self.mutex = threading.RLock()
        self._now: dict[str, Image] = {}
        self._before: dict[str, Image] = {}
        self._open: dict[int, str] = {}
        self._vfs = _WeakVFS(self)

    # --- what every call goes through -------------------------------------------------------------

    def _count(self, call: str, name: str) -> None:
        """Before a call; under the mutex."""
        about = f"{call} {name}"
        self.calls += 1
        self.heard.append(about)
        if self.calls in self.at:
            self.pictures.append(self.picture(about))
        self.trouble(self.calls, about)

    def picture(self, about: str = "") -> Picture:
        with self.mutex:
            names = {
                name: (_content(self._now.get(name)), _content(self._before.get(name)))
                for name in self._now.keys() | self._before.keys()
                if not name.endswith(PASSING)
            }
            return Picture(self.calls, about, self.tell(), names)

    def image(self, name: str) -> Image:
        image = self._now.get(name)
        if image is None:
            path = self.folder / name
            image = Image(bytearray(path.read_bytes()) if path.exists() else bytearray())
            self._now[name] = image
        return image

    def seen(self, name: str) -> None:
        """A file that was there before this disk was, and so is on it."""
        if name not in self._now and (self.folder / name).exists():
            self._before[name] = self.image(name)

    def forget(self, name: str) -> None:
        self._now.pop(name, None)

    def name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def sync_names(self, folder: str) -> None:
        """The names in one folder, and not in those below it."""
        for name in self._now.keys() | self._before.keys():
            if Path(name).parent.as_posix() == folder:
                image = self._now.get(name)
                if image is None:
                    del self._before[name]
                else:
                    self._before[name] = image

    def sync_image(self, call: str, name: str) -> None:
        """Under the mutex."""
        try:
            self._count(call, name)
        except BaseException:
            self.image(name).waiting = []  # called clean, and never on the disk
            raise
        self.image(name).sync()

    # --- the door ---------------------------------------------------------------------------------

    def open(self, path: Path, *, create: bool = True) -> int:
        with self.mutex:
            name = self.name(path)
            self.seen(name)
            self._count("open", name)
            descriptor = super().open(path, create=create)
            self.image(name)
            self._open[descriptor] = name
            return descriptor

    def close(self, descriptor: int) -> None:
        with self.mutex:
            self._open.pop(descriptor, None)
            super().close(descriptor)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        with self.mutex:
            name = self._open[descriptor]
            self._count("write", name)
            super().write(descriptor, data, offset)
            self.image(name).waiting.append((offset, bytes(data)))

    def truncate(self, descriptor: int, size: int) -> None:
        with self.mutex:
            name = self._open[descriptor]
            self._count("truncate", name)
            super().truncate(descriptor, size)
            self.image(name).waiting.append((size, None))

    def sync(self, descriptor: int) -> None:
        with self.mutex:
            self.sync_image("sync", self._open[descriptor])

    def sync_folder(self, folder: Path) -> None:
        with self.mutex:
            if folder.is_relative_to(self.folder):
                self._count("sync", "folder")
                self.sync_names(self.name(folder))

    def rename(self, source: Path, target: Path) -> None:
        with self.mutex:
            self.seen(self.name(source))
            self._count("rename", self.name(target))
            super().rename(source, target)
            self._now[self.name(target)] = self._now.pop(self.name(source))

    def remove(self, path: Path) -> None:
        with self.mutex:
            if path.exists():
                self.seen(self.name(path))
                self._count("remove", self.name(path))
            super().remove(path)
            self.forget(self.name(path))


def _content(image: Image | None) -> Content | None:
    return None if image is None else (bytes(image.synced), list(image.waiting))


class _WeakVFS(apsw.VFS):
    """SQLite's way to a WeakDisk."""

    def __init__(self, disk: WeakDisk) -> None:
        self._disk = disk
        super().__init__(str(disk.vfs), "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _WeakFile(self._disk, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802
        disk = self._disk
        with disk.mutex:
            short = disk.name(Path(name))
            if os.path.exists(name):  # noqa: PTH110 - a text that SQLite gave
                disk._count("remove", short)
            super().xDelete(name, sync)
            disk.forget(short)
            if sync:
                disk.sync_names(Path(short).parent.as_posix())


class _WeakFile(apsw.VFSFile):
    def __init__(self, disk: WeakDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = disk.name(Path(text))
        # SQLite's own file system syncs the folder with the first sync of a file of this kind.
        self._names_too = self._name.endswith(("-wal", "-journal"))
        with disk.mutex:
            disk.seen(self._name)
            disk._count("open", self._name)
            super().__init__("", name, flags)
            disk.image(self._name)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        with self._disk.mutex:
            self._disk._count("write", self._name)
            super().xWrite(data, offset)
            self._disk.image(self._name).waiting.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        with self._disk.mutex:
            self._disk._count("truncate", self._name)
            super().xTruncate(size)
            self._disk.image(self._name).waiting.append((size, None))

    def xSync(self, flags: int) -> None:  # noqa: N802
        with self._disk.mutex:
            self._disk.sync_image("sync", self._name)
            if self._names_too:
                self._names_too = False
                self._disk.sync_names(Path(self._name).parent.as_posix())


assert LOCK_NAME in PASSING
