"""The checksums that a frame and its row in the log's file are held against.

    frame      format (one byte, FORMAT), crc32 of format and body (4 bytes), body
    seal       crc32 of the sequence (8 bytes) and of the frame's head: it binds the number to the
               content, so that neither can change, nor rows change places, unnoticed
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blaster.log.checksum import crc32

cdef extern from "Python.h":
    int PyBUF_READ

cdef enum:
    FORMAT_ = 1
    HEAD_BYTES_ = 5

FORMAT = FORMAT_
HEAD_BYTES = HEAD_BYTES_

cdef object _crc32 = crc32
cdef object _OF_FORMAT = crc32(bytes((FORMAT,)))


cdef object checksum(const char* data, Py_ssize_t size, object value):
    return _crc32(PyMemoryView_FromMemory(<char*>data, size, PyBUF_READ), value)


def sealed(body) -> bytes:
    """The frame of a body (bytes or bytearray)."""
    cdef uint32_t crc = _crc32(body, _OF_FORMAT)
    cdef uint8_t[HEAD_BYTES_] head
    head[0] = FORMAT_
    memcpy(head + 1, &crc, 4)
    return (<const char*>head)[:HEAD_BYTES_] + body


def is_whole(bytes frame not None) -> bool:
    """Whether a frame is what its checksum was made of; of another format nobody here can say."""
    cdef Py_ssize_t size = len(frame)
    cdef const char* data = PyBytes_AS_STRING(frame)
    cdef uint32_t said
    if size < HEAD_BYTES_:
        return False
    if <uint8_t>data[0] != FORMAT_:
        return True
    memcpy(&said, data + 1, 4)
    return <uint32_t>checksum(data + HEAD_BYTES_, size - HEAD_BYTES_, _OF_FORMAT) == said


def seal_of(uint64_t sequence, bytes frame not None) -> int:
    """The seal of a frame that has this number; of a shorter one than a head, of what there is."""
    cdef char[8 + HEAD_BYTES_] data
    cdef Py_ssize_t size = min(len(frame), <Py_ssize_t>HEAD_BYTES_)
    memcpy(data, &sequence, 8)
    memcpy(data + 8, PyBytes_AS_STRING(frame), size)
    return checksum(data, 8 + size, 0)
