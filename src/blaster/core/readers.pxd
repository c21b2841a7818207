# Keys where they stand: in a text column.

from libc.stdint cimport int64_t, uint8_t

from blaster.core.index cimport KeyReader
from blaster.core.text cimport TextStore

cdef class ColumnReader(KeyReader):
    cdef readonly object column
    cdef TextStore store
