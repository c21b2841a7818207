"""Rows cut by batch, so that a pass over them stays in one batch at a time."""

from libc.stdint cimport int64_t

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
