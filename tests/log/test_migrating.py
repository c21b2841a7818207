"""An older layout becomes the present one, with a copy beside; whatever comes in between.

The older layout is made up: in it the mark is called `witness` and the names of log files have no
zeros in front. Its step renames them one by one and rewrites a part of a file, so that a folder
half way is of neither layout.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from blaster.errors import LogError, LogVersionError
from blaster.log import examine
from blaster.log.disk import Disk
from blaster.log.embedded import EmbeddedLog
from blaster.log.layout import FORMAT, FORMAT_NAME
from blaster.log.migrating import STEPS, Step
from tests.log.support import HastyDisk
from tests.log.test_embedded import check, fill
from tests.log.test_layout import line

ENTRIES = 9
OLDER = FORMAT - 1
NOTE = "note"


def to_present(folder: Path, disk: Disk) -> None:
    """The made-up step."""
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(r"(\d+)(\..+)", path.name)
        if match:
            disk.rename(path, folder / f"{int(match[1]):06d}{match[2]}")
    disk.rename(folder / "witness", folder / "mark")
    descriptor = disk.open(folder.parent / "beside" / NOTE)
    try:
        disk.write(descriptor, b"new", 0)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)
    disk.sync_folder(folder)


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the made-up layout, and a step that leads away from it."""
    folder = tmp_path / "data" / "log"
    with EmbeddedLog.open(folder, disk=HastyDisk(), file_bytes_max=60) as log:
        for _ in range(ENTRIES):  # one group each, so that there are several files
            fill(log, 1)
            assert log.wait_durable(log.last)
    assert len(list(folder.glob("*.sqlite"))) > 3
    for path in folder.iterdir():
        path.rename(folder / path.name.lstrip("0"))
    (folder / "mark").rename(folder / "witness")
    (folder / FORMAT_NAME).write_bytes(line(b"blaster %d" % OLDER))
    (folder.parent / "beside").mkdir()
    (folder.parent / "beside" / NOTE).write_bytes(b"old and longer")
    monkeypatch.setitem(STEPS, OLDER, Step(to_present, (".", "../beside")))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "lock" and p.is_file()}


def migrated(folder: Path, before: dict[str, bytes]) -> None:
    """Opened by this release: its entries, its version, and the copy of what there was."""
    with EmbeddedLog.open(folder, disk=HastyDisk()) as log:
        check(log, ENTRIES)
        fill(log, 1)
    assert (folder / FORMAT_NAME).read_bytes() == line(b"blaster %d" % FORMAT)
    assert (folder.parent / "beside" / NOTE).read_bytes() == b"new and longer"
    copy = folder.with_name(f"log.format-{OLDER}")
    assert content(copy / "log") == before
    assert content(copy / "beside") == {NOTE: b"old and longer"}
    assert not copy.with_name(f"{copy.name}.new").exists()


def test_an_older_folder_is_migrated_with_a_copy(older: Path) -> None:
    migrated(older, content(older))
    with EmbeddedLog.open(older, disk=HastyDisk()) as log:
        check(log, ENTRIES + 1)


def test_the_copy_opens_like_the_folder_did(older: Path, tmp_path: Path) -> None:
    before = content(older)
    migrated(older, before)
    again = tmp_path / "again" / "log"
    shutil.copytree(older.with_name(f"log.format-{OLDER}") / "log", again)
    shutil.copytree(older.with_name(f"log.format-{OLDER}") / "beside", again.parent / "beside")
    migrated(again, before)


class Stops(HastyDisk):
    """Ends at one of its calls."""

    def __init__(self, stop: int) -> None:
        self.left = stop
        self.stopped = ""

    def _count(self, call: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.stopped = call
            raise OSError(5, "Input/output error")

    def write(self, descriptor, data, offset) -> None:
        self._count("write")
        super().write(descriptor, data, offset)

    def sync(self, descriptor) -> None:
        self._count("sync")

    def rename(self, source, target) -> None:
        self._count("rename")
        super().rename(source, target)

    def remove(self, path) -> None:
        self._count("remove")
        super().remove(path)


def stopped_at(older: Path, base: Path, stops: range) -> set[str]:
    """Stopped at each of these calls, and once more on the way back; which calls that were."""
    before = content(older)
    calls = set()
    for stop in stops:
        folder = base / f"{stop}" / "log"
        shutil.copytree(older.parent, folder.parent)
        disks = Stops(stop), Stops(1 + stop % 9)
        for disk in disks:
            try:
                EmbeddedLog.open(folder, disk=disk).close()
            except LogError:
                calls.add(disk.stopped)
        migrated(folder, before)
        shutil.rmtree(folder.parent)
        if not disks[0].stopped:
            return calls
    raise AssertionError("it has more calls")


def test_stopped_at_some_calls_it_begins_again(older: Path, tmp_path: Path) -> None:
    assert stopped_at(older, tmp_path, range(1, 400, 5)) >= {"write", "sync", "rename"}


@pytest.mark.long
def test_stopped_at_every_call_it_begins_again(older: Path, tmp_path: Path) -> None:
    calls = stopped_at(older, tmp_path, range(1, 400))
    assert calls >= {"write", "sync", "rename", "remove"}


def test_no_room_for_the_copy(older: Path) -> None:
    class Full(HastyDisk):
        def free_bytes(self, folder: Path) -> int:
            return 1_000

    before = content(older)
    with pytest.raises(LogError, match=r"is copied before .* that takes .* 1,000 are"):
        EmbeddedLog.open(older, disk=Full())
    assert content(older) == before
    assert sorted(path.name for path in older.parent.iterdir()) == ["beside", "log"]


def test_a_version_that_no_step_begins_with(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(STEPS, OLDER)
    before = content(older)
    with pytest.raises(LogVersionError, match="cannot migrate") as caught:
        EmbeddedLog.open(older)
    assert caught.value.version == OLDER
    assert content(older) == before


def test_whoever_only_looks_migrates_nothing(older: Path) -> None:
    before = content(older)
    with pytest.raises(LogVersionError, match="opening it migrates it"):
        examine(older)
    assert content(older) == before
