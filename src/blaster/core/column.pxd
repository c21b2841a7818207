"""One column over the rows of a table: a value or nothing for each row, of one kind."""

from libc.stdint cimport int64_t

from blaster.core.fixed cimport TimeStore
from blaster.core.store cimport Store


cdef class Column:
    cdef Store store                        # the layout, by kind; compiled readers may use it
    cdef readonly object default            # what was given, or None
    cdef readonly bint never_missing

    cdef const int64_t[::1] checked(self, object rows)
    cdef TimeStore time_store(self)
