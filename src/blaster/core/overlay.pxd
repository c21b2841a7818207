# The rows of one batch of contacts, settled in order over what the indexes found.

from libc.stdint cimport int64_t, uint64_t

from blaster.core.keys cimport Keys, KeyView, Seed


cdef class Overlay:
    # One kind of key: what earlier rows of the batch brought that the index does not have.
    cdef Keys keys
    cdef Seed seed
    cdef bint fold
    cdef uint64_t mask          # slots - 1; a power of two, at least twice the rows
    cdef uint64_t* slots        # (tag << 32) | (row of the batch + 1); 0 is empty

    cdef Py_ssize_t find(self, Py_ssize_t row, uint64_t hashed) noexcept nogil
    cdef void insert(self, Py_ssize_t row, uint64_t hashed) noexcept nogil
    cdef uint64_t hash_of(self, Py_ssize_t row) noexcept nogil
