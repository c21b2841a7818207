"""The witness of how far the log had come: it notices a newest file that lost its end.

SQLite ends a damaged write-ahead file at the first frame that fails its checksum, silently, and a
missing newest file leaves no gap. The mark says which file and which sequence were durable last, so
that opening can tell a crash from a loss.

    mark       24 bytes: number of the newest file, newest durable sequence (8 bytes each,
               little-endian), crc32 of both, four zero bytes

Law: it is written after the commit that it speaks of, so it never says more than is durable. It is
synced only when a file is made; after a power loss it may say less, which costs nothing but
sharpness. One that fails its checksum says nothing.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from blaster.log.checksum import crc32
from blaster.log.disk import Disk

MARK_NAME = "mark"
_MARK = struct.Struct("<QQI4x")
_NUMBERS = struct.Struct("<QQ")


def read_mark(folder: Path) -> tuple[int, int]:
    """What the mark of a folder says, to whoever only looks; (0, 0) when it says nothing."""
    try:
        return _numbers_of((folder / MARK_NAME).read_bytes())
    except OSError:
        return 0, 0


def _numbers_of(data: bytes) -> tuple[int, int]:
    if len(data) == _MARK.size:
        number, sequence, crc = _MARK.unpack(data)
        if crc == crc32(data[: _NUMBERS.size]):
            return number, sequence
    return 0, 0


class Mark:
    """The open mark of a folder; `number` and `sequence` are what it said when it was opened."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._disk = disk
        self._descriptor = disk.open(folder / MARK_NAME)
        self.number, self.sequence = _numbers_of(os.pread(self._descriptor, _MARK.size, 0))

    def write(self, number: int, sequence: int, *, sync: bool = False) -> None:
        crc = crc32(_NUMBERS.pack(number, sequence))
        self._disk.write(self._descriptor, _MARK.pack(number, sequence, crc), 0)
        if sync:
            self._disk.sync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1
