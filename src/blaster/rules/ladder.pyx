"""Many ranges over one column: every row is looked at once, however many they are.

Theory of operation: the ends of the ranges cut the numbers into stretches. A row's stretch is found
by bisection, the rows of a block are ordered by it, and the rows from one cut on are those from the
cut before less those between the two. A range is then what lies from its first cut on and not from
its last. Owns no memory. Laws: a row is in a range exactly where the kernel of that one range
finds it; what is no number lies below every cut.

Python never sees this module.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memmove, memset

from blaster.rules.bitmap cimport tail_mask, words_of
from blaster.rules.kernels cimport widen
from blaster.rules.leafrows cimport BLOCK_ROWS, BLOCK_WORDS, CUTS_MAX, Ladder, width_of
from blaster.rules.vector cimport FORM_F32, KIND_NUMBER

cdef enum:
    WIDE_ROWS = 512  # widened at once

cdef int64_t INT64_FIRST = <int64_t>(<uint64_t>1 << 63)
cdef int64_t INT64_LAST = 0x7FFFFFFFFFFFFFFF


cdef int64_t key_of(double real) noexcept nogil:
    cdef int64_t bits
    if real != real:
        return INT64_FIRST
    real += 0.0  # -0.0 is 0.0
    memcpy(&bits, &real, 8)
    return bits ^ ((bits >> 63) & INT64_LAST)


cdef int by_size(const void* left, const void* right) noexcept nogil:
    cdef int64_t a = (<const int64_t*>left)[0]
    cdef int64_t b = (<const int64_t*>right)[0]
    return (a > b) - (a < b)


cdef void sort_cuts(Ladder* ladder) noexcept nogil:
    cdef int index
    cdef int count = 0
    qsort(ladder.cuts, ladder.count, sizeof(int64_t), by_size)
    for index in range(ladder.count):
        if index == 0 or ladder.cuts[index] != ladder.cuts[index - 1]:
            ladder.cuts[count] = ladder.cuts[index]
            count += 1
    ladder.count = count


cdef void bisect(
    const int64_t* cuts, int count, const int64_t* keys, Py_ssize_t rows, int32_t* found
) noexcept nogil:
    """Per key how many cuts are not above it.

    One step of all keys after the other: those of one key would wait for each other. Without a
    branch on the key: which way it goes is anybody's guess.
    """
    cdef Py_ssize_t row
    cdef int32_t half
    memset(found, 0, sizeof(int32_t) * rows)
    while count > 1:
        half = count >> 1
        for row in range(rows):
            found[row] += half & -<int32_t>(cuts[found[row] + half - 1] <= keys[row])
        count -= half
    for row in range(rows if count else 0):
        found[row] += cuts[found[row]] <= keys[row]


cdef int cuts_up_to(const Ladder* ladder, int64_t key) noexcept nogil:
    cdef int32_t found
    bisect(ladder.cuts, ladder.count, &key, 1, &found)
    return found


cdef void keys_of(
    const Ladder* ladder, Py_ssize_t first_row, Py_ssize_t rows, int64_t* keys
) noexcept nogil:
    cdef int layout = ladder.slot.layout
    cdef const char* data = <const char*>ladder.slot.data + width_of(layout) * first_row
    cdef Py_ssize_t row
    if ladder.slot.kind != KIND_NUMBER:
        widen(data, layout, rows, keys)
    elif layout == FORM_F32:
        for row in range(rows):
            keys[row] = key_of((<const float*>data)[row])
    else:
        for row in range(rows):
            keys[row] = key_of((<const double*>data)[row])


cdef void climb(
    const Ladder* ladder, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* words
) noexcept nogil:
    cdef int64_t[WIDE_ROWS] keys
    cdef int32_t[WIDE_ROWS] found
    cdef uint16_t[BLOCK_ROWS] stretches
    cdef uint16_t[BLOCK_ROWS] order
    cdef int32_t[CUTS_MAX + 2] ends
    cdef Py_ssize_t row = 0
    cdef Py_ssize_t nbytes = 8 * words_of(rows)
    cdef Py_ssize_t size, index
    cdef int cut
    memset(ends, 0, sizeof(int32_t) * (ladder.count + 2))
    while row < rows:
        size = min(<Py_ssize_t>WIDE_ROWS, rows - row)
        keys_of(ladder, first_row + row, size, keys)
        bisect(ladder.cuts, ladder.count, keys, size, found)
        for index in range(size):
            stretches[row + index] = <uint16_t>found[index]
            ends[found[index] + 1] += 1
        row += size
    for cut in range(ladder.count + 1):
        ends[cut + 1] += ends[cut]
    for row in range(rows):
        order[ends[stretches[row]]] = <uint16_t>row
        ends[stretches[row]] += 1
    index = 0
    for cut in range(ladder.count):
        if cut:
            memmove(words, words - BLOCK_WORDS, nbytes)  # see program.store
        else:
            memset(words, 0xFF, nbytes)
            words[words_of(rows) - 1] = tail_mask(rows)
        while index < ends[cut]:
            words[order[index] >> 6] &= ~(<uint64_t>1 << (order[index] & 63))
            index += 1
        words += BLOCK_WORDS
