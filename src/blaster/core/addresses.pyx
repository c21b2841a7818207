"""E-mail addresses and phone numbers, the plain ones: one pass over the bytes, no Python object.

Owns the compiled half of `normalise`, which owns the contract. Laws: a verdict here is the verdict
the library's half would give; where the bytes are not plain ASCII (for phones: nor a common mark of
Hebrew text) or the form is not one of the few known here, the verdict is DEFERRED.
"""

from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memcpy

import numpy as np
import pyarrow as pa

from blaster.core.keys cimport Keys, key_bytes, key_given

cdef enum:
    ATOM = 1                    # may stand in a local part (RFC 5322 atext)
    LABEL = 2                   # may stand in a label of a host name, the hyphen included
    DIGIT = 4
    PHONE_BYTES = 13            # +972 and nine digits
    PHONE_RAW_BYTES_MAX = 64
    PHONE_DIGITS_MAX = 15

cdef uint8_t[256] CLASSES


def _fill_classes():
    for byte in range(256):
        CLASSES[byte] = 0
        if byte < 128 and chr(byte).isalnum():
            CLASSES[byte] = ATOM | LABEL | (DIGIT if chr(byte).isdigit() else 0)
        elif byte < 128 and chr(byte) in "!#$%&'*+-/=?^_`{|}~":
            CLASSES[byte] = ATOM | (LABEL if byte == 45 else 0)


_fill_classes()


def fast_emails(values):
    """(normalised pa.StringArray, verdicts uint8[]): null where the verdict is not GOOD."""
    cdef Keys keys = Keys(values)
    cdef Py_ssize_t count = keys.view.length, row, size = 0, out_size = 0, end = 0
    total = (keys.view.offsets[count] - keys.view.offsets[0]) if count else 0
    verdicts = np.empty(count, np.uint8)
    offsets = np.zeros(count + 1, np.int32)
    text = np.empty(max(1, total), np.uint8)
    cdef uint8_t[::1] verdict = verdicts
    cdef int32_t[::1] offset = offsets
    cdef uint8_t[::1] out = text
    cdef const uint8_t* data
    with nogil:
        for row in range(count):
            if key_given(&keys.view, row):
                data = key_bytes(&keys.view, row, &size)
                verdict[row] = plain_email(data, size, &out[0] + end, &out_size)
                if verdict[row] == GOOD:
                    end += out_size
            else:
                verdict[row] = NOT_GIVEN
            offset[row + 1] = <int32_t>end
    return _strings(offsets, text, verdicts), verdicts


def fast_phones(values, const uint8_t[::1] nine, const uint8_t[::1] eight, bint israel):
    """(E.164 pa.StringArray, verdicts uint8[]): null where the verdict is not GOOD.

    `nine` says of the first five digits of a nine-digit national number of Israel, `eight` of the
    first four of an eight-digit one: 0 not known here, 1 valid, 2 not valid. `israel`: a number
    without a country code is one of Israel; else only +972... is decided here.
    """
    cdef Keys keys = Keys(values)
    cdef Py_ssize_t count = keys.view.length, row, size = 0, end = 0
    if nine.shape[0] != 100_000 or eight.shape[0] != 10_000:
        raise ValueError("the tables of Israel's numbers have 100,000 and 10,000 entries")
    verdicts = np.empty(count, np.uint8)
    offsets = np.zeros(count + 1, np.int32)
    text = np.empty(max(1, PHONE_BYTES * count), np.uint8)
    cdef uint8_t[::1] verdict = verdicts
    cdef int32_t[::1] offset = offsets
    cdef uint8_t[::1] out = text
    cdef const uint8_t* data
    with nogil:
        for row in range(count):
            if key_given(&keys.view, row):
                data = key_bytes(&keys.view, row, &size)
                verdict[row] = plain_phone(data, size, &nine[0], &eight[0], israel, &out[0] + end)
                if verdict[row] == GOOD:
                    end += PHONE_BYTES if out[end + 4] == 53 or out[end + 4] == 55 else 12
            else:
                verdict[row] = NOT_GIVEN
            offset[row + 1] = <int32_t>end
    return _strings(offsets, text, verdicts), verdicts


def _strings(offsets, text, verdicts):
    good = verdicts == GOOD
    valid = np.packbits(good, bitorder="little")
    nulls = len(good) - int(np.count_nonzero(good))
    buffers = (pa.py_buffer(offsets), pa.py_buffer(text), pa.py_buffer(valid))
    return pa.StringArray.from_buffers(len(good), *buffers, nulls)


cdef Verdict plain_email(
    const uint8_t* data, Py_ssize_t size, uint8_t* out, Py_ssize_t* out_size
) noexcept nogil:
    cdef Py_ssize_t at, sign = -1
    cdef bint control = False, local_bad = False
    while size and (data[0] == 32 or data[0] == 9):
        data += 1
        size -= 1
    while size and (data[size - 1] == 32 or data[size - 1] == 9):
        size -= 1
    if size == 0:
        return EMPTY
    for at in range(size):
        if data[at] >= 0x80:
            return DEFERRED
        if data[at] < 32 or data[at] == 127:
            control = True
        elif data[at] == 64:
            sign = at
    if control:
        return CONTROL
    if size > RAW_BYTES_MAX:
        return TOO_LONG
    if sign < 0:
        return NO_AT
    local_bad = sign == 0 or data[0] == 46 or data[sign - 1] == 46
    for at in range(sign):
        if not CLASSES[data[at]] & ATOM and (data[at] != 46 or data[at + 1] == 46):
            local_bad = True
    if local_bad:
        return BAD_LOCAL
    if sign > LOCAL_BYTES_MAX or size > PATH_BYTES_MAX:
        return TOO_LONG
    memcpy(out, data, <size_t>sign + 1)
    out_size[0] = size
    return plain_domain(data + sign + 1, size - sign - 1, out + sign + 1)


cdef Verdict plain_domain(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil:
    # At least two labels of letters, digits and inner hyphens; the last one not all digits. A label
    # with hyphens third and fourth (xn--...) is not plain. Writes the domain in lower case.
    cdef Py_ssize_t at, start = 0, labels = 0
    cdef bint digits = True, odd = False
    for at in range(size + 1):
        if at < size and data[at] != 46:
            if not CLASSES[data[at]] & LABEL:
                return BAD_DOMAIN
            digits = digits and CLASSES[data[at]] & DIGIT
            out[at] = data[at] | 0x20 if 65 <= data[at] <= 90 else data[at]
            continue
        if at == start or at - start > LABEL_BYTES_MAX:
            return BAD_DOMAIN
        if data[start] == 45 or data[at - 1] == 45:
            return BAD_DOMAIN
        if at - start >= 4 and data[start + 2] == 45 and data[start + 3] == 45:
            odd = True
        labels += 1
        if at < size:
            out[at] = 46
            start = at + 1
            digits = True
    if labels < 2 or digits:
        return BAD_DOMAIN
    return DEFERRED if odd else GOOD


cdef inline int _mark(const uint8_t* data, Py_ssize_t left) noexcept nogil:
    # Bytes of the no-break space or direction mark (LRM, RLM, ALM, embeddings, isolates) at `data`.
    if left >= 2 and data[0] == 0xC2 and data[1] == 0xA0:
        return 2
    if left >= 2 and data[0] == 0xD8 and data[1] == 0x9C:
        return 2
    if left >= 3 and data[0] == 0xE2 and (
        (data[1] == 0x80 and (0x8E <= data[2] <= 0x8F or 0xAA <= data[2] <= 0xAE))
        or (data[1] == 0x81 and 0xA6 <= data[2] <= 0xA9)
    ):
        return 3
    return 0


cdef int _digits(const uint8_t* data, Py_ssize_t size, uint8_t* digits, bint* plus) noexcept nogil:
    # The digits of a number written with spaces, dots, dashes, parentheses; -1: written otherwise.
    cdef Py_ssize_t at = 0
    cdef int count = 0, mark
    cdef uint8_t byte
    plus[0] = False
    while at < size:
        byte = data[at]
        if CLASSES[byte] & DIGIT:
            if count == PHONE_DIGITS_MAX:
                return -1
            digits[count] = byte - 48
            count += 1
        elif byte == 43:
            if plus[0] or count:
                return -1
            plus[0] = True
        elif byte != 32 and byte != 45 and byte != 46 and byte != 40 and byte != 41:
            mark = _mark(data + at, size - at)
            if mark == 0:
                return -1
            at += mark - 1
        at += 1
    return count


cdef Verdict plain_phone(
    const uint8_t* data, Py_ssize_t size, const uint8_t* nine, const uint8_t* eight, bint israel,
    uint8_t* out
) noexcept nogil:
    cdef uint8_t[16] digits
    cdef uint8_t* number = digits
    cdef bint plus = False, coded = False
    cdef int count, at
    cdef uint8_t verdict
    while size and (data[0] == 32 or data[0] == 9):
        data += 1
        size -= 1
    if size == 0:
        return EMPTY
    if size > PHONE_RAW_BYTES_MAX:
        return DEFERRED
    count = _digits(data, size, digits, &plus)
    if count < 8 or not (plus or israel):
        return DEFERRED
    if not plus and number[0] == 0 and number[1] == 0:
        number += 2
        count -= 2
        plus = True
    # With fewer than eleven digits a number that begins with 972 may be one of area 9.
    if number[0] == 9 and number[1] == 7 and number[2] == 2 and (plus or count >= 11):
        number += 3
        count -= 3
        coded = True
    if plus and not coded:
        return DEFERRED
    if number[0] == 0:
        number += 1
        count -= 1
    if count == 9:
        verdict = nine[_value(number, 5)]
    elif count == 8 and (coded or number[0] != 9 or number[1] != 7 or number[2] != 2):
        verdict = eight[_value(number, 4)]
    else:
        return DEFERRED
    if verdict != 1:
        return NOT_VALID if verdict == 2 else DEFERRED
    memcpy(out, b"+972", 4)
    for at in range(count):
        out[4 + at] = number[at] + 48
    return GOOD


cdef inline int _value(const uint8_t* digits, int count) noexcept nogil:
    cdef int at, value = 0
    for at in range(count):
        value = value * 10 + digits[at]
    return value
