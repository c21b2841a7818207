"""Columns of lists of words: Arrow list views of int32 codes, in an arena per batch."""

from libc.stdint cimport int64_t

from blaster.core.arena cimport ArenaStore


cdef class ListStore(ArenaStore):
    cdef int write(
        self, const int64_t[::1] rows, object codes, object ends, object valid
    ) except -1
    cdef object codes_at(self, const int64_t[::1] rows)
    cdef object batch_codes(self, Py_ssize_t batch)
