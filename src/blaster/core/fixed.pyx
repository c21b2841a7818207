"""Columns of four or eight bytes a row: INT, NUMBER, DATE, INSTANT, CODE, ID, and TIME.

A value moves as so many bits, whatever it means; only adding, finding what is due and leaving
for Arrow look inside. A CODE that is missing lies as 0 and is given out as -1. NUMBER keeps no
NaN (it is missing) and no negative zero.

Python never sees this module.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

import numpy as np
import pyarrow as pa

from blaster.core.chunk cimport Chunk
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, CODE, DATE, ID, INSTANT, INT, NUMBER, TIME, Place,
    Store, checked_valid, collect_bits, get_bit, set_bit,
)

from blaster.core.codes import codes_of, seconds_of, update_codes
from blaster.model.fields import NEVER

cdef extern from *:
    """
    static inline int blaster_add_overflows(int64_t a, int64_t b, int64_t* sum) {
        return __builtin_add_overflow(a, b, sum);
    }
    """
    bint blaster_add_overflows(int64_t a, int64_t b, int64_t* sum) noexcept nogil

ctypedef fused word_t:
    uint32_t
    uint64_t

cdef dict DTYPES = {
    INT: np.dtype(np.int64), NUMBER: np.dtype(np.float64), DATE: np.dtype(np.int32),
    INSTANT: np.dtype(np.int64), CODE: np.dtype(np.int32), TIME: np.dtype(np.uint32),
    ID: np.dtype(np.uint64),
}
cdef dict ARROW_TYPES = {
    INT: pa.int64(), NUMBER: pa.float64(), DATE: pa.date32(), INSTANT: pa.timestamp("s"),
    CODE: pa.int32(), TIME: pa.timestamp("s"), ID: pa.uint64(),
}
cdef uint32_t NEVER_TIME = NEVER
cdef enum:
    FEW_ROWS = 16       # looked at together for somebody who is due


# --- kernels ----------------------------------------------------------------------------------


cdef void take_words(
    const Place* places, const int64_t* rows, Py_ssize_t count, word_t* out
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = (<const word_t*>places[rows[i] >> BATCH_BITS].data)[rows[i] & BATCH_MASK]


cdef void mark_missing(
    const Place* places, const int64_t* rows, Py_ssize_t count, int32_t* codes
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        if not get_bit(places[rows[i] >> BATCH_BITS].valid, rows[i] & BATCH_MASK):
            codes[i] = -1


cdef void write_words(
    const Place* places, const int64_t* rows, Py_ssize_t count, const word_t* values,
    Py_ssize_t step, const uint8_t* flags, Py_ssize_t flag_step, word_t fill
) noexcept nogil:
    """Write values (step 0: one for all); `flags` NULL says that all are present."""
    cdef Py_ssize_t i
    cdef const Place* place
    cdef bint present
    for i in range(count):
        place = &places[rows[i] >> BATCH_BITS]
        present = flags == NULL or flags[i * flag_step] != 0
        (<word_t*>place.data)[rows[i] & BATCH_MASK] = values[i * step] if present else fill
        if place.valid != NULL:
            set_bit(place.valid, rows[i] & BATCH_MASK, present)


cdef void write_times(
    const Place* places, const int64_t* rows, Py_ssize_t count, const uint32_t* values,
    Py_ssize_t step, uint32_t* minima, uint8_t* loose
) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t batch
    cdef uint32_t* place
    cdef uint32_t value
    for i in range(count):
        batch = rows[i] >> BATCH_BITS
        place = <uint32_t*>places[batch].data + (rows[i] & BATCH_MASK)
        value = values[i * step]
        if value <= minima[batch]:
            minima[batch] = value
            loose[batch] = 0
        elif place[0] == minima[batch]:
            loose[batch] = 1        # perhaps the only one; the next look at the batch finds out
        place[0] = value


cdef void add_values(
    const Place* places, const int64_t* rows, Py_ssize_t count, const int64_t* amounts,
    Py_ssize_t step, int64_t start, uint8_t* over
) noexcept nogil:
    """Add to INT values in row order; `over` marks those left alone because they would overflow."""
    cdef Py_ssize_t i
    cdef const Place* place
    cdef int64_t* value
    cdef int64_t row, before, after = 0
    for i in range(count):
        row = rows[i] & BATCH_MASK
        place = &places[rows[i] >> BATCH_BITS]
        value = <int64_t*>place.data + row
        before = value[0]
        if place.valid != NULL and not get_bit(place.valid, row):
            before = start
        if blaster_add_overflows(before, amounts[i * step], &after):
            over[i] = 1
            continue
        value[0] = after
        if place.valid != NULL:
            set_bit(place.valid, row, True)


cdef inline Py_ssize_t count_due(
    const uint32_t* values, Py_ssize_t count, uint32_t limit
) noexcept nogil:
    """How many values are at most `limit`."""
    cdef Py_ssize_t i
    cdef uint32_t found = 0     # as wide as the values, so that the compiler takes many at once
    for i in range(count):
        found += values[i] <= limit
    return found


cdef void due_rows(
    const uint32_t* values, Py_ssize_t count, uint32_t limit, int64_t first, int64_t* out,
    Py_ssize_t room
) noexcept nogil:
    """Row numbers whose value is at most `limit`, into `out`, which has room for `room`."""
    cdef Py_ssize_t i, stop, start = 0, found = 0
    if room == count:
        for i in range(count):
            out[i] = first + i
        return
    while found < room:
        stop = min(start + FEW_ROWS, count)
        if room * FEW_ROWS >= count or count_due(values + start, stop - start, limit):
            for i in range(start, stop):
                if found == room:
                    return
                out[found] = first + i      # goes to the next place, and stays if it is due
                found += values[i] <= limit
        start = stop


cdef uint32_t least(const uint32_t* values, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint32_t best = NEVER_TIME
    for i in range(count):
        best = values[i] if values[i] < best else best
    return best


# --- the columns ------------------------------------------------------------------------------


cdef class FixedStore(Store):

    def __cinit__(self, int kind, bint never_missing=False, uint64_t fill=0, dictionary=None):
        self.dtype = DTYPES[kind]

    cdef object take(self, const int64_t[::1] rows):
        cdef Py_ssize_t count = rows.shape[0]
        values = np.empty(count, self.dtype)
        if count == 0:
            return values
        cdef uint8_t[::1] out = values.view(np.uint8)
        cdef const int64_t* row = &rows[0]
        with nogil:
            if self.row_bits == 32:
                take_words[uint32_t](self.places, row, count, <uint32_t*>&out[0])
            else:
                take_words[uint64_t](self.places, row, count, <uint64_t*>&out[0])
            if self.kind == CODE and self.has_valid:
                mark_missing(self.places, row, count, <int32_t*>&out[0])
        return values

    cdef object gather(self, const int64_t[::1] rows):
        return self.vector_of(self.gathered(rows), rows.shape[0], None)

    cdef Chunk gathered(self, const int64_t[::1] rows):
        """The values of these rows in a chunk of their own."""
        cdef Py_ssize_t count = rows.shape[0]
        cdef Chunk chunk = self.fresh((count + 63) & ~63)
        cdef Place place = self.place_of(chunk)
        if count == 0:
            return chunk
        cdef const int64_t* row = &rows[0]
        with nogil:
            if self.row_bits == 32:
                take_words[uint32_t](self.places, row, count, <uint32_t*>place.data)
            else:
                take_words[uint64_t](self.places, row, count, <uint64_t*>place.data)
            if self.has_valid:
                collect_bits(self.places, row, count, True, place.valid)
        return chunk

    # --- writing ------------------------------------------------------------------------------

    cdef int put(self, const int64_t[::1] rows, object values, object valid) except -1:
        if values is None:
            if self.have_no_memory(rows):
                return 0
            return self.write(rows, np.zeros(1, self.dtype), np.zeros(1, np.bool_))
        values = self.values_of(values, rows.shape[0])
        valid = self.present(values, valid, rows.shape[0])
        if self.kind == NUMBER:
            values = values + 0.0
        return self.write(rows, values, valid)

    cdef object values_of(self, object values, Py_ssize_t count):
        """One value, or one a row, as an array of exactly this kind's dtype."""
        if not isinstance(values, np.ndarray):
            values = np.array(values, self.dtype)
            if values.ndim == 0:
                return values.reshape(1)
        elif values.dtype != self.dtype:
            raise TypeError(f"values of {values.dtype} for a column of {self.dtype}")
        values = np.ascontiguousarray(values)
        if values.shape != (count,):
            raise ValueError(f"values of shape {values.shape} for {count} rows")
        return values

    cdef object present(self, object values, object valid, Py_ssize_t count):
        """Which of the rows get a value, or None for all of them."""
        found = None
        if self.kind == NUMBER:
            found = ~np.isnan(values)
        elif self.kind == CODE:
            if values.shape[0] and (values.min() < -1 or values.max() >= len(self.dictionary)):
                raise ValueError(f"a code that is not one of {len(self.dictionary)} words")
            found = values >= 0
        if found is not None and found.all():
            found = None
        if valid is None:
            return found
        valid = checked_valid(valid, count)
        return valid if found is None else valid & found

    cdef int write(
        self, const int64_t[::1] rows, object values, object valid
    ) except -1:
        cdef Py_ssize_t count = rows.shape[0]
        if count == 0:
            return 0
        cdef const uint8_t[::1] value_bytes = values.view(np.uint8)
        cdef const uint8_t[::1] flags
        cdef const void* value = &value_bytes[0]
        cdef const uint8_t* flag = NULL
        cdef Py_ssize_t step = 1 if values.shape[0] == count else 0
        cdef Py_ssize_t flag_step = 1
        cdef const int64_t* row = &rows[0]
        if valid is not None:
            flags = valid.view(np.uint8)
            flag = &flags[0]
            flag_step = 1 if valid.shape[0] == count else 0
        self.open_rows(rows)
        with nogil:
            if self.row_bits == 32:
                write_words[uint32_t](
                    self.places, row, count, <const uint32_t*>value, step, flag, flag_step,
                    <uint32_t>self.fill,
                )
            else:
                write_words[uint64_t](
                    self.places, row, count, <const uint64_t*>value, step, flag, flag_step,
                    self.fill,
                )
        return 0

    cdef object add(self, const int64_t[::1] rows, object amount, int64_t start):
        cdef Py_ssize_t count = rows.shape[0]
        over = np.zeros(count, np.bool_)
        amounts = self.values_of(amount, count)
        if count == 0:
            return over
        self.open_rows(rows)
        cdef const int64_t[::1] amount_view = amounts
        cdef uint8_t[::1] over_view = over.view(np.uint8)
        cdef Py_ssize_t step = 1 if amounts.shape[0] == count else 0
        cdef const int64_t* row = &rows[0]
        with nogil:
            add_values(
                self.places, row, count, &amount_view[0], step, start, &over_view[0]
            )
        return over

    cdef int put_arrow(self, const int64_t[::1] rows, object values) except -1:
        if self.kind == CODE:
            return self.put(rows, codes_of(self.dictionary, values), None)
        valid = None
        if values.null_count:
            valid = values.is_valid().to_numpy(zero_copy_only=False)
        if self.kind == TIME or self.kind == INSTANT:
            values = seconds_of(values)
            if self.kind == TIME:
                values = values.cast(pa.uint32())
        elif self.kind == DATE:
            values = values.cast(pa.date32()).cast(pa.int32())
        else:
            values = values.cast(ARROW_TYPES[self.kind])
        if valid is not None:
            values = values.fill_null(0)
        return self.put(rows, values.to_numpy(zero_copy_only=False), valid)

    # --- leaving ------------------------------------------------------------------------------

    cdef object export(self, Py_ssize_t batch):
        cdef Chunk chunk = self.chunk_of(batch)
        cdef Py_ssize_t length = self.length(batch)
        data = pa.py_buffer(chunk).slice(0, length * self.row_bits >> 3)
        valid = self.valid_buffer(chunk, length)
        if self.kind == TIME:
            instants = np.frombuffer(data, np.uint32)
            valid = pa.py_buffer(np.packbits(instants != NEVER, bitorder="little"))
            data = pa.py_buffer(instants.astype(np.int64))
        if self.kind == ID:
            present = np.frombuffer(data, np.uint64) != 0
            valid = pa.py_buffer(np.packbits(present, bitorder="little"))
        array = pa.Array.from_buffers(ARROW_TYPES[self.kind], length, [valid, data])
        if self.kind == CODE:
            return pa.DictionaryArray.from_arrays(array, self.arrow_words(), safe=False)
        return array

    cdef object arrow_words(self):
        """The dictionary's words; those exported before keep their array's order and place."""
        words = self.dictionary.values
        forgotten = self.dictionary.forgotten
        array, when = self.words or (None, forgotten)
        known = 0 if array is None or when != forgotten else len(array)
        if array is None or known < len(words):
            added = pa.array(words[known:], pa.string())
            array = added if known == 0 else pa.concat_arrays([array, added])
            self.words = array, forgotten
        return array

    cdef int digest_batch(self, object hasher, Py_ssize_t batch) except -1:
        cdef Chunk chunk = self.chunk_of(batch)
        cdef Py_ssize_t length = self.length(batch)
        data = np.frombuffer(chunk, self.dtype, length)
        if self.kind == CODE:
            first = batch << BATCH_BITS
            codes = self.take(np.arange(first, first + length, dtype=np.int64))
            update_codes(hasher, self.dictionary, codes)
        else:
            hasher.update(data)
        return self.update_valid(hasher, batch)


cdef class TimeStore(FixedStore):
    """A FixedStore that knows per batch the earliest instant, so that due rows are found fast."""

    def __dealloc__(self):
        PyMem_Free(self.minima)
        PyMem_Free(self.loose)

    cdef int extended(self, Py_ssize_t batches) except -1:
        cdef Py_ssize_t i
        minima = <uint32_t*>PyMem_Realloc(self.minima, <size_t>batches * sizeof(uint32_t))
        if minima == NULL:
            raise MemoryError
        self.minima = minima
        loose = <uint8_t*>PyMem_Realloc(self.loose, <size_t>batches)
        if loose == NULL:
            raise MemoryError
        self.loose = loose
        for i in range(self.batches, batches):
            minima[i] = NEVER_TIME
            loose[i] = 0
        return 0

    cdef int write(
        self, const int64_t[::1] rows, object values, object valid
    ) except -1:
        cdef Py_ssize_t count = rows.shape[0]
        if count == 0:
            return 0
        if valid is not None:
            values = np.where(valid, values, np.uint32(NEVER))
        cdef const uint32_t[::1] new = values
        cdef Py_ssize_t step = 1 if values.shape[0] == count else 0
        cdef const int64_t* row = &rows[0]
        self.open_rows(rows)
        with nogil:
            write_times(self.places, row, count, &new[0], step, self.minima, self.loose)
        return 0

    cdef object due_before(self, int64_t now, int64_t most):
        cdef Py_ssize_t batch, count, place = 0
        cdef uint32_t limit = <uint32_t>min(now, <int64_t>NEVER_TIME - 1)
        cdef int64_t[::1] out
        cdef list due = []
        if now < 0:
            return np.empty(0, np.int64)
        for batch in range(self.batches):
            if place >= most:
                break
            if self.minima[batch] <= limit and self.tighten(batch) <= limit:
                count = min(most - place, count_due(
                    <uint32_t*>self.places[batch].data, self.length(batch), limit
                ))
                due.append((batch, count))
                place += count
        rows = np.empty(place, np.int64)
        out, place = rows, 0
        for batch, count in due:
            due_rows(
                <uint32_t*>self.places[batch].data, self.length(batch), limit,
                batch << BATCH_BITS, &out[place], count,
            )
            place += count
        return rows

    cdef uint32_t minimum(self):
        cdef Py_ssize_t batch
        cdef uint32_t best = NEVER_TIME
        for batch in range(self.batches):
            if self.minima[batch] < best:
                best = min(best, self.tighten(batch))
        return best

    cdef uint32_t tighten(self, Py_ssize_t batch) noexcept:
        """The batch's earliest instant, looked up again if its bound may be too low."""
        if self.loose[batch]:
            self.minima[batch] = least(<uint32_t*>self.places[batch].data, self.length(batch))
            self.loose[batch] = 0
        return self.minima[batch]
