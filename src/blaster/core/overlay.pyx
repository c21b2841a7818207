"""Settles one batch of contacts: which rows are who, in order, without touching the indexes.

Owns, for the time of one call, a small table per kind of key: the keys that earlier rows of the
batch brought and that no contact has yet. A row of a conflict brings nothing.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free

import numpy as np

from blaster.core.keys cimport (
    BLOCK, blaster_prefetch, hash_key, key_bytes, key_given, same_key, seed_of,
)


cdef class Overlay:

    def __cinit__(self, keys, found, uint64_t seed, bint fold):
        self.keys = Keys(keys)
        self.found = found
        self.seed = seed_of(seed)
        self.fold = fold
        cdef uint64_t slots = 16, most = 0
        cdef Py_ssize_t row
        for row in range(self.keys.view.length):
            most += key_given(&self.keys.view, row) and self.found[row] < 0
        while slots < 2 * most:
            slots *= 2
        self.slots = <uint64_t*>calloc(<size_t>slots, sizeof(uint64_t))
        if self.slots == NULL:
            raise MemoryError()
        self.mask = slots - 1

    def __dealloc__(self):
        free(self.slots)

    cdef void fetch(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        # Hashes a block and asks for its slots, so that the waits for memory overlap.
        cdef Py_ssize_t row, size = 0
        cdef const uint8_t* data
        for row in range(start, stop):
            if key_given(&self.keys.view, row) and self.found[row] < 0:
                data = key_bytes(&self.keys.view, row, &size)
                self.hashes[row - start] = hash_key(data, size, self.seed, self.fold)
                blaster_prefetch(&self.slots[self.hashes[row - start] & self.mask])

    cdef Py_ssize_t find(self, Py_ssize_t row, uint64_t hashed) noexcept nogil:
        # The earlier row of the batch that brought this row's key, or -1.
        cdef uint64_t at = hashed & self.mask
        cdef Py_ssize_t size = 0, other_size = 0, other
        cdef const uint8_t* data = key_bytes(&self.keys.view, row, &size)
        cdef const uint8_t* other_data
        while self.slots[at] != 0:
            if (self.slots[at] >> 32) == (hashed >> 32):
                other = <Py_ssize_t><unsigned int>self.slots[at] - 1
                other_data = key_bytes(&self.keys.view, other, &other_size)
                if same_key(data, size, other_data, other_size, self.fold):
                    return other
            at = (at + 1) & self.mask
        return -1

    cdef void insert(self, Py_ssize_t row, uint64_t hashed) noexcept nogil:
        cdef uint64_t at = hashed & self.mask
        while self.slots[at] != 0:
            at = (at + 1) & self.mask
        self.slots[at] = (hashed >> 32 << 32) | (<uint64_t>row + 1)


cdef inline int _match(
    Overlay overlay, const int64_t[::1] rows, Py_ssize_t row, Py_ssize_t start, int64_t* who
) noexcept nogil:
    # Whom one key of a row names: -1 no key, 0 nobody yet, 1 `who`.
    cdef Py_ssize_t other
    if not key_given(&overlay.keys.view, row):
        return -1
    if overlay.found[row] >= 0:
        who[0] = overlay.found[row]
        return 1
    other = overlay.find(row, overlay.hashes[row - start])
    if other < 0:
        return 0
    who[0] = rows[other]
    return 1


def settle(keys, found, int64_t next_row, seed, folds):
    """(rows int64[], created bool[], conflict bool[]) for each row of the batch, in order.

    `keys` and `found` are triples (id, e-mail, phone): arrays of strings, and int64[] rows that the
    indexes gave (-1 none). New contacts are numbered from `next_row`.
    """
    cdef Overlay a = Overlay(keys[0], found[0], seed, folds[0])
    cdef Overlay b = Overlay(keys[1], found[1], seed, folds[1])
    cdef Overlay c = Overlay(keys[2], found[2], seed, folds[2])
    cdef Py_ssize_t count = a.keys.view.length, row, stop, start = 0
    numbers = np.empty(count, np.int64)
    created, conflicts = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    cdef int64_t[::1] out = numbers
    cdef uint8_t[::1] is_new = created.view(np.uint8), is_conflict = conflicts.view(np.uint8)
    cdef int64_t who_a = 0, who_b = 0, who_c = 0, who
    cdef int known_a, known_b, known_c
    with nogil:
        while start < count:
            stop = min(start + <Py_ssize_t>BLOCK, count)
            a.fetch(start, stop)
            b.fetch(start, stop)
            c.fetch(start, stop)
            for row in range(start, stop):
                known_a = _match(a, out, row, start, &who_a)
                known_b = _match(b, out, row, start, &who_b)
                known_c = _match(c, out, row, start, &who_c)
                who = -1
                who = who_c if known_c > 0 else who
                who = who_b if known_b > 0 else who
                who = who_a if known_a > 0 else who
                if (known_b > 0 and who_b != who) or (known_c > 0 and who_c != who):
                    out[row] = -1
                    is_conflict[row] = True
                    continue
                if who < 0:
                    who = next_row
                    next_row += 1
                    is_new[row] = True
                out[row] = who
                if known_a == 0:
                    a.insert(row, a.hashes[row - start])
                if known_b == 0:
                    b.insert(row, b.hashes[row - start])
                if known_c == 0:
                    c.insert(row, c.hashes[row - start])
            start = stop
    return numbers, created, conflicts
