"""Segment files: the pieces of snapshots, end to end, and where each stands.

    NNNNNN.segment   head (24 bytes): magic, format (4 bytes), number (8), crc32 of these, 0 (4)
                     pieces: head (16 bytes): kind (2), 0 (2), crc32 of kind and content (4),
                     length (8); the content

A place names a piece: its segment, the offset of its head, its length and its crc32. What a place
names is verified whenever it is read. Laws: a segment is written by one draft of a snapshot, and
never again once a manifest names it; pieces do not overlap. Numbers are little-endian.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from blaster.errors import LogVersionError, SnapshotCorrupt
from blaster.log.checksum import crc32
from blaster.log.disk import Disk, is_lost

if TYPE_CHECKING:
    from typing_extensions import Buffer

Array = np.ndarray[Any, Any]

FORMAT = 1
MAGIC = b"BLSG"
PLACE = np.dtype([("segment", "<u4"), ("crc", "<u4"), ("offset", "<u8"), ("length", "<u8")])
"""Where a piece stands; segment 0 says that there is none."""
Place = tuple[int, int, int, int]

_HEAD = struct.Struct("<4sIQ")
_CRC = struct.Struct("<I4x")
HEAD_BYTES = _HEAD.size + _CRC.size
PIECE = struct.Struct("<HHIQ")
_KIND = struct.Struct("<H")
SYNC_BYTES = 32 * 1024 * 1024
"""Written between two syncs: a whole segment at once would hold up the log's own."""


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.segment"


def crc_of(kind: int, content: Buffer) -> int:
    return crc32(content, crc32(_KIND.pack(kind)))


class SegmentWriter:
    """One new segment, written from its head on."""

    def __init__(self, folder: Path, number: int, disk: Disk) -> None:
        self.number = number
        self.end = 0
        self._disk = disk
        self._unsynced = 0
        self._descriptor = disk.open(segment_path(folder, number))
        head = _HEAD.pack(MAGIC, FORMAT, number)
        try:
            disk.truncate(self._descriptor, 0)
            self._write(head + _CRC.pack(crc32(head)))
        except BaseException:
            self.close()
            raise

    def put(self, kind: int, content: Buffer) -> Place:
        """Appends a piece; it is on disk after `finish`."""
        length = memoryview(content).nbytes
        crc = crc_of(kind, content)
        offset = self.end
        self._write(PIECE.pack(kind, 0, crc, length))
        self._write(content)
        if self._unsynced >= SYNC_BYTES:
            self._sync()
        return self.number, crc, offset, length

    def _write(self, data: Buffer) -> None:
        self._disk.write(self._descriptor, data, self.end)
        size = memoryview(data).nbytes
        self.end += size
        self._unsynced += size

    def _sync(self) -> None:
        self._disk.sync(self._descriptor)
        self._unsynced = 0

    def finish(self) -> None:
        """Everything put is on disk; the name is after the folder's sync."""
        self._sync()
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1


class SegmentReader:
    """Segments open for reading, by several threads at once. A context, or `close` it.

    Raises SnapshotCorrupt for one that is missing, too short, lost or not itself, LogVersionError
    for one of another format, and OSError for what says nothing of it.
    """

    def __init__(self, folder: Path, segments: Iterable[tuple[int, int]]) -> None:
        """`segments` are numbers, and the bytes that each must have at least."""
        self._folder = folder
        self._descriptors: dict[int, int] = {}
        try:
            for number, nbytes in segments:
                self._open(number, nbytes)
        except BaseException:
            self.close()
            raise

    def _open(self, number: int, nbytes: int) -> None:
        path = segment_path(self._folder, number)
        try:
            self._descriptors[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            descriptor = self._descriptors[number]
            size = os.fstat(descriptor).st_size
            head = os.pread(descriptor, HEAD_BYTES, 0)
        except FileNotFoundError:
            raise SnapshotCorrupt(f"{path.name} is missing") from None
        except OSError as error:
            _raise_lost(path.name, error)
        if size < nbytes:
            raise SnapshotCorrupt(f"{path.name} ends at {size}, not at {nbytes}")
        if len(head) < HEAD_BYTES or _CRC.pack(crc32(head[: _HEAD.size])) != head[-8:]:
            raise SnapshotCorrupt(f"{path.name} fails the checksum of its head")
        magic, version, named = _HEAD.unpack_from(head)
        if magic == MAGIC and version != FORMAT:
            raise LogVersionError(
                f"{path.name} is of format {version}; this release reads {FORMAT}",
                version=version,
                is_older=version < FORMAT,
            )
        if (magic, named) != (MAGIC, number):
            raise SnapshotCorrupt(f"{path.name} is not that segment")

    def read(self, place: Any, into: memoryview) -> None:
        """Reads a piece into memory of exactly its length, and verifies it."""
        number, crc, offset, length = (int(each) for each in place)
        descriptor = self._descriptors.get(number)
        where = f"the piece at {offset} of {number:06d}.segment"
        if descriptor is None or into.nbytes != length:
            raise SnapshotCorrupt(f"{where} is not the one that was asked for")
        head = bytearray(PIECE.size)
        try:
            whole = _read_whole(descriptor, head, into, offset)
        except OSError as error:
            _raise_lost(where, error)
        if not whole:
            raise SnapshotCorrupt(f"{where} is cut off")
        kind, zero, said, size = PIECE.unpack(head)
        if (zero, said, size) != (0, crc, length) or crc_of(kind, into) != crc:
            raise SnapshotCorrupt(f"{where} fails its checksum")

    def piece(self, place: Any) -> tuple[int, bytearray]:
        """The kind and the content of a piece."""
        content = bytearray(int(place["length"]))
        self.read(place, memoryview(content))
        head = os.pread(self._descriptors[int(place["segment"])], PIECE.size, int(place["offset"]))
        return PIECE.unpack(head)[0], content

    def close(self) -> None:
        descriptors, self._descriptors = self._descriptors, {}
        for descriptor in descriptors.values():
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _raise_lost(what: str, error: OSError) -> NoReturn:
    """SnapshotCorrupt for what the disk has lost; what says nothing of the file stays as it is."""
    if is_lost(error):
        raise SnapshotCorrupt(f"{what} cannot be read: {error.strerror}") from error
    raise error


def _read_whole(descriptor: int, head: bytearray, content: memoryview, offset: int) -> bool:
    """Both, from there on; False when the file ends before."""
    got = os.preadv(descriptor, [head, content], offset)
    wanted = len(head) + content.nbytes
    while 0 < got < wanted:
        if got < len(head):
            return False
        more = os.preadv(descriptor, [content[got - len(head) :]], offset + got)
        if more == 0:
            return False
        got += more
    return got == wanted
