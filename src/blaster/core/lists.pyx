"""Columns of lists of words: Arrow list views of int32 codes, in an arena per batch.

Offsets and sizes count codes, the arena counts bytes. An empty list is a value and names nothing;
a missing one has size 0 too and no validity bit.

Python never sees this module.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp, memcpy

import numpy as np
import pyarrow as pa

from blaster.core.arena cimport Arena, admit
from blaster.core.chunk cimport Chunk
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, Place, checked_valid, collect_bits, set_bit,
)

from blaster.core.codes import codes_of, flat_lists, flat_words, update_codes


cdef bint write_list(
    const Place* place, Arena* arena, int64_t row, const int32_t* codes, int64_t size,
    bint present
) noexcept nogil:
    """Put one list, or clear the row; False, with nothing done, if the arena has no room."""
    cdef int32_t* offset = <int32_t*>place.data + row
    cdef int64_t old = place.sizes[row]
    if not present:
        size = 0
    if size and old == size:
        if memcmp(<int32_t*>arena.data + offset[0], codes, <size_t>size * 4) == 0:
            return True
    if arena.used + size * 4 > arena.capacity and size:
        return False
    arena.garbage += old * 4
    offset[0] = 0
    if size:
        memcpy(arena.data + arena.used, codes, <size_t>size * 4)
        offset[0] = <int32_t>(arena.used >> 2)
        arena.used += size * 4
    place.sizes[row] = <int32_t>size
    set_bit(place.valid, row, present)
    return True


cdef class ListStore(ArenaStore):

    cdef object codes_at(self, const int64_t[::1] rows):
        """Sizes (int32[]) of the rows' lists, and their codes (int32[]) end to end."""
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef int64_t row, total = 0
        cdef const Place* place
        cdef int32_t* data
        sizes = np.empty(count, np.int32)
        cdef int32_t[::1] size = sizes
        for i in range(count):
            size[i] = self.places[rows[i] >> BATCH_BITS].sizes[rows[i] & BATCH_MASK]
            total += size[i]
        if total > 0x7FFFFFFF:
            raise OverflowError(f"{total} words are too many for one vector")
        codes = np.empty(total, np.int32)
        cdef int32_t[::1] out = codes
        total = 0
        for i in range(count):
            if size[i] == 0:
                continue
            row = rows[i] & BATCH_MASK
            place = &self.places[rows[i] >> BATCH_BITS]
            data = <int32_t*>self.arenas[rows[i] >> BATCH_BITS].data
            memcpy(&out[total], data + (<int32_t*>place.data)[row], <size_t>size[i] * 4)
            total += size[i]
        return sizes, codes

    cdef object take(self, const int64_t[::1] rows):
        sizes, codes = self.codes_at(rows)
        texts = [self.dictionary.values[code] for code in codes.tolist()]
        values = []
        start = 0
        for size, present in zip(sizes.tolist(), self.take_valid(rows).tolist()):
            values.append(texts[start:start + size] if present else None)
            start += size
        return values

    cdef object gather(self, const int64_t[::1] rows):
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef int64_t used = 0
        cdef Chunk chunk = self.fresh((count + 63) & ~63)
        cdef Place place = self.place_of(chunk)
        sizes, codes = self.codes_at(rows)
        cdef const int32_t[::1] size = sizes
        cdef const uint8_t[::1] code_bytes = codes.view(np.uint8)
        cdef Chunk arena = Chunk(codes.nbytes)
        if count == 0:
            return self.vector_of(chunk, 0, arena)
        if codes.nbytes:
            memcpy(arena.data, &code_bytes[0], <size_t>arena.nbytes)
        for i in range(count):
            place.sizes[i] = size[i]
            (<int32_t*>place.data)[i] = <int32_t>used
            used += size[i]
        collect_bits(self.places, &rows[0], count, True, place.valid)
        return self.vector_of(chunk, count, arena)

    cdef object vector(self, Py_ssize_t batch):
        arena = self.arena_chunks[batch]
        if arena is None:
            arena = Chunk(0)
        return self.vector_of(self.chunk_of(batch), self.length(batch), arena)

    # --- writing ------------------------------------------------------------------------------

    cdef int put(self, const int64_t[::1] rows, object values, object valid) except -1:
        cdef Py_ssize_t count = rows.shape[0]
        if values is None:
            values = [None] * count
        elif isinstance(values, (pa.Array, pa.ChunkedArray)):
            values = values.to_pylist()
        if len(values) != count:
            raise ValueError(f"{len(values)} lists for {count} rows")
        words, ends, present = flat_lists(values)
        if valid is not None:
            present = present & checked_valid(valid, count)
        codes = np.array([self.dictionary.add(word) for word in words], np.int32)
        return self.write(rows, codes, ends, present)

    cdef int put_arrow(self, const int64_t[::1] rows, object values) except -1:
        words, ends, present = flat_words(values)
        codes = codes_of(self.dictionary, words)
        return self.write(rows, codes, ends, present)

    cdef int write(
        self, const int64_t[::1] rows, object codes, object ends, object valid
    ) except -1:
        """Write lists of `codes` (int32[]), list i being those from ends[i] to ends[i + 1]."""
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef const int32_t[::1] code = codes
        cdef const int64_t[::1] end = ends
        cdef const uint8_t[::1] present = valid.view(np.uint8)
        cdef const int32_t* first = &code[0] if codes.shape[0] else NULL
        cdef int64_t batch, size, longest = 0
        for i in range(count):
            longest = max(longest, end[i + 1] - end[i])
        admit(longest * 4)
        self.open_rows(rows)
        for i in range(count):
            batch = rows[i] >> BATCH_BITS
            size = end[i + 1] - end[i]
            while not write_list(
                &self.places[batch], &self.arenas[batch], rows[i] & BATCH_MASK, first + end[i],
                size, present[i],
            ):
                self.reserve(batch, size * 4)
        self.compact()
        return 0

    cdef int64_t move_live(
        self, Place place, Py_ssize_t rows, const uint8_t* source, uint8_t* target
    ) noexcept:
        cdef Py_ssize_t row
        cdef int64_t used = 0, nbytes
        cdef int32_t* offset = <int32_t*>place.data
        for row in range(rows):
            nbytes = <int64_t>place.sizes[row] * 4
            if nbytes:
                memcpy(target + used, source + <int64_t>offset[row] * 4, <size_t>nbytes)
                offset[row] = <int32_t>(used >> 2)
                used += nbytes
        return used

    # --- leaving ------------------------------------------------------------------------------

    cdef object batch_codes(self, Py_ssize_t batch):
        first = batch << BATCH_BITS
        return self.codes_at(np.arange(first, first + self.length(batch), dtype=np.int64))

    cdef object export(self, Py_ssize_t batch):
        cdef Py_ssize_t length = self.length(batch)
        sizes, codes = self.batch_codes(batch)
        ends = np.zeros(length + 1, np.int32)
        np.cumsum(sizes, out=ends[1:])
        words = pa.array(self.dictionary.values, pa.string()).take(pa.array(codes))
        valid = self.valid_buffer(self.chunk_of(batch), length)
        return pa.Array.from_buffers(
            pa.list_(pa.string()), length, [valid, pa.py_buffer(ends)], children=[words]
        )

    cdef int digest_batch(self, object hasher, Py_ssize_t batch) except -1:
        sizes, codes = self.batch_codes(batch)
        hasher.update(sizes)
        update_codes(hasher, self.dictionary, codes)
        return self.update_valid(hasher, batch)
