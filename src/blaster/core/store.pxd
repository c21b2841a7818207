"""A column's batches: where the values of each row lie, and who may write there."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from blaster.core.chunk cimport Chunk

cdef enum:
    BATCH_BITS = 16
    BATCH_MASK = 0xFFFF
    ROWS_PER_BATCH = 65536
    CAPACITY_ROWS_MIN = 512     # a multiple of it keeps every region of a chunk 64-byte aligned

    # model.fields.Kind, as C sees it; store.pyx refuses to load when they differ
    BOOL = 1
    INT = 2
    NUMBER = 3
    DATE = 4
    INSTANT = 5
    TEXT = 6
    CODE = 7
    LIST = 8
    TIME = 9
    ID = 10


cdef struct Place:              # one batch; never NULL: an absent batch points at the blank chunk
    uint8_t* data               # BOOL: bitmap words; TEXT: 16-byte views; LIST: int32 offsets
    int32_t* sizes              # LIST only
    uint64_t* valid             # NULL: the kind or the column has no missing values


cdef inline bint get_bit(const uint64_t* words, int64_t row) noexcept nogil:
    return (words[row >> 6] >> (row & 63)) & 1


cdef inline void set_bit(uint64_t* words, int64_t row, bint value) noexcept nogil:
    cdef uint64_t mask = <uint64_t>1 << (row & 63)
    words[row >> 6] = (words[row >> 6] & ~mask) | (mask if value else 0)


cdef class Store:
    cdef readonly int kind
    cdef readonly object dictionary     # CODE, LIST: rules.Dictionary
    cdef readonly Py_ssize_t rows
    cdef Py_ssize_t batches             # rows / ROWS_PER_BATCH, rounded up
    cdef Py_ssize_t row_bits            # bits of a row's value, validity not counted
    cdef bint has_valid
    cdef uint64_t fill                  # what a missing value reads, in the value's own width
    cdef list chunks                    # Chunk | None, a batch each
    cdef Chunk blank                    # a whole batch of missing values; shared, never written
    cdef Place* places
    cdef uint8_t* touched               # scratch of `open_rows`, a byte a batch; 0 between calls

    # reading (rows: const int64_t[::1], checked)
    cdef object take(self, const int64_t[::1] rows)
    cdef object take_valid(self, const int64_t[::1] rows)
    cdef object gather(self, const int64_t[::1] rows)
    cdef object vector(self, Py_ssize_t batch)
    cdef object export(self, Py_ssize_t batch)
    cdef int digest_batch(self, object hasher, Py_ssize_t batch) except -1
    cdef Py_ssize_t memory(self) except -1

    # writing
    cdef int put(self, const int64_t[::1] rows, object values, object valid) except -1
    cdef int put_arrow(self, const int64_t[::1] rows, object values) except -1
    cdef int grow(self, Py_ssize_t rows) except -1
    cdef int widen(self, Py_ssize_t batch) except -1
    cdef int share(self, Py_ssize_t batch) except -1

    # for those that derive from it
    cdef int check_rows(self, const int64_t[::1] rows) except -1
    cdef int open_rows(self, const int64_t[::1] rows) except -1
    cdef int open_batch(self, Py_ssize_t batch) except -1
    cdef int check_batch(self, Py_ssize_t batch) except -1
    cdef int extended(self, Py_ssize_t batches) except -1
    cdef Py_ssize_t length(self, Py_ssize_t batch) noexcept
    cdef Chunk fresh(self, Py_ssize_t capacity)
    cdef Py_ssize_t capacity_of(self, Chunk chunk) noexcept
    cdef Place place_of(self, Chunk chunk) noexcept
    cdef Chunk chunk_of(self, Py_ssize_t batch)
    cdef bint have_no_memory(self, const int64_t[::1] rows) noexcept
    cdef bint is_blank(self, Py_ssize_t batch) noexcept
    cdef object vector_of(self, Chunk chunk, Py_ssize_t length, Chunk arena)
    cdef object valid_buffer(self, Chunk chunk, Py_ssize_t length)
    cdef int update_valid(self, object hasher, Py_ssize_t batch) except -1

cdef void collect_bits(
    const Place* places, const int64_t* rows, Py_ssize_t count, bint of_valid, uint64_t* out
) noexcept nogil

cdef Py_ssize_t capacity_for(Py_ssize_t rows) noexcept nogil

cdef object checked_valid(object valid, Py_ssize_t count)
