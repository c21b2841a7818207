"""Columns of one bit a row: BOOL. A missing value lies as 0 (or as the column's default).

Python never sees this module.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np
import pyarrow as pa

from blaster.core.chunk cimport Chunk
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, Place, Store, checked_valid, collect_bits, get_bit, set_bit,
)


cdef void take_bits(
    const Place* places, const int64_t* rows, Py_ssize_t count, uint8_t* out
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = get_bit(<uint64_t*>places[rows[i] >> BATCH_BITS].data, rows[i] & BATCH_MASK)


cdef void write_bits(
    const Place* places, const int64_t* rows, Py_ssize_t count, const uint8_t* values,
    Py_ssize_t step, const uint8_t* flags, Py_ssize_t flag_step, bint fill
) noexcept nogil:
    """Write values (step 0: one for all); `flags` NULL says that all are present."""
    cdef Py_ssize_t i
    cdef const Place* place
    cdef bint present
    for i in range(count):
        place = &places[rows[i] >> BATCH_BITS]
        present = flags == NULL or flags[i * flag_step] != 0
        set_bit(
            <uint64_t*>place.data, rows[i] & BATCH_MASK,
            values[i * step] != 0 if present else fill,
        )
        if place.valid != NULL:
            set_bit(place.valid, rows[i] & BATCH_MASK, present)


cdef class BoolStore(Store):

    cdef object take(self, const int64_t[::1] rows):
        cdef Py_ssize_t count = rows.shape[0]
        values = np.empty(count, np.bool_)
        cdef uint8_t[::1] out = values.view(np.uint8)
        if count:
            with nogil:
                take_bits(self.places, &rows[0], count, &out[0])
        return values

    cdef object gather(self, const int64_t[::1] rows):
        cdef Py_ssize_t count = rows.shape[0]
        cdef Chunk chunk = self.fresh((count + 63) & ~63)
        cdef Place place = self.place_of(chunk)
        if count:
            with nogil:
                collect_bits(self.places, &rows[0], count, False, <uint64_t*>place.data)
                if self.has_valid:
                    collect_bits(self.places, &rows[0], count, True, place.valid)
        return self.vector_of(chunk, count, None)

    cdef int put(self, const int64_t[::1] rows, object values, object valid) except -1:
        cdef Py_ssize_t count = rows.shape[0]
        if values is None:
            values = valid = False
        values = checked_valid(values, count)
        if valid is not None:
            valid = checked_valid(valid, count)
        if count == 0:
            return 0
        cdef const uint8_t[::1] value = values.view(np.uint8)
        cdef const uint8_t[::1] flags
        cdef const uint8_t* flag = NULL
        cdef Py_ssize_t step = 1 if values.shape[0] == count else 0
        cdef Py_ssize_t flag_step = 1
        cdef bint fill = self.fill != 0
        if valid is not None:
            flags = valid.view(np.uint8)
            flag = &flags[0]
            flag_step = 1 if valid.shape[0] == count else 0
        self.open_rows(rows)
        with nogil:
            write_bits(self.places, &rows[0], count, &value[0], step, flag, flag_step, fill)
        return 0

    cdef int put_arrow(self, const int64_t[::1] rows, object values) except -1:
        valid = None
        values = values.cast(pa.bool_())
        if values.null_count:
            valid = values.is_valid().to_numpy(zero_copy_only=False)
            values = values.fill_null(False)
        return self.put(rows, values.to_numpy(zero_copy_only=False), valid)

    cdef object export(self, Py_ssize_t batch):
        cdef Chunk chunk = self.chunk_of(batch)
        cdef Py_ssize_t length = self.length(batch)
        data = pa.py_buffer(chunk).slice(0, (length + 7) >> 3)
        valid = self.valid_buffer(chunk, length)
        return pa.Array.from_buffers(pa.bool_(), length, [valid, data])

    cdef int digest_batch(self, object hasher, Py_ssize_t batch) except -1:
        cdef Chunk chunk = self.chunk_of(batch)
        cdef Py_ssize_t length = self.length(batch)
        bits = np.frombuffer(chunk, np.uint8, (length + 7) >> 3)
        hasher.update(np.unpackbits(bits, count=length, bitorder="little"))
        return self.update_valid(hasher, batch)
