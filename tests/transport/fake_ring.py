"""A ring without the compiled one's guards: a file of fixed places, read and written in place."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from blaster.errors import BlasterError

FREE, TAKEN, WIRE, DONE = range(4)
_PLACE = struct.Struct("<QIII64s")
_HEAD = struct.Struct("<4sI36s")


class FakeRing:
    """The methods of Ring."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        magic, self.places, boot_id = _HEAD.unpack(os.pread(descriptor, _HEAD.size, 0))
        if magic != b"ring":
            raise BlasterError("no ring")
        self.boot_id = boot_id.decode()

    @staticmethod
    def create(path: Path, places: int, boot_id: str) -> FakeRing:
        body = _HEAD.pack(b"ring", places, boot_id.encode()) + bytes(_PLACE.size * places)
        path.write_bytes(body)
        return FakeRing.open(path)

    @staticmethod
    def open(file: Path | int) -> FakeRing:
        if file_is_short(file):
            raise BlasterError("too short")
        return FakeRing(file if isinstance(file, int) else os.open(file, os.O_RDWR))

    def __del__(self) -> None:
        if hasattr(self, "boot_id"):
            os.close(self._descriptor)

    def put(
        self, place: int, number: int, state: int, code: int = 0, reason: str = "", wait: int = 0
    ) -> None:
        body = _PLACE.pack(number, state, code, wait, reason.encode())
        os.pwrite(self._descriptor, body, _HEAD.size + place * _PLACE.size)

    def clear(self, place: int) -> None:
        self.put(place, 0, FREE)

    def scan(self) -> list[tuple[int, int, int, int, str, int]]:
        found = []
        for place in range(self.places):
            body = os.pread(self._descriptor, _PLACE.size, _HEAD.size + place * _PLACE.size)
            number, state, code, wait, reason = _PLACE.unpack(body)
            if state > DONE:
                raise BlasterError("a damaged place")
            if state != FREE:
                found.append((place, number, state, code, reason.rstrip(b"\0").decode(), wait))
        return found


def file_is_short(file: Path | int) -> bool:
    size = os.fstat(file).st_size if isinstance(file, int) else file.stat().st_size
    return size < _HEAD.size
