"""A folder of snapshots: written by drafts, published by a manifest, kept two at a time.

A snapshot is a numbered manifest and the pieces that its table names, in segments that it may share
with the one before. Laws: a manifest is there only when every piece that it names is on disk; what
no kept manifest names is removed; what is found damaged is renamed, and goes when as many newer
whole ones are there as are kept, or a newer damaged one. README.md lists the durable states.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from blaster.errors import LogError, LogVersionError, SnapshotCorrupt
from blaster.limits import (
    SNAPSHOT_REWRITE_BYTES_MAX,
    SNAPSHOT_SEGMENT_BYTES_MAX,
    SNAPSHOT_SEGMENTS_MAX,
)
from blaster.log.disk import Disk, is_lost, make_folder, write_whole
from blaster.log.manifest import Manifest, decode_manifest, encode_manifest, manifest_path
from blaster.log.segments import PIECE, Place, SegmentReader, SegmentWriter, segment_path

if TYPE_CHECKING:
    from typing_extensions import Buffer

Array = np.ndarray[Any, Any]

KEPT = 2
"""Whole snapshots that are kept; the older one is for the day on which the newer is damaged."""

_NAME = re.compile(r"(\d{6,})\.(manifest|manifest\.new|manifest\.damaged|segment)")


class Snapshots:
    """The snapshots of one engine, whose owner alone may change the folder."""

    def __init__(
        self,
        folder: Path | str,
        *,
        disk: Disk | None = None,
        segment_bytes_max: int = SNAPSHOT_SEGMENT_BYTES_MAX,
    ) -> None:
        """The folder is made if it is missing. Raises LogError."""
        self.folder = Path(folder)
        self._disk = disk or Disk()
        self._segment_bytes_max = segment_bytes_max
        self.removing = threading.Lock()
        """Whoever removes snapshots, or what only they stand in for, holds it from when he asks
        what is needed until he is done."""
        try:
            make_folder(self.folder, self._disk)
        except OSError as error:
            raise LogError(f"{folder}: {error}") from error

    # --- what there is ------------------------------------------------------------------------

    def numbers(self, kind: str = "manifest") -> list[int]:
        """The numbers of the files of a kind, newest first."""
        return sorted((number for number, found in _files(self.folder) if found == kind))[::-1]

    def load(self, number: int) -> Manifest:
        """Raises SnapshotCorrupt, LogVersionError for a format that this release cannot read.

        And OSError for what says nothing of the file, such as too many open files.
        """
        return _load(self.folder, number)

    def reader(self, manifest: Manifest) -> SegmentReader:
        """The segments of a snapshot, open. Raises as `load`."""
        return SegmentReader(self.folder, manifest.segments)

    # --- changing it --------------------------------------------------------------------------

    def set_aside(self, number: int) -> None:
        """Renames the manifest of a damaged snapshot, for somebody to look at."""
        path = manifest_path(self.folder, number)
        with contextlib.suppress(FileNotFoundError):
            self._disk.rename(path, path.with_name(f"{path.name}.damaged"))
        self._disk.sync_folder(self.folder)

    def begin(self) -> Draft:
        """A new snapshot. One at a time."""
        taken = [number for number, kind in _files(self.folder) if kind != "segment"]
        segments = self.numbers("segment")
        return Draft(
            self.folder,
            max(taken, default=0) + 1,
            max(segments, default=0) + 1,
            self._disk,
            self._segment_bytes_max,
        )

    def drop_before(self, number: int, *needed: int) -> None:
        """Only snapshots from this number on are left, and not even a damaged one is set aside.

        Of these as `prune` leaves them. Not while one is written. Raises SnapshotCorrupt, with
        nothing removed, unless one of them is whole.
        """
        said = "there is none"
        for newer in self.numbers():
            seen = _look(self.folder, newer) if newer >= number else None
            if seen is not None and seen.state == "whole":
                break
            said = seen.said if seen is not None else said
        else:
            raise SnapshotCorrupt(f"no snapshot from {number} on is whole: {said}", number)
        for older in self.numbers():
            if older < number:
                self._disk.remove(manifest_path(self.folder, older))
        for aside in self.numbers("manifest.damaged"):
            path = manifest_path(self.folder, aside)
            self._disk.remove(path.with_name(f"{path.name}.damaged"))
        self.prune(*needed)

    def prune(self, *needed: int) -> None:
        """Removes what is not needed: older snapshots, half written ones, and dead segments.

        Not while one is written: nothing names yet what it needs. Of those that reach to an entry
        `needed` and no further the newest stays.
        """
        named: set[int] = set()
        kept: dict[int, int] = {}  # sequences by number
        for number in self.numbers():
            path = manifest_path(self.folder, number)
            try:
                manifest = self.load(number)
            except SnapshotCorrupt:
                if len(kept) < KEPT:
                    self.set_aside(number)
                else:
                    self._disk.remove(path)
                continue
            except LogVersionError as error:
                if not error.is_older:
                    raise
                self._disk.remove(path)
                continue
            if len(kept) >= KEPT and not _is_newest_up_to(needed, manifest, kept.values()):
                self._disk.remove(path)
                continue
            named |= {segment for segment, _ in manifest.segments}
            kept[number] = manifest.sequence
        for place, number in enumerate(self.numbers("manifest.damaged")):
            path = manifest_path(self.folder, number)
            damaged = path.with_name(f"{path.name}.damaged")
            if place or (len(kept) >= KEPT and sorted(kept)[-KEPT] > number):
                self._disk.remove(damaged)
                continue
            with contextlib.suppress(SnapshotCorrupt, LogVersionError):
                named |= {segment for segment, _ in _decoded(damaged, number).segments}
        for number in self.numbers("manifest.new"):
            self._disk.remove(_new(manifest_path(self.folder, number)))
        self._disk.sync_folder(self.folder)  # no manifest may outlive what it names
        for number in self.numbers("segment"):
            if number not in named:
                self._disk.remove(segment_path(self.folder, number))
        self._disk.sync_folder(self.folder)


def _is_newest_up_to(needed: Iterable[int], manifest: Manifest, newer: Iterable[int]) -> bool:
    """Whether it reaches to one of these entries and no further, and all the newer ones do."""
    return any(manifest.sequence <= entry < min(newer) for entry in needed)


class Draft:
    """A snapshot being written: `put` its pieces, `seal` their table, `publish` it; or `drop` it.

    Used by one thread. Whatever a call raises (OSError, SnapshotCorrupt), it must be dropped.
    """

    def __init__(
        self, folder: Path, number: int, first_segment: int, disk: Disk, segment_bytes_max: int
    ) -> None:
        self.number = number
        self.written = 0
        self._folder = folder
        self._disk = disk
        self._segment_bytes_max = segment_bytes_max
        self._first = self._next = first_segment
        self._writer: SegmentWriter | None = None
        self._sizes: dict[int, int] = {}

    def put(self, kind: int, content: Buffer) -> Place:
        """Writes a piece, and says where it stands."""
        if self._writer is None:
            self._next += 1  # before it is made: `drop` removes what was begun of it, too
            self._writer = SegmentWriter(self._folder, self._next - 1, self._disk)
        place = self._writer.put(kind, content)
        self.written += place[3]
        if self._writer.end >= self._segment_bytes_max:
            self._finish()
        return place

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.finish()
            self._sizes[self._writer.number] = self._writer.end
            self._writer = None

    def seal(
        self, table: Array, *, clean: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> Array:
        """The table with pieces moved out of segments that are mostly dead; all of it on disk.

        With `clean` out of all older ones, since what is dead in them is to vanish. Raises LogError
        when it is to stop.
        """
        table = self._moved(table, clean=clean, stop=stop)
        self._finish()
        self._disk.sync_folder(self._folder)
        return table

    def publish(self, sequence: int, at: float, table: Array, root: bytes) -> Manifest:
        """The snapshot is there from now on. Only when the log's durable sequence has got there."""
        segments = tuple(
            (number, self._sizes.get(number) or self._size_of(number)) for number in _named(table)
        )
        manifest = Manifest(self.number, sequence, at, segments, table.tobytes(), root)
        path = manifest_path(self._folder, self.number)
        write_whole(path, encode_manifest(manifest), self._disk)
        return manifest

    def drop(self) -> None:
        """Removes what was written of it, as far as the disk lets it."""
        if self._writer is not None:
            self._writer.close()
        with contextlib.suppress(OSError):
            path = manifest_path(self._folder, self.number)
            self._disk.remove(_new(path))
            if path.exists():  # renamed, and then the folder could not be synced
                self._disk.remove(path)
                self._disk.sync_folder(self._folder)  # no manifest may outlive what it names
            for number in range(self._first, self._next):
                self._disk.remove(segment_path(self._folder, number))

    # --- moving -------------------------------------------------------------------------------

    def _moved(self, table: Array, *, clean: bool, stop: Callable[[], bool]) -> Array:
        older = [number for number in _named(table) if number < self._first]
        victims = older if clean else self._victims(table)
        if not victims:
            return table
        table = table.copy()
        sizes = [(number, self._size_of(number)) for number in victims]
        with SegmentReader(self._folder, sizes) as reader:
            for row in np.flatnonzero(np.isin(table["segment"], victims)).tolist():
                if stop():
                    raise LogError("stopped while pieces were moved")
                table[row] = self.put(*reader.piece(table[row]))
        return table

    def _victims(self, table: Array) -> list[int]:
        """Older segments to be emptied: those under half live, and the smallest of too many."""
        older = [number for number in _named(table) if number < self._first]
        live = {
            number: int((table["length"][table["segment"] == number] + PIECE.size).sum())
            for number in older
        }
        dead = [number for number in older if 2 * live[number] < self._size_of(number)]
        many = max(0, len(older) - len(dead) - SNAPSHOT_SEGMENTS_MAX // 2)
        if len(older) <= SNAPSHOT_SEGMENTS_MAX:
            many = 0
        small = sorted(set(older) - set(dead), key=lambda number: live[number])[:many]
        chosen, room = [], SNAPSHOT_REWRITE_BYTES_MAX
        for number in sorted(dead + small, key=lambda number: live[number]):
            room -= live[number]
            if room >= 0:
                chosen.append(number)
        return chosen

    def _size_of(self, number: int) -> int:
        path = segment_path(self._folder, number)
        try:
            return path.stat().st_size
        except FileNotFoundError:
            raise SnapshotCorrupt(f"{path.name} is missing") from None


# --- looking from outside -------------------------------------------------------------------------


class Seen(NamedTuple):
    """A snapshot as somebody finds it who does not own the folder."""

    number: int
    state: Literal["whole", "damaged", "set aside"]
    sequence: int
    at: float
    nbytes: int
    said: str


def survey(folder: Path) -> list[Seen]:
    """Every snapshot, newest first, all its checksums verified. Changes nothing.

    Raises LogVersionError for one of another format.
    """
    seen = []
    for number, kind in sorted(_files(folder), reverse=True):
        if kind == "manifest":
            found = _look(folder, number)
            if found is not None:
                seen.append(found)
        elif kind == "manifest.damaged":
            seen.append(Seen(number, "set aside", 0, 0.0, 0, "it was found damaged"))
    return seen


def _look(folder: Path, number: int) -> Seen | None:
    manifest = None
    try:
        manifest = _load(folder, number)
        with SegmentReader(folder, manifest.segments) as reader:
            places = manifest.places
            for place in places[places["segment"] != 0]:
                reader.piece(place)
    except (SnapshotCorrupt, LogVersionError) as error:
        if isinstance(error, LogVersionError) and not error.is_older:
            raise
        if not manifest_path(folder, number).exists():
            return None  # its owner removed it meanwhile
        if manifest is None:
            return Seen(number, "damaged", 0, 0.0, 0, str(error))
        return Seen(number, "damaged", manifest.sequence, manifest.at, manifest.nbytes, str(error))
    return Seen(number, "whole", manifest.sequence, manifest.at, manifest.nbytes, "")


def _files(folder: Path) -> list[tuple[int, str]]:
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return [(int(match[1]), match[2]) for match in matches if match]


def _load(folder: Path, number: int) -> Manifest:
    return _decoded(manifest_path(folder, number), number)


def _decoded(path: Path, number: int) -> Manifest:
    """Raises SnapshotCorrupt, LogVersionError, and OSError for what says nothing of the file."""
    try:
        return decode_manifest(path.read_bytes(), number)
    except FileNotFoundError:
        raise SnapshotCorrupt(f"{path.name} is missing", number) from None
    except OSError as error:
        if not is_lost(error):
            raise
        raise SnapshotCorrupt(f"{path.name} cannot be read: {error.strerror}", number) from error


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _named(table: Array) -> list[int]:
    """The segments that a table names."""
    return [number for number in np.unique(table["segment"]).tolist() if number]
