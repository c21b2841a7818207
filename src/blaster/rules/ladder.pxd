# The cuts of one column by many ranges: which rows lie from each cut on, for one block at a time.

from libc.stdint cimport int64_t, uint64_t

from blaster.rules.leafrows cimport Ladder

# A real as a whole number of the same order; what is no number comes first of all.
cdef int64_t key_of(double real) noexcept nogil

# Sorts the cuts, each once.
cdef void sort_cuts(Ladder* ladder) noexcept nogil

# How many cuts are not above `key`.
cdef int cuts_up_to(const Ladder* ladder, int64_t key) noexcept nogil

# Per cut a row of BLOCK_WORDS words: the rows whose key is not below it; bits past `rows` are 0.
cdef void climb(
    const Ladder* ladder, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* words
) noexcept nogil
