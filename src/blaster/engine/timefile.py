"""What an account keeps of its time beside the log, and how an operator's word reaches its owner.

    clock             72 bytes: "BLCK", version (4 bytes), engine time, line and boottime (doubles),
                      boot id (36 bytes, filled up with zeros), crc32 of all that
    clock.confirmed   the same, in place of time and line the wall clock that is right

All little-endian, in the folder `data`. Why a file, and why it is never synced: it says where
engine time was at a boottime, which means something within that boot only, and within a boot
whatever was handed to the kernel survives any death of the process. After a power loss the boot id
is another one, and what counts is the newest instant in the log, which is synced with whatever it
was recorded for. So each crash has its own witness, and neither needs the other's. Records of the
log instead would cost an append at every opening, also of who only looks, and would have to be
carried along by whatever shortens the log. One that is missing, or that fails its checksum, says
nothing: the account then goes on as after a reboot.

Law: only the owner of the folder's lock writes `clock`. The other file is written by anybody who
may confirm, whole or not at all (it is renamed into place), and taken away by the owner.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

from blaster.engine.enginetime import Kept, Reading
from blaster.errors import LogVersionError
from blaster.limits import CLOCK_FOLLOW_S

TIME_FILE = "data/clock"
WORD_FILE = "data/clock.confirmed"
VERSION = 1
_BODY = struct.Struct("<4sI3d36s")
_CRC = struct.Struct("<I")
_MAGIC = b"BLCK"


def encode(kept: Kept) -> bytes:
    body = _BODY.pack(_MAGIC, VERSION, kept.time, kept.line, kept.boottime, kept.boot.encode())
    return body + _CRC.pack(zlib.crc32(body))


def decode(data: bytes) -> Kept | None:
    """None for what says nothing. Raises LogVersionError for what a newer release wrote."""
    if len(data) < _BODY.size + _CRC.size or data[:4] != _MAGIC:
        return None
    body = data[: _BODY.size]
    if zlib.crc32(body) != _CRC.unpack_from(data, _BODY.size)[0]:
        return None
    _, version, time, line, boottime, boot = _BODY.unpack(body)
    if version != VERSION:
        text = f"the clock file is of version {version}: written by a newer release"
        raise LogVersionError(text, version=version)
    return Kept(time, line, boottime, boot.rstrip(b"\0").decode("utf-8", "replace"))


def read_time(folder: Path) -> Kept | None:
    """What the account in this workspace keeps; None for one that keeps nothing, or not legibly."""
    return _read(folder / TIME_FILE)


def _read(path: Path) -> Kept | None:
    try:
        return decode(path.read_bytes())
    except OSError:
        return None


class TimeFile:
    """The file of the account that this process owns. A disk that refuses it is no failure.

    What could not be kept is written the next time; until then a crash has the older witness.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kept = read_time(folder)

    def write(self, kept: Kept) -> None:
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._folder / TIME_FILE, flags, 0o644)
            try:
                os.pwrite(descriptor, encode(kept), 0)
            finally:
                os.close(descriptor)

    def heard(self, reading: Reading) -> bool:
        """Whether an operator confirmed the wall clock as it is now; a void word is taken away."""
        if not (self._folder / WORD_FILE).exists():
            return False
        try:
            said = _read(self._folder / WORD_FILE)
        except LogVersionError:
            said = None
        about = said is not None and _is_about(said, reading)
        if not about:
            self.forget_word()
        return about

    def forget_word(self) -> None:
        """It was followed, or is void."""
        with contextlib.suppress(OSError):
            (self._folder / WORD_FILE).unlink(missing_ok=True)


def give_word(folder: Path, reading: Reading) -> None:
    """Tells the account's owner, now or at the next opening, that the wall clock is right.

    The word is good for this wall clock only: if it jumps again before it is heard, it is void.
    Raises OSError.
    """
    path = folder / WORD_FILE
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(encode(Kept(reading.wall, reading.wall, reading.boottime, reading.boot)))
    beside.replace(path)


def _is_about(said: Kept, reading: Reading) -> bool:
    moved = (reading.wall - reading.boottime) - (said.time - said.boottime)
    return said.boot == reading.boot and abs(moved) < CLOCK_FOLLOW_S
