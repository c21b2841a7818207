# Text tests over Arrow string views and offsets. `out` is one word per 64 rows; rows whose bit in
# `wanted` is 0 are not looked at (what they hold may be anything) and come out 0. `wanted` and
# `out` begin at `first_row`; bits of `wanted` past the last row are 0.

from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    TEXT_EQ = 0
    TEXT_CONTAINS = 1
    TEXT_STARTS = 2
    TEXT_ENDS = 3

cdef enum:
    # Folding makes no text longer than three times its bytes; asserted when the table is made.
    FOLD_GROWTH = 3
    SCRATCH_NBYTES = 1024

cdef struct TextColumn:
    int layout               # FORM_VIEW, FORM_O32 or FORM_O64
    const uint8_t* data
    const uint8_t* arena

# Case-folds into `out` (room for FOLD_GROWTH * nbytes + 8) and gives the length; the fold table is
# ready once `needle_bytes` was asked to fold.
cdef Py_ssize_t fold_into(const uint8_t* text, Py_ssize_t nbytes, uint8_t* out) noexcept nogil

# Whether a text passes, given what it is asked; -1 when memory ran out.
ctypedef int (*text_test)(
    const void* given, const uint8_t* text, Py_ssize_t nbytes
) noexcept nogil

# The wanted rows that pass; -1 when memory ran out, else 0.
cdef int rows_where(
    text_test test_, const void* given, const TextColumn* column, const uint64_t* wanted,
    Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out,
) noexcept nogil

# -1 when memory for a very long row ran out, else 0. With `fold` the needle must be folded already.
cdef int text_rows(
    int op, bint fold, const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row,
    Py_ssize_t rows, const uint8_t* needle, Py_ssize_t size, uint64_t* out,
) noexcept nogil

# A row that is empty or only white space (as str.isspace says).
cdef void blank_rows(
    const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil
