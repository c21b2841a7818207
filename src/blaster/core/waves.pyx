"""Many runs moved at once, in row order: what a tick does for everybody who is due.

Owns the loops only: one pass over the rows for each, no row looked at twice, no sort. Laws: rows
are checked once per call; a step's number fits 32 bits; results are the caller's own memory.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from blaster.core.column cimport Column
from blaster.core.fixed cimport TimeStore
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, ID, INT, ROWS_PER_BATCH, TIME, Place, Store,
)

from blaster.core.orders import ORDER as _ORDER
from blaster.model.fields import NEVER as _NEVER

# One row of Orders, as ORDER lays it out; checked below.
cdef packed struct Order:
    int64_t run
    int64_t contact
    int32_t version
    int32_t step
    uint32_t at
    uint32_t due
    uint16_t tries
    uint8_t doubt
    uint8_t open
    uint8_t found

cdef struct Words:
    const uint64_t* at

cdef struct Rows:
    Order* at

cdef uint32_t NEVER_TIME = _NEVER

if _ORDER.itemsize != sizeof(Order):
    raise ImportError("waves was compiled for another layout of orders")


cdef Store store_of(Column column, int kind):
    if column.store.kind != kind:
        raise TypeError(f"a {column.kind.name} column where another kind belongs")
    return column.store


cdef int same_length(Py_ssize_t one, Py_ssize_t other) except -1:
    if one != other:
        raise ValueError(f"{one} rows and {other} values")
    return 0


def steps_of(Column column, const int64_t[::1] rows):
    cdef Store store = store_of(column, INT)
    store.check_rows(rows)
    cdef Py_ssize_t i, count = rows.shape[0]
    values = np.empty(count, np.int32)
    cdef int32_t[::1] out = values
    cdef const Place* places = store.places
    with nogil:
        for i in range(count):
            out[i] = <int32_t>(
                <const int64_t*>places[rows[i] >> BATCH_BITS].data
            )[rows[i] & BATCH_MASK]
    return values


cdef int check_keys(const int32_t[::1] keys, Py_ssize_t steps, bint none_allowed) except -1:
    cdef Py_ssize_t i
    cdef bint bad = False
    cdef int32_t least = -1 if none_allowed else 0
    with nogil:
        for i in range(keys.shape[0]):
            bad |= keys[i] < least or keys[i] >= steps
    if bad:
        raise IndexError(f"a step outside the journey's {steps}")
    return 0


def ready(
    Column step, Column until, const int64_t[::1] rows, const uint8_t[::1] waits,
    const int32_t[::1] then, uint32_t now, int32_t unready,
):
    same_length(waits.shape[0], then.shape[0])
    cdef Store steps = store_of(step, INT)
    cdef Store untils = store_of(until, TIME)
    steps.check_rows(rows)
    untils.check_rows(rows)
    cdef Py_ssize_t i, count = rows.shape[0]
    cdef int64_t batch, row, key
    cdef uint64_t known = <uint64_t>then.shape[0]
    values = np.empty(count, np.int32)
    cdef int32_t[::1] out = values
    cdef Py_ssize_t left = 0
    with nogil:
        for i in range(count):
            batch, row = rows[i] >> BATCH_BITS, rows[i] & BATCH_MASK
            key = (<const int64_t*>steps.places[batch].data)[row]
            if (
                <uint64_t>key < known and waits[key]
                and (<const uint32_t*>untils.places[batch].data)[row] <= now
            ):
                out[i] = then[key]
            else:
                out[i] = unready
                left += 1
    return values, left


def counts_of(const int32_t[::1] keys, Py_ssize_t steps):
    counts = np.zeros(steps + 1, np.int64)
    cdef int64_t[::1] out = counts
    cdef Py_ssize_t i
    cdef uint64_t place, known = <uint64_t>steps + 1
    cdef bint bad = False
    with nogil:
        for i in range(keys.shape[0]):
            place = <uint64_t>(keys[i] + 1)
            if place >= known:
                bad = True
                break
            out[place] += 1
    if bad:
        raise IndexError(f"a step outside the journey's {steps}")
    return counts


def sift(
    const int64_t[::1] rows, const int32_t[::1] keys, const int64_t[::1] others,
    const uint8_t[::1] chosen,
):
    same_length(rows.shape[0], keys.shape[0])
    same_length(rows.shape[0], others.shape[0])
    check_keys(keys, chosen.shape[0], False)
    cdef Py_ssize_t i, found = 0, count = rows.shape[0]
    kept = np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.int64)
    cdef int64_t[::1] row = kept[0]
    cdef int32_t[::1] key = kept[1]
    cdef int64_t[::1] other = kept[2]
    with nogil:
        for i in range(count):
            row[found], key[found], other[found] = rows[i], keys[i], others[i]
            found += chosen[keys[i]] != 0
    return kept[0][:found], kept[1][:found], kept[2][:found]


def tally(const int32_t[::1] sources, const int32_t[::1] targets, Py_ssize_t steps):
    same_length(sources.shape[0], targets.shape[0])
    counts = np.zeros((steps + 1, steps + 1), np.int64)
    cdef int64_t[::1] out = counts.reshape(-1)
    cdef Py_ssize_t i
    cdef uint64_t source, target, known = <uint64_t>steps + 1
    cdef bint bad = False
    with nogil:
        for i in range(sources.shape[0]):
            source, target = <uint64_t>(sources[i] + 1), <uint64_t>(targets[i] + 1)
            if source >= known or target >= known:
                bad = True
                break
            out[source * known + target] += 1
    if bad:
        raise IndexError(f"a step outside the journey's {steps}")
    return counts


def shift_of(const int64_t[::1] rows, const int64_t[::1] others):
    same_length(rows.shape[0], others.shape[0])
    cdef Py_ssize_t i
    cdef bint differs = False
    if rows.shape[0] == 0:
        return None
    cdef int64_t shift = others[0] - rows[0]
    with nogil:
        for i in range(rows.shape[0]):
            differs |= others[i] - rows[i] != shift
    return None if differs or shift & BATCH_MASK else shift


def choose(
    const int32_t[::1] keys, const int64_t[::1] rows, Py_ssize_t start, Py_ssize_t stop,
    bint dense, words, const int32_t[::1] first, const int32_t[::1] rules,
    const int32_t[::1] targets, const int32_t[::1] otherwise, int32_t[::1] out,
):
    cdef Py_ssize_t steps = otherwise.shape[0]
    cdef const uint64_t[::1] view
    cdef Py_ssize_t i, case, bit, limit = stop - start
    cdef int32_t key, target
    cdef bint bad = False
    same_length(keys.shape[0], rows.shape[0])
    same_length(keys.shape[0], out.shape[0])
    if not 0 <= start <= stop <= keys.shape[0]:
        raise IndexError("rows outside the wave")
    check_keys(keys[start:stop], steps, False)
    if dense:
        limit = ROWS_PER_BATCH
    maps = np.empty(len(words), np.uint64)
    cdef uint64_t[::1] addresses = maps
    for i in range(len(words)):
        view = words[i]
        limit = min(limit, view.shape[0] * 64)
        addresses[i] = <uint64_t>&view[0] if view.shape[0] else 0
    with nogil:
        for i in range(start, stop):
            key = keys[i]
            bit = rows[i] & BATCH_MASK if dense else i - start
            if bit >= limit:
                bad = True
                break
            target = otherwise[key]
            for case in range(first[key], first[key + 1]):
                if (<const uint64_t*>addresses[rules[case]])[bit >> 6] >> (bit & 63) & 1:
                    target = targets[case]
                    break
            out[i] = target
    if bad:
        raise IndexError("a bitmap ends before its rows")


def grouped(const int64_t[::1] rows, const int32_t[::1] keys, Py_ssize_t steps):
    same_length(rows.shape[0], keys.shape[0])
    cdef Py_ssize_t i, count = rows.shape[0]
    starts = np.zeros(steps + 2, np.int64)
    starts[1:] = counts_of(keys, steps)
    cdef int64_t[::1] next_place = starts
    with nogil:
        next_place[1] = 0               # who has no key is left out
        for i in range(1, steps + 1):
            next_place[i + 1] += next_place[i]
    found = np.empty(next_place[steps + 1], np.int64)
    bounds = starts[1:].copy()
    cdef int64_t[::1] out = found
    with nogil:
        for i in range(count):
            if keys[i] >= 0:
                out[next_place[keys[i] + 1]] = rows[i]
                next_place[keys[i] + 1] += 1
    return found, bounds


cdef int open_all(tuple stores, const int64_t[::1] rows) except -1:
    """Checks the rows once and makes their batches writable in every one of these columns."""
    cdef Store first = stores[0]
    cdef Store store
    cdef Py_ssize_t i, batch = -1, count = rows.shape[0]
    for store in stores:
        if store.rows != first.rows:
            raise ValueError("columns of different tables")
    first.check_rows(rows)
    with nogil:
        for i in range(count):
            first.touched[rows[i] >> BATCH_BITS] = 1
    for batch in range(first.batches):
        if first.touched[batch]:
            first.touched[batch] = 0
            for store in stores:
                store.open_batch(batch)
    return 0


cdef inline void set_time(
    uint32_t* place, uint32_t value, uint32_t* least, uint8_t* loose
) noexcept nogil:
    if value <= least[0]:
        least[0] = value
        loose[0] = 0
    elif place[0] == least[0]:
        loose[0] = 1
    place[0] = value


def place(
    Column step, Column due, Column until, Column order, const int64_t[::1] rows,
    const int32_t[::1] keys, const uint32_t[::1] due_of, const uint32_t[::1] until_of,
):
    same_length(rows.shape[0], keys.shape[0])
    same_length(due_of.shape[0], until_of.shape[0])
    check_keys(keys, due_of.shape[0], False)
    cdef Store steps = store_of(step, INT)
    cdef Store orders = store_of(order, ID)
    cdef TimeStore dues = store_of(due, TIME)
    cdef TimeStore untils = store_of(until, TIME)
    cdef Py_ssize_t i, count = rows.shape[0]
    cdef int64_t batch, row
    cdef int32_t key
    if count == 0:
        return
    open_all((steps, orders, dues, untils), rows)
    with nogil:
        for i in range(count):
            batch, row = rows[i] >> BATCH_BITS, rows[i] & BATCH_MASK
            key = keys[i]
            (<int64_t*>steps.places[batch].data)[row] = key
            (<uint64_t*>orders.places[batch].data)[row] = 0
            set_time(
                <uint32_t*>dues.places[batch].data + row, due_of[key],
                dues.minima + batch, dues.loose + batch,
            )
            set_time(
                <uint32_t*>untils.places[batch].data + row, until_of[key],
                untils.minima + batch, untils.loose + batch,
            )


def number_orders(
    Column order, const int64_t[::1] rows, const int64_t[::1] contacts, const int32_t[::1] keys,
    uint64_t[::1] first, blocks, int32_t version, uint32_t at,
):
    same_length(rows.shape[0], keys.shape[0])
    same_length(rows.shape[0], contacts.shape[0])
    check_keys(keys, first.shape[0], False)
    cdef Store orders = store_of(order, ID)
    cdef Py_ssize_t i, count = rows.shape[0]
    cdef uint64_t number, base
    cdef Order* into
    cdef uint8_t[::1] view
    if count == 0:
        return
    orders.check_rows(rows)
    orders.open_rows(rows)
    base = (np.asarray(first).min() - 1) >> BATCH_BITS << BATCH_BITS
    cdef uint64_t room = <uint64_t>len(blocks) << BATCH_BITS
    cdef bint bad = False
    addresses = np.empty(len(blocks), np.uint64)
    cdef uint64_t[::1] address = addresses
    for i in range(len(blocks)):
        view = blocks[i].view(np.uint8)
        same_length(view.shape[0], ROWS_PER_BATCH * sizeof(Order))
        address[i] = <uint64_t>&view[0]
    with nogil:
        for i in range(count):
            number = first[keys[i]]
            first[keys[i]] = number + 1
            (<uint64_t*>orders.places[rows[i] >> BATCH_BITS].data)[
                rows[i] & BATCH_MASK
            ] = number
            number -= 1 + base
            if number >= room:
                bad = True
                break
            into = <Order*>address[number >> BATCH_BITS] + (number & BATCH_MASK)
            into.run = rows[i]
            into.contact = contacts[i]
            into.version = version
            into.step = keys[i]
            into.at = at
            into.due = NEVER_TIME
            into.tries = 1
            into.open = 1
            into.found = 0
    if bad:
        raise ValueError("too few blocks for these orders")
