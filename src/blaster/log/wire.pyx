"""The small change of a frame: varints, integers, texts and bytes, written and read in order.

`put_*` append to a bytearray. A `Reader` walks over one frame's bytes and never past their end:
whatever does not fit raises LogCorrupt. Arrays are `packing`'s, columns `batches`'.

    varint     seven bits a byte, least significant first; at most 10 bytes
    integer    zigzag of a whole number in -2**63 .. 2**64 - 1 (65 bits), as a varint
    text       varint of the UTF-8 bytes' length, the bytes
    flag       one byte, 0 or 1
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t

from blaster.errors import LogCorrupt
from blaster.log.packing import unpack

INTEGER_MIN = -(1 << 63)
INTEGER_MAX = (1 << 64) - 1

cdef enum:
    VARINT_BYTES_MAX = 10


def put_varint(bytearray out not None, value) -> None:
    """`value` is at least 0 and below 2**70."""
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_integer(bytearray out not None, value) -> None:
    """A number outside INTEGER_MIN .. INTEGER_MAX is the caller's mistake: ValueError."""
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise ValueError(f"{value} is no 64-bit number")
    put_varint(out, value << 1 if value >= 0 else -2 * value - 1)


def put_blob(bytearray out not None, bytes value not None) -> None:
    put_varint(out, len(value))
    out += value


def put_text(bytearray out not None, str value not None) -> None:
    """A text that is not Unicode (a lone surrogate) is the caller's mistake: ValueError."""
    put_blob(out, value.encode())


cdef class Reader:
    """Reads one frame's bytes in order; `at` is the next byte."""

    def __init__(self, bytes data not None, Py_ssize_t at=0):
        self.held = data
        self.start = <const uint8_t*>PyBytes_AS_STRING(data)
        self.size = len(data)
        self.at = 0
        self.seek(at)

    @property
    def left(self):
        """Bytes that are still to be read."""
        return self.size - self.at

    def seek(self, at) -> None:
        """The next byte is that one. Raises LogCorrupt for one behind the end."""
        if not 0 <= at <= self.size:
            raise LogCorrupt("the bytes end early")
        self.at = at

    cdef int read(self, uint64_t* low) except -1:
        cdef uint64_t value = 0
        cdef uint8_t byte
        cdef int shift = 0, high = 0
        cdef Py_ssize_t at = self.at, end = min(self.size, self.at + VARINT_BYTES_MAX)
        while at < end:
            byte = self.start[at]
            at += 1
            if shift == 63:
                high = (byte & 0x7F) >> 1
            value |= <uint64_t>(byte & 0x7F) << shift
            if byte < 0x80:
                self.at = at
                low[0] = value
                return high
            shift += 7
        raise LogCorrupt("a number is cut off")

    cdef Py_ssize_t length(self) except -1:
        cdef uint64_t low = 0
        if self.read(&low) or low > <uint64_t>(self.size - self.at):
            raise LogCorrupt("the bytes end early")
        return <Py_ssize_t>low

    def varint(self):
        cdef uint64_t low = 0
        cdef int high = self.read(&low)
        return low if high == 0 else <object>high << 64 | low

    def integer(self):
        cdef uint64_t low = 0
        cdef int high = self.read(&low)
        cdef uint64_t half = low >> 1 | <uint64_t>high << 63
        if high > 1 or (low & 1 and half > <uint64_t>INT64_MAX):
            raise LogCorrupt("a number has more than 64 bits")
        if low & 1:
            return -1 - <int64_t>half
        return half

    def byte(self):
        if self.at == self.size:
            raise LogCorrupt("the bytes end early")
        self.at += 1
        return self.start[self.at - 1]

    def blob(self):
        cdef Py_ssize_t size = self.length()
        self.at += size
        return PyBytes_FromStringAndSize(<const char*>self.start + self.at - size, size)

    def text(self):
        cdef Py_ssize_t size = self.length()
        self.at += size
        try:
            return PyUnicode_DecodeUTF8(<const char*>self.start + self.at - size, size, NULL)
        except UnicodeDecodeError as error:
            raise LogCorrupt("a text is not UTF-8") from error

    def flag(self):
        value = self.byte()
        if value > 1:
            raise LogCorrupt("a flag is neither 0 nor 1")
        return value == 1

    def count(self, Py_ssize_t bytes_each):
        """A number of things that need at least `bytes_each` bytes each: refused if too many."""
        cdef uint64_t low = 0
        if self.read(&low) or low > <uint64_t>((self.size - self.at) // bytes_each):
            raise LogCorrupt("a count is larger than its bytes")
        return low

    def array(self):
        values, self.at = unpack(self.held, self.at)
        return values
