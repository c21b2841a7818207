"""Columns of one bit a row: BOOL."""

from blaster.core.store cimport Store


cdef class BoolStore(Store):
    pass
