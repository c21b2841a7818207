"""The number, date and instant kernels.

Owns loops over plain arrays and nothing else: no Python object, no GIL, no memory of its own.
Laws: a kernel fills 64 flags and packs them, so that the inner loop has no branch and vectorises;
the last, partial word is padded with zeros.

Python never sees this module.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from blaster.rules.bitmap cimport pack64
from blaster.rules.vector cimport KIND_DATE, KIND_ID, KIND_NUMBER, KIND_TIME

cdef enum:
    INT32_MIN = -2147483648
    INT32_MAX = 2147483647

cdef uint32_t NEVER = 0xFFFFFFFF

cdef enum:
    # It is never more than three dates at once on Earth.
    TODAYS = 4

# For one today: whether the anniversary of each day of the March-based year is inside the window.
cdef struct AnniversaryTable:
    int32_t today
    int32_t limit
    uint8_t[366] hit


ctypedef fused number:
    int32_t
    uint32_t
    int64_t
    double

ctypedef fused mark:
    uint32_t
    uint64_t


cdef inline int flags_of(Py_ssize_t word, Py_ssize_t rows, uint8_t* flags) noexcept nogil:
    """How many rows the word has; clears the flags when it is not full."""
    cdef int index
    if rows - 64 * word >= 64:
        return 64
    for index in range(64):
        flags[index] = 0
    return <int>(rows - 64 * word)


cdef void range_of(
    const number* data, Py_ssize_t rows, number low, number high, uint64_t* out
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word
    cdef const number* block
    cdef int index, size
    for word in range((rows + 63) >> 6):
        block = data + 64 * word
        size = flags_of(word, rows, flags)
        if size == 64:
            for index in range(64):
                flags[index] = (block[index] >= low) & (block[index] <= high)
        else:
            for index in range(size):
                flags[index] = (block[index] >= low) & (block[index] <= high)
        out[word] = pack64(flags)


cdef void range_rows(
    int kind, const void* data, Py_ssize_t first_row, Py_ssize_t rows,
    int64_t low, int64_t high, uint64_t* out,
) noexcept nogil:
    if kind == KIND_DATE:
        low = max(low, <int64_t>INT32_MIN)
        high = min(high, <int64_t>INT32_MAX)
    elif kind == KIND_TIME:
        low = max(low, <int64_t>0)
        high = min(high, <int64_t>NEVER - 1)
    if low > high:
        low, high = 1, 0
    if kind == KIND_DATE:
        range_of[int32_t](<const int32_t*>data + first_row, rows, <int32_t>low, <int32_t>high, out)
    elif kind == KIND_TIME:
        range_of[uint32_t](
            <const uint32_t*>data + first_row, rows, <uint32_t>low, <uint32_t>high, out
        )
    else:
        range_of[int64_t](<const int64_t*>data + first_row, rows, low, high, out)


cdef void range_real_rows(
    const double* data, Py_ssize_t first_row, Py_ssize_t rows, double low, double high,
    uint64_t* out,
) noexcept nogil:
    range_of[double](data + first_row, rows, low, high, out)


cdef void range_relative_rows(
    const int32_t* data, const int32_t* base, Py_ssize_t first_row, Py_ssize_t rows,
    int64_t low, int64_t high, uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word, row
    cdef int64_t gap
    cdef int index, size
    for word in range((rows + 63) >> 6):
        row = first_row + 64 * word
        size = flags_of(word, rows, flags)
        for index in range(size):
            gap = <int64_t>data[row + index] - <int64_t>base[row + index]
            flags[index] = (gap >= low) & (gap <= high)
        out[word] = pack64(flags)


cdef void compare_of(
    const number* left, const number* right, int op, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word
    cdef const number* a
    cdef const number* b
    cdef int index, size
    for word in range((rows + 63) >> 6):
        a = left + 64 * word
        b = right + 64 * word
        size = flags_of(word, rows, flags)
        if op == 0:
            for index in range(size):
                flags[index] = a[index] == b[index]
        elif op == 1:
            for index in range(size):
                flags[index] = a[index] < b[index]
        else:
            for index in range(size):
                flags[index] = a[index] <= b[index]
        out[word] = pack64(flags)


cdef void compare_rows(
    int kind, const void* left, const void* right, int op, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    if kind == KIND_DATE:
        compare_of[int32_t](
            <const int32_t*>left + first_row, <const int32_t*>right + first_row, op, rows, out
        )
    elif kind == KIND_TIME:
        compare_of[uint32_t](
            <const uint32_t*>left + first_row, <const uint32_t*>right + first_row, op, rows, out
        )
    elif kind == KIND_NUMBER:
        compare_of[double](
            <const double*>left + first_row, <const double*>right + first_row, op, rows, out
        )
    else:
        compare_of[int64_t](
            <const int64_t*>left + first_row, <const int64_t*>right + first_row, op, rows, out
        )


cdef void differs_of(
    const mark* data, mark empty, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word
    cdef int index, size
    for word in range((rows + 63) >> 6):
        size = flags_of(word, rows, flags)
        for index in range(size):
            flags[index] = data[64 * word + index] != empty
        out[word] = pack64(flags)


cdef void set_rows(
    int kind, const void* data, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    if kind == KIND_ID:
        differs_of[uint64_t](<const uint64_t*>data + first_row, 0, rows, out)
    else:
        differs_of[uint32_t](<const uint32_t*>data + first_row, NEVER, rows, out)


cdef void table_rows(
    const int32_t* codes, const uint8_t* table, Py_ssize_t table_size, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word, row
    cdef int32_t code
    cdef int index, size
    for word in range((rows + 63) >> 6):
        row = first_row + 64 * word
        size = flags_of(word, rows, flags)
        for index in range(size):
            code = codes[row + index]
            flags[index] = table[code] if 0 <= code < table_size else 0
        out[word] = pack64(flags)


cdef void list_rows(
    const int32_t* offsets, const int32_t* sizes, const int32_t* codes, const uint64_t* valid,
    const uint8_t* table, Py_ssize_t table_size, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word, row, at
    cdef int32_t code
    cdef int index, size
    cdef bint hit
    for word in range((rows + 63) >> 6):
        size = flags_of(word, rows, flags)
        for index in range(size):
            row = first_row + 64 * word + index
            hit = False
            if valid == NULL or (valid[row >> 6] >> (row & 63)) & 1:
                for at in range(offsets[row], <Py_ssize_t>offsets[row] + sizes[row]):
                    code = codes[at]
                    if 0 <= code < table_size and table[code]:
                        hit = True
                        break
            flags[index] = hit
        out[word] = pack64(flags)


cdef void engaged_rows(
    const uint32_t* fact, const uint32_t* sent, const uint32_t* not_sent, int64_t window,
    int64_t now, bint negated, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef Py_ssize_t word, row
    cdef int64_t deadline
    cdef int index, size
    cdef bint known, done, refused
    for word in range((rows + 63) >> 6):
        size = flags_of(word, rows, flags)
        for index in range(size):
            row = first_row + 64 * word + index
            known = sent[row] != NEVER
            deadline = <int64_t>sent[row] + window
            done = known & (fact[row] != NEVER) & (fact[row] >= sent[row])
            done = done & (<int64_t>fact[row] < deadline)
            if negated:
                refused = not_sent != NULL and not_sent[row] != NEVER
                done = (not done) & (refused | (known & (now >= deadline)))
            flags[index] = done
        out[word] = pack64(flags)


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
    const int32_t* data, const int32_t* today, const int32_t* limit, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef uint8_t[64] flags
    cdef AnniversaryTable[TODAYS] tables
    cdef Py_ssize_t word, row
    cdef int index, size, place
    cdef int filled = 0
    for word in range((rows + 63) >> 6):
        size = flags_of(word, rows, flags)
        for index in range(size):
            row = first_row + 64 * word + index
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
