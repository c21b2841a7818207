"""Rows cut by batch, so that a pass over them stays in one batch at a time."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from blaster.core.column cimport Column
from blaster.core.store cimport Store

cdef class Parts:
    cdef const int64_t[::1] row             # the rows themselves
    cdef const int64_t[::1] bound           # part p: positions bound[p] to bound[p + 1]
    cdef readonly object rows               # int64[]
    cdef readonly object bounds             # int64[count + 1]
    cdef readonly Py_ssize_t count
    cdef readonly bint ascending            # else a part is just so many positions

    cdef int check(self, Py_ssize_t values) except -1
    cdef int in_order(self, Py_ssize_t rows) except -1
    cdef Py_ssize_t members(self, Py_ssize_t threads) except -1

# Rows that ascend, cut where each batch ends: the caller's word, it is not looked at.
cdef Parts cut_parts(object rows, object bounds)

cdef extern from *:
    """
    static inline void blaster_ahead(const void* place) { __builtin_prefetch(place); }
    """
    # Begins to fetch what will be read or written soon.
    void ahead "blaster_ahead"(const void* place) noexcept nogil

# What every pass over them reads: positions of part p are bound[p] to bound[p + 1].
cdef struct Span:
    const int64_t* row
    const int64_t* bound
    const int32_t* key          # a step each, or NULL
    uint64_t steps
    uint8_t* bad                # a flag a member: set where a step or a row does not belong

cdef Span span_of(Parts parts, const int32_t[::1] keys, Py_ssize_t steps, uint8_t[::1] bad)
cdef Store store_of(Column column, int kind)
cdef int same_length(Py_ssize_t one, Py_ssize_t other) except -1
cdef int refuse_steps(bint bad, Py_ssize_t steps) except -1
