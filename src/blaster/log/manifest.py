"""A manifest: what one snapshot is made of, in one file that is there whole or not at all.

    NNNNNN.manifest   magic, format (4 bytes), length of the body (8), crc32 of these and the body
                      (4), 0 (4); the body, a `Manifest` as MessagePack

`table` is the places of all pieces (`segments.PLACE`); `root` says what they are, and belongs to
whoever had the snapshot written. A manifest is written beside, synced and renamed.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from blaster.errors import LogVersionError, SnapshotCorrupt
from blaster.log.checksum import crc32
from blaster.log.segments import PLACE

Array = np.ndarray[Any, Any]

FORMAT = 1
MAGIC = b"BLMF"
_HEAD = struct.Struct("<4sIQ")
_CRC = struct.Struct("<I4x")
HEAD_BYTES = _HEAD.size + _CRC.size


class Manifest(msgspec.Struct, frozen=True):
    """`sequence` is the newest entry of the log that it holds, `at` the second it was taken in.

    `segments`: the number of each that holds pieces of it, and the bytes that it has.
    """

    number: int
    sequence: int
    at: float
    segments: tuple[tuple[int, int], ...]
    table: bytes
    root: bytes

    @property
    def places(self) -> Array:
        """The table as PLACE[]."""
        return np.frombuffer(self.table, PLACE)

    @property
    def nbytes(self) -> int:
        """Bytes of its pieces."""
        return int(self.places["length"].sum())


def manifest_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.manifest"


def encode_manifest(manifest: Manifest) -> bytes:
    body = msgspec.msgpack.encode(manifest)
    head = _HEAD.pack(MAGIC, FORMAT, len(body))
    return b"".join((head, _CRC.pack(crc32(body, crc32(head))), body))


def decode_manifest(data: bytes, number: int) -> Manifest:
    """Raises SnapshotCorrupt, or LogVersionError for one of another format."""
    name = f"{number:06d}.manifest"
    if len(data) < HEAD_BYTES:
        raise SnapshotCorrupt(f"{name} is cut off", number)
    magic, version, length = _HEAD.unpack_from(data)
    body = memoryview(data)[HEAD_BYTES:]
    if _CRC.pack(crc32(body, crc32(data[: _HEAD.size]))) != data[16:HEAD_BYTES]:
        raise SnapshotCorrupt(f"{name} fails its checksum", number)
    if magic == MAGIC and version != FORMAT:
        raise LogVersionError(
            f"{name} is of format {version}; this release reads {FORMAT}",
            version=version,
            is_older=version < FORMAT,
        )
    if magic != MAGIC or length != len(body):
        raise SnapshotCorrupt(f"{name} is no manifest", number)
    try:
        manifest = msgspec.msgpack.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise SnapshotCorrupt(f"{name}: {error}", number) from error
    if manifest.number != number or len(manifest.table) % PLACE.itemsize:
        raise SnapshotCorrupt(f"{name} is that of another snapshot", number)
    return manifest
