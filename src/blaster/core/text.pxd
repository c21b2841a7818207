"""Columns of text: Arrow string views into an arena per batch."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from blaster.core.arena cimport Arena, ArenaStore

cdef enum:
    INLINE_BYTES_MAX = 12


cdef struct View:                       # 16 bytes, Arrow BinaryView
    int32_t length
    uint8_t[4] prefix                   # a short text lies here and in what follows, padded with 0
    int32_t buffer                      # always 0: one arena a batch
    int32_t offset


cdef inline const uint8_t* view_bytes(const View* view, const uint8_t* arena) noexcept nogil:
    """Where the text of this view lies."""
    if view.length <= INLINE_BYTES_MAX:
        return &view.prefix[0]
    return arena + view.offset


cdef class TextStore(ArenaStore):
    cdef object texts(self, const int64_t[::1] rows)
    cdef int write(self, const int64_t[::1] rows, object texts) except -1
    cdef View* view_at(self, int64_t row, const uint8_t** text) noexcept nogil
