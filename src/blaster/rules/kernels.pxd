# Tests over columns that the C kernels leave: the choice among those, and loops that no instruction
# set makes fast. `out` is one word per 64 rows, the bits past the last row 0; data begins at the
# first row to look at; values of missing rows may be anything.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "blaster/rules/simd.h" nogil:
    ctypedef struct simd_gap:
        uint64_t pos_base
        uint64_t pos_span
        uint64_t neg_base
        uint64_t neg_span
        int32_t pos
        int32_t neg
        int32_t is_signed
    ctypedef struct simd_ending:
        uint64_t first
        uint64_t last
        int32_t size
        int32_t fold
    ctypedef struct simd_kernels:
        const char* name
        void range8(const void*, size_t, uint64_t, uint64_t, uint64_t*) noexcept nogil
        void range16(const void*, size_t, uint64_t, uint64_t, uint64_t*) noexcept nogil
        void range32(const void*, size_t, uint64_t, uint64_t, uint64_t*) noexcept nogil
        void range64(const void*, size_t, uint64_t, uint64_t, uint64_t*) noexcept nogil
        void real32(const void*, size_t, double, double, uint64_t*) noexcept nogil
        void real64(const void*, size_t, double, double, uint64_t*) noexcept nogil
        void gap32(
            const void*, const void*, size_t, const simd_gap*, uint64_t*
        ) noexcept nogil
        void gap64(
            const void*, const void*, size_t, const simd_gap*, uint64_t*
        ) noexcept nogil
        void table8(
            const void*, size_t, uint64_t, const uint32_t*, size_t, uint64_t*
        ) noexcept nogil
        void table16(
            const void*, size_t, uint64_t, const uint32_t*, size_t, uint64_t*
        ) noexcept nogil
        void table32(
            const void*, size_t, uint64_t, const uint32_t*, size_t, uint64_t*
        ) noexcept nogil
        void ends32(
            const int32_t*, size_t, const uint8_t*, const simd_ending*, const uint64_t*,
            uint64_t*, uint64_t*
        ) noexcept nogil

# What this process uses now.
cdef const simd_kernels* chosen() noexcept nogil

# low <= a - b <= high for the gap kernels of `bits` (32 or 64) bits; False: no row can hit.
cdef bint gap_between(
    int64_t low, int64_t high, int bits, bint is_signed, simd_gap* gap
) noexcept nogil

# Values of a FORM_* of whole numbers as int64.
cdef void widen(const void* data, int layout, Py_ssize_t rows, int64_t* out) noexcept nogil

# op 0 is ==, 1 is <, 2 is <=; each side FORM_F32 or FORM_F64.
cdef void order_reals(
    const void* left, int left_layout, const void* right, int right_layout, int op,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil

# Value - base is the number of a set bit.
cdef void among_bits(
    const int64_t* values, Py_ssize_t rows, int64_t base, const uint32_t* bits, Py_ssize_t size,
    uint64_t* out,
) noexcept nogil

# The value is in a table of `size` keys (a power of two) made by `hashed`.
cdef void among_keys(
    const int64_t* values, Py_ssize_t rows, const int64_t* keys, Py_ssize_t size, int64_t empty,
    uint64_t* out,
) noexcept nogil

# Some entry of the row's list has its bit; looks only at rows whose bit in `wanted` is 1.
cdef void list_rows(
    const int32_t* offsets, const int32_t* sizes, const int32_t* codes, const uint64_t* wanted,
    const uint32_t* bits, Py_ssize_t size, Py_ssize_t rows, uint64_t* out,
) noexcept nogil

# The first anniversary of `data` that is not before `today` lies before `limit`, row by row.
cdef void anniversary_rows(
    const int32_t* data, const int32_t* today, const int32_t* limit, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil

# The same for one today, for the wanted rows outside of the table's days.
cdef void anniversary_outside(
    const int32_t* data, int32_t today, int32_t limit, int64_t base, Py_ssize_t size,
    const uint64_t* wanted, Py_ssize_t rows, uint64_t* out,
) noexcept nogil
