"""What an account keeps of its erasures: which of them files may still know of.

    erasures   "blaster erasures 1 CRC32" and a line feed, then JSON: `Erasures`

In the folder `data`, renamed into place whole. It says of how many erasures (they are counted in
the order of the log) no file holds any values any more. The rest is pending, and is told here for
whoever looks without opening the account; the owner of the folder knows it from the state. Missing,
torn or flipped it says that all are pending, and what is done already is done again.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from blaster.errors import LogVersionError
from blaster.log import Disk, write_whole

ERASURES_FILE = "data/erasures"
VERSION = 1
PENDING_MAX = 1_000
"""Erasures that are told one by one; of more, those before are told as one."""


class Pending(msgspec.Struct, frozen=True):
    """So many contacts were erased at an instant."""

    at: int
    contacts: int


class Erasures(msgspec.Struct, frozen=True):
    """`done` erasures are in no file any more; `pending` ones must not be after `within_s`."""

    done: int = 0
    within_s: int = 0
    pending: tuple[Pending, ...] = ()


def encode_erasures(erasures: Erasures) -> bytes:
    body = msgspec.json.encode(erasures)
    return b"blaster erasures %d %08x\n" % (VERSION, zlib.crc32(body)) + body


def decode_erasures(data: bytes) -> Erasures | None:
    """None for what says nothing. Raises LogVersionError for what a newer release wrote."""
    head, _, body = data.partition(b"\n")
    words = head.split(b" ")
    if len(words) != 4 or words[:2] != [b"blaster", b"erasures"] or not words[2].isdigit():
        return None
    if words[3] != b"%08x" % zlib.crc32(body):
        return None
    if int(words[2]) != VERSION:
        text = f"data/erasures is of version {int(words[2])}: written by a newer release"
        raise LogVersionError(text, version=int(words[2]))
    try:
        return msgspec.json.decode(body, type=Erasures)
    except msgspec.MsgspecError:
        return None


def read_erasures(folder: Path) -> Erasures | None:
    """Of the account in this workspace; None: nothing was erased, or nothing is known of it."""
    try:
        return decode_erasures((folder / ERASURES_FILE).read_bytes())
    except OSError:
        return None


def write_erasures(folder: Path, erasures: Erasures, disk: Disk, *, sync: bool) -> None:
    """Raises OSError; then what was there is there."""
    write_whole(folder / ERASURES_FILE, encode_erasures(erasures), disk, sync=sync)
