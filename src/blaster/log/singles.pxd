# How single happenings are read: parsed whole, and only then added. The leaves answer NULL or False
# for anything but the plain case, and then the frame is decoded as any other; they read nothing at
# or behind `end`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    ROWS = 4_096  # of a streak
    COLUMNS = 64  # of a happening
    TEXT_BYTES = 1 << 24  # of one column of a streak: its offsets have 32 bits

cdef struct Span:  # bytes of a frame
    const uint8_t* data
    Py_ssize_t size

cdef struct Value:  # of one column
    Span name
    int code  # of its type, see batches
    bint valid
    uint8_t[8] number
    Span text

cdef struct Single:  # an entry of one happening of one contact
    uint32_t at
    Span space
    Span name
    int64_t contact
    int columns
    Value[COLUMNS] values
    bint has_key
    Span key

cdef class _Column:  # the values of one column of the streak
    cdef bytes name
    cdef int code
    cdef Py_ssize_t item  # bytes of a number; 0: texts
    cdef object values  # uint8[], the numbers; or int32[], the texts' offsets
    cdef uint8_t[::1] bytes_
    cdef uint8_t[::1] valid
    cdef bint has_null
    cdef bytearray text

    cdef int add(self, Py_ssize_t row, const Value* value) except -1

cdef class Singles:
    cdef readonly Py_ssize_t rows
    cdef bytes space
    cdef bytes name
    cdef list columns
    cdef list keys
    cdef bint has_keys
    cdef int64_t[::1] contacts
    cdef uint32_t[::1] accepted
    cdef uint32_t[::1] taken

    cdef int begin(self, const Single* single) except -1
    cdef bint fits(self, const Single* single) except -1
