"""Columns of four bytes a row in which few rows have a value: TIME, CODE and DATE.

Laws:
1. As long as at most one row in SHARE of a batch has a value, its chunk is sparse: it holds the
   values that are there, by row, and a missing one takes no memory. A write that may bring more
   makes it dense, as that of a FixedStore, for good.
2. A sparse chunk is a head of HEAD bytes (where the values of each page of 256 rows begin), the
   values, and of each the lower byte of its row. Its room is a multiple of 64 values, so that its
   length is 32 more than a multiple of 64, which no dense chunk's is: the length says which it is.
3. The place of a sparse batch points at the blank chunk: what reads places finds nothing there,
   and what is there is laid over it.
4. Who clears what is missing already writes nothing, and copies nothing that is pinned.

Python never sees this module.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

import numpy as np

from blaster.core.chunk cimport Chunk, this_epoch
from blaster.core.store cimport (
    BATCH_BITS, BATCH_MASK, TIME, Place, capacity_for, set_bit,
)

cdef enum:
    SHARE = 16                  # a batch is dense when more than one row in so many has a value
    PAGES = 256                 # of a batch, each of as many rows
    HEAD = 544                  # 257 starts, and room so that the values are aligned
    VALUE_BYTES = 5             # a value and its row's lower byte
    ROOM = 64                   # values; a multiple of them fits a sparse chunk


# --- one batch ------------------------------------------------------------------------------------


cdef inline Few few_of(Chunk chunk) noexcept:
    cdef Few few
    few.starts = <uint16_t*>chunk.data
    few.values = <uint32_t*>(chunk.data + HEAD)
    few.lows = chunk.data + HEAD + room_of(chunk) * 4
    return few


cdef inline Py_ssize_t room_of(Chunk chunk) noexcept:
    return (chunk.nbytes - HEAD) // VALUE_BYTES


cdef inline Py_ssize_t find(const Few* few, int64_t row, bint* found) noexcept nogil:
    """Where the value of a row stands, or would stand."""
    cdef Py_ssize_t page = (row & BATCH_MASK) >> 8
    cdef Py_ssize_t at = few.starts[page], stop = few.starts[page + 1]
    cdef uint8_t low = <uint8_t>(row & 0xFF)
    while at < stop and few.lows[at] < low:
        at += 1
    found[0] = at < stop and few.lows[at] == low
    return at


cdef void put_value(Few* few, int64_t row, uint32_t value) noexcept nogil:
    """There is room for one more."""
    cdef bint found = False
    cdef Py_ssize_t page, at = find(few, row, &found), count = few.starts[PAGES]
    if not found:
        memmove(few.values + at + 1, few.values + at, <size_t>(count - at) * 4)
        memmove(few.lows + at + 1, few.lows + at, <size_t>(count - at))
        few.lows[at] = <uint8_t>(row & 0xFF)
        for page in range(((row & BATCH_MASK) >> 8) + 1, PAGES + 1):
            few.starts[page] += 1
    few.values[at] = value


cdef void drop_value(Few* few, int64_t row) noexcept nogil:
    """No byte of it stays."""
    cdef bint found = False
    cdef Py_ssize_t page, at = find(few, row, &found), count = few.starts[PAGES]
    if not found:
        return
    memmove(few.values + at, few.values + at + 1, <size_t>(count - at - 1) * 4)
    memmove(few.lows + at, few.lows + at + 1, <size_t>(count - at - 1))
    few.values[count - 1] = few.lows[count - 1] = 0
    for page in range(((row & BATCH_MASK) >> 8) + 1, PAGES + 1):
        few.starts[page] -= 1


cdef void scatter(const Few* few, Place place) noexcept nogil:
    """The values of a batch to their rows of a dense one."""
    cdef Py_ssize_t page, at, row
    for page in range(PAGES):
        for at in range(few.starts[page], few.starts[page + 1]):
            row = (page << 8) + few.lows[at]
            (<uint32_t*>place.data)[row] = few.values[at]
            if place.valid != NULL:
                set_bit(place.valid, row, True)


# --- the column -----------------------------------------------------------------------------------


cdef class RareStore(FixedStore):

    def __dealloc__(self):
        PyMem_Free(self.few)
        PyMem_Free(self.given)

    cdef int extended(self, Py_ssize_t batches) except -1:
        few = <Few*>PyMem_Realloc(self.few, <size_t>batches * sizeof(Few))
        if few == NULL:
            raise MemoryError
        self.few = few
        memset(few + self.batches, 0, <size_t>(batches - self.batches) * sizeof(Few))
        given = <uint32_t*>PyMem_Calloc(<size_t>batches, sizeof(uint32_t))
        if given == NULL:
            raise MemoryError
        PyMem_Free(self.given)
        self.given = given
        return 0

    cdef Py_ssize_t memory(self) except -1:
        return FixedStore.memory(self) + self.batches * <Py_ssize_t>(sizeof(Few) + 4)

    cdef int widen(self, Py_ssize_t batch) except -1:
        return 0 if self.few[batch].starts != NULL else FixedStore.widen(self, batch)

    cdef int share(self, Py_ssize_t batch) except -1:
        return 0 if self.few[batch].starts != NULL else FixedStore.share(self, batch)

    cdef bint is_blank(self, Py_ssize_t batch) noexcept:
        if self.few[batch].starts != NULL:
            return self.few[batch].starts[PAGES] == 0
        return FixedStore.is_blank(self, batch)

    cdef bint have_no_memory(self, const int64_t[::1] rows) noexcept:
        cdef Py_ssize_t i
        for i in range(rows.shape[0]):
            if self.few[rows[i] >> BATCH_BITS].starts != NULL:
                return False
        return FixedStore.have_no_memory(self, rows)

    # --- sparse and dense -------------------------------------------------------------------------

    cdef bint lies_sparse(self, Chunk chunk) noexcept:
        return chunk.nbytes & 63 == HEAD & 63

    cdef int adopt(self, Py_ssize_t batch, Chunk chunk) except -1:
        """A sparse chunk from elsewhere; ValueError when it is none of this batch."""
        cdef Few few
        cdef Py_ssize_t page, at, room = room_of(chunk), length = self.length(batch)
        cdef bint sound = chunk.nbytes >= HEAD and chunk.nbytes == HEAD + room * VALUE_BYTES
        if sound:
            few = few_of(chunk)
            sound = few.starts[0] == 0 and few.starts[PAGES] <= room
            for page in range(PAGES):
                sound = sound and few.starts[page] <= few.starts[page + 1]
            for page in range(PAGES if sound else 0):
                for at in range(few.starts[page], few.starts[page + 1]):
                    sound = sound and (page << 8) + few.lows[at] < length
                    if at > few.starts[page]:
                        sound = sound and few.lows[at - 1] < few.lows[at]
        if not sound:
            raise ValueError(f"a sparse chunk of {chunk.nbytes} bytes that is none")
        self.chunks[batch], self.few[batch] = chunk, few
        self.places[batch] = self.place_of(self.blank)
        return 0

    cdef int open_few(self, Py_ssize_t batch, Py_ssize_t count) except -1:
        """Afterwards this batch has a sparse chunk of its own, unpinned, with room for `count`."""
        cdef Chunk old = self.chunks[batch], chunk = old
        cdef Py_ssize_t held, room
        if old is None or room_of(old) < count:
            room = (count + (count >> 3) + ROOM - 1) & -ROOM
            chunk = Chunk(HEAD + room * VALUE_BYTES)
            if old is not None:
                held = self.few[batch].starts[PAGES]
                memcpy(chunk.data, old.data, <size_t>(HEAD + held * 4))
                memcpy(few_of(chunk).lows, self.few[batch].lows, <size_t>held)
        elif old.pins > 0:
            chunk = old.copy()
        chunk.stamp = this_epoch()
        self.chunks[batch], self.few[batch] = chunk, few_of(chunk)
        return 0

    cdef Chunk dense(self, Py_ssize_t batch):
        """What a sparse batch holds, as a dense chunk."""
        cdef Chunk chunk = self.fresh(capacity_for(self.length(batch)))
        scatter(&self.few[batch], self.place_of(chunk))
        return chunk

    cdef int make_dense(self, Py_ssize_t batch) except -1:
        cdef Chunk chunk = self.dense(batch)
        self.chunks[batch], self.places[batch] = chunk, self.place_of(chunk)
        self.few[batch] = Few(NULL, NULL, NULL)
        return 0

    cdef Chunk chunk_of(self, Py_ssize_t batch):
        if self.few[batch].starts != NULL:
            return self.dense(batch)
        return FixedStore.chunk_of(self, batch)

    cdef int open_batch(self, Py_ssize_t batch) except -1:
        if self.few[batch].starts != NULL:
            self.make_dense(batch)
        return FixedStore.open_batch(self, batch)

    # --- reading ----------------------------------------------------------------------------------

    cdef void overlay(
        self, const int64_t* rows, Py_ssize_t count, uint32_t* values, void* valid, bint packed
    ) noexcept nogil:
        """What stands in sparse batches, over what was read of places; `valid` by bit or byte."""
        cdef Py_ssize_t i, at
        cdef const Few* few
        cdef bint found = False
        for i in range(count):
            few = &self.few[rows[i] >> BATCH_BITS]
            if few.starts == NULL:
                continue
            at = find(few, rows[i], &found)
            if not found:
                continue
            if values != NULL:
                values[i] = few.values[at]
            if valid != NULL and packed:
                set_bit(<uint64_t*>valid, i, True)
            elif valid != NULL:
                (<uint8_t*>valid)[i] = 1

    cdef object take(self, const int64_t[::1] rows):
        values = FixedStore.take(self, rows)
        if rows.shape[0] == 0:
            return values
        cdef uint8_t[::1] out = values.view(np.uint8)
        with nogil:
            self.overlay(&rows[0], rows.shape[0], <uint32_t*>&out[0], NULL, False)
        return values

    cdef object take_valid(self, const int64_t[::1] rows):
        found = FixedStore.take_valid(self, rows)
        if rows.shape[0] == 0 or self.kind == TIME:
            return found
        cdef uint8_t[::1] out = found.view(np.uint8)
        with nogil:
            self.overlay(&rows[0], rows.shape[0], NULL, &out[0], False)
        return found

    cdef Chunk gathered(self, const int64_t[::1] rows):
        cdef Chunk chunk = FixedStore.gathered(self, rows)
        cdef Place place = self.place_of(chunk)
        if rows.shape[0]:
            with nogil:
                self.overlay(&rows[0], rows.shape[0], <uint32_t*>place.data, place.valid, True)
        return chunk

    # --- writing ----------------------------------------------------------------------------------

    cdef int write(
        self, const int64_t[::1] rows, object values, object valid
    ) except -1:
        cdef Py_ssize_t i, count = rows.shape[0]
        if count == 0:
            return 0
        if self.kind == TIME:
            if valid is not None:
                values = np.where(valid, values, self.dtype.type(self.fill))
            valid = values != self.fill
        elif valid is None:
            valid = np.ones(1, np.bool_)
        cdef const uint8_t[::1] flags = valid.view(np.uint8)
        cdef const uint8_t[::1] bytes_of = values.view(np.uint8)
        cdef const uint32_t* value = <const uint32_t*>&bytes_of[0]
        cdef Py_ssize_t step = 1 if values.shape[0] == count else 0
        cdef Py_ssize_t flag_step = 1 if valid.shape[0] == count else 0
        cdef const int64_t* row = &rows[0]
        cdef bint given, found = False
        cdef int64_t batch
        cdef Few* few
        with nogil:
            for i in range(count):
                batch, found = row[i] >> BATCH_BITS, False
                few = &self.few[batch]
                if few.starts != NULL:
                    find(few, row[i], &found)
                given = flags[i * flag_step] != 0
                if given and not found:
                    self.given[batch] += 1
                if given or found or few.starts == NULL:
                    self.touched[batch] = 1
        if self.choose_layouts():
            self.write_dense(rows, values, valid)
        with nogil:
            for i in range(count):
                few = &self.few[row[i] >> BATCH_BITS]
                if few.starts == NULL:
                    continue
                if flags[i * flag_step]:
                    put_value(few, row[i], value[i * step])
                else:
                    drop_value(few, row[i])
        return 0

    cdef bint choose_layouts(self) except -1:
        """Opens what `write` found that it changes; answers whether something of it is dense."""
        cdef Py_ssize_t batch, count
        cdef uint32_t given
        cdef bint any_dense = False
        for batch in range(self.batches):
            if not self.touched[batch]:
                continue
            given, self.given[batch], self.touched[batch] = self.given[batch], 0, 0
            count = given
            if self.few[batch].starts != NULL:
                count += self.few[batch].starts[PAGES]
            elif self.chunks[batch] is not None:
                any_dense = True
                continue
            elif not given:
                continue
            if count * SHARE <= self.length(batch):
                self.open_few(batch, count)
            else:
                self.open_batch(batch)
                any_dense = True
        return any_dense

    cdef int write_dense(
        self, const int64_t[::1] rows, object values, object valid
    ) except -1:
        """The part of a write that is of dense batches."""
        cdef Py_ssize_t i
        cdef int64_t batch
        chosen = np.empty(rows.shape[0], np.bool_)
        cdef uint8_t[::1] out = chosen.view(np.uint8)
        for i in range(rows.shape[0]):
            batch = rows[i] >> BATCH_BITS
            out[i] = self.few[batch].starts == NULL and self.places[batch].data != self.blank.data
        if chosen.all():
            return FixedStore.write(self, rows, values, valid)
        return FixedStore.write(
            self, np.asarray(rows)[chosen],
            values if len(values) == 1 else values[chosen],
            valid if len(valid) == 1 else valid[chosen],
        )
