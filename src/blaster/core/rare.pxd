"""Columns of four bytes a row in which few rows have a value."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from blaster.core.chunk cimport Chunk
from blaster.core.fixed cimport FixedStore


cdef struct Few:                # a batch with few values; `starts` NULL: it has many, or no memory
    uint16_t* starts            # by page of 256 rows: where its values begin; last: how many
    uint32_t* values            # ascending by row
    uint8_t* lows               # by value: its row within the page


cdef class RareStore(FixedStore):
    cdef Few* few               # a batch each
    cdef uint32_t* given        # scratch of `write`, a batch each; 0 between calls

    cdef bint lies_sparse(self, Chunk chunk) noexcept
    cdef int adopt(self, Py_ssize_t batch, Chunk chunk) except -1
    cdef int open_few(self, Py_ssize_t batch, Py_ssize_t count) except -1
    cdef int make_dense(self, Py_ssize_t batch) except -1
    cdef Chunk dense(self, Py_ssize_t batch)
    cdef void overlay(
        self, const int64_t* rows, Py_ssize_t count, uint32_t* values, void* valid, bint packed
    ) noexcept nogil
    cdef bint choose_layouts(self) except -1
    cdef int write_dense(
        self, const int64_t[::1] rows, object values, object valid
    ) except -1
