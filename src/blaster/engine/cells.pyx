"""Text cells to values, a column at a time, without an object per cell.

Owns the grammars an imported file may write values in; `typing` owns what a column becomes. Blanks,
no-break spaces and direction marks around a value do not matter. Laws:

- number: digits, or groups of three with commas between; a point and digits; a sign before.
- date: 2026-03-01, 1.3.2026 or 1/3/2026 (day first), checked against the calendar.
- instant: a date; after `T` or a space hh:mm, :ss and a fraction (cut off); Z or +hh:mm.
- boolean: true false, yes no, 1 0, כן לא, in any case.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

from blaster.core.keys cimport Keys, KeyView, key_bytes, key_given

cdef enum:
    EXACT_SCALE_MAX = 22        # 10**22 is the last power of ten a double holds exactly
    SCALE_MAX = 18
    DAY_SECONDS = 86400

cdef uint64_t EXACT_MAX = <uint64_t>1 << 53
cdef uint64_t DIGITS_MAX = (<uint64_t>0xFFFFFFFFFFFFFFFF - 9) / 10
cdef double[23] POWERS
for _power in range(23):
    POWERS[_power] = float(10**_power)


def integers(values, int scale=0):
    """(int64[], states): each value times 10**scale, exactly; BAD when it has finer digits."""
    cdef Keys keys = Keys(values)
    if not 0 <= scale <= SCALE_MAX:
        raise ValueError(f"a scale of {scale} does not fit 64 bits")
    results = np.zeros(keys.view.length, np.int64)
    states = np.zeros(keys.view.length, np.uint8)
    cdef int64_t[::1] out = results
    cdef uint8_t[::1] state = states
    cdef Py_ssize_t row
    with nogil:
        for row in range(keys.view.length):
            if key_given(&keys.view, row):
                state[row] = to_integer(_cell(&keys.view, row), scale, &out[row])
    return results, states


def are_trimmed(values):
    """Whether surely no cell is empty, and none begins or ends with a white character of Unicode.

    False also where that would take a closer look: a first or last character whose bytes begin as
    those of a white one do.
    """
    cdef Keys keys = Keys(values)
    cdef Py_ssize_t row, size = 0
    cdef const uint8_t* data
    cdef bint all_are = True
    with nogil:
        for row in range(keys.view.length):
            if key_given(&keys.view, row):
                data = key_bytes(&keys.view, row, &size)
                if size == 0 or _maybe_white(data[0]) or _maybe_white(_last_lead(data, size)):
                    all_are = False
                    break
    return all_are


def numbers(values):
    """(float64[], states): LONG where `float` must read the digits; never NaN or infinite."""
    cdef Keys keys = Keys(values)
    results = np.zeros(keys.view.length, np.float64)
    states = np.zeros(keys.view.length, np.uint8)
    cdef double[::1] out = results
    cdef uint8_t[::1] state = states
    cdef Py_ssize_t row
    with nogil:
        for row in range(keys.view.length):
            if key_given(&keys.view, row):
                state[row] = to_number(_cell(&keys.view, row), &out[row])
    return results, states


def instants(values):
    """(int64[] seconds, states): GOOD since 1970 UTC, LOCAL by the clock of a zone not named."""
    cdef Keys keys = Keys(values)
    results = np.zeros(keys.view.length, np.int64)
    states = np.zeros(keys.view.length, np.uint8)
    cdef int64_t[::1] out = results
    cdef uint8_t[::1] state = states
    cdef Py_ssize_t row
    with nogil:
        for row in range(keys.view.length):
            if key_given(&keys.view, row):
                state[row] = to_instant(_cell(&keys.view, row), &out[row])
    return results, states


def dates(values):
    """(int32[] days, states): a date, or an instant without an offset that is midnight."""
    seconds, states = instants(values)
    days, rest = np.divmod(seconds, DAY_SECONDS)
    states[(states == GOOD) | (rest != 0)] = BAD
    states[states == LOCAL] = GOOD
    return days.astype(np.int32), states


def booleans(values):
    """(bool[], states)."""
    cdef Keys keys = Keys(values)
    results = np.zeros(keys.view.length, np.uint8)
    states = np.zeros(keys.view.length, np.uint8)
    cdef uint8_t[::1] out = results
    cdef uint8_t[::1] state = states
    cdef Py_ssize_t row
    with nogil:
        for row in range(keys.view.length):
            if key_given(&keys.view, row):
                state[row] = to_boolean(_cell(&keys.view, row), &out[row])
    return results.view(np.bool_), states


cdef inline bint _maybe_white(uint8_t lead) noexcept nogil:
    # ASCII up to the space and DEL; U+0085, U+00A0; U+1680; U+2000 to U+205F; U+3000.
    return lead <= 32 or lead == 127 or lead == 0xC2 or 0xE1 <= lead <= 0xE3


cdef inline uint8_t _last_lead(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    # The first byte of the last character of UTF-8.
    cdef Py_ssize_t at = size - 1
    while at > 0 and data[at] & 0xC0 == 0x80:
        at -= 1
    return data[at]


cdef inline Cell _cell(const KeyView* view, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t size = 0
    cdef const uint8_t* data = key_bytes(view, row, &size)
    return trimmed(data, size)


cdef inline int _blank(const uint8_t* at, Py_ssize_t left) noexcept nogil:
    # Bytes of the blank that begins at `at`: a space, tab, line end, no-break space or mark.
    if left >= 1 and (at[0] == 32 or 9 <= at[0] <= 13):
        return 1
    if left >= 2 and ((at[0] == 0xC2 and at[1] == 0xA0) or (at[0] == 0xD8 and at[1] == 0x9C)):
        return 2
    if left >= 3 and at[0] == 0xE2 and (
        (at[1] == 0x80 and (0x8E <= at[2] <= 0x8F or 0xAA <= at[2] <= 0xAE))
        or (at[1] == 0x81 and 0xA6 <= at[2] <= 0xA9)
    ):
        return 3
    return 0


cdef Cell trimmed(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    cdef Cell cell
    cdef int width, tried
    cell.at = data
    cell.end = data + size
    while True:
        width = _blank(cell.at, cell.end - cell.at)
        if width == 0:
            break
        cell.at += width
    while cell.end > cell.at:
        width = 0
        for tried in range(1, 4):
            if tried <= cell.end - cell.at and _blank(cell.end - tried, tried) == tried:
                width = tried
        if width == 0:
            break
        cell.end -= width
    return cell


cdef inline bint _digit(const Cell* cell) noexcept nogil:
    return cell.at < cell.end and 48 <= cell.at[0] <= 57


cdef inline bint _take(Cell* cell, uint8_t byte) noexcept nogil:
    if cell.at < cell.end and cell.at[0] == byte:
        cell.at += 1
        return True
    return False


cdef inline void _add_digit(Decimal* out, uint8_t byte) noexcept nogil:
    if out.digits > DIGITS_MAX:
        out.too_long = True
    else:
        out.digits = out.digits * 10 + (byte - 48)


cdef bint read_decimal(Cell* cell, Decimal* out) noexcept nogil:
    # A sign, digits (plain, or in threes between commas), a point and digits; False: none of it.
    cdef int group = 0, groups = 0, seen = 0
    out.negative = False
    out.digits = 0
    out.scale = 0
    out.too_long = False
    if _take(cell, 45):
        out.negative = True
    else:
        _take(cell, 43)
    while _digit(cell) or (cell.at < cell.end and cell.at[0] == 44):
        if _take(cell, 44):
            if (groups == 0 and not 1 <= group <= 3) or (groups and group != 3):
                return False
            groups += 1
            group = 0
            continue
        _add_digit(out, cell.at[0])
        cell.at += 1
        group += 1
        seen = 1
    if groups and group != 3:
        return False
    if _take(cell, 46):
        while _digit(cell):
            _add_digit(out, cell.at[0])
            cell.at += 1
            out.scale += 1
            seen = 1
    return seen == 1


cdef State to_integer(Cell cell, int scale, int64_t* out) noexcept nogil:
    cdef Decimal value
    cdef uint64_t most
    if cell.at == cell.end:
        return MISSING
    if not read_decimal(&cell, &value) or cell.at != cell.end or value.too_long:
        return BAD
    while value.scale > scale:
        if value.digits % 10 != 0:
            return BAD
        value.digits /= 10
        value.scale -= 1
    while value.scale < scale:
        if value.digits > DIGITS_MAX:
            return BAD
        value.digits *= 10
        value.scale += 1
    most = <uint64_t>0x7FFFFFFFFFFFFFFF + value.negative
    if value.digits > most:
        return BAD
    out[0] = <int64_t>(0 - value.digits) if value.negative else <int64_t>value.digits
    return GOOD


cdef State to_number(Cell cell, double* out) noexcept nogil:
    cdef Decimal value
    if cell.at == cell.end:
        return MISSING
    if not read_decimal(&cell, &value):
        return BAD
    if cell.at != cell.end:
        # An exponent, perhaps: `float` decides, as it does for long numbers.
        return LONG if cell.at[0] == 101 or cell.at[0] == 69 else BAD
    if value.too_long or value.digits > EXACT_MAX or value.scale > EXACT_SCALE_MAX:
        return LONG
    # Both are exact doubles, so one division is the nearest double to what was written.
    out[0] = <double>value.digits / POWERS[value.scale]
    if value.negative:
        out[0] = -out[0]
    return GOOD


cdef bint _whole(Cell* cell, int least, int most, int* out) noexcept nogil:
    # A whole number of `least` to `most` digits, no further digit after it.
    cdef int count = 0
    out[0] = 0
    while _digit(cell) and count < most:
        out[0] = out[0] * 10 + (cell.at[0] - 48)
        cell.at += 1
        count += 1
    return count >= least and not _digit(cell)


cdef int64_t _days(int year, int month, int day) noexcept nogil:
    # Days since 1970-01-01 in the proleptic Gregorian calendar.
    cdef int64_t era, year_of_era, day_of_year
    if month <= 2:
        year -= 1
    era = year // 400 if year >= 0 else -1
    year_of_era = year - era * 400
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return (
        era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100
        + day_of_year - 719468
    )


cdef bint _date(Cell* cell, int64_t* days) noexcept nogil:
    cdef int first = 0, month = 0, year, day, most
    cdef uint8_t mark
    cdef const uint8_t* start = cell.at
    if not _whole(cell, 1, 4, &first) or cell.at == cell.end:
        return False
    mark = cell.at[0]
    if cell.at - start == 4:
        if mark != 45:
            return False
    elif cell.at - start > 2 or (mark != 46 and mark != 47):
        return False
    cell.at += 1
    if not _whole(cell, 1, 2, &month) or not _take(cell, mark):
        return False
    if mark == 45:
        year = first
        if not _whole(cell, 1, 2, &day):
            return False
    else:
        day = first
        start = cell.at
        if not _whole(cell, 4, 4, &year):
            return False
    if not 1 <= month <= 12 or year < 1:
        return False
    most = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if month == 2:
        most = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    days[0] = _days(year, month, day)
    return 1 <= day <= most


cdef bint _clock(Cell* cell, int64_t* seconds) noexcept nogil:
    cdef int hour = 0, minute = 0, second = 0
    if not _whole(cell, 1, 2, &hour) or not _take(cell, 58):
        return False
    if not _whole(cell, 2, 2, &minute):
        return False
    if _take(cell, 58):
        if not _whole(cell, 2, 2, &second):
            return False
        if _take(cell, 46):
            if not _digit(cell):
                return False
            while _digit(cell):
                cell.at += 1
    seconds[0] = hour * 3600 + minute * 60 + second
    return hour <= 23 and minute <= 59 and second <= 59


cdef bint _offset(Cell* cell, int64_t* seconds) noexcept nogil:
    # Z, +hh, +hhmm or +hh:mm.
    cdef int hours = 0, minutes = 0, sign = 1
    seconds[0] = 0
    if _take(cell, 90) or _take(cell, 122):
        return True
    if _take(cell, 45):
        sign = -1
    elif not _take(cell, 43):
        return False
    if cell.end - cell.at == 4:
        if not _whole(cell, 4, 4, &hours):
            return False
        minutes = hours % 100
        hours = hours // 100
    elif not _whole(cell, 2, 2, &hours):
        return False
    elif _take(cell, 58) and not _whole(cell, 2, 2, &minutes):
        return False
    seconds[0] = sign * (hours * 3600 + minutes * 60)
    return hours <= 18 and minutes <= 59


cdef State to_instant(Cell cell, int64_t* out) noexcept nogil:
    cdef int64_t days = 0, seconds = 0, offset = 0
    if cell.at == cell.end:
        return MISSING
    if not _date(&cell, &days):
        return BAD
    if cell.at != cell.end:
        if not (_take(&cell, 84) or _take(&cell, 116) or _take(&cell, 32)):
            return BAD
        if not _clock(&cell, &seconds):
            return BAD
    out[0] = days * DAY_SECONDS + seconds
    if cell.at == cell.end:
        return LOCAL
    _take(&cell, 32)
    if not _offset(&cell, &offset) or cell.at != cell.end:
        return BAD
    out[0] -= offset
    return GOOD


cdef inline bint _is(Cell cell, const char* word, Py_ssize_t size) noexcept nogil:
    # Whether the cell is this lower-case word, in any case of ASCII letters.
    cdef Py_ssize_t at
    cdef uint8_t byte
    if cell.end - cell.at != size:
        return False
    for at in range(size):
        byte = cell.at[at]
        if 65 <= byte <= 90:
            byte |= 0x20
        if byte != <uint8_t>word[at]:
            return False
    return True


cdef State to_boolean(Cell cell, uint8_t* out) noexcept nogil:
    if cell.at == cell.end:
        return MISSING
    if (
        _is(cell, b"true", 4) or _is(cell, b"1", 1) or _is(cell, b"yes", 3)
        or _is(cell, b"\xd7\x9b\xd7\x9f", 4)
    ):
        out[0] = 1
        return GOOD
    if (
        _is(cell, b"false", 5) or _is(cell, b"0", 1) or _is(cell, b"no", 2)
        or _is(cell, b"\xd7\x9c\xd7\x90", 4)
    ):
        out[0] = 0
        return GOOD
    return BAD
