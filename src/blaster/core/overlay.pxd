# The rows of one batch of contacts, settled in order over what the indexes found.

from libc.stdint cimport int64_t, uint64_t

from blaster.core.keys cimport BLOCK, Keys, KeyView, Seed


cdef class Overlay:
    # One kind of key: what earlier rows of the batch brought that the index does not have.
    cdef Keys keys
    cdef Seed seed
    cdef bint fold
    cdef uint64_t mask          # slots - 1; a power of two, at least twice the keys it may get
    cdef uint64_t* slots        # (tag << 32) | (row of the batch + 1); 0 is empty

    cdef const int64_t[::1] found       # the row that the index gave each, -1 for none
    cdef uint64_t[BLOCK] hashes         # of a block of rows: those that are given and not found

    cdef void fetch(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil
    cdef Py_ssize_t find(self, Py_ssize_t row, uint64_t hashed) noexcept nogil
    cdef void insert(self, Py_ssize_t row, uint64_t hashed) noexcept nogil
