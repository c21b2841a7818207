"""Rows cut by batch, so that a pass over them stays in one batch at a time.

Owns the cut and how many threads a pass is worth. Laws: rows that ascend are checked to do so
once, here, so that a pass need look at the first and the last of a part only; rows in another order
are cut by their number, and a pass that needs batches refuses them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

import numpy as np

from blaster.core.column cimport Column
from blaster.core.store cimport BATCH_BITS, ROWS_PER_BATCH, Store

# Rows that are worth a thread of their own: starting one costs as much as a pass over these.
THREAD_ROWS = 32_768


cdef Py_ssize_t first_from(
    const int64_t* rows, Py_ssize_t low, Py_ssize_t high, int64_t row
) noexcept nogil:
    """The first position whose row is not below this one."""
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) >> 1
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


cdef class Parts:

    def __cinit__(self, rows):
        self.rows = rows
        self.row = rows
        cdef Py_ssize_t i, count = self.row.shape[0]
        cdef int64_t falls = 0          # its sign says it, so that the compiler takes many at once
        cdef const int64_t* row = &self.row[0] if count else NULL
        with nogil:
            for i in range(count - 1):
                falls |= row[i + 1] - row[i] - 1
        self.ascending = falls >= 0 and (count == 0 or row[0] >= 0)
        if not self.ascending:
            cuts = [*range(0, count, ROWS_PER_BATCH), count]
        else:
            cuts = [0]
            i = 0
            while i < count:
                i = first_from(row, i, count, ((row[i] >> BATCH_BITS) + 1) << BATCH_BITS)
                cuts.append(i)
        self.bounds = np.array(cuts, np.int64)
        self.bound = self.bounds
        self.count = len(cuts) - 1

    cdef int check(self, Py_ssize_t values) except -1:
        """There is one value a row."""
        if values != self.row.shape[0]:
            raise ValueError(f"{self.row.shape[0]} rows and {values} values")
        return 0

    cdef int in_order(self, Py_ssize_t rows) except -1:
        """They ascend, and are rows of a column that has so many."""
        if not self.ascending:
            raise ValueError("rows that do not ascend")
        if self.count and self.row[self.row.shape[0] - 1] >= rows:
            raise IndexError(f"a row outside the column's {rows}")
        return 0

    cdef Py_ssize_t members(self, Py_ssize_t threads) except -1:
        """How many threads a pass over them is worth, of so many that it may have."""
        if threads < 1:
            raise ValueError(f"{threads} threads")
        return max(1, min(threads, self.count, self.row.shape[0] // <Py_ssize_t>THREAD_ROWS))


cdef Parts cut_parts(object rows, object bounds):
    cdef Parts made = Parts(np.empty(0, np.int64))
    made.rows, made.bounds = rows, bounds
    made.row, made.bound = rows, bounds
    made.count = len(bounds) - 1
    return made


# --- what passes share ---------------------------------------------------------------------------

cdef Store store_of(Column column, int kind):
    if column.store.kind != kind or column.rare:
        raise TypeError(f"a {'rare ' * column.rare}{column.kind.name} column where another belongs")
    return column.store


cdef int same_length(Py_ssize_t one, Py_ssize_t other) except -1:
    if one != other:
        raise ValueError(f"{one} rows and {other} values")
    return 0


cdef int refuse_steps(bint bad, Py_ssize_t steps) except -1:
    if bad:
        raise IndexError(f"a step outside the journey's {steps}")
    return 0


cdef Span span_of(Parts parts, const int32_t[::1] keys, Py_ssize_t steps, uint8_t[::1] bad):
    cdef Span span
    span.row = &parts.row[0] if parts.count else NULL
    span.bound = &parts.bound[0]
    span.key = &keys[0] if keys is not None and keys.shape[0] else NULL
    span.steps = <uint64_t>steps
    span.bad = NULL if bad is None else &bad[0]
    return span
