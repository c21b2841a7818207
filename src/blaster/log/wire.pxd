# How the small change of a frame is read. What raises LogCorrupt says so; nothing is ever read at
# or behind `size`, and `at` never lies outside 0 .. size.

from libc.stdint cimport uint8_t, uint64_t


cdef class Reader:
    cdef bytes held  # keeps the bytes alive
    cdef const uint8_t* start
    cdef Py_ssize_t size
    cdef readonly Py_ssize_t at  # the next byte

    cdef int read(self, uint64_t* low) except -1  # a varint's bits from 64 on; LogCorrupt
    cdef Py_ssize_t length(self) except -1  # a varint of no more bytes than are left; LogCorrupt
