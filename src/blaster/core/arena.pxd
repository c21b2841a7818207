"""Columns whose values lie in an arena per batch: what TEXT and LIST share."""

from libc.stdint cimport int64_t, uint8_t

from blaster.core.chunk cimport Chunk
from blaster.core.store cimport Place, Store

cdef enum:
    ARENA_BYTES_MIN = 1024              # the first arena; below four of it nothing is compacted
    ARENA_DOUBLING_BYTES_MAX = 262144   # a bigger arena grows by an eighth
    ARENA_BYTES_MAX = 0x7FFFFFC0        # Arrow's offsets are int32
    ARENA_VALUE_BYTES_MAX = 32767       # ARENA_BYTES_MAX / (ROWS_PER_BATCH + 1)


cdef struct Arena:                      # one batch; all 0 as long as nothing lies in it
    uint8_t* data
    int64_t used
    int64_t garbage                     # of the used bytes, those that no row names any more
    int64_t capacity


cdef int admit(int64_t longest) except -1


cdef class ArenaStore(Store):
    cdef list arena_chunks              # Chunk | None, a batch each
    cdef Arena* arenas

    cdef int reserve(self, Py_ssize_t batch, int64_t nbytes) except -1
    cdef int compact(self) except -1
    cdef int repack(self, Py_ssize_t batch, int64_t spare) except -1
    cdef int64_t move_live(
        self, Place place, Py_ssize_t rows, const uint8_t* source, uint8_t* target
    ) noexcept
