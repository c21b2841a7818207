# The plain cases of addresses, decided byte by byte; whatever is not plain is DEFERRED.

from libc.stdint cimport int64_t, uint8_t

cdef enum Verdict:
    GOOD = 0
    NOT_GIVEN = 1               # the value was null
    DEFERRED = 2                # not plain: the library decides
    EMPTY = 3
    NO_AT = 4
    CONTROL = 5
    BAD_DOMAIN = 6
    TOO_LONG = 7
    BAD_LOCAL = 8
    NOT_A_PHONE = 9
    NOT_VALID = 10

cdef enum:
    LOCAL_BYTES_MAX = 64        # RFC 5321 4.5.3.1.1
    PATH_BYTES_MAX = 254        # RFC 5321 4.5.3.1.3, without the angle brackets
    LABEL_BYTES_MAX = 63        # RFC 1035 2.3.4
    RAW_BYTES_MAX = 1016        # nothing longer is looked at: A-labels do not shrink it fourfold

cdef Verdict plain_email(
    const uint8_t* data, Py_ssize_t size, uint8_t* out, Py_ssize_t* out_size
) noexcept nogil

cdef Verdict plain_domain(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil

cdef Verdict plain_phone(
    const uint8_t* data, Py_ssize_t size, const uint8_t* nine, const uint8_t* eight, bint israel,
    uint8_t* out
) noexcept nogil
