"""Recovery: the newest whole snapshot and the log's tail; damage is named, never a wrong state."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from blaster.core import Replay
from blaster.engine import recovery as module
from blaster.engine.machine import Machine
from blaster.engine.recovery import Recovered, recover
from blaster.engine.snapshotting import Snapshotter
from blaster.errors import LogError, LogVersionError, SnapshotCorrupt
from blaster.log import EmbeddedLog, Snapshots, survey
from blaster.log.manifest import encode_manifest
from blaster.log.segments import PIECE
from blaster.model.records import Joined
from tests.engine.support import START, FakeClock, drain, people, published, workspace
from tests.log.support import HastyDisk
from tests.volume import cases


class Account:
    """A folder with its log and its snapshots, opened again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()

    def open(self, **options: Any) -> EmbeddedLog:
        return EmbeddedLog.open(self.folder / "log", disk=HastyDisk(), group_ms=0, **options)

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.folder / "snapshots", disk=HastyDisk())

    def recover(self, log: EmbeddedLog) -> Recovered:
        return recover(log, self.snapshots)

    def digest(self) -> tuple[str, Recovered]:
        """What the folder comes to now, and how."""
        with self.open() as log:
            found = self.recover(log)
            return found.machine.state.digest(), found

    def copy(self, to: Path) -> Account:
        shutil.copytree(self.folder, to)
        return Account(to)


def live(machine: Machine, first: int) -> None:
    """Some more people, who enter a journey."""
    machine.accept(START + first, (people(first, 5),))
    contacts = np.arange(first, first + 5, dtype=np.int64)
    machine.accept(START + first, (Joined("club", contacts, False, "test"),))
    drain(machine, START + first)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Account, str]:
    """Two snapshots and a tail; and the digest of all of it."""
    folder = tmp_path_factory.mktemp("lived")
    account = Account(folder)
    with account.open(file_bytes_max=1500) as log:
        found = account.recover(log)
        machine = found.machine
        snapshotter = Snapshotter(account.snapshots, found, log, account.clock)
        machine.accept(START, (published(workspace(folder / "workspace")),))
        for first in (0, 5):
            live(machine, first)
            snapshotter.begin(machine)
            snapshotter.wait()
        live(machine, 10)
        digest = machine.state.digest()
    assert account.snapshots.numbers() == [2, 1]
    return account, digest


def test_the_newest_snapshot_and_what_came_after(lived, monkeypatch):
    account, digest = lived
    applied: list[int] = []

    class Counted(Replay):
        def apply(self, entry):
            applied.append(entry.at)
            super().apply(entry)

    monkeypatch.setattr(module, "Replay", Counted)
    again, found = account.digest()
    assert again == digest
    assert found.manifest is not None
    assert found.manifest.number == 2
    assert found.said == []
    assert set(applied) == {START + 10}


def test_without_a_snapshot_the_whole_log(lived, tmp_path):
    account, digest = lived
    other = account.copy(tmp_path / "other")
    shutil.rmtree(other.folder / "snapshots")
    again, found = other.digest()
    assert (again, found.manifest) == (digest, None)


def damage(path: Path, way: str, at: int) -> None:
    data = bytearray(path.read_bytes())
    if way == "missing":
        path.unlink()
    elif way == "cut":
        path.write_bytes(data[:at])
    else:
        data[at] ^= 1 << at % 8
        path.write_bytes(data)


def check_damage(account: Account, digest: str, path: Path, way: str, at: int) -> None:
    """Found, named, set aside; the older one, or the log; and the same state in the end."""
    whole = path.read_bytes()
    about = (path.name, way, at)
    damage(path, way, at)
    again, found = account.digest()
    assert again == digest, about
    used = found.manifest.number if found.manifest else 0
    for number in range(used + 1, 3):
        manifest = account.folder / "snapshots" / f"{number:06d}.manifest"
        if way != "missing" or path != manifest:
            assert any(f"snapshot {number} is damaged" in said for said in found.said), about
            assert manifest.with_name(f"{manifest.name}.damaged").exists(), about
            manifest.with_name(f"{manifest.name}.damaged").rename(manifest)
        assert not (used == 2 and found.said), about
    path.write_bytes(whole)


def damages(account: Account, step: int) -> Iterator[tuple[Path, str, int]]:
    for path in sorted((account.folder / "snapshots").iterdir()):
        size = path.stat().st_size
        yield path, "missing", 0
        for at in range(0, size, max(1, size // step)):
            yield path, "flip", at
            yield path, "cut", at


def test_damage_anywhere_is_found(lived, tmp_path):
    account, digest = lived
    other = account.copy(tmp_path / "other")
    for path, way, at in list(damages(other, cases(6))):
        check_damage(other, digest, path, way, at)
    again, found = other.digest()
    assert (again, found.said) == (digest, [])


@pytest.mark.long
def test_damage_everywhere_is_found(lived, tmp_path):
    account, digest = lived
    other = account.copy(tmp_path / "other")
    for path, way, at in list(damages(other, 400)):
        check_damage(other, digest, path, way, at)


def test_a_trimmed_log_needs_its_snapshot(lived, tmp_path):
    account, digest = lived
    other = account.copy(tmp_path / "other")
    second = other.snapshots.load(2)
    with other.open() as log:
        log.trim(second.sequence + 1)
        assert 1 < log.first <= second.sequence + 1
        first = log.first
    again, found = other.digest()
    assert again == digest
    assert found.manifest is not None
    damage(other.folder / "snapshots" / "000002.manifest", "flip", 50)
    damage(other.folder / "snapshots" / "000001.manifest", "missing", 0)
    with pytest.raises(LogError) as caught:
        other.digest()
    said = str(caught.value)
    assert f"the log begins at entry {first}" in said
    assert "snapshot 2 is damaged" in said
    assert "Put data/snapshots back" in said
    assert (other.folder / "snapshots" / "000002.manifest").exists()


@pytest.fixture
def resting(lived, tmp_path) -> tuple[Account, str, Path, int]:
    """Two snapshots with a little between them, and the place of a piece that both name."""
    account, _ = lived
    other = account.copy(tmp_path / "other")
    with other.open(file_bytes_max=1500) as log:
        found = other.recover(log)
        snapshotter = Snapshotter(other.snapshots, found, log, other.clock)
        for leaves in (False, True):
            if leaves:
                who = np.arange(1, dtype=np.int64)
                found.machine.accept(START + 20, (Joined("club", who, True, "test"),))
                drain(found.machine, START + 20)
            snapshotter.begin(found.machine)
            snapshotter.wait()
        digest = found.machine.state.digest()
    assert other.snapshots.numbers() == [4, 3]
    places = [set(other.snapshots.load(number).places.tolist()) for number in (3, 4)]
    segment, _, offset, _ = min(place for place in places[0] & places[1] if place[0])
    path = other.folder / "snapshots" / f"{segment:06d}.segment"
    return other, digest, path, offset + PIECE.size


def test_a_piece_that_both_snapshots_rest_on(resting):
    """One bit damages both: the log has all of it, as long as it was not trimmed."""
    account, digest, segment, at = resting
    damage(segment, "flip", at)
    again, found = account.digest()
    assert (again, found.manifest) == (digest, None)
    assert [said.partition(":")[0] for said in found.said] == [
        f"snapshot {number} is damaged and was set aside" for number in (4, 3)
    ]
    assert all(segment.name in said for said in found.said)


def test_and_a_trimmed_log_is_refused_then(resting):
    """What is missing is named, and nothing is changed: with the piece put back it opens."""
    account, digest, segment, at = resting
    with account.open() as log:
        log.trim(account.snapshots.load(3).sequence + 1)
        first = log.first
    assert first > 1
    damage(segment, "flip", at)
    with pytest.raises(LogError) as caught:
        account.digest()
    said = str(caught.value)
    assert f"the log begins at entry {first}, and entries 1 to {first - 1} are in no whole" in said
    assert said.count(segment.name) == 2
    assert account.snapshots.numbers() == [4, 3]
    damage(segment, "flip", at)
    assert account.digest()[0] == digest


KEPT_FROM = {
    "os.open": OSError(errno.EMFILE, "Too many open files"),
    "os.pread": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "os.preadv": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "pathlib.Path.read_bytes": OSError(errno.EACCES, "Permission denied"),
    "blaster.core.restoring.int64_of": MemoryError(),
    "concurrent.futures.ThreadPoolExecutor.submit": RuntimeError("can't start new thread"),
}


@pytest.mark.parametrize("name", KEPT_FROM)
def test_what_says_nothing_of_a_snapshot_is_no_damage(lived, tmp_path, monkeypatch, name):
    """The account is not opened, and nothing is set aside; later it opens with the snapshot."""
    account, digest = lived
    other = account.copy(tmp_path / "other")
    before = {path.name for path in (other.folder / "snapshots").iterdir()}

    def fails(*_: Any, **__: Any) -> Any:
        raise KEPT_FROM[name]

    with other.open() as log:
        with monkeypatch.context() as patch:
            patch.setattr(name, fails)
            with pytest.raises(LogError, match=r"snapshot 2 cannot be read now: \w") as caught:
                other.recover(log)
        assert not isinstance(caught.value, SnapshotCorrupt)
        assert {path.name for path in (other.folder / "snapshots").iterdir()} == before
        found = other.recover(log)
        assert (found.said, found.machine.state.digest()) == ([], digest)
        assert found.manifest is not None
        assert found.manifest.number == 2


@pytest.mark.parametrize("name", ["os.open", "os.pread", "os.preadv", "pathlib.Path.read_bytes"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EBADMSG])
def test_what_the_disk_has_lost_is_damage(lived, tmp_path, monkeypatch, name, code):
    """It gives the bytes back no more, of one file or another; the log has them."""
    account, digest = lived
    other = account.copy(tmp_path / "other")

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(code, "Input/output error")

    with other.open() as log:
        with monkeypatch.context() as patch:
            patch.setattr(name, fails)
            found = recover(log, other.snapshots, set_aside=False)
            assert [seen.state for seen in survey(other.snapshots.folder)] == ["damaged"] * 2
            other.snapshots.prune()  # what is set aside cannot be read either
            other.snapshots.prune()
        assert found.machine.state.digest() == digest
    assert all("cannot be read: Input/output error" in said for said in found.said)
    assert len(found.said) == 2


def test_a_log_that_ends_before_the_snapshot(lived, tmp_path):
    account, _ = lived
    other = account.copy(tmp_path / "other")
    shutil.rmtree(other.folder / "log")
    with pytest.raises(LogError, match=r"ends at entry 0, but snapshot 2 holds .* doctor --repair"):
        other.digest()


def test_another_format_is_refused(lived, tmp_path):
    account, _ = lived
    other = account.copy(tmp_path / "other")
    manifest = other.snapshots.load(2)
    picture = msgspec.msgpack.decode(manifest.root)
    picture |= {"format": 9, "shelves": "of another kind"}
    newer = msgspec.structs.replace(manifest, root=msgspec.msgpack.encode(picture))
    (other.folder / "snapshots" / "000002.manifest").write_bytes(encode_manifest(newer))
    with pytest.raises(LogVersionError, match="format 9"):
        other.digest()


def test_an_older_format_is_passed_over(lived, tmp_path):
    """Nothing reads it any more, the log has all of it, and the next snapshots take its place."""
    account, digest = lived
    other = account.copy(tmp_path / "other")
    for number in (1, 2):
        manifest = other.snapshots.load(number)
        picture = msgspec.msgpack.decode(manifest.root) | {"format": 0}
        older = msgspec.structs.replace(manifest, root=msgspec.msgpack.encode(picture))
        path = other.folder / "snapshots" / f"{number:06d}.manifest"
        path.write_bytes(encode_manifest(older))
    again, found = other.digest()
    assert (again, found.manifest) == (digest, None)
    assert [said[:27] for said in found.said] == [
        "snapshot 2 was passed over:", "snapshot 1 was passed over:"
    ]  # fmt: skip
    assert other.snapshots.numbers() == [2, 1]


def test_a_picture_that_is_not_of_its_pieces(lived):
    account, _ = lived
    manifest = account.snapshots.load(2)
    for table, root in ((manifest.table[:-24], manifest.root), (manifest.table, b"no picture")):
        broken = msgspec.structs.replace(manifest, table=table, root=root)
        with pytest.raises(SnapshotCorrupt, match="snapshot 2"):
            module.load(account.snapshots, broken)


def test_what_was_recovered_goes_on_by_increments(lived, tmp_path):
    account, digest = lived
    other = account.copy(tmp_path / "other")
    with other.open() as log:
        found = other.recover(log)
        snapshotter = Snapshotter(other.snapshots, found, log, other.clock)
        snapshotter.begin(found.machine)
        snapshotter.wait()
        status = snapshotter.status
        assert (status.number, status.sequence, status.warning) == (3, log.last, "")
        assert status.written > 0
        snapshotter.begin(found.machine)
        snapshotter.wait()
        assert (snapshotter.status.number, snapshotter.status.written) == (4, 0)
    again, third = other.digest()
    assert again == digest
    assert third.manifest is not None
    assert third.manifest.number == 4
