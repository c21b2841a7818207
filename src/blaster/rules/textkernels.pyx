"""Text tests over whole columns of string views or of texts between offsets.

Owns Unicode case folding in C. Laws: a folded test gives exactly what Python gives on
`a.casefold()` and `b.casefold()`, one-to-many folds included (the table is made from
`str.casefold` itself, on first use); texts are valid UTF-8 (whoever fills the column checks), so a
match of bytes is a match of characters; a missing row's view is never read.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from blaster.rules.kernels cimport chosen, simd_ending
from blaster.rules.vector cimport FORM_O32, FORM_O64, KIND_TEXT, Vector

cdef extern from *:
    int lowest_bit "__builtin_ctzll"(uint64_t) noexcept nogil


cdef enum:
    INLINE_NBYTES = 12
    # No character from here on folds; asserted by a test.
    FOLD_END = 0x1F000
    FOLD_ENTRIES_MAX = 4096
    FOLD_BYTES_MAX = 7
    ENDS_WORDS = 64  # done at once

cdef uint16_t[FOLD_END] fold_entry  # 0: folds to itself
cdef uint8_t[FOLD_ENTRIES_MAX][FOLD_BYTES_MAX + 1] fold_bytes  # length, then UTF-8
cdef bint fold_ready = False


cdef int prepare_fold() except -1:
    """Makes the fold table from this Python's own."""
    global fold_ready
    cdef int entry = 0
    cdef int point, index
    for point in range(0x80, FOLD_END):
        before = chr(point)
        after = before.casefold()
        if after == before:  # as half of a surrogate pair does, which has no UTF-8
            continue
        data = after.encode()
        entry += 1
        if len(data) > min(FOLD_BYTES_MAX, FOLD_GROWTH * len(before.encode())):
            raise AssertionError(f"U+{point:04X} folds to more bytes than planned for")
        if entry >= FOLD_ENTRIES_MAX:
            raise AssertionError("more characters fold than planned for")
        fold_entry[point] = entry
        fold_bytes[entry][0] = len(data)
        for index in range(len(data)):
            fold_bytes[entry][index + 1] = data[index]
    fold_ready = True
    return 0


def needle_bytes(text, fold):
    """The UTF-8 bytes to look for; case-folded with `fold`, which also readies the fold table."""
    if fold:
        if not fold_ready:
            prepare_fold()
        text = text.casefold()
    return text.encode()


cdef inline uint32_t decode(const uint8_t* text, Py_ssize_t left, int* nbytes) noexcept nogil:
    """The code point at `text`, which is not ASCII; never reads past `left` bytes."""
    cdef uint8_t lead = text[0]
    if lead < 0xE0 and left >= 2:
        nbytes[0] = 2
        return (<uint32_t>(lead & 0x1F) << 6) | (text[1] & 0x3F)
    if lead < 0xF0 and left >= 3:
        nbytes[0] = 3
        return (
            (<uint32_t>(lead & 0x0F) << 12) | (<uint32_t>(text[1] & 0x3F) << 6) | (text[2] & 0x3F)
        )
    if left >= 4:
        nbytes[0] = 4
        return (
            (<uint32_t>(lead & 0x07) << 18) | (<uint32_t>(text[1] & 0x3F) << 12)
            | (<uint32_t>(text[2] & 0x3F) << 6) | (text[3] & 0x3F)
        )
    nbytes[0] = 1
    return lead


cdef inline uint64_t lower8(uint64_t eight) noexcept nogil:
    """Eight ASCII bytes in lower case."""
    cdef uint64_t from_a = eight + <uint64_t>0x3F3F3F3F3F3F3F3F
    cdef uint64_t past_z = eight + <uint64_t>0x2525252525252525
    return eight | ((from_a & ~past_z & <uint64_t>0x8080808080808080) >> 2)


cdef Py_ssize_t fold_into(const uint8_t* text, Py_ssize_t nbytes, uint8_t* out) noexcept nogil:
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t size = 0
    cdef uint64_t eight
    cdef uint32_t point
    cdef uint8_t* entry
    cdef int width
    while at < nbytes:
        if nbytes - at >= 8:
            memcpy(&eight, text + at, 8)
            if not eight & <uint64_t>0x8080808080808080:
                eight = lower8(eight)
                memcpy(out + size, &eight, 8)
                at += 8
                size += 8
                continue
        if text[at] < 0x80:
            out[size] = text[at] + 32 if 65 <= text[at] <= 90 else text[at]
            at += 1
            size += 1
            continue
        point = decode(text + at, nbytes - at, &width)
        if point < FOLD_END and fold_entry[point]:
            entry = fold_bytes[fold_entry[point]]
            memcpy(out + size, entry + 1, entry[0])
            size += entry[0]
        else:
            memcpy(out + size, text + at, width)
            size += width
        at += width
    return size


cdef inline bint find(
    const uint8_t* text, Py_ssize_t nbytes, const uint8_t* needle, Py_ssize_t size
) noexcept nogil:
    cdef const uint8_t* at = text
    cdef const uint8_t* last
    if size == 0:
        return True
    if size > nbytes:
        return False
    last = text + (nbytes - size)
    while at <= last:
        at = <const uint8_t*>memchr(at, needle[0], last - at + 1)
        if at == NULL:
            return False
        if memcmp(at, needle, size) == 0:
            return True
        at += 1
    return False


cdef inline bint same(const uint8_t* a, const uint8_t* b, Py_ssize_t size) noexcept nogil:
    """memcmp for a few bytes, without a call."""
    cdef uint64_t x, y, u, v
    cdef uint32_t p, q, r, t
    if size >= 8:
        memcpy(&x, a, 8)
        memcpy(&y, b, 8)
        memcpy(&u, a + size - 8, 8)
        memcpy(&v, b + size - 8, 8)
        if ((x ^ y) | (u ^ v)) != 0:
            return False
        return size <= 16 or memcmp(a + 8, b + 8, size - 16) == 0
    if size >= 4:
        memcpy(&p, a, 4)
        memcpy(&q, b, 4)
        memcpy(&r, a + size - 4, 4)
        memcpy(&t, b + size - 4, 4)
        return ((p ^ q) | (r ^ t)) == 0
    return memcmp(a, b, size) == 0


cdef inline bint test(
    int op, const uint8_t* text, Py_ssize_t nbytes, const uint8_t* needle, Py_ssize_t size
) noexcept nogil:
    """One test on texts as they are."""
    if op == TEXT_CONTAINS:
        return find(text, nbytes, needle, size)
    if nbytes < size or (op == TEXT_EQ and nbytes != size):
        return False
    if op == TEXT_ENDS:
        text += nbytes - size
    return same(text, needle, size)


cdef inline bint hopeless(
    int op, const uint8_t* text, Py_ssize_t nbytes, const uint8_t* needle, Py_ssize_t size
) noexcept nogil:
    """A cheap no before folding: by length, and by an ASCII first letter."""
    cdef uint8_t first
    if nbytes * FOLD_GROWTH < size or (op == TEXT_EQ and size * FOLD_GROWTH < nbytes):
        return True
    if op in (TEXT_EQ, TEXT_STARTS) and nbytes and size and text[0] < 0x80:
        first = text[0] + 32 if 65 <= text[0] <= 90 else text[0]
        return first != needle[0]
    return False


cdef inline const uint8_t* text_at(
    const TextColumn* column, Py_ssize_t row, Py_ssize_t* nbytes
) noexcept nogil:
    cdef int32_t size, offset
    cdef const uint8_t* view
    if column.layout == FORM_O32:
        offset = (<const int32_t*>column.data)[row]
        nbytes[0] = (<const int32_t*>column.data)[row + 1] - offset
        return column.arena + offset
    if column.layout == FORM_O64:
        nbytes[0] = (<const int64_t*>column.data)[row + 1] - (<const int64_t*>column.data)[row]
        return column.arena + (<const int64_t*>column.data)[row]
    view = column.data + 16 * row
    memcpy(&size, view, 4)
    nbytes[0] = size
    if size <= INLINE_NBYTES:
        return view + 4
    memcpy(&offset, view + 12, 4)
    return column.arena + offset


cdef inline int same_folded(
    const uint8_t* text, const uint8_t* needle, Py_ssize_t size
) noexcept nogil:
    """Whether ASCII bytes fold to the needle; -1 when some are not ASCII."""
    cdef uint64_t x, y
    cdef uint64_t high = 0
    cdef uint64_t differ = 0
    cdef Py_ssize_t at = 0
    cdef uint8_t byte
    while at + 8 <= size:
        memcpy(&x, text + at, 8)
        memcpy(&y, needle + at, 8)
        high |= x
        differ |= lower8(x & <uint64_t>0x7F7F7F7F7F7F7F7F) ^ y
        at += 8
    if at < size and size >= 8:
        memcpy(&x, text + size - 8, 8)
        memcpy(&y, needle + size - 8, 8)
        high |= x
        differ |= lower8(x & <uint64_t>0x7F7F7F7F7F7F7F7F) ^ y
        at = size
    while at < size:
        byte = text[at]
        high |= byte
        differ |= (byte + 32 if 65 <= byte <= 90 else byte) ^ needle[at]
        at += 1
    if high & <uint64_t>0x8080808080808080:
        return -1
    return differ == 0


cdef inline bint is_ascii(const uint8_t* text, Py_ssize_t nbytes) noexcept nogil:
    cdef uint64_t high = 0
    cdef uint64_t eight
    cdef Py_ssize_t byte, at = 0
    while at + 8 <= nbytes:
        memcpy(&eight, text + at, 8)
        high |= eight
        at += 8
    for byte in range(at, nbytes):
        high |= text[byte]
    return high & <uint64_t>0x8080808080808080 == 0


cdef int fold_test(
    int op, const uint8_t* text, Py_ssize_t nbytes, const uint8_t* needle, Py_ssize_t size
) noexcept nogil:
    """One folded test by folding the whole text; -1 when memory ran out."""
    cdef uint8_t[FOLD_GROWTH * SCRATCH_NBYTES + 8] small
    cdef uint8_t* scratch = small
    cdef int hit
    if hopeless(op, text, nbytes, needle, size):
        return 0
    if nbytes > SCRATCH_NBYTES:
        scratch = <uint8_t*>malloc(FOLD_GROWTH * nbytes + 8)
        if scratch == NULL:
            return -1
    hit = test(op, scratch, fold_into(text, nbytes, scratch), needle, size)
    if scratch != small:
        free(scratch)
    return hit


cdef inline int folded_hit(
    int op, const uint8_t* text, Py_ssize_t nbytes, const uint8_t* needle, Py_ssize_t size
) noexcept nogil:
    """One folded test. Where the bytes that decide are ASCII, no character folds over them."""
    cdef int found
    if op == TEXT_CONTAINS:
        return fold_test(op, text, nbytes, needle, size)
    if nbytes < size or (op == TEXT_EQ and nbytes != size):
        return 0 if is_ascii(text, nbytes) else fold_test(op, text, nbytes, needle, size)
    found = same_folded(text + (nbytes - size if op == TEXT_ENDS else 0), needle, size)
    if found >= 0:
        return found
    return fold_test(op, text, nbytes, needle, size)


cdef struct Sought:
    int op
    const uint8_t* needle
    Py_ssize_t size


cdef int sought_exactly(
    const void* given, const uint8_t* text, Py_ssize_t nbytes
) noexcept nogil:
    cdef const Sought* sought = <const Sought*>given
    return test(sought.op, text, nbytes, sought.needle, sought.size)


cdef int sought_folded(
    const void* given, const uint8_t* text, Py_ssize_t nbytes
) noexcept nogil:
    cdef const Sought* sought = <const Sought*>given
    return folded_hit(sought.op, text, nbytes, sought.needle, sought.size)


cdef int rows_where(
    text_test test_, const void* given, const TextColumn* column, const uint64_t* wanted,
    Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    cdef const uint8_t* text
    cdef Py_ssize_t word, index, nbytes
    cdef uint64_t found, left
    cdef int hit
    for word in range((rows + 63) >> 6):
        found = 0
        left = wanted[word]
        while left:
            index = lowest_bit(left)
            left &= left - 1
            text = text_at(column, first_row + 64 * word + index, &nbytes)
            hit = test_(given, text, nbytes)
            if hit < 0:
                return -1
            found |= <uint64_t>hit << index
        out[word] = found
    return 0


cdef int text_rows(
    int op, bint fold, const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row,
    Py_ssize_t rows, const uint8_t* needle, Py_ssize_t size, uint64_t* out,
) noexcept nogil:
    if op == TEXT_ENDS and column.layout == FORM_O32 and 8 <= size <= 16:
        return ends_rows(fold, column, wanted, first_row, rows, needle, size, out)
    cdef Sought sought = Sought(op, needle, size)
    return rows_where(
        sought_folded if fold else sought_exactly, &sought, column, wanted, first_row, rows, out
    )


cdef int ends_rows(
    bint fold, const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row,
    Py_ssize_t rows, const uint8_t* needle, Py_ssize_t size, uint64_t* out,
) noexcept nogil:
    """The commonest test of all, over Arrow offsets, a needle of 8 to 16 bytes: by gathered loads.

    Folded, the rows whose last bytes are not all ASCII, or that are shorter, are done after.
    """
    cdef uint64_t[ENDS_WORDS] others
    cdef simd_ending ending
    cdef const uint8_t* text
    cdef Py_ssize_t block, row, count, word, index, nbytes
    cdef Py_ssize_t at_once = 64 * ENDS_WORDS
    cdef int hit
    memcpy(&ending.first, needle, 8)
    memcpy(&ending.last, needle + size - 8, 8)
    ending.size, ending.fold = <int32_t>size, fold
    for block in range((rows + at_once - 1) // at_once):
        row = block * at_once
        count = min(at_once, rows - row)
        word = row >> 6
        chosen().ends32(
            <const int32_t*>column.data + first_row + row, count, column.arena, &ending,
            wanted + word, out + word, others,
        )
        for index in range((count + 63) >> 6):
            word = (row >> 6) + index
            others[index] &= wanted[word] if fold else 0
            out[word] &= wanted[word] & ~others[index]
            while others[index]:
                text = text_at(column, first_row + 64 * word + lowest_bit(others[index]), &nbytes)
                hit = folded_hit(TEXT_ENDS, text, nbytes, needle, size)
                if hit < 0:
                    return -1
                out[word] |= <uint64_t>hit << lowest_bit(others[index])
                others[index] &= others[index] - 1
    return 0


cdef inline bint is_space(uint32_t point) noexcept nogil:
    """As str.isspace; the whole set is checked by a test."""
    if point < 0x80:
        return 9 <= point <= 13 or 28 <= point <= 32
    return (
        point == 0x85 or point == 0xA0 or point == 0x1680 or 0x2000 <= point <= 0x200A
        or point == 0x2028 or point == 0x2029 or point == 0x202F or point == 0x205F
        or point == 0x3000
    )


cdef int is_blank(const void* given, const uint8_t* text, Py_ssize_t nbytes) noexcept nogil:
    cdef Py_ssize_t at = 0
    cdef uint32_t point
    cdef int width
    while at < nbytes:
        width = 1
        point = text[at] if text[at] < 0x80 else decode(text + at, nbytes - at, &width)
        if not is_space(point):
            return False
        at += width
    return True


cdef void blank_rows(
    const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    rows_where(is_blank, NULL, column, wanted, first_row, rows, out)


def text_lengths(Vector vector):
    """Code points of each row of a TEXT vector, 0 where missing; a new int64 array."""
    if vector.kind != KIND_TEXT:
        raise ValueError("text_lengths needs a TEXT vector")
    cdef TextColumn column = TextColumn(
        vector.layout, <const uint8_t*>vector.data, <const uint8_t*>vector.arena
    )
    out = np.zeros(vector.length, dtype=np.int64)
    cdef int64_t[::1] lengths = out
    cdef const uint8_t* text
    cdef Py_ssize_t row, nbytes, at
    cdef int64_t points
    with nogil:
        for row in range(vector.length):
            if vector.valid != NULL and not (vector.valid[row >> 3] >> (row & 7)) & 1:
                continue
            text = text_at(&column, row, &nbytes)
            points = 0
            for at in range(nbytes):
                points += (text[at] & 0xC0) != 0x80
            lengths[row] = points
    return out
