"""The disk refuses calls of history: nothing is lost, whatever is left, and it goes when it can."""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blaster.errors import LogCorrupt, LogError
from blaster.log import History, survey_history
from blaster.log.historyerasing import empty_history
from blaster.log.historymanifest import NAME
from tests.log.disks import WAYS, WeakDisk
from tests.log.support import HastyDisk
from tests.log.test_history import event, made, said
from tests.volume import TRACED

MOVED = 3
"""Entries that are history before, each in a file of its own."""
STRIDE = 5 if TRACED else 1
"""Which calls are refused: each, or on the slow build some."""
LASTING = (1, pytest.param(3, marks=pytest.mark.long), 1 << 30)
"""How many calls are refused, one after another."""
ERASED = (1, 2)
Work = Callable[[History], object]


def who(entry: int) -> tuple[int, int]:
    """The contacts of an entry."""
    return entry, 9


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blaster.log.history.HISTORY_MERGE_FILES", MOVED)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    folder = tmp_path / "before"
    made(folder / "history", *([event(n, *who(n))] for n in range(1, MOVED + 1)))
    return folder


def weak(folder: Path) -> WeakDisk:
    """A disk on which all that is there already is for good."""
    disk = WeakDisk(folder)
    for path in (folder / "history").iterdir():
        disk.seen(disk.name(path))
    return disk


class Refusing:
    """Troubles a disk: so many calls from one on are refused, of those that are about `what`."""

    def __init__(self, first: int, count: int = 1, what: str = "") -> None:
        self.first, self.count, self.what = first, count, what
        self.heard = 0

    def __call__(self, call: int, about: str) -> None:
        if self.what in about:
            self.heard += 1
            if self.first <= self.heard < self.first + self.count:
                raise OSError(errno.EIO, "the disk says no")


def move(history: History) -> None:
    draft = history.begin()
    try:
        draft.put(event(MOVED + 1, *who(MOVED + 1)))
        draft.publish(MOVED + 1, MOVED + 1)
    except BaseException:
        draft.drop()
        raise


def merge(history: History) -> None:
    history.merge()
    history.tidy()


def read_on(history: History) -> None:
    """Somebody reads what is merged meanwhile: his files go with him, if the disk lets them."""
    with history.view():
        history.merge()


def erase(history: History) -> None:
    empty_history(history, np.array(ERASED), lambda: False)


def texts(history: History, *, erased: bool) -> list[str]:
    """All that history must say, up to where it says that it reaches."""
    whole = [(n, contact) for n in range(1, history.sequence + 1) for contact in who(n)]
    return ["" if erased and each in ERASED else f"x {n} {each}" for n, each in whole]


def calls_of(work: Work, before: Path, folder: Path) -> list[int]:
    """Which calls reach the disk in a work, from 1; of the writes of one file only the first."""
    shutil.copytree(before, folder)
    disk = weak(folder)
    history = History(folder / "history", disk=disk)
    opening = disk.calls
    work(history)
    heard = disk.heard[opening:]
    return [n + 1 for n, about in enumerate(heard) if not n or about != heard[n - 1]]


def held(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != NAME}


def names(history: History) -> set[str]:
    return {file.name for file in history.files}


def is_whole(history: History, work: Work) -> bool:
    """Nothing is missing, and of what is not history any more it is known that it is there."""
    found = said(history)
    told = [texts(history, erased=erased) for erased in (False, True)]
    if work is erase:  # file by file
        right = all(text in each for text, *each in zip(found, *told, strict=True))
    else:
        right = found == told[0]
    left = {name for name in held(history.folder) - names(history) if name.endswith("parquet")}
    return right and (history.replaced or not left)


def opens(folder: Path, work: Work, least: int) -> bool:
    """Whether history that is opened there is whole, reaches so far, and has nothing beside it."""
    history = History(folder, disk=HastyDisk())
    seen = survey_history(folder)
    assert seen is not None
    return (
        seen.damaged == ()
        and history.sequence >= least
        and is_whole(history, work)
        and held(folder) == names(history)
    )


@pytest.mark.parametrize("work", [move, merge, read_on, erase])
@pytest.mark.parametrize("count", LASTING)
def test_any_call_is_refused(tmp_path, before, work, count):
    """All is read as before, also by whoever opens it next; and then it goes on.

    With the power lost at some call after the first that was refused, at the end, or not at all.
    """
    dice = random.Random(7)
    for first in calls_of(work, before, tmp_path / "dry")[::STRIDE]:
        folder = tmp_path / f"{first}"
        shutil.copytree(before, folder)
        disk = weak(folder)
        history = History(folder / "history", disk=disk)
        trouble = disk.trouble = Refusing(first, count)
        disk.at = {disk.calls + first + dice.randint(1, 9)}
        disk.tell = lambda history=history: history.sequence
        with contextlib.suppress(OSError):
            work(history)
        assert trouble.heard >= first
        assert is_whole(history, work), disk.heard
        disk.pictures.append(disk.picture())
        for number, picture in enumerate(disk.pictures):
            for way in dice.sample(WAYS, 2):
                copy = tmp_path / f"{first}-{number}-{way}"
                picture.lay_out(copy, way, dice)
                assert opens(copy / "history", work, picture.told), (way, disk.heard)
                shutil.rmtree(copy)
        disk.trouble = lambda call, about: None
        if work is not move or history.sequence == MOVED:
            work(history)
        history.settle()
        history.tidy()
        assert not history.replaced
        assert is_whole(history, work)
        assert held(history.folder) - {f"{NAME}.new"} == names(history)
        assert said(history) == texts(history, erased=work is erase)
        assert opens(history.folder, work, history.sequence), disk.heard
        shutil.rmtree(folder)


def test_a_manifest_that_may_be_there_keeps_its_files(before):
    """Renamed, not synced, and not put back either: until it is certain, both are whole."""
    folder = before / "history"
    disk = weak(before)
    history = History(folder, disk=disk)
    old = names(history)
    disk.trouble = Refusing(2, 1 << 30, "sync folder")
    with pytest.raises(OSError, match="says no"):
        history.merge()
    assert history.replaced
    assert names(history) == old
    (new,) = held(folder) - old
    disk.trouble = lambda call, about: None
    move(history)
    assert new not in names(history)
    assert history.replaced
    history.tidy()
    assert held(folder) == names(history)
    assert max(names(history)) > new  # its number was not given again


def test_a_manifest_that_was_put_back_is_there_for_good_before_files_go(before):
    """It was renamed, and not synced: a crash could still leave the other one."""
    disk = weak(before)
    history = History(before / "history", disk=disk)
    disk.trouble = Refusing(2, 2, "sync folder")
    with pytest.raises(OSError, match="says no"):
        history.merge()
    assert history.replaced
    disk.trouble = lambda call, about: None
    tried = len(disk.heard)
    history.settle()
    history.tidy()
    (new,) = [about for about in disk.heard[:tried] if about.startswith("sync history/2027")]
    assert disk.heard[tried:] == ["sync folder", new.replace("sync", "remove"), "sync folder"]


def test_what_could_not_be_removed_is_known(before):
    """By whoever merges, and by a reader who was the last; it is tried again."""
    folder = before / "history"
    disk = weak(before)
    history = History(folder, disk=disk)
    with history.view() as view:
        merge(history)
        disk.trouble = Refusing(1, what="remove")
    assert history.replaced
    left = held(folder)
    assert left == names(history) | {file.name for file in view.files}
    disk.trouble = Refusing(1, what="sync folder")
    with pytest.raises(OSError, match="says no"):
        history.tidy()
    assert history.replaced  # their names may come back
    history.tidy()
    assert not history.replaced
    assert held(folder) == names(history)


def test_what_opening_cannot_remove_stands_in_nobodys_way(before):
    folder = before / "history"
    disk = weak(before)
    left = folder / f"2027-01-received-{MOVED + 1:06d}.parquet"
    left.write_bytes(b"half")
    disk.trouble = Refusing(1, 1, "remove")
    history = History(folder, disk=disk)
    assert history.replaced
    disk.trouble = Refusing(1, 1 << 30, "remove")
    move(history)
    assert left.read_bytes() == b"half"
    disk.trouble = lambda call, about: None
    history.tidy()
    assert not left.exists()
    assert is_whole(history, move)
    assert history.sequence == MOVED + 1


def test_opening_removes_nothing_before_the_manifest_is_there_for_good(before):
    """The last owner's process may have died before it synced the folder."""
    folder = before / "history"
    disk = weak(before)
    (folder / "2027-01-received-000077.parquet").write_bytes(b"half")
    disk.trouble = Refusing(1, 1, "sync folder")
    with pytest.raises(LogError, match="nothing was changed"):
        History(folder, disk=disk)
    assert "2027-01-received-000077.parquet" in held(folder)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.ENOMEM])
def test_a_manifest_that_the_machine_does_not_let_be_read_is_no_damage(before, monkeypatch, number):
    def refuse(path: Path) -> Any:
        raise OSError(number, "not now")

    folder = before / "history"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(LogError, match=r"cannot be opened now: .*not now") as told:
            History(folder, disk=HastyDisk())
    assert not isinstance(told.value, LogCorrupt)
    assert opens(folder, merge, MOVED)
