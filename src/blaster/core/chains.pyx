"""Lists of rows that are linked backwards through a column: walked whole, for many heads at once.

A link is the number of a row in the four bytes of a TIME column, NEVER where a list ends. Law: a
link is smaller than the row it stands in, so that every walk ends.
"""

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t

from blaster.core.column cimport Column
from blaster.core.store cimport BATCH_BITS, BATCH_MASK, ID, TIME, Store

cdef uint32_t END = 0xFFFFFFFF


cdef inline uint32_t link_at(Store links, int64_t row) noexcept nogil:
    return (<const uint32_t*>links.places[row >> BATCH_BITS].data)[row & BATCH_MASK]


cdef Store links_of(Column links, const uint32_t[::1] heads):
    """The store behind a column of links; IndexError for a head that is no row of it."""
    cdef Py_ssize_t n
    if links.store.kind != TIME or links.rare:
        raise TypeError(f"links are TIME, not {links.kind.name}")
    for n in range(heads.shape[0]):
        if heads[n] != END and heads[n] >= links.store.rows:
            raise IndexError(f"row {heads[n]} of {links.store.rows} linked rows")
    return links.store


def walk(Column links not None, const uint32_t[::1] heads, const uint32_t[::1] floors=None):
    cdef Store store = links_of(links, heads)
    cdef Py_ssize_t count = heads.shape[0], n
    cdef bint bounded = floors is not None
    cdef int64_t place
    cdef uint32_t row, floor = 0
    if bounded and floors.shape[0] != count:
        raise ValueError(f"{floors.shape[0]} floors for {count} heads")
    found = np.zeros(count + 1, np.int64)
    cdef int64_t[::1] offsets = found
    cdef int64_t[::1] rows
    with nogil:
        for n in range(count):
            if bounded:
                floor = floors[n]
            row = heads[n]
            place = offsets[n]
            while row != END and row >= floor:
                place += 1
                row = link_at(store, row)
            offsets[n + 1] = place
    numbers = np.empty(found[count], np.int64)
    rows = numbers
    with nogil:
        for n in range(count):
            row = heads[n]
            for place in range(offsets[n + 1] - 1, offsets[n] - 1, -1):
                rows[place] = row
                row = link_at(store, row)
    return found, numbers


def find_linked(
    Column links not None,
    Column values not None,
    const uint32_t[::1] heads,
    const uint64_t[::1] wanted,
):
    cdef Store store = links_of(links, heads)
    cdef Store numbers = values.store
    cdef Py_ssize_t count = heads.shape[0], n
    cdef uint32_t row
    if numbers.kind != ID or numbers.rows != store.rows:
        raise TypeError("what is looked for is ID, row by row beside the links")
    if wanted.shape[0] != count:
        raise ValueError(f"{wanted.shape[0]} numbers for {count} heads")
    found = np.full(count, -1, np.int64)
    cdef int64_t[::1] out = found
    with nogil:
        for n in range(count):
            row = heads[n]
            while row != END:
                if (
                    <const uint64_t*>numbers.places[row >> BATCH_BITS].data
                )[row & BATCH_MASK] == wanted[n]:
                    out[n] = row
                    break
                row = link_at(store, row)
    return found
