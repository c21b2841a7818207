"""Loops over plain arrays beside those in simd.c, and the choice among the latter.

Owns no Python object, no GIL and no memory. Laws: the instruction set is chosen once, when the
module is loaded, by what the machine has; tests choose another with `use`; every one gives the same
bits (tests hold them against each other).
"""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blaster.rules.bitmap cimport pack64, tail_mask
from blaster.rules.vector cimport (
    FORM_F32, FORM_I8, FORM_I16, FORM_I32, FORM_U8, FORM_U16, FORM_U32,
)

cdef extern from "blaster/rules/simd.h" nogil:
    const simd_kernels* simd_at(int level) noexcept
    int simd_best() noexcept

cdef int64_t INT64_FIRST = <int64_t>(<uint64_t>1 << 63)
cdef int64_t INT64_LAST = 0x7FFFFFFFFFFFFFFF
cdef uint64_t NEVER = 0xFFFFFFFF

cdef const simd_kernels* in_use = simd_at(simd_best())

cdef enum:
    # It is never more than three dates at once on Earth.
    TODAYS = 4

# For one today: whether the anniversary of each day of the March-based year is inside the window.
cdef struct AnniversaryTable:
    int32_t today
    int32_t limit
    uint8_t[366] hit


cdef const simd_kernels* chosen() noexcept nogil:
    return in_use


def levels():
    """The names of the instruction sets that this machine has, plain C first."""
    return [simd_at(level).name.decode() for level in range(simd_best() + 1)]


def use(name):
    """Makes this process use one of `levels`, for tests; gives the name of the one before."""
    global in_use
    before = in_use.name.decode()
    in_use = simd_at(levels().index(name))
    return before


cdef bint gap_between(
    int64_t low, int64_t high, int bits, bint is_signed, simd_gap* gap
) noexcept nogil:
    cdef uint64_t most = <uint64_t>-1 if bits == 64 else <uint64_t>0xFFFFFFFF
    cdef uint64_t first, last
    gap.is_signed = is_signed
    gap.pos = gap.neg = 0
    gap.pos_base = gap.pos_span = gap.neg_base = gap.neg_span = 0
    if low > high:
        return False
    if high >= 0:
        first = <uint64_t>max(low, <int64_t>0)
        # The largest number there is means no end.
        last = most if high == INT64_LAST else min(<uint64_t>high, most)
        gap.pos = first <= last
        gap.pos_base, gap.pos_span = first, last - first
    if low < 0:
        first = <uint64_t>1 if high >= 0 else <uint64_t>(-(high + 1)) + 1
        last = most if low == INT64_FIRST else min(<uint64_t>(-(low + 1)) + 1, most)
        gap.neg = first <= last
        gap.neg_base, gap.neg_span = first, last - first
    return gap.pos or gap.neg


ctypedef fused whole:
    int8_t
    int16_t
    int32_t
    int64_t
    uint8_t
    uint16_t
    uint32_t


cdef inline void widen_from(const whole* data, Py_ssize_t rows, int64_t* out) noexcept nogil:
    cdef Py_ssize_t row
    for row in range(rows):
        out[row] = data[row]


cdef void widen(const void* data, int layout, Py_ssize_t rows, int64_t* out) noexcept nogil:
    if layout == FORM_I8:
        widen_from[int8_t](<const int8_t*>data, rows, out)
    elif layout == FORM_I16:
        widen_from[int16_t](<const int16_t*>data, rows, out)
    elif layout == FORM_I32:
        widen_from[int32_t](<const int32_t*>data, rows, out)
    elif layout == FORM_U8:
        widen_from[uint8_t](<const uint8_t*>data, rows, out)
    elif layout == FORM_U16:
        widen_from[uint16_t](<const uint16_t*>data, rows, out)
    elif layout == FORM_U32:
        widen_from[uint32_t](<const uint32_t*>data, rows, out)
    else:
        widen_from[int64_t](<const int64_t*>data, rows, out)


cdef inline int flags_of(Py_ssize_t word, Py_ssize_t rows, uint8_t* flags) noexcept nogil:
    """How many rows the word has; clears the flags when it is not full."""
    cdef int index
    if rows - 64 * word >= 64:
        return 64
    for index in range(64):
        flags[index] = 0
    return <int>(rows - 64 * word)


cdef inline double real_at(const void* data, int layout, Py_ssize_t row) noexcept nogil:
    if layout == FORM_F32:
        return (<const float*>data)[row]
    return (<const double*>data)[row]


cdef void order_reals(
    const void* left, int left_layout, const void* right, int right_layout, int op,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word, row
    cdef int index, size
    cdef double a, b
    for word in range((rows + 63) >> 6):
        size = flags_of(word, rows, flags)
        for index in range(size):
            row = 64 * word + index
            a = real_at(left, left_layout, row)
            b = real_at(right, right_layout, row)
            flags[index] = a == b if op == 0 else a < b if op == 1 else a <= b
        out[word] = pack64(flags)


cdef void among_bits(
    const int64_t* values, Py_ssize_t rows, int64_t base, const uint32_t* bits, Py_ssize_t size,
    uint64_t* out,
) noexcept nogil:
    cdef Py_ssize_t word, index
    cdef uint64_t place, found
    for word in range((rows + 63) >> 6):
        found = 0
        for index in range(min(<Py_ssize_t>64, rows - 64 * word)):
            place = <uint64_t>values[64 * word + index] - <uint64_t>base
            if place < <uint64_t>size:
                found |= <uint64_t>((bits[place >> 5] >> (place & 31)) & 1) << index
        out[word] = found


cdef inline uint64_t spread(int64_t value) noexcept nogil:
    cdef uint64_t mixed = <uint64_t>value * <uint64_t>0x9E3779B97F4A7C15
    return mixed ^ (mixed >> 32)


cdef void among_keys(
    const int64_t* values, Py_ssize_t rows, const int64_t* keys, Py_ssize_t size, int64_t empty,
    uint64_t* out,
) noexcept nogil:
    cdef Py_ssize_t word, index
    cdef uint64_t mask = <uint64_t>size - 1
    cdef uint64_t place, found
    cdef int64_t value
    for word in range((rows + 63) >> 6):
        found = 0
        for index in range(min(<Py_ssize_t>64, rows - 64 * word)):
            value = values[64 * word + index]
            place = spread(value) & mask
            while keys[place] != value and keys[place] != empty:
                place = (place + 1) & mask
            found |= <uint64_t>(keys[place] == value and value != empty) << index
        out[word] = found


def hashed(values):
    """The table of a sorted array of different int64 for `among_keys`, and its empty mark."""
    cdef const int64_t[::1] view = values
    cdef Py_ssize_t size = 16
    cdef Py_ssize_t index
    cdef uint64_t place
    while size < 2 * view.shape[0]:
        size *= 2
    gaps = np.flatnonzero(np.diff(values) > 1)
    if view.shape[0] == 0 or view[0] > INT64_FIRST:
        empty = INT64_FIRST
    elif len(gaps):
        empty = int(values[gaps[0]]) + 1
    else:
        empty = INT64_FIRST + view.shape[0]
    table = np.full(size, empty, dtype=np.int64)
    cdef int64_t[::1] keys = table
    cdef int64_t mark = empty
    with nogil:
        for index in range(view.shape[0]):
            place = spread(view[index]) & <uint64_t>(size - 1)
            while keys[place] != mark:
                place = (place + 1) & <uint64_t>(size - 1)
            keys[place] = view[index]
    return table, empty


cdef void list_rows(
    const int32_t* offsets, const int32_t* sizes, const int32_t* codes, const uint64_t* wanted,
    const uint32_t* bits, Py_ssize_t size, Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef Py_ssize_t word, row, at, index
    cdef uint32_t code
    cdef uint64_t found
    for word in range((rows + 63) >> 6):
        found = 0
        if wanted[word]:
            for index in range(min(<Py_ssize_t>64, rows - 64 * word)):
                if not (wanted[word] >> index) & 1:
                    continue
                row = 64 * word + index
                for at in range(offsets[row], <Py_ssize_t>offsets[row] + sizes[row]):
                    code = <uint32_t>codes[at]
                    if code < <uint64_t>size and (bits[code >> 5] >> (code & 31)) & 1:
                        found |= <uint64_t>1 << index
                        break
        out[word] = found


cdef inline int64_t floor_div(int64_t value, int64_t by) noexcept nogil:
    return value // by - ((value % by) < 0)


cdef inline int64_t march_year_start(int64_t year) noexcept nogil:
    return (
        365 * year + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) - 719468
    )


cdef inline int64_t march_year_of(int64_t day) noexcept nogil:
    """The March-based year that holds a day number."""
    cdef int64_t shifted = day + 719468
    cdef int64_t era = floor_div(shifted, 146097)
    cdef int64_t in_era = shifted - era * 146097
    cdef int64_t year = (in_era - in_era // 1460 + in_era // 36524 - in_era // 146096) // 365
    return year + era * 400


cdef inline bint long_year(int64_t year) noexcept nogil:
    """Whether the March-based year ends with a 29 February."""
    return march_year_start(year + 1) - march_year_start(year) == 366


cdef inline int64_t kept_on(int64_t year, int64_t offset) noexcept nogil:
    """The anniversary in a March-based year of the day `offset` days into its own."""
    return march_year_start(year) + (364 if offset == 365 and not long_year(year) else offset)


cdef inline int32_t day_of_march_year(int64_t day) noexcept nogil:
    """How many days after its 1 March (0 to 365) a day number lies."""
    # An era is 400 years; the shift makes every int32 day number positive.
    cdef uint64_t shifted = <uint64_t>(day + 719468 + <int64_t>14700 * 146097)
    cdef uint32_t in_era = <uint32_t>(shifted % 146097)
    cdef uint32_t year = (in_era - in_era // 1460 + in_era // 36524 - in_era // 146096) // 365
    return <int32_t>(in_era - (365 * year + year // 4 - year // 100))


cdef void fill_table(AnniversaryTable* table, int32_t today, int32_t limit) noexcept nogil:
    cdef int64_t year = march_year_of(today)
    cdef int64_t kept
    cdef int offset
    table.today = today
    table.limit = limit
    for offset in range(366):
        kept = kept_on(year, offset)
        if kept < today:
            kept = kept_on(year + 1, offset)
        table.hit[offset] = kept < limit


cdef void anniversary_rows(
    const int32_t* data, const int32_t* today, const int32_t* limit, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef AnniversaryTable[TODAYS] tables
    cdef Py_ssize_t word, row
    cdef int index, size, place
    cdef int filled = 0
    for word in range((rows + 63) >> 6):
        size = flags_of(word, rows, flags)
        for index in range(size):
            row = 64 * word + index
            place = 0
            while place < filled and (
                tables[place].today != today[row] or tables[place].limit != limit[row]
            ):
                place += 1
            if place == filled:
                place = min(filled, TODAYS - 1)
                fill_table(&tables[place], today[row], limit[row])
                filled = place + 1
            flags[index] = tables[place].hit[day_of_march_year(data[row])]
        out[word] = pack64(flags)


cdef void anniversary_outside(
    const int32_t* data, int32_t today, int32_t limit, int64_t base, Py_ssize_t size,
    const uint64_t* wanted, Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef AnniversaryTable table
    cdef uint64_t[128] outside
    cdef Py_ssize_t words = (rows + 63) >> 6
    cdef Py_ssize_t word, index
    cdef int32_t day
    cdef bint filled = False
    in_use.range32(data, rows, <uint64_t>base, <uint64_t>(size - 1), outside)
    for word in range(words):
        outside[word] = ~outside[word] & wanted[word]
        if outside[word] == 0:
            continue
        if not filled:
            fill_table(&table, today, limit)
            filled = True
        for index in range(min(<Py_ssize_t>64, rows - 64 * word)):
            if (outside[word] >> index) & 1:
                day = day_of_march_year(data[64 * word + index])
                out[word] |= <uint64_t>table.hit[day] << index


def anniversary_bits(today, limit, base, size):
    """One bit for each of `size` days from `base` on: whether its anniversary is in the window."""
    cdef AnniversaryTable table
    fill_table(&table, today, limit)
    flags = np.zeros(size, dtype=np.uint8)
    cdef uint8_t[::1] view = flags
    cdef Py_ssize_t index
    cdef int64_t first = base
    for index in range(view.shape[0]):
        view[index] = table.hit[day_of_march_year(first + index)]
    return np.packbits(flags, bitorder="little").view(np.uint32)


cdef inline uint64_t bits_at(const uint8_t* bits, Py_ssize_t nbytes) noexcept nogil:
    """A word of a bitmap that may end with these bytes."""
    cdef uint64_t word = 0
    if nbytes == 8:
        memcpy(&word, bits, 8)
    else:
        memcpy(&word, bits, nbytes)
    return word


def present(values, valid):
    """A column's validity bits (None: all valid) without the rows whose value says missing.

    That is NEVER in a uint32 column, and what is no number in one of floats. Gives `valid` itself
    when no valid row says so; else new words.
    """
    cdef Py_ssize_t rows = len(values)
    cdef Py_ssize_t count = (rows + 63) >> 6
    if rows == 0:
        return valid
    cdef const uint8_t[::1] view = values.view(np.uint8)
    out = np.empty(count, dtype=np.uint64)
    cdef uint64_t[::1] words = out
    cdef int width = values.itemsize if values.dtype.kind == "f" else 0
    with nogil:
        if width == 8:
            in_use.real64(&view[0], rows, -INFINITY, INFINITY, &words[0])
        elif width == 4:
            in_use.real32(&view[0], rows, -INFINITY, INFINITY, &words[0])
        else:
            in_use.range32(&view[0], rows, 0, NEVER - 1, &words[0])
    cdef const uint8_t[::1] bits = None if valid is None else np.frombuffer(valid, np.uint8)
    cdef uint64_t here
    cdef uint64_t lost = 0
    cdef Py_ssize_t word
    with nogil:
        for word in range(count):
            here = tail_mask(rows) if word == count - 1 else <uint64_t>-1
            if bits is not None:
                here &= bits_at(&bits[8 * word], min(<Py_ssize_t>8, ((rows + 7) >> 3) - 8 * word))
            lost |= here & ~words[word]
            words[word] &= here
    return out if lost else valid


# Every C kernel by its name, for the tests that hold the instruction sets against each other.

def try_kernel(name, values, *given):
    """Words of one kernel of the instruction set in use over a contiguous array of its width."""
    cdef const uint8_t[::1] view = values.view(np.uint8)
    cdef Py_ssize_t rows = len(values)
    out = np.full((rows + 63) // 64 + 1, 0x5A5A5A5A5A5A5A5A, dtype=np.uint64)
    cdef uint64_t[::1] words = out
    cdef const void* data = &view[0] if rows else NULL
    cdef const uint8_t[::1] other
    cdef const uint32_t[::1] bits
    cdef simd_gap gap
    if name.startswith("gap"):
        other = given[0].view(np.uint8)
        gap_between(given[1], given[2], int(name[3:]), given[3], &gap)
    elif name.startswith("table"):
        bits = given[1]
    cdef uint64_t base = given[0] if name[:5] in ("range", "table") else 0
    if name == "range8":
        in_use.range8(data, rows, base, given[1], &words[0])
    elif name == "range16":
        in_use.range16(data, rows, base, given[1], &words[0])
    elif name == "range32":
        in_use.range32(data, rows, base, given[1], &words[0])
    elif name == "range64":
        in_use.range64(data, rows, base, given[1], &words[0])
    elif name == "real32":
        in_use.real32(data, rows, given[0], given[1], &words[0])
    elif name == "real64":
        in_use.real64(data, rows, given[0], given[1], &words[0])
    elif name == "gap32":
        in_use.gap32(data, &other[0] if rows else NULL, rows, &gap, &words[0])
    elif name == "gap64":
        in_use.gap64(data, &other[0] if rows else NULL, rows, &gap, &words[0])
    elif name == "table8":
        in_use.table8(data, rows, base, &bits[0], 32 * len(bits), &words[0])
    elif name == "table16":
        in_use.table16(data, rows, base, &bits[0], 32 * len(bits), &words[0])
    else:
        in_use.table32(data, rows, base, &bits[0], 32 * len(bits), &words[0])
    if words[words.shape[0] - 1] != <uint64_t>0x5A5A5A5A5A5A5A5A:
        raise AssertionError("a kernel wrote behind its words")
    return out[: len(out) - 1]
