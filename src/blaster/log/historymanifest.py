"""The manifest of history: which files it is, and up to which entry of the log it reaches.

    manifest   magic, format (4 bytes), length of the body (8), crc32 of these and the body (4),
               0 (4); the body, a `Contents` as MessagePack

Written beside, synced and renamed: it is the old one or the new one, whatever happens. A file that
it does not name is no history. Numbers are little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

from blaster.errors import LogCorrupt, LogVersionError
from blaster.log.checksum import crc32
from blaster.log.disk import Disk, is_lost, write_whole

FORMAT = 1
MAGIC = b"BLHI"
NAME = "manifest"
_HEAD = struct.Struct("<4sIQ")
_CRC = struct.Struct("<I4x")
HEAD_BYTES = _HEAD.size + _CRC.size


class Written(msgspec.Struct, frozen=True):
    """What a file holds: contacts `low` to `high`, sequences `first` to `last`.

    `crc` is that of all its bytes, `footer` the bytes and the checksum of its footer, `groups`
    (`historyfile.GROUP`) where each of its row groups begins, and its checksum.
    """

    rows: int
    nbytes: int
    crc: int
    low: int
    high: int
    first: int
    last: int
    footer: tuple[int, int]
    groups: bytes


class HistoryFile(Written, frozen=True):
    """One file: `name` within the folder, the kind and version of its operations, their month."""

    name: str
    kind: int
    version: int
    month: str


class Contents(msgspec.Struct, frozen=True):
    """Everything up to entry `sequence`, which `inputs` inputs came up to; `next` numbers files."""

    sequence: int = 0
    inputs: int = 0
    next: int = 1
    files: tuple[HistoryFile, ...] = ()


def write_contents(folder: Path, contents: Contents, disk: Disk) -> None:
    """In place of the one before; durable when it returns. Raises OSError."""
    body = msgspec.msgpack.encode(contents)
    head = _HEAD.pack(MAGIC, FORMAT, len(body))
    data = b"".join((head, _CRC.pack(crc32(body, crc32(head))), body))
    write_whole(folder / NAME, data, disk)


def read_contents(folder: Path) -> Contents | None:
    """None: there is none.

    Raises LogCorrupt, LogVersionError for one of another format, and OSError.
    """
    what = "the manifest of the history"
    try:
        data = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        if not is_lost(error):
            raise
        raise LogCorrupt(f"{what} cannot be read: {error.strerror}") from error
    if len(data) < HEAD_BYTES:
        raise LogCorrupt(f"{what} is cut off")
    magic, version, length = _HEAD.unpack_from(data)
    body = memoryview(data)[HEAD_BYTES:]
    if _CRC.pack(crc32(body, crc32(data[: _HEAD.size]))) != data[16:HEAD_BYTES]:
        raise LogCorrupt(f"{what} fails its checksum")
    if magic == MAGIC and version != FORMAT:
        raise LogVersionError(
            f"{what} is of format {version}; this release reads {FORMAT}", version=version
        )
    if magic != MAGIC or length != len(body):
        raise LogCorrupt(f"{what} is none")
    try:
        return msgspec.msgpack.decode(body, type=Contents)
    except msgspec.MsgspecError as error:
        raise LogCorrupt(f"{what}: {error}") from error
