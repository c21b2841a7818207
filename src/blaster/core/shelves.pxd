"""What of a column stands on disk, and what of it a snapshot holds on to until it does."""

from libc.stdint cimport int64_t

from blaster.core.column cimport Column
from blaster.core.store cimport Store

cdef enum:
    PAGE = 262144               # bytes of an arena that are written together


cdef struct Piece:              # of a column, still to be written
    int64_t batch
    int64_t page                # of its arena, or -1: the values themselves
    int64_t start               # bytes of the chunk
    int64_t stop


cdef class ColumnShelf:
    cdef readonly Column column
    cdef readonly object used           # int64[batches]: bytes of each arena, when captured
    cdef readonly object garbage        # int64[batches]
    cdef readonly Py_ssize_t left       # pieces to be written
    cdef Store store
    cdef object places                  # PLACE[batches]: what is known to stand on disk
    cdef list pages                     # by batch: PLACE[pages of its arena]
    cdef object saved                   # int64[batches]: bytes of each arena that `pages` hold
    cdef object next_places             # the same, as captured; pieces not yet written are blank
    cdef list next_pages
    cdef list chunks                    # by piece: what is held on to, None once written
    cdef Piece* pieces
    cdef Py_ssize_t count, room

    cdef int note(self, object chunk, Piece piece) except -1
    cdef int capture_arenas(self, int64_t since) except -1
    cdef int let_go(self, Py_ssize_t at) except -1
    cdef int take_batch(self, Py_ssize_t batch, object chunk) except -1
    cdef int take_arena(self, Py_ssize_t batch, object chunk) except -1
