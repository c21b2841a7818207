"""A disk that fails at one of its calls, whichever it is: a clear end, nothing acknowledged lost.

The engine stops with the cause in every answer, closes, and opens again from its log. A sync that
failed is never taken for one that came about: power is lost after the engine has closed, and once
more after it went on, and whatever was acknowledged by then is there.
"""

from __future__ import annotations

import errno
import random
from pathlib import Path

import apsw
import pytest

from blaster.errors import EngineClosed, LogError
from blaster.log import EmbeddedLog, is_full
from blaster.model.definitions import Workspace
from tests.log.disks import WeakDisk
from tests.log.support import HastyDisk
from tests.sim.durable import LOG, World, causes, frames_of, quietly, recovered, sound
from tests.sim.test_power_loss import payloads, space

__all__ = ["payloads", "space"]  # fixtures

pytestmark = pytest.mark.filterwarnings(
    # apsw says so of a file that fails while SQLite closes it, where there is nobody to be told
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

TURNS = 4
FULL, BROKEN = "full", "broken"


class Trouble:
    """Refuses one call, or every one from there on until it is mended."""

    def __init__(self, call: int, kind: str, *, stays: bool) -> None:
        self.call = call
        self.kind = kind
        self.stays = stays
        self.mended = False
        self.about = ""

    def __call__(self, call: int, about: str) -> None:
        due = call >= self.call if self.stays else call == self.call
        if self.mended or not due:
            return
        self.about = self.about or about
        word, _, name = about.partition(" ")
        full = self.kind == FULL and word != "sync"
        if ".sqlite" in name:
            raise apsw.FullError("disk is full") if full else apsw.IOError("disk I/O error")
        raise OSError(errno.ENOSPC if full else errno.EIO, "the disk says no")

    def caused(self, error: BaseException | None) -> bool:
        """SQLite does not say why it stays in a journal mode."""
        return any(
            isinstance(each, apsw.Error | OSError) or "stays in journal mode" in str(each)
            for each in causes(error)
        )


def play(world: World) -> None:
    world.open()
    world.begin()
    world.play(TURNS)


def fail_at(tmp_path: Path, space: Workspace, call: int, kind: str, *, stays: bool) -> str:
    """What was refused; "" when the world had ended before that call."""
    folder = tmp_path / f"{call}-{kind}-{stays}"
    trouble = Trouble(call, kind, stays=stays)
    disk = WeakDisk(folder / "data")
    disk.trouble = trouble
    world = World(folder, space, 3, disk)
    error = quietly(lambda: play(world))
    if world.thread is not None and world.thread.failure is not None:
        stopped(world, trouble)
    else:
        assert error is None or (isinstance(error, LogError | OSError) and trouble.caused(error))
    if stays:
        again = World(folder, space, 3, disk)
        assert quietly(again.open) is None or again.thread is None or not again.thread.failure
        quietly(again.close)
    quietly(world.close)
    trouble.mended = True
    told = world.told()
    lost = kept_after_power_loss(tmp_path / f"{folder.name}-lost", disk, told.acknowledged)
    go_on(tmp_path, world, disk, lost)
    return trouble.about


def stopped(world: World, trouble: Trouble) -> None:
    """It says why, to whoever waits and to whoever comes; a full disk can be told from others."""
    failure = world.thread.failure
    assert trouble.caused(failure), failure
    assert is_full(failure) == any(
        isinstance(each, apsw.FullError)
        or (isinstance(each, OSError) and each.errno == errno.ENOSPC)
        for each in causes(failure)
    )
    with pytest.raises(EngineClosed, match="the engine stopped: ") as caught:
        world.act()
    assert failure in causes(caught.value)
    for future in world.futures:
        error = future.exception(20)
        assert error is None or isinstance(error, EngineClosed | LogError), error


def kept_after_power_loss(folder: Path, disk: WeakDisk, acknowledged: int) -> list[bytes]:
    """What is left when the power goes now: everything acknowledged, at least."""
    disk.picture().lay_out(folder / "data", "lost", random.Random(0))
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk(), free_bytes_min=0) as log:
        assert log.last >= acknowledged
        frames = frames_of(log)
        recovered(folder, log)
    return frames


def go_on(tmp_path: Path, world: World, disk: WeakDisk, lost: list[bytes]) -> None:
    """Opened again on the same disk, which is well again: nothing is missing, and it works."""
    again = World(world.folder, world.space, 4, disk)
    again.system = world.system
    again.system.run(1)
    again.open()
    try:
        frames = frames_of(again.log)
        assert len(frames) >= world.acknowledged
        assert frames[: len(lost)] == lost
        if frames:
            again.play(1)
            sound(again.thread._machine)
        name = f"{world.folder.name}-again"
        kept_after_power_loss(tmp_path / name, disk, max(again.acknowledged, len(frames)))
    finally:
        again.close()


def calls(tmp_path: Path, space: Workspace) -> int:
    folder = tmp_path / "well"
    disk = WeakDisk(folder / "data")
    world = World(folder, space, 3, disk)
    play(world)
    world.close()
    heard = {about.split()[0] for about in disk.heard}
    assert {"open", "write", "sync", "rename", "truncate", "remove"} <= heard
    return disk.calls


def one(tmp_path: Path, space: Workspace, call: int, kind: str, *, stays: bool) -> str:
    try:
        return fail_at(tmp_path, space, call, kind, stays=stays)
    except BaseException:
        print(f"call {call}, {kind}, stays: {stays}")
        raise


def test_a_disk_that_fails_at_some_call(tmp_path: Path, space: Workspace) -> None:
    """Some calls from the first to the last, each kind of trouble in turn."""
    most = calls(tmp_path, space)
    refused = {
        one(tmp_path, space, 1 + number * most // 6, (FULL, BROKEN)[number % 2], stays=stays)
        for number, stays in enumerate([False, False, True] * 2)
    }
    assert len(refused) > 2, refused


@pytest.mark.long
@pytest.mark.parametrize("kind", [FULL, BROKEN])
@pytest.mark.parametrize("stays", [False, True])
def test_a_disk_that_fails_at_each_call(
    tmp_path: Path, space: Workspace, kind: str, stays: bool
) -> None:
    most = calls(tmp_path, space)
    for call in range(1, most + 1):
        one(tmp_path, space, call, kind, stays=stays)
