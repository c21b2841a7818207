"""Power lost at every sync of snapshots: what was published is whole, and the next one can be."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from blaster.log import Manifest, Snapshots, survey
from blaster.log.disk import Disk
from blaster.log.segments import PLACE
from tests.log.support import HastyDisk
from tests.log.test_crash import lay_out, torn


class Camera(Disk):
    """What a disk holds that loses, with its power, every write and every name not yet synced.

    Just before each sync takes effect it takes a picture: how many snapshots were published, the
    synced content under the synced names, and everything as it is now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published = 0
        self.names: dict[str, object] = {}  # what each synced name stands for
        self.synced: dict[object, bytes] = {}
        self.pictures: list[tuple[int, dict[str, bytes], dict[str, tuple[bytes, bytes]]]] = []

    def take(self) -> None:
        held = {name: self.synced.get(node, b"") for name, node in self.names.items()}
        now = {
            path.name: (path.read_bytes(), self.synced.get(path.stat().st_ino, b""))
            for path in self.folder.iterdir()
        }
        self.pictures.append((self.published, held, now))

    def sync(self, descriptor: int) -> None:
        self.take()
        node = os.fstat(descriptor).st_ino
        path = next(each for each in self.folder.iterdir() if each.stat().st_ino == node)
        self.synced[node] = path.read_bytes()

    def sync_folder(self, folder: Path) -> None:
        if folder == self.folder:
            self.take()
            self.names = {path.name: path.stat().st_ino for path in folder.iterdir()}

    def remove(self, path: Path) -> None:
        if path.exists():  # its number may be given to another file, its name is still there
            node = path.stat().st_ino
            gone = object()
            self.synced[gone] = self.synced.pop(node, b"")
            self.names = {n: gone if each == node else each for n, each in self.names.items()}
        super().remove(path)

    def left_behind(self, parent: Path) -> Iterator[tuple[int, str, Path]]:
        """Of each picture three folders, with what was published then: lost, half done, kept."""
        chance = random.Random(5)
        for index, (published, held, now) in enumerate(self.pictures):
            kept = {name: new for name, (new, _) in now.items()}
            half = half_done(held, now, chance)
            for way, content in (("lost", held), ("half", half), ("kept", kept)):
                folder = parent / f"{index}-{way}"
                lay_out(folder, content)
                yield published, folder.name, folder


def half_done(
    held: dict[str, bytes], now: dict[str, tuple[bytes, bytes]], chance: random.Random
) -> dict[str, bytes]:
    """Some names and some sectors reached the disk, some did not."""
    content = {}
    for name in sorted(held | now):
        if name in now and chance.random() < 0.5:
            new, synced = now[name]
            content[name] = torn(synced.ljust(len(new), b"\0"), new, chance)
        elif name in held:
            content[name] = held[name]
    return content


def write(made: Snapshots, number: int, before: Manifest | None) -> Manifest:
    """A snapshot that shares all but one piece with the one before, and whose pieces say so."""
    draft = made.begin()
    table = np.zeros(4, PLACE)
    for row in range(4):
        if before is not None and row != number % 4:
            table[row] = before.places[row]
        else:
            table[row] = draft.put(row + 1, b"%d:%d " % (number, row) * 200)
    return draft.publish(number, float(number), draft.seal(table), b"%d" % number)


def author(row: int, number: int) -> int:
    """Which snapshot wrote a piece of a snapshot: the first one wrote all of them."""
    return max((each for each in range(1, number + 1) if each % 4 == row), default=1)


def pieces(made: Snapshots, number: int) -> list[int]:
    """Which snapshot wrote each piece."""
    manifest = made.load(number)
    with made.reader(manifest) as reader:
        found = [bytes(reader.piece(place)[1]) for place in manifest.places]
    authors = [int(content.split(b":")[0]) for content in found]
    assert found == [b"%d:%d " % (number, row) * 200 for row, number in enumerate(authors)]
    return authors


def test_power_lost_at_every_sync(tmp_path):
    """Dropped, half done and all done: never a damaged snapshot, never one less than published."""
    folder = tmp_path / "snapshots"
    folder.mkdir()
    camera = Camera(folder)
    made = Snapshots(folder, disk=camera, segment_bytes_max=2000)
    before = None
    for number in range(1, 7):
        before = write(made, number, before)
        camera.published = number
        made.prune()
    assert len(camera.pictures) > 30
    for published, way, copy in camera.left_behind(tmp_path):
        after = Snapshots(copy, disk=HastyDisk())
        seen = survey(copy)
        newest = seen[0].number if seen else 0
        assert {each.state for each in seen} <= {"whole"}, (way, seen)
        assert newest in (published, published + 1), way
        after.prune()
        for number in after.numbers():
            written = pieces(after, number)
            assert written == [author(row, number) for row in range(4)], way
        newer = write(after, newest + 1, after.load(newest) if newest else None)
        assert newer.number == after.numbers()[0]
