"""The memory of one column of one batch: the unit of copying, pinning and snapshots."""

from libc.stdint cimport uint8_t, uint64_t


cdef class Chunk:
    cdef void* block                  # what calloc gave; `data` is its first 64-byte boundary
    cdef uint8_t* data
    cdef readonly Py_ssize_t nbytes
    cdef readonly Py_ssize_t pins     # buffers given out and not yet released
    cdef uint64_t stamp               # the epoch in which it was last opened to a writer, or 0

    cpdef Chunk copy(self)

cdef uint64_t this_epoch() noexcept
cdef uint64_t next_epoch() noexcept
