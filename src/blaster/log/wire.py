"""The small change of a frame: varints, integers, texts and bytes, written and read in order.

`put_*` append to a bytearray. A `Reader` walks over one frame's bytes and never past their end:
whatever does not fit raises LogCorrupt. Arrays are `packing`'s, columns `batches`'.

    varint     seven bits a byte, least significant first; at most 10 bytes
    integer    zigzag of a whole number in -2**63 .. 2**64 - 1 (65 bits), as a varint
    text       varint of the UTF-8 bytes' length, the bytes
    flag       one byte, 0 or 1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.errors import LogCorrupt
from blaster.log.packing import unpack

Array = np.ndarray[Any, Any]

_VARINT_BITS_MAX = 70
INTEGER_MIN = -(1 << 63)
INTEGER_MAX = (1 << 64) - 1


def put_varint(out: bytearray, value: int) -> None:
    """`value` is at least 0 and below 2**70."""
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_integer(out: bytearray, value: int) -> None:
    """A number outside INTEGER_MIN .. INTEGER_MAX is the caller's mistake: ValueError."""
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise ValueError(f"{value} is no 64-bit number")
    put_varint(out, value << 1 if value >= 0 else -2 * value - 1)


def put_blob(out: bytearray, value: bytes) -> None:
    put_varint(out, len(value))
    out += value


def put_text(out: bytearray, value: str) -> None:
    """A text that is not Unicode (a lone surrogate) is the caller's mistake: ValueError."""
    put_blob(out, value.encode())


class Reader:
    """Reads one frame's bytes in order; `at` is the next byte."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def varint(self) -> int:
        data, at = self.data, self.at
        end = len(data)
        if at < end and data[at] < 0x80:  # almost always
            self.at = at + 1
            return data[at]
        value = shift = 0
        while at < end and shift < _VARINT_BITS_MAX:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.at = at
                return value
            shift += 7
        raise LogCorrupt("a number is cut off")

    def integer(self) -> int:
        value = self.varint()
        value = -((value + 1) >> 1) if value & 1 else value >> 1
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise LogCorrupt("a number has more than 64 bits")
        return value

    def take(self, size: int) -> bytes:
        at = self.at
        if size > len(self.data) - at:
            raise LogCorrupt("the bytes end early")
        self.at = at + size
        return self.data[at : at + size]

    def blob(self) -> bytes:
        return self.take(self.varint())

    def text(self) -> str:
        try:
            return self.blob().decode()
        except UnicodeDecodeError as error:
            raise LogCorrupt("a text is not UTF-8") from error

    def flag(self) -> bool:
        byte = self.take(1)[0]
        if byte > 1:
            raise LogCorrupt("a flag is neither 0 nor 1")
        return byte == 1

    def count(self, bytes_each: int) -> int:
        """A number of things that need at least `bytes_each` bytes each: refused if too many."""
        value = self.varint()
        if value * bytes_each > self.left:
            raise LogCorrupt("a count is larger than its bytes")
        return value

    def array(self) -> Array:
        values, self.at = unpack(self.data, self.at)
        return values
