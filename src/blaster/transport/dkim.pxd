# DKIM signatures: the canonical forms, and the field that is put before a message (RFC 6376).

from libc.stdint cimport uint8_t

cdef enum:
    SIGNED_FIELDS_MAX = 64      # fields of one message that are signed; more are refused

cdef struct Span:
    Py_ssize_t start            # within the buffer
    Py_ssize_t size
    int kind                    # which of NAMES; -1: not signed

cdef class Signer:
    cdef readonly str domain
    cdef readonly str selector
    cdef object key             # RSAPrivateKey
    cdef object padding
    cdef object digest
    cdef bytes opening          # of every field this signer makes
    cdef uint8_t* buffer        # canonical bytes of the message at hand
    cdef Py_ssize_t capacity

    cdef int reserve(self, Py_ssize_t size) except -1

# Canonical bytes to `out`, and how many. `out` has room for `size` bytes (a body: size + 2).
cdef Py_ssize_t relax_field(
    const uint8_t* data, Py_ssize_t size, uint8_t* out
) noexcept nogil                # -1: this is no field
cdef Py_ssize_t relax_body(const uint8_t* data, Py_ssize_t size, uint8_t* out) noexcept nogil
cdef Py_ssize_t field_end(const uint8_t* data, Py_ssize_t size, Py_ssize_t start) noexcept nogil
