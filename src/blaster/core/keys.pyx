"""Arrow strings read in place, and the one hash of keys.

Owns how a `pa.StringArray` is read without an object per row, and SipHash-1-3 over key bytes: the
same bytes and seed give the same hash on every machine and in every release, and without the seed
nobody can make keys that collide. Never keeps a key.
"""

from libc.stdint cimport uintptr_t

import numpy as np
import pyarrow as pa


cdef class Keys:
    """A view over `array` (string, or what casts to it), kept alive as long as the view is."""

    def __cinit__(self, array):
        array = string_array(array)
        _, offsets, data = array.buffers()
        valid = array.buffers()[0] if array.null_count else None
        self.owner = array
        self.view.length = len(array)
        self.view.first = array.offset
        self.view.offsets = NULL
        self.view.data = NULL
        self.view.valid = NULL
        if self.view.length == 0:
            return
        self.view.offsets = <const int32_t*><uintptr_t>offsets.address + <Py_ssize_t>array.offset
        if data is not None:
            self.view.data = <const uint8_t*><uintptr_t>data.address
        if valid is not None:
            self.view.valid = <const uint8_t*><uintptr_t>valid.address

    def __len__(self):
        return self.view.length


def string_array(values):
    """`values` as one `pa.StringArray`: an array, a chunked array, or a sequence of str or None."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = values.chunk(0) if values.num_chunks else pa.array([], values.type)
    elif not isinstance(values, pa.Array):
        return pa.array(values, pa.string())
    return values if values.type == pa.string() else values.cast(pa.string())


def hash_keys(values, seed=0, fold=False):
    """The hash of every key, uint64[len(values)]; 0 where the key is null."""
    cdef Keys keys = Keys(values)
    hashes = np.zeros(keys.view.length, np.uint64)
    cdef uint64_t[::1] out = hashes
    cdef Seed seeds = seed_of(seed)
    cdef bint folded = fold
    cdef Py_ssize_t row, size = 0
    cdef const uint8_t* data
    with nogil:
        for row in range(keys.view.length):
            if key_given(&keys.view, row):
                data = key_bytes(&keys.view, row, &size)
                out[row] = hash_key(data, size, seeds, folded)
    return hashes


cdef Seed seed_of(uint64_t number) noexcept nogil:
    # Two independent key halves from one number (the finaliser of SplitMix64, twice).
    cdef Seed seed
    seed.k0 = _spread(number + <uint64_t>0x9E3779B97F4A7C15)
    seed.k1 = _spread(number + <uint64_t>0x3C6EF372FE94F82A)
    return seed


cdef uint64_t _spread(uint64_t z) noexcept nogil:
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint64_t _rotate(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline uint64_t _fold_word(uint64_t word) noexcept nogil:
    # Eight bytes at once: sets bit 5 of those that are A to Z and leaves all others.
    cdef uint64_t low = word & <uint64_t>0x7F7F7F7F7F7F7F7F
    cdef uint64_t from_a = low + <uint64_t>0x3F3F3F3F3F3F3F3F
    cdef uint64_t past_z = low + <uint64_t>0x2525252525252525
    cdef uint64_t upper = ~word & (from_a ^ past_z) & <uint64_t>0x8080808080808080
    return word | (upper >> 2)


cdef inline void _round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] += v[3]
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


cdef inline uint64_t _word(const uint8_t* data, Py_ssize_t size, bint fold) noexcept nogil:
    # Up to eight bytes, the first one lowest, whatever the machine's own order.
    cdef uint64_t word = 0
    cdef Py_ssize_t at
    for at in range(size):
        word |= <uint64_t>data[at] << (8 * at)
    return _fold_word(word) if fold else word


cdef inline uint64_t _tail(
    const uint8_t* data, Py_ssize_t size, Py_ssize_t left, bint fold
) noexcept nogil:
    # The last `left` (up to seven) bytes; of a longer key by one load that ends where they end.
    cdef uint64_t word
    if size < 8:
        return _word(data, size, fold)
    word = _word(data + size - 8, 8, fold)
    return word >> (64 - 8 * left) if left else 0


cdef uint64_t hash_key(
    const uint8_t* data, Py_ssize_t size, Seed seed, bint fold
) noexcept nogil:
    cdef uint64_t[4] v
    cdef uint64_t word
    cdef Py_ssize_t at = 0
    v[0] = seed.k0 ^ <uint64_t>0x736F6D6570736575
    v[1] = seed.k1 ^ <uint64_t>0x646F72616E646F6D
    v[2] = seed.k0 ^ <uint64_t>0x6C7967656E657261
    v[3] = seed.k1 ^ <uint64_t>0x7465646279746573
    while at + 8 <= size:
        word = _word(data + at, 8, fold)
        v[3] ^= word
        _round(v)
        v[0] ^= word
        at += 8
    word = _tail(data, size, size - at, fold) | (<uint64_t>size << 56)
    v[3] ^= word
    _round(v)
    v[0] ^= word
    v[2] ^= 0xFF
    _round(v)
    _round(v)
    _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
