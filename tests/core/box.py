"""A disk in memory for captures: pieces end to end, and states made of them again."""

from __future__ import annotations

import zlib
from typing import Any

from blaster.core import Catalogue, State, decode_picture, restore
from blaster.core.capturing import Capture
from blaster.engine.recovery import decode_operation, encode_operation

CODEC = (encode_operation, decode_operation)


class Box:
    """Holds every piece that was ever written; `pieces` counts those of the newest capture."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.pieces = self.nbytes = 0

    def write(self, capture: Capture) -> None:
        self.pieces = self.nbytes = 0
        for _, content, settle in capture.pieces():
            view = memoryview(content).cast("B")
            place = (1, zlib.crc32(view), len(self.data), len(view))
            self.data += view
            self.pieces += 1
            self.nbytes += len(view)
            view.release()
            settle(place)

    def read(self, place: Any, into: memoryview) -> None:
        _, crc, offset, length = (int(each) for each in place)
        found = self.data[offset : offset + length]
        assert zlib.crc32(found) == crc
        into[:] = found

    def commit(self, capture: Capture) -> tuple[bytes, Any]:
        """Writes a capture to its end: its root and its table."""
        self.write(capture)
        table = capture.table().copy()
        root = capture.root()
        capture.commit(table)
        return root, table

    def restored(self, root: bytes, table: Any) -> tuple[State, Catalogue]:
        state, catalogue = restore(decode_picture(root), table, self.read, CODEC)
        state.rebuild_caches()
        return state, catalogue


def catalogue() -> Catalogue:
    """A catalogue that knows nothing."""
    return Catalogue(encode_operation)
