# Text tests over Arrow string views. `out` is one word per 64 rows; rows whose bit in `valid` is 0
# are not looked at (their views may hold anything) and come out 0.

from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    TEXT_EQ = 0
    TEXT_CONTAINS = 1
    TEXT_STARTS = 2
    TEXT_ENDS = 3

# -1 when memory for a very long row ran out, else 0. With `fold` the needle must be folded already.
cdef int text_rows(
    int op, bint fold, const uint8_t* views, const uint8_t* arena, const uint64_t* valid,
    Py_ssize_t first_row, Py_ssize_t rows, const uint8_t* needle, Py_ssize_t needle_nbytes,
    uint64_t* out,
) noexcept nogil

# A row that is empty or only white space (as str.isspace says); missing rows come out 1.
cdef void blank_rows(
    const uint8_t* views, const uint8_t* arena, const uint64_t* valid,
    Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out,
) noexcept nogil
