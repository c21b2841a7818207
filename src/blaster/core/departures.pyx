"""Who is due and goes on: found, sent off and counted in one pass over each batch.

Owns that pass only. Laws: what it answers with is what `due_before`, `ready` and `survey` would say
one after another; a batch is read by one thread, and the result is the same for any number of them.
Batches are read until there are enough runs, so that a small slice costs by itself and not by
everybody who is due.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

import numpy as np

from blaster.core.column cimport Column
from blaster.core.crew cimport share
from blaster.core.fixed cimport TimeStore
from blaster.core.parts cimport Parts, ahead, cut_parts, same_length, store_of
from blaster.core.store cimport BATCH_BITS, BATCH_MASK, INT, ROWS_PER_BATCH, TIME, Place, Store

from blaster.model.fields import NEVER as _NEVER

cdef uint32_t NEVER_TIME = _NEVER
cdef enum:
    FEW_ROWS = 16               # looked at together for somebody who is due
    BLOCK_ROWS = 1024           # picked before they are looked at: they can be fetched ahead
    THREAD_BATCHES = 4          # worth a thread of their own, only to be read

cdef struct Departure:
    const Place* dues
    const Place* untils
    const Place* steps
    const Place* contacts
    uint32_t* minima
    const int64_t* batch        # by part
    const int64_t* bound        # by part: where its runs go; while they are counted NULL
    const int32_t* onward
    int64_t* found              # by part
    int64_t* shifts             # by part
    int64_t* left               # by part and step: how many set off from it; the last: how many not
    int64_t* rows
    int32_t* out
    int64_t table_rows
    uint64_t step_count
    uint32_t now
    int32_t unready


cdef inline Py_ssize_t length_of(const Departure* job, int64_t batch) noexcept nogil:
    return min(job.table_rows - (batch << BATCH_BITS), <int64_t>ROWS_PER_BATCH)


cdef void count_batch(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    """How many are due, and the batch's earliest instant."""
    cdef const Departure* job = <const Departure*>given
    cdef int64_t batch = job.batch[part]
    cdef const uint32_t* due = <const uint32_t*>job.dues[batch].data
    cdef Py_ssize_t i, length = length_of(job, batch)
    cdef uint32_t found = 0, least = NEVER_TIME, now = job.now
    for i in range(length):
        found += due[i] <= now
        least = due[i] if due[i] < least else least
    job.found[part] = found
    job.minima[batch] = least


cdef Py_ssize_t pick(
    const uint32_t* due, Py_ssize_t row, Py_ssize_t stop, uint32_t now, bint few, int32_t* picked
) noexcept nogil:
    """The rows from `row` on that are due; where they are few, group by group."""
    cdef Py_ssize_t i, end, found = 0
    cdef uint32_t any_due
    while row < stop:
        end = min(row + FEW_ROWS, stop) if few else stop
        any_due = not few
        if few:
            for i in range(row, end):
                any_due |= due[i] <= now
        if any_due:
            for i in range(row, end):
                picked[found] = <int32_t>i      # goes to the next place, and stays if it is due
                found += due[i] <= now
        row = end
    return found


cdef void depart_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Departure* job = <const Departure*>given
    cdef int64_t batch = job.batch[part], first = batch << BATCH_BITS
    cdef const uint32_t* due = <const uint32_t*>job.dues[batch].data
    cdef const uint32_t* until = <const uint32_t*>job.untils[batch].data
    cdef const int64_t* step = <const int64_t*>job.steps[batch].data
    cdef const int64_t* contact = <const int64_t*>job.contacts[batch].data
    cdef const int32_t* onward = job.onward
    cdef int64_t* rows = job.rows
    cdef int32_t* out = job.out
    cdef uint64_t key, steps = job.step_count
    cdef int64_t* left = job.left + part * (steps + 1)
    cdef Py_ssize_t place = job.bound[part], end = job.bound[part + 1]
    cdef Py_ssize_t i, found, stop, row = 0, length = length_of(job, batch)
    cdef bint whole = end - place == length
    cdef bint few = (end - place) * FEW_ROWS < length
    cdef uint32_t now = job.now
    cdef int32_t target, unready = job.unready
    cdef int64_t here, differs = 0, shift = 0
    cdef int32_t[BLOCK_ROWS] picked
    while place < end:
        stop = min(row + BLOCK_ROWS, length)
        if whole:
            found = stop - row
            for i in range(found):
                picked[i] = <int32_t>(row + i)
        else:
            found = min(pick(due, row, stop, now, few, picked), end - place)
        row = stop
        if few:
            for i in range(found):
                ahead(step + picked[i])
                ahead(until + picked[i])
                ahead(contact + picked[i])
        if place == job.bound[part] and found:
            shift = contact[picked[0]] - first - picked[0]
        for i in range(found):
            here = picked[i]
            rows[place] = first + here
            differs |= contact[here] - first - here ^ shift
            key = <uint64_t>step[here]
            target = unready
            if key < steps and until[here] <= now:
                target = onward[key]
            out[place] = target
            left[steps if target == unready else key] += 1
            place += 1
    differs |= shift & BATCH_MASK
    job.shifts[part] = -1 if differs or shift < 0 else shift


def depart(
    Column due, Column until, Column step, Column contact, const int32_t[::1] onward,
    uint32_t now, int32_t unready, int64_t most, Py_ssize_t threads=1,
):
    cdef Departure job
    cdef TimeStore dues = store_of(due, TIME)
    cdef Store untils = store_of(until, TIME)
    cdef Store steps = store_of(step, INT)
    cdef Store contacts = store_of(contact, INT)
    cdef Store store
    for store in (untils, steps, contacts):
        same_length(dues.rows, store.rows)
    if threads < 1:
        raise ValueError(f"{threads} threads")
    now = min(now, NEVER_TIME - 1)
    batches = np.flatnonzero([dues.minima[batch] <= now for batch in range(dues.batches)])
    cdef Py_ssize_t count = len(batches), looked = 0, some, batch
    cdef int64_t total = 0
    job.dues, job.untils, job.steps, job.contacts = (
        dues.places, untils.places, steps.places, contacts.places
    )
    job.minima, job.table_rows, job.now, job.unready = dues.minima, dues.rows, now, unready
    job.onward = &onward[0] if onward.shape[0] else NULL
    job.step_count = <uint64_t>onward.shape[0]
    counts = np.zeros(count, np.int64)
    cdef const int64_t[::1] batch_of = batches
    cdef int64_t[::1] count_of = counts
    while looked < count and total < most:
        # If everybody in them is due, so many batches are enough; if not, twice as many are next.
        some = min(max(looked, (most - total - 1) // ROWS_PER_BATCH + 1), count - looked)
        job.batch, job.found = &batch_of[looked], &count_of[looked]
        with nogil:
            share(count_batch, &job, some, min(threads, 1 + some // THREAD_BATCHES))
        for batch in range(looked, looked + some):
            dues.loose[batch_of[batch]] = 0
            total += count_of[batch]
        looked += some
    ends = np.minimum(np.cumsum(counts), max(most, 0))
    chosen = np.diff(ends, prepend=0) > 0
    return send_off(&job, batches[chosen], np.append(0, ends[chosen]), threads)


cdef object send_off(Departure* job, batches, bounds, Py_ssize_t threads):
    """Everybody who is due on his way: see `depart`."""
    cdef Py_ssize_t count = len(batches), width = <Py_ssize_t>job.step_count + 1
    rows = np.empty(bounds[count], np.int64)
    parts = cut_parts(rows, bounds)
    targets = np.empty(len(rows), np.int32)
    left = np.zeros((count, width), np.int64)
    shifts = np.empty(count, np.int64)
    cdef const int64_t[::1] batch_of = batches
    cdef const int64_t[::1] bound_of = bounds
    cdef int64_t[::1] row_of = rows
    cdef int32_t[::1] target_of = targets
    cdef int64_t[::1] left_of = left.reshape(-1)
    cdef int64_t[::1] shift_of = shifts
    cdef Py_ssize_t members = (<Parts>parts).members(threads)
    if count:
        job.batch, job.bound, job.rows = &batch_of[0], &bound_of[0], &row_of[0]
        job.out, job.left, job.shifts = &target_of[0], &left_of[0], &shift_of[0]
        with nogil:
            share(depart_part, job, count, members)
    return parts, targets, left, shifts
