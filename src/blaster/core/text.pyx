"""Columns of text: Arrow string views into an arena per batch.

Values enter as Arrow strings and are copied byte by byte, without Python objects. A text equal to
the one that lies there already is not written again and costs no arena.

Python never sees this module.
"""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memset

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.arena cimport admit
from blaster.core.chunk cimport Chunk
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, Place, checked_valid, collect_bits, get_bit, set_bit,
)

from blaster.core.codes import as_strings, settled


cdef uint8_t NO_TEXT = 0        # something to point at: NULL would mean a null


cdef struct Source:             # an Arrow string array
    const int32_t* offsets
    const uint8_t* data
    const uint8_t* valid        # bitmap, NULL: no nulls
    int64_t first               # the array's own offset, for the bitmap


cdef bint write_text(
    const Place* place, Arena* arena, int64_t row, const uint8_t* text, int64_t length
) noexcept nogil:
    """Put one text (NULL: clear the row); False, with nothing done, if the arena has no room."""
    cdef View* view = <View*>place.data + row
    cdef bint there = get_bit(place.valid, row)
    cdef View new
    if text != NULL and there and view.length == length:
        if memcmp(view_bytes(view, arena.data), text, <size_t>length) == 0:
            return True
    memset(&new, 0, sizeof(View))
    if text != NULL:
        new.length = <int32_t>length
        if length <= INLINE_BYTES_MAX:
            memcpy(&new.prefix[0], text, <size_t>length)
        else:
            if arena.used + length > arena.capacity:
                return False
            memcpy(arena.data + arena.used, text, <size_t>length)
            memcpy(&new.prefix[0], text, 4)
            new.offset = <int32_t>arena.used
            arena.used += length
    if view.length > INLINE_BYTES_MAX:
        arena.garbage += view.length
    view[0] = new
    set_bit(place.valid, row, text != NULL)
    return True


cdef Py_ssize_t write_texts(
    const Place* places, Arena* arenas, const int64_t* rows, Py_ssize_t start, Py_ssize_t count,
    const Source* source
) noexcept nogil:
    """Write from `start` on; the position of the first text that found no room, or `count`."""
    cdef Py_ssize_t i
    cdef const uint8_t* text
    cdef int64_t batch, at
    for i in range(start, count):
        batch = rows[i] >> BATCH_BITS
        text = source.data + source.offsets[i]
        at = source.first + i
        if source.valid != NULL and not (source.valid[at >> 3] >> (at & 7)) & 1:
            text = NULL
        if not write_text(
            &places[batch], &arenas[batch], rows[i] & BATCH_MASK, text,
            source.offsets[i + 1] - source.offsets[i],
        ):
            return i
    return count


cdef int64_t longest_of(const Source* source, Py_ssize_t count) noexcept nogil:
    """The bytes of the longest text; what lies under a null is none."""
    cdef Py_ssize_t i
    cdef int64_t at, length, longest = 0
    for i in range(count):
        length = source.offsets[i + 1] - source.offsets[i]
        if length > longest:
            at = source.first + i
            if source.valid == NULL or (source.valid[at >> 3] >> (at & 7)) & 1:
                longest = length
    return longest


cdef class TextStore(ArenaStore):

    cdef View* view_at(self, int64_t row, const uint8_t** text) noexcept nogil:
        """The view of a row, and where its text lies."""
        cdef int64_t batch = row >> BATCH_BITS
        cdef View* view = <View*>self.places[batch].data + (row & BATCH_MASK)
        text[0] = view_bytes(view, self.arenas[batch].data)
        return view

    cdef object take(self, const int64_t[::1] rows):
        cdef Py_ssize_t i
        cdef const View* view
        cdef const uint8_t* text = NULL
        cdef int64_t row
        values = []
        for i in range(rows.shape[0]):
            row = rows[i]
            if not get_bit(self.places[row >> BATCH_BITS].valid, row & BATCH_MASK):
                values.append(None)
                continue
            view = self.view_at(row, &text)
            values.append(PyUnicode_DecodeUTF8(<const char*>text, view.length, NULL))
        return values

    cdef object texts(self, const int64_t[::1] rows):
        """The rows' values as an Arrow string array with memory of its own."""
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef int64_t needed = 0
        cdef const uint8_t* text = NULL
        cdef const View* view
        offsets, valid = np.zeros(count + 1, np.int32), np.zeros((count + 63) >> 6, np.uint64)
        if count == 0:
            return pa.array([], pa.string())
        cdef int32_t[::1] ends = offsets
        cdef uint64_t[::1] words = valid
        with nogil:
            for i in range(count):
                needed += self.view_at(rows[i], &text).length       # a missing text has none
                ends[i + 1] = <int32_t>needed
            collect_bits(self.places, &rows[0], count, True, &words[0])
        if needed > 0x7FFFFFFF:
            raise OverflowError(f"{needed} bytes of text are too many for one array")
        data = np.empty(needed, np.uint8)
        cdef uint8_t[::1] bytes_of = data
        cdef uint8_t* out = &bytes_of[0] if needed else NULL
        with nogil:
            for i in range(count):
                view = self.view_at(rows[i], &text)
                if view.length:
                    memcpy(out + ends[i], text, <size_t>view.length)
        buffers = (pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(data))
        return pa.Array.from_buffers(pa.string(), count, buffers)

    cdef object gather(self, const int64_t[::1] rows):
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef int64_t needed = 0
        cdef const uint8_t* text = NULL
        cdef const View* view
        cdef View* target
        cdef Chunk arena, chunk = self.fresh((count + 63) & ~63)
        cdef Place place = self.place_of(chunk)
        if count == 0:
            return self.vector_of(chunk, 0, None)
        with nogil:
            for i in range(count):
                view = self.view_at(rows[i], &text)
                if view.length > INLINE_BYTES_MAX:
                    needed += view.length
            collect_bits(self.places, &rows[0], count, True, place.valid)
        if needed > 0x7FFFFFFF:
            raise OverflowError(f"{needed} bytes of text are too many for one vector")
        arena = Chunk(needed)
        needed = 0
        with nogil:
            for i in range(count):
                target = <View*>place.data + i
                view = self.view_at(rows[i], &text)
                target[0] = view[0]
                if view.length > INLINE_BYTES_MAX:
                    memcpy(arena.data + needed, text, <size_t>view.length)
                    target.offset = <int32_t>needed
                    needed += view.length
        return self.vector_of(chunk, count, arena)

    cdef object vector(self, Py_ssize_t batch):
        return self.vector_of(self.chunk_of(batch), self.length(batch), self.arena_chunks[batch])

    # --- writing ------------------------------------------------------------------------------

    cdef int put(self, const int64_t[::1] rows, object values, object valid) except -1:
        cdef Py_ssize_t count = rows.shape[0]
        if values is None or isinstance(values, str):
            values = pa.repeat(pa.scalar(values, pa.string()), count)
        elif not isinstance(values, (pa.Array, pa.ChunkedArray)):
            values = pa.array(values, pa.string())
        if valid is not None:
            mask = np.broadcast_to(checked_valid(valid, count), (count,))
            values = pc.if_else(pa.array(mask), values, pa.scalar(None, values.type))
        return self.write(rows, settled(values))

    cdef int put_arrow(self, const int64_t[::1] rows, object values) except -1:
        return self.write(rows, values)

    cdef int write(self, const int64_t[::1] rows, object texts) except -1:
        cdef Py_ssize_t done = 0, count = rows.shape[0]
        cdef Source source
        texts = as_strings(texts)
        if len(texts) != count:
            raise ValueError(f"{len(texts)} texts for {count} rows")
        if count == 0:
            return 0
        valid, offsets, data = texts.buffers()
        source.first = texts.offset
        source.offsets = <const int32_t*><uintptr_t>offsets.address + source.first
        source.data = &NO_TEXT
        if data is not None:
            source.data = <const uint8_t*><uintptr_t>data.address
        source.valid = NULL
        if valid is not None:
            source.valid = <const uint8_t*><uintptr_t>valid.address
        admit(longest_of(&source, count))
        self.open_rows(rows)
        cdef const int64_t* row = &rows[0]
        while done < count:
            with nogil:
                done = write_texts(self.places, self.arenas, row, done, count, &source)
            if done < count:
                self.reserve(
                    row[done] >> BATCH_BITS, source.offsets[done + 1] - source.offsets[done]
                )
        self.compact()
        return 0

    cdef int64_t move_live(
        self, Place place, Py_ssize_t rows, const uint8_t* source, uint8_t* target
    ) noexcept:
        cdef Py_ssize_t row
        cdef int64_t used = 0
        cdef View* view = <View*>place.data
        for row in range(rows):
            if view[row].length > INLINE_BYTES_MAX:
                memcpy(target + used, source + view[row].offset, <size_t>view[row].length)
                view[row].offset = <int32_t>used
                used += view[row].length
        return used

    # --- leaving ------------------------------------------------------------------------------

    cdef object export(self, Py_ssize_t batch):
        cdef Chunk chunk = self.chunk_of(batch)
        cdef Py_ssize_t length = self.length(batch)
        buffers = [self.valid_buffer(chunk, length), pa.py_buffer(chunk).slice(0, length * 16)]
        if self.arena_chunks[batch] is not None:
            buffers.append(pa.py_buffer(self.arena_chunks[batch]))
        return pa.Array.from_buffers(pa.string_view(), length, buffers).cast(pa.string())

    cdef int digest_batch(self, object hasher, Py_ssize_t batch) except -1:
        _, offsets, data = self.export(batch).buffers()
        ends = np.frombuffer(offsets, np.int32, self.length(batch) + 1)
        hasher.update(ends)
        if data is not None:
            hasher.update(data[:int(ends[len(ends) - 1])])
        return self.update_valid(hasher, batch)
