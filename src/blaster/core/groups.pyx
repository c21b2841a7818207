"""Rows by step, part by part: how many, which, and the orders that are made for them.

Owns the loops only, each a pass over `Parts` (see `waves`, whose laws hold here too).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from blaster.core.column cimport Column
from blaster.core.crew cimport share
from blaster.core.parts cimport Parts, Span, refuse_steps, same_length, span_of, store_of
from blaster.core.store cimport BATCH_BITS, BATCH_MASK, ID, INT, ROWS_PER_BATCH, Place, Store

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

cdef uint32_t NEVER_TIME = _NEVER

if _ORDER.itemsize != sizeof(Order):
    raise ImportError("groups was compiled for another layout of orders")


cdef struct Counts:
    Span rows
    int64_t* out


cdef void count_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Counts* job = <const Counts*>given
    cdef int64_t* out = job.out + <uint64_t>part * job.rows.steps
    cdef Py_ssize_t i
    cdef int32_t key
    for i in range(job.rows.bound[part], job.rows.bound[part + 1]):
        key = job.rows.key[i]
        if key < 0:
            continue
        if <uint64_t>key >= job.rows.steps:
            job.rows.bad[member] = 1
            return
        out[key] += 1


def counts(Parts parts, const int32_t[::1] keys, Py_ssize_t steps, Py_ssize_t threads=1):
    cdef Counts job
    cdef Py_ssize_t members = parts.members(threads)
    parts.check(keys.shape[0])
    found = np.zeros((parts.count, steps), np.int64)
    bad = np.zeros(members, np.uint8)
    cdef int64_t[::1] out = found.reshape(-1)
    if parts.count:
        job.rows = span_of(parts, keys, steps, bad)
        job.out = &out[0] if steps else NULL
        with nogil:
            share(count_part, &job, parts.count, members)
    refuse_steps(bad.any(), steps)
    return found


cdef struct Groups:
    Span rows
    int64_t* next_place         # by part and step
    int64_t* out
    int64_t size


cdef void group_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Groups* job = <const Groups*>given
    cdef int64_t* next_place = job.next_place + <uint64_t>part * job.rows.steps
    cdef const int64_t* rows = job.rows.row
    cdef const int32_t* keys = job.rows.key
    cdef int64_t* out = job.out
    cdef uint64_t steps = job.rows.steps
    cdef int64_t place, size = job.size
    cdef Py_ssize_t i
    cdef int32_t key
    for i in range(job.rows.bound[part], job.rows.bound[part + 1]):
        key = keys[i]
        if key < 0:
            continue
        place = next_place[key] if <uint64_t>key < steps else size
        if place >= size:
            job.rows.bad[member] = 1
            return
        next_place[key] = place + 1
        out[place] = rows[i]


def grouped(Parts parts, const int32_t[::1] keys, came, Py_ssize_t threads=1):
    cdef Groups job
    cdef Py_ssize_t members = parts.members(threads)
    parts.check(keys.shape[0])
    same_length(parts.count, len(came))
    bounds, places = starts(came)
    found = np.empty(came.sum(), np.int64)
    bad = np.zeros(members, np.uint8)
    cdef int64_t[::1] out = found
    cdef int64_t[::1] next_place = places.reshape(-1)
    if len(found):
        job.rows = span_of(parts, keys, came.shape[1], bad)
        job.next_place, job.out, job.size = &next_place[0], &out[0], len(found)
        with nogil:
            share(group_part, &job, parts.count, members)
    refuse_steps(bad.any(), came.shape[1])
    return found, bounds


def starts(came):
    totals = came.sum(axis=0)
    ends = np.cumsum(totals)
    places = np.ascontiguousarray(ends - totals + np.cumsum(came, axis=0) - came)
    return np.concatenate([np.zeros(1, np.int64), ends]), places


cdef struct Sifted:
    Span rows
    const Place* contacts
    const uint8_t* chosen
    int64_t* next_place         # by part
    int64_t* row
    int32_t* key
    int64_t* contact


cdef void sift_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Sifted* job = <const Sifted*>given
    cdef Py_ssize_t i = job.rows.bound[part], stop = job.rows.bound[part + 1]
    cdef int64_t batch = job.rows.row[i] >> BATCH_BITS
    cdef const int64_t* contact = <const int64_t*>job.contacts[batch].data
    cdef int64_t found = job.next_place[part], end = job.next_place[part + 1]
    cdef uint64_t key
    while found < end and i < stop:     # each goes to the next place; who is chosen stays there
        key = <uint64_t>job.rows.key[i]
        if key >= job.rows.steps:
            break
        job.row[found], job.key[found] = job.rows.row[i], <int32_t>key
        found += job.chosen[key]
        i += 1
    if found < end:
        job.rows.bad[member] = 1
        return
    for found in range(job.next_place[part], end):
        job.contact[found] = contact[job.row[found] & BATCH_MASK]


def sift(
    Parts parts, const int32_t[::1] keys, Column contact, const uint8_t[::1] chosen, here,
    Py_ssize_t threads=1,
):
    cdef Sifted job
    cdef Py_ssize_t members = parts.members(threads)
    parts.check(keys.shape[0])
    parts.in_order(store_of(contact, INT).rows)
    same_length(parts.count, len(here))
    places = np.zeros(parts.count + 1, np.int64)
    np.cumsum(here[:, np.asarray(chosen).view(np.bool_)].sum(axis=1), out=places[1:])
    count = places[parts.count]
    kept = np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.int64)
    bad = np.zeros(members, np.uint8)
    cdef int64_t[::1] next_place = places
    cdef int64_t[::1] row = kept[0]
    cdef int32_t[::1] key = kept[1]
    cdef int64_t[::1] other = kept[2]
    if count:
        job.rows = span_of(parts, keys, chosen.shape[0], bad)
        job.contacts, job.chosen = contact.store.places, &chosen[0]
        job.next_place = &next_place[0]
        job.row, job.key, job.contact = &row[0], &key[0], &other[0]
        with nogil:
            share(sift_part, &job, parts.count, members)
    refuse_steps(bad.any(), chosen.shape[0])
    return kept


# --- orders ---------------------------------------------------------------------------------------

cdef struct Numbering:
    Span rows
    const Place* orders
    const int64_t* contact
    uint64_t* number            # the next, by part and step
    uint64_t base               # the number before the first block's first
    uint64_t room
    Order* const* block
    Order order                 # what is the same for all


cdef void number_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Numbering* job = <const Numbering*>given
    cdef uint64_t* next_number = job.number + <uint64_t>part * job.rows.steps
    cdef Py_ssize_t i
    cdef uint64_t number
    cdef Order order = job.order
    cdef int64_t row
    for i in range(job.rows.bound[part], job.rows.bound[part + 1]):
        order.step = job.rows.key[i]
        if <uint64_t>order.step >= job.rows.steps:
            job.rows.bad[member] = 1
            return
        row = job.rows.row[i]
        number = next_number[order.step]
        next_number[order.step] = number + 1
        (<uint64_t*>job.orders[row >> BATCH_BITS].data)[row & BATCH_MASK] = number
        number -= job.base
        if number >= job.room:
            job.rows.bad[member] = 1
            return
        order.run, order.contact = row, job.contact[i]
        job.block[number >> BATCH_BITS][number & BATCH_MASK] = order


def number_orders(
    Column order, Parts parts, const int64_t[::1] contacts, const int32_t[::1] keys,
    uint64_t[:, ::1] numbers, blocks, int32_t version, uint32_t at, Py_ssize_t threads=1,
):
    cdef Numbering job
    cdef Py_ssize_t i, members = parts.members(threads)
    cdef Store orders = store_of(order, ID)
    cdef uint8_t[::1] view
    parts.check(keys.shape[0])
    parts.check(contacts.shape[0])
    same_length(parts.count, numbers.shape[0])
    if parts.count == 0:
        return
    orders.check_rows(parts.row)
    orders.open_rows(parts.row)
    addresses = np.empty(len(blocks), np.uint64)
    cdef uint64_t[::1] address = addresses
    for i in range(len(blocks)):
        view = blocks[i].view(np.uint8)
        same_length(view.shape[0], ROWS_PER_BATCH * sizeof(Order))
        address[i] = <uint64_t>&view[0]
    bad = np.zeros(members, np.uint8)
    job.rows = span_of(parts, keys, numbers.shape[1], bad)
    job.orders, job.contact, job.number = orders.places, &contacts[0], &numbers[0, 0]
    job.base = ((np.asarray(numbers).min() - 1) >> BATCH_BITS << BATCH_BITS) + 1
    job.room = <uint64_t>len(blocks) << BATCH_BITS
    job.block = <Order* const*>&address[0]
    job.order = Order(0, 0, version, 0, at, NEVER_TIME, 1, 0, 1, 0)
    with nogil:
        share(number_part, &job, parts.count, members)
    if bad.any():
        raise ValueError("too few blocks for these orders")
