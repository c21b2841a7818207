# Bitmaps: least significant bit first, in 64-bit words, the bits past the last row 0.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef inline Py_ssize_t words_of(Py_ssize_t rows) noexcept nogil:
    return (rows + 63) >> 6

cdef inline uint64_t tail_mask(Py_ssize_t rows) noexcept nogil:
    """The bits of the last word that are rows; all ones when the last word is full."""
    return <uint64_t>-1 if rows & 63 == 0 else (<uint64_t>1 << (rows & 63)) - 1

cdef inline uint64_t pack64(const uint8_t* flags) noexcept nogil:
    """64 bytes, each 0 or 1, as one word (little-endian machines)."""
    cdef uint64_t word = 0
    cdef uint64_t eight
    cdef int group
    for group in range(8):
        memcpy(&eight, flags + 8 * group, 8)
        # The product moves bit 0 of byte i to bit 56 + i; no two terms meet in the top byte.
        word |= ((eight * <uint64_t>0x0102040810204080) >> 56) << (8 * group)
    return word
