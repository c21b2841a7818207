"""Many runs moved at once, part by part: what a tick does for everybody who is due.

Owns the loops only, each a pass over `Parts`, by several threads where there are rows enough. Laws:
rows and steps are checked once per call; a part's rows are of one batch, so what a pass touches
stays in a processor's own cache; results are the caller's own memory, and the same for any number
of threads.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from blaster.core.column cimport Column
from blaster.core.crew cimport share
from blaster.core.fixed cimport TimeStore
from blaster.core.parts cimport Parts
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


cdef int refuse_steps(bint bad, Py_ssize_t steps) except -1:
    if bad:
        raise IndexError(f"a step outside the journey's {steps}")
    return 0


# What every pass has; `bad` is a flag a member, set where a step or a row does not belong.
cdef struct Rows:
    const int64_t* row
    const int64_t* bound
    const int32_t* key
    uint64_t steps
    uint8_t* bad


cdef Rows rows_of(Parts parts, const int32_t[::1] keys, Py_ssize_t steps, uint8_t[::1] bad):
    cdef Rows rows
    rows.row = &parts.row[0] if parts.count else NULL
    rows.bound = &parts.bound[0]
    rows.key = &keys[0] if keys is not None and keys.shape[0] else NULL
    rows.steps = <uint64_t>steps
    rows.bad = NULL if bad is None else &bad[0]
    return rows


# --- who is ready ---------------------------------------------------------------------------------

cdef struct Ready:
    Rows rows
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
    job.rows = rows_of(parts, None, onward.shape[0], None)
    job.steps, job.untils = step.store.places, until.store.places
    job.onward = &onward[0] if onward.shape[0] else NULL
    job.now, job.unready, job.out, job.left = now, unready, &out[0], &left_of[0]
    with nogil:
        share(find_ready, &job, parts.count, members)
    return values, int(left.sum())


# --- who goes where -------------------------------------------------------------------------------

cdef struct Survey:
    Rows rows
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
        job.rows = rows_of(parts, keys, steps, bad)
        job.steps, job.contacts = step.store.places, contact.store.places
        job.pairs, job.came, job.shifts = &pair[0], &came_of[0], &shift_of[0]
        with nogil:
            share(look_over, &job, parts.count, members)
    refuse_steps(bad.any(), steps)
    return pairs.sum(axis=0) if members > 1 else pairs[0], came, shifts


cdef struct Counts:
    Rows rows
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
        job.rows = rows_of(parts, keys, steps, bad)
        job.out = &out[0] if steps else NULL
        with nogil:
            share(count_part, &job, parts.count, members)
    refuse_steps(bad.any(), steps)
    return found


# --- branches -------------------------------------------------------------------------------------

# How a part's rows lie in the bitmaps of its rules.
cdef struct Bits:
    const uint64_t* words
    int64_t stride          # words of one rule
    int64_t offset          # of the first row's bit; DENSE: a row's bit is its place in the batch
    int64_t limit           # bits there are

cdef struct Choice:
    Rows rows
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
    job.rows = rows_of(parts, keys, steps, bad)
    job.bits, job.first, job.slots, job.values = bits, &first[0], &slots[0], &values[0]
    job.cases, job.case_count = <const uint64_t**>&scratch[0], cases
    job.taken, job.came, job.here = &taken_of[0], &came_of[0], &here[0, 0]
    job.out, job.final = &out_of[0], &final[0]
    with nogil:
        share(choose_part, &job, parts.count, members)
    if bad.any():
        raise IndexError("a bitmap ends before its rows")
    return out, came, taken.sum(axis=0)


# --- by step --------------------------------------------------------------------------------------

cdef struct Groups:
    Rows rows
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
        job.rows = rows_of(parts, keys, came.shape[1], bad)
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
    Rows rows
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
        job.rows = rows_of(parts, keys, chosen.shape[0], bad)
        job.contacts, job.chosen = contact.store.places, &chosen[0]
        job.next_place = &next_place[0]
        job.row, job.key, job.contact = &row[0], &key[0], &other[0]
        with nogil:
            share(sift_part, &job, parts.count, members)
    refuse_steps(bad.any(), chosen.shape[0])
    return kept


# --- into the columns -----------------------------------------------------------------------------

cdef struct Places:
    Rows rows
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
    for i in range(start, job.rows.bound[part + 1]):
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
    job.rows = rows_of(parts, keys, due_of.shape[0], None)
    job.steps, job.orders = step.store.places, order.store.places
    job.dues, job.untils, job.due_of, job.until_of = (
        dues.places, untils.places, &due_of[0], &until_of[0]
    )
    job.due_minima, job.due_loose = dues.minima, dues.loose
    job.until_minima, job.until_loose = untils.minima, untils.loose
    with nogil:
        share(place_part, &job, parts.count, members)


# --- orders ---------------------------------------------------------------------------------------

cdef struct Numbering:
    Rows rows
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
    job.rows = rows_of(parts, keys, numbers.shape[1], bad)
    job.orders, job.contact, job.number = orders.places, &contacts[0], &numbers[0, 0]
    job.base = ((np.asarray(numbers).min() - 1) >> BATCH_BITS << BATCH_BITS) + 1
    job.room = <uint64_t>len(blocks) << BATCH_BITS
    job.block = <Order* const*>&address[0]
    job.order = Order(0, 0, version, 0, at, NEVER_TIME, 1, 0, 1, 0)
    with nogil:
        share(number_part, &job, parts.count, members)
    if bad.any():
        raise ValueError("too few blocks for these orders")
