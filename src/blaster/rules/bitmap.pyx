"""Bitmaps between NumPy booleans and 64-bit words.

Owns the packing only. Laws: least significant bit first; the bits past the last row are 0.
"""

import numpy as np

from libc.stdint cimport uint8_t, uint64_t


cdef extern from *:
    int popcount "__builtin_popcountll"(uint64_t) noexcept nogil


def from_bools(flags):
    """The words of a boolean array (shape (n,)); a new uint64 array of ceil(n / 64) words."""
    cdef const uint8_t[::1] view = np.ascontiguousarray(flags, dtype=bool).view(np.uint8)
    cdef Py_ssize_t rows = view.shape[0]
    cdef Py_ssize_t word, row
    out = np.zeros(words_of(rows), dtype=np.uint64)
    cdef uint64_t[::1] words = out
    with nogil:
        for word in range(rows >> 6):
            words[word] = pack64(&view[word << 6])
        for row in range(rows & ~<Py_ssize_t>63, rows):
            words[row >> 6] |= <uint64_t>view[row] << (row & 63)
    return out


def to_bools(words, rows):
    """The first `rows` bits of a word array as a new boolean array."""
    packed = np.ascontiguousarray(words, dtype=np.uint64).view(np.uint8)
    if rows > 8 * len(packed):
        raise ValueError(f"{rows} rows do not fit {len(packed) // 8} words")
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def count(words):
    """How many bits are set."""
    cdef const uint64_t[::1] view = np.ascontiguousarray(words, dtype=np.uint64)
    cdef Py_ssize_t word
    cdef Py_ssize_t total = 0
    with nogil:
        for word in range(view.shape[0]):
            total += popcount(view[word])
    return total
