# Lists of rows that are linked backwards through a column: walked whole, for many heads at once.

from libc.stdint cimport int64_t, uint32_t

from blaster.core.store cimport Store

cdef uint32_t link_at(Store links, int64_t row) noexcept nogil
