# Number, date and instant tests over columns. Each writes one word per 64 rows into `out`, the bits
# past the last row 0; `first_row` is a multiple of 64; validity is the caller's business except
# where said. Values of missing rows may be anything.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

# low <= value <= high for INT, INSTANT, DATE and TIME. For TIME a missing row is never inside.
cdef void range_rows(
    int kind, const void* data, Py_ssize_t first_row, Py_ssize_t rows,
    int64_t low, int64_t high, uint64_t* out,
) noexcept nogil

cdef void range_real_rows(
    const double* data, Py_ssize_t first_row, Py_ssize_t rows, double low, double high,
    uint64_t* out,
) noexcept nogil

# low <= value - base <= high, dates.
cdef void range_relative_rows(
    const int32_t* data, const int32_t* base, Py_ssize_t first_row, Py_ssize_t rows,
    int64_t low, int64_t high, uint64_t* out,
) noexcept nogil

# op 0 is ==, 1 is <, 2 is <=; both of one kind: INT, INSTANT, NUMBER, DATE or TIME.
cdef void compare_rows(
    int kind, const void* left, const void* right, int op, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil

# Rows of a TIME or ID column that are not missing.
cdef void set_rows(
    int kind, const void* data, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out
) noexcept nogil

# table[code] for codes inside the table, 0 for others.
cdef void table_rows(
    const int32_t* codes, const uint8_t* table, Py_ssize_t table_size, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil

# Some entry of the row's list has table[code]; reads only rows whose bit in `valid` is 1.
cdef void list_rows(
    const int32_t* offsets, const int32_t* sizes, const int32_t* codes, const uint64_t* valid,
    const uint8_t* table, Py_ssize_t table_size, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil

# Surely true (or, with `negated`, surely false) of tree.Engaged; `not_sent` may be NULL.
cdef void engaged_rows(
    const uint32_t* fact, const uint32_t* sent, const uint32_t* not_sent, int64_t window,
    int64_t now, bint negated, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out,
) noexcept nogil

# The first anniversary of `data` that is not before `today` lies before `limit`.
cdef void anniversary_rows(
    const int32_t* data, const int32_t* today, const int32_t* limit, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil
