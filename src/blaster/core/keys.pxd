# Arrow strings as C sees them, and the hash of a key.
#
# A KeyView borrows: whoever made it keeps the array alive (`Keys` does). Offsets already stand at
# the array's own first row; `first` is the bit of row 0 in `valid`.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define blaster_prefetch(p) __builtin_prefetch(p)
    #else
    #define blaster_prefetch(p) ((void)(p))
    #endif
    """
    void blaster_prefetch(const void* p) noexcept nogil

cdef enum:
    BLOCK = 128                 # keys whose slots are fetched ahead together

cdef struct KeyView:
    Py_ssize_t length
    Py_ssize_t first
    const int32_t* offsets      # length + 1 of them
    const uint8_t* data
    const uint8_t* valid        # NULL: every row is given

cdef class Keys:
    cdef KeyView view
    cdef object owner           # the array whose buffers `view` reads

cdef struct Seed:
    uint64_t k0
    uint64_t k1


cdef inline bint key_given(const KeyView* view, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t bit = view.first + row
    return view.valid == NULL or (view.valid[bit >> 3] >> (bit & 7)) & 1


cdef inline const uint8_t* key_bytes(
    const KeyView* view, Py_ssize_t row, Py_ssize_t* size
) noexcept nogil:
    size[0] = view.offsets[row + 1] - view.offsets[row]
    return view.data + view.offsets[row]


cdef inline uint8_t fold_byte(uint8_t byte) noexcept nogil:
    return byte | 0x20 if 65 <= byte <= 90 else byte


cdef inline bint same_key(
    const uint8_t* a, Py_ssize_t a_size, const uint8_t* b, Py_ssize_t b_size, bint fold
) noexcept nogil:
    # Equal bytes; with `fold`, equal but for the case of ASCII letters.
    cdef Py_ssize_t at
    if a_size != b_size:
        return False
    if a_size == 0 or memcmp(a, b, <size_t>a_size) == 0:
        return True
    if not fold:
        return False
    for at in range(a_size):
        if fold_byte(a[at]) != fold_byte(b[at]):
            return False
    return True


cdef Seed seed_of(uint64_t number) noexcept nogil
cdef uint64_t hash_key(const uint8_t* data, Py_ssize_t size, Seed seed, bint fold) noexcept nogil
