"""The packed form of one array of numbers: its schemes, and the loops that weigh, write and read.

    head     one byte: dtype in the low four bits, scheme in the high four
    count    varint
    body     by scheme; v(x) is the zigzag varint of x, n the count, s the bytes of one element

    RANGE    v(first) v(step)     first + i * step (a constant is step 0); no step when n < 2, and
                                  nothing at all when n is 0
    RAW      n * s bytes          the elements as they are, little-endian
    PLANES   mask, s bytes, ...   byte k of every element is a plane; the s bytes are element 0, and
                                  for each bit k of the mask plane k follows whole (n bytes)
    BITS     width, v(min), ...   element - min in `width` bits each, least significant bit first
    DELTA    v(first) v(d1) ...   each element's difference to the one before
    RUNS     v(value) length ...  runs of equal elements: the difference to the run before, a varint

Every element is handled as 64 bits: signed ones sign-extended, floats by their bit pattern, so a
NaN keeps its payload. Differences are modulo 2**64. Lengths of all schemes are known before one
byte is written, so the smallest is chosen, ties going to the one that is read fastest.

All functions but `code_of` are C leaves: they raise nothing, hold no Python object and need no
GIL. Those that read return 0 for "the bytes end or contradict themselves", and never read at or
past `end`.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:  # schemes
    RANGE = 0
    RAW = 1
    PLANES = 2
    BITS = 3
    DELTA = 4
    RUNS = 5
    SCHEMES = 6  # how many there are

cdef enum:  # dtypes
    BOOL = 1
    UINT8 = 2
    INT32 = 3
    UINT32 = 4
    INT64 = 5
    UINT64 = 6
    FLOAT64 = 7

cdef struct Head:  # what stands before the elements
    int dtype
    int scheme
    Py_ssize_t item  # bytes of one element
    uint64_t count

cdef struct Survey:  # what one pass over the elements learns
    uint64_t low  # the minimum, by the dtype's own order
    uint64_t step  # of a range
    bint is_range
    int width  # bits of maximum - minimum
    int mask  # planes that are not constant
    uint64_t size[6]  # body bytes by scheme

# varints: seven bits a byte, least significant first, at most ten bytes
cdef int varint_size(uint64_t value) noexcept nogil
cdef uint8_t* put_varint(uint8_t* out, uint64_t value) noexcept nogil
cdef const uint8_t* get_varint(
    const uint8_t* at, const uint8_t* end, uint64_t* value
) noexcept nogil  # NULL: the bytes end, or more than 64 bits
cdef uint64_t zigzag(uint64_t value) noexcept nogil
cdef uint64_t unzigzag(uint64_t value) noexcept nogil

# elements
cdef void widen(const uint8_t* raw, uint64_t* out, Py_ssize_t count, int dtype) noexcept nogil
cdef bint narrow(uint64_t value, uint8_t* out, Py_ssize_t index, int dtype) noexcept nogil

# writing
cdef void survey(
    const uint64_t* values, Py_ssize_t count, int dtype, Py_ssize_t item, Survey* found
) noexcept nogil
cdef uint8_t* write_planes(
    const uint8_t* raw, Py_ssize_t count, Py_ssize_t item, int mask, uint8_t* out
) noexcept nogil
cdef uint8_t* write_bits(
    const uint64_t* values, Py_ssize_t count, uint64_t low, int width, uint8_t* out
) noexcept nogil
cdef uint8_t* write_deltas(
    const uint64_t* values, Py_ssize_t count, uint8_t* out
) noexcept nogil
cdef uint8_t* write_runs(const uint64_t* values, Py_ssize_t count, uint8_t* out) noexcept nogil

# reading: each returns where the body ended, or NULL
cdef const uint8_t* read_range(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil
cdef const uint8_t* read_raw(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype,
    Py_ssize_t item
) noexcept nogil
cdef const uint8_t* read_planes(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype,
    Py_ssize_t item
) noexcept nogil
cdef const uint8_t* read_bits(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil
cdef const uint8_t* read_deltas(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil
cdef const uint8_t* read_runs(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil
cdef const uint8_t* read_head(
    const uint8_t* at, const uint8_t* end, Head* head
) noexcept nogil
cdef const uint8_t* read_body(  # `out` has room for all elements
    const uint8_t* at, const uint8_t* end, const Head* head, uint8_t* out
) noexcept nogil
cdef int code_of(object dtype) except 0  # of a NumPy dtype; KeyError for one that is not packed
