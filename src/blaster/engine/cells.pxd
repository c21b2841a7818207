# Cells of a table as values: the grammars of numbers, dates, instants and booleans.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

cdef enum State:
    MISSING = 0                 # null, or nothing but blanks
    GOOD = 1
    BAD = 2
    LONG = 3                    # a number that needs more than this file's arithmetic
    LOCAL = 4                   # an instant without an offset: seconds of some zone's clock

cdef struct Cell:               # what is left to read
    const uint8_t* at
    const uint8_t* end

cdef struct Decimal:
    bint negative
    uint64_t digits             # all digits, the point left out
    int scale                   # how many of them stood after the point
    bint too_long               # more digits than 64 bits hold

cdef Cell trimmed(const uint8_t* data, Py_ssize_t size) noexcept nogil
cdef bint read_decimal(Cell* cell, Decimal* out) noexcept nogil
cdef State to_integer(Cell cell, int scale, int64_t* out) noexcept nogil
cdef State to_number(Cell cell, double* out) noexcept nogil
cdef State to_instant(Cell cell, int64_t* out) noexcept nogil
cdef State to_boolean(Cell cell, uint8_t* out) noexcept nogil
