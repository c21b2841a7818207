"""Many runs moved at once, part by part: what a tick does for everybody who is due.

Owns the loops only, each a pass over `Parts`, by several threads where there are rows enough. Laws:
rows and steps are checked once per call; a part's rows are of one batch, so what a pass touches
stays in a processor's own cache; results are the caller's own memory, and the same for any number
of threads.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

from blaster.core.column cimport Column
from blaster.core.crew cimport share
from blaster.core.fixed cimport TimeStore
from blaster.core.parts cimport Parts, Span, ahead, refuse_steps, same_length, span_of, store_of
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, ID, INT, ROWS_PER_BATCH, TIME, Place, Store,
)

from blaster.model.fields import NEVER as _NEVER

cdef uint32_t NEVER_TIME = _NEVER
cdef enum:
    FEW_ROWS = 16               # one row in so many: each lies in cache lines of its own
    AHEAD_ROWS = 8              # fetched before they are written


# --- who is ready ---------------------------------------------------------------------------------

cdef struct Ready:
    Span rows
    const Place* steps
    const Place* untils
    const int32_t* onward
    uint32_t now
    int32_t unready
    int32_t* out
    int64_t* left


cdef void find_ready(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Ready* job = <const Ready*>given
    cdef Py_ssize_t i, start = job.rows.bound[part]
    cdef int64_t batch = job.rows.row[start] >> BATCH_BITS
    cdef const int64_t* step = <const int64_t*>job.steps[batch].data
    cdef const uint32_t* until = <const uint32_t*>job.untils[batch].data
    cdef const int64_t* rows = job.rows.row
    cdef const int32_t* onward = job.onward
    cdef int32_t* out = job.out
    cdef uint64_t key, steps = job.rows.steps
    cdef uint32_t now = job.now
    cdef int32_t target, unready = job.unready
    cdef int64_t row, left = 0
    for i in range(start, job.rows.bound[part + 1]):
        row = rows[i] & BATCH_MASK
        key = <uint64_t>step[row]
        target = unready
        if key < steps and until[row] <= now:
            target = onward[key]
        out[i] = target
        left += target == unready
    job.left[part] = left


def ready(
    Column step, Column until, Parts parts, const int32_t[::1] onward, uint32_t now,
    int32_t unready, Py_ssize_t threads=1,
):
    cdef Ready job
    cdef Py_ssize_t members = parts.members(threads)
    parts.in_order(store_of(step, INT).rows)
    parts.in_order(store_of(until, TIME).rows)
    values = np.empty(len(parts.rows), np.int32)
    left = np.zeros(parts.count, np.int64)
    cdef int32_t[::1] out = values
    cdef int64_t[::1] left_of = left
    if parts.count == 0:
        return values, 0
    job.rows = span_of(parts, None, onward.shape[0], None)
    job.steps, job.untils = step.store.places, until.store.places
    job.onward = &onward[0] if onward.shape[0] else NULL
    job.now, job.unready, job.out, job.left = now, unready, &out[0], &left_of[0]
    with nogil:
        share(find_ready, &job, parts.count, members)
    return values, int(left.sum())


# --- who goes where -------------------------------------------------------------------------------

cdef struct Survey:
    Span rows
    const Place* steps
    const Place* contacts
    int64_t* pairs              # a table each member
    int64_t* came
    int64_t* shifts


cdef void look_over(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Survey* job = <const Survey*>given
    cdef Py_ssize_t i, start = job.rows.bound[part]
    cdef int64_t batch = job.rows.row[start] >> BATCH_BITS
    cdef const int64_t* step = <const int64_t*>job.steps[batch].data
    cdef const int64_t* contact = <const int64_t*>job.contacts[batch].data
    cdef uint64_t steps = job.rows.steps
    cdef int64_t* pairs = job.pairs + <uint64_t>member * (steps + 1) * steps
    cdef int64_t* came = job.came + <uint64_t>part * steps
    cdef const int64_t* rows = job.rows.row
    cdef const int32_t* keys = job.rows.key
    cdef int64_t row, shift = contact[rows[start] & BATCH_MASK] - rows[start]
    cdef uint64_t source, target
    cdef int64_t differs = shift & BATCH_MASK
    for i in range(start, job.rows.bound[part + 1]):
        row = rows[i]
        differs |= contact[row & BATCH_MASK] - row ^ shift
        source, target = <uint64_t>(step[row & BATCH_MASK] + 1), <uint64_t>keys[i]
        if source > steps or target >= steps:
            job.rows.bad[member] = 1
            return
        pairs[source * steps + target] += 1
    for target in range(steps):
        came[target] = 0
    job.shifts[part] = -1 if differs or shift < 0 else shift
    for i in range(start, job.rows.bound[part + 1]):
        came[keys[i]] += 1


def survey(
    Column step, Column contact, Parts parts, const int32_t[::1] keys, Py_ssize_t steps,
    Py_ssize_t threads=1,
):
    cdef Survey job
    cdef Py_ssize_t members = parts.members(threads)
    parts.check(keys.shape[0])
    parts.in_order(store_of(step, INT).rows)
    parts.in_order(store_of(contact, INT).rows)
    pairs = np.zeros((members, steps + 1, steps), np.int64)
    came = np.empty((parts.count, steps), np.int64)
    shifts = np.empty(parts.count, np.int64)
    bad = np.zeros(members, np.uint8)
    cdef int64_t[::1] pair = pairs.reshape(-1)
    cdef int64_t[::1] came_of = came.reshape(-1)
    cdef int64_t[::1] shift_of = shifts
    if parts.count and steps:
        job.rows = span_of(parts, keys, steps, bad)
        job.steps, job.contacts = step.store.places, contact.store.places
        job.pairs, job.came, job.shifts = &pair[0], &came_of[0], &shift_of[0]
        with nogil:
            share(look_over, &job, parts.count, members)
    refuse_steps(bad.any(), steps)
    return pairs.sum(axis=0) if members > 1 else pairs[0], came, shifts


# --- branches -------------------------------------------------------------------------------------

# How a part's rows lie in the bitmaps of its rules.
cdef struct Bits:
    const uint64_t* words
    int64_t stride          # words of one rule
    int64_t offset          # of the first row's bit; DENSE: a row's bit is its place in the batch
    int64_t limit           # bits there are

cdef struct Choice:
    Span rows
    const Bits* bits
    const int32_t* first
    const int32_t* slots
    const int32_t* values
    const uint64_t** cases  # scratch: a place per case and member
    int64_t case_count
    int64_t* taken          # by part and edge
    int64_t* came           # by part and step, as `here`
    int64_t* here
    int32_t* out
    int32_t* final


cdef void choose_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Choice* job = <const Choice*>given
    cdef const Bits* bits = &job.bits[part]
    cdef const uint64_t** cases = job.cases + member * job.case_count
    cdef int64_t edges = job.case_count + <int64_t>job.rows.steps
    cdef int64_t* taken = job.taken + part * edges
    cdef Py_ssize_t i, start = job.rows.bound[part]
    cdef const int64_t* rows = job.rows.row
    cdef const int32_t* keys = job.rows.key
    cdef const int32_t* first = job.first
    cdef const int32_t* values = job.values
    cdef int32_t* out = job.out
    cdef int32_t* final = job.final
    cdef uint64_t steps = job.rows.steps
    cdef int64_t dense = bits.offset < 0, offset = bits.offset - start, limit = bits.limit
    cdef int64_t bit, case, low, edge, hit
    cdef int32_t key, value
    for case in range(job.case_count):
        cases[case] = bits.words + job.slots[case] * bits.stride
    for edge in range(edges):
        taken[edge] = 0
    for i in range(start, job.rows.bound[part + 1]):
        key = keys[i]
        out[i] = -1
        if <uint64_t>key >= steps or first[key] == first[key + 1]:
            continue
        bit = rows[i] & BATCH_MASK if dense else offset + i
        if bit >= limit:
            job.rows.bad[member] = 1
            return
        low, case = first[key], first[key + 1]
        edge = case + key
        while case > low:       # backwards, without a jump: the first true one stays
            case -= 1
            hit = -<int64_t>(cases[case][bit >> 6] >> (bit & 63) & 1)
            edge ^= (edge ^ (case + key)) & hit
        taken[edge] += 1
        value = values[edge]
        out[i] = value
        final[i] = value if value >= 0 else final[i]
    note_moves(job, part)


cdef void note_moves(const Choice* job, Py_ssize_t part) noexcept nogil:
    """Who came where, and who is where now, by the edges that were taken."""
    cdef int64_t steps = <int64_t>job.rows.steps
    cdef const int64_t* taken = job.taken + part * (job.case_count + steps)
    cdef int64_t* came = job.came + part * steps
    cdef int64_t* here = job.here + part * steps
    cdef int64_t key, edge
    for key in range(steps):
        came[key] = 0
    for key in range(steps):
        for edge in range(job.first[key] + key, job.first[key + 1] + key + 1):
            if taken[edge] and job.values[edge] >= 0:
                here[key] -= taken[edge]
                here[job.values[edge]] += taken[edge]
                came[job.values[edge]] += taken[edge]


def choose(
    Parts parts, const int32_t[::1] keys, looks, const int32_t[::1] first,
    const int32_t[::1] slots, const int32_t[::1] values, int32_t[::1] final,
    int64_t[:, ::1] here, Py_ssize_t threads=1,
):
    cdef Choice job
    cdef Py_ssize_t part, members = parts.members(threads), steps = first.shape[0] - 1
    cdef Py_ssize_t cases = slots.shape[0], results
    cdef const uint64_t[:, ::1] view
    cdef Bits* bits
    parts.check(keys.shape[0])
    parts.check(final.shape[0])
    parts.in_order(0x7FFFFFFFFFFFFFFF)
    same_length(parts.count, len(looks))
    same_length(parts.count, here.shape[0])
    same_length(steps, here.shape[1])
    same_length(values.shape[0], cases + steps)
    same_length(cases, first[steps])
    refuse_steps(np.asarray(values).max() >= steps, steps)
    results = np.asarray(slots).max() + 1
    out = np.empty(len(parts.rows), np.int32)
    taken = np.empty((parts.count, cases + steps), np.int64)
    came = np.empty((parts.count, steps), np.int64)
    if parts.count == 0:
        return out, came, taken.sum(axis=0)
    bad = np.zeros(members, np.uint8)
    cdef int64_t[::1] came_of = came.reshape(-1)
    cdef int32_t[::1] out_of = out
    cdef int64_t[::1] taken_of = taken.reshape(-1)
    cdef uint8_t[::1] bits_of = np.zeros(parts.count * sizeof(Bits), np.uint8)
    cdef uint64_t[::1] scratch = np.zeros(members * cases, np.uint64)
    bits = <Bits*>&bits_of[0]
    for part in range(parts.count):
        view = looks[part][0]
        if view.shape[0] < results or view.shape[1] == 0:
            raise IndexError(f"bitmaps of {view.shape[0]} rules, not {results}")
        bits[part] = Bits(&view[0, 0], view.shape[1], looks[part][1], 64 * view.shape[1])
    job.rows = span_of(parts, keys, steps, bad)
    job.bits, job.first, job.slots, job.values = bits, &first[0], &slots[0], &values[0]
    job.cases, job.case_count = <const uint64_t**>&scratch[0], cases
    job.taken, job.came, job.here = &taken_of[0], &came_of[0], &here[0, 0]
    job.out, job.final = &out_of[0], &final[0]
    with nogil:
        share(choose_part, &job, parts.count, members)
    if bad.any():
        raise IndexError("a bitmap ends before its rows")
    return out, came, taken.sum(axis=0)


def spread(
    const uint64_t[:, ::1] found, const int64_t[::1] places, const int32_t[::1] slots,
    uint64_t[:, ::1] words,
):
    cdef Py_ssize_t rule, i, count = places.shape[0]
    cdef uint64_t bit, size = 64 * <uint64_t>words.shape[1], rules = <uint64_t>words.shape[0]
    cdef const uint64_t* hits
    cdef uint64_t* out
    cdef bint bad = 64 * found.shape[1] < count
    same_length(slots.shape[0], found.shape[0])
    for rule in range(slots.shape[0]):
        bad |= <uint64_t>slots[rule] >= rules
    for i in range(count):
        bad |= <uint64_t>places[i] >= size
    if bad:
        raise IndexError("a bit outside the bitmaps")
    if count == 0:
        return
    with nogil:
        for rule in range(slots.shape[0]):
            hits, out = &found[rule, 0], &words[slots[rule], 0]
            for i in range(count):
                bit = hits[i >> 6] >> (i & 63) & 1
                out[places[i] >> 6] |= bit << (places[i] & 63)


# --- into the columns -----------------------------------------------------------------------------

cdef struct Places:
    Span rows
    const Place* steps
    const Place* orders
    const Place* dues
    const Place* untils
    const uint32_t* due_of
    const uint32_t* until_of
    uint32_t* due_minima
    uint8_t* due_loose
    uint32_t* until_minima
    uint8_t* until_loose


cdef inline void note_least(
    uint32_t* minimum, uint8_t* loose, uint32_t least, bint lost
) noexcept nogil:
    """What is known of a batch into which values from `least` on were written."""
    if least <= minimum[0]:
        minimum[0] = least
        loose[0] = 0
    elif lost:
        loose[0] = 1


cdef void place_part(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil:
    cdef const Places* job = <const Places*>given
    cdef Py_ssize_t i, start = job.rows.bound[part]
    cdef int64_t row, batch = job.rows.row[start] >> BATCH_BITS
    cdef int64_t* step = <int64_t*>job.steps[batch].data
    cdef uint64_t* order = <uint64_t*>job.orders[batch].data
    cdef uint32_t* due = <uint32_t*>job.dues[batch].data
    cdef uint32_t* until = <uint32_t*>job.untils[batch].data
    cdef uint32_t due_was = job.due_minima[batch], until_was = job.until_minima[batch]
    cdef const int64_t* rows = job.rows.row
    cdef const int32_t* keys = job.rows.key
    cdef const uint32_t* due_of = job.due_of
    cdef const uint32_t* until_of = job.until_of
    cdef uint32_t value, due_least = NEVER_TIME, until_least = NEVER_TIME
    cdef bint due_lost = False, until_lost = False
    cdef int32_t key
    cdef Py_ssize_t stop = job.rows.bound[part + 1]
    cdef bint few = (stop - start) * FEW_ROWS < ROWS_PER_BATCH
    for i in range(start, stop):
        if few and i + AHEAD_ROWS < stop:
            row = rows[i + AHEAD_ROWS] & BATCH_MASK
            ahead(step + row)
            ahead(order + row)
            ahead(due + row)
            ahead(until + row)
        row, key = rows[i] & BATCH_MASK, keys[i]
        step[row] = key
        if order[row]:
            order[row] = 0
        value = due_of[key]
        due_least = min(due_least, value)
        due_lost |= due[row] == due_was
        due[row] = value
        value = until_of[key]
        until_least = min(until_least, value)
        until_lost |= until[row] == until_was
        until[row] = value
    note_least(&job.due_minima[batch], &job.due_loose[batch], due_least, due_lost)
    note_least(&job.until_minima[batch], &job.until_loose[batch], until_least, until_lost)


def place(
    Column step, Column due, Column until, Column order, Parts parts, const int32_t[::1] keys,
    const uint32_t[::1] due_of, const uint32_t[::1] until_of, Py_ssize_t threads=1,
):
    cdef Places job
    cdef Store store
    cdef TimeStore dues = store_of(due, TIME)
    cdef TimeStore untils = store_of(until, TIME)
    cdef Py_ssize_t part, i, members = parts.members(threads)
    cdef int32_t outside = 0, last = <int32_t>due_of.shape[0] - 1   # its sign says it
    parts.check(keys.shape[0])
    same_length(due_of.shape[0], until_of.shape[0])
    with nogil:
        for i in range(keys.shape[0]):
            outside |= keys[i] | (last - keys[i])
    refuse_steps(outside < 0, due_of.shape[0])
    if parts.count == 0:
        return
    for store in (store_of(step, INT), store_of(order, ID), dues, untils):
        parts.in_order(store.rows)
        for part in range(parts.count):
            store.open_batch(parts.row[parts.bound[part]] >> BATCH_BITS)
    job.rows = span_of(parts, keys, due_of.shape[0], None)
    job.steps, job.orders = step.store.places, order.store.places
    job.dues, job.untils, job.due_of, job.until_of = (
        dues.places, untils.places, &due_of[0], &until_of[0]
    )
    job.due_minima, job.due_loose = dues.minima, dues.loose
    job.until_minima, job.until_loose = untils.minima, untils.loose
    with nogil:
        share(place_part, &job, parts.count, members)
