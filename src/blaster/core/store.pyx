"""A column's batches: where the values of each row lie, and who may write there.

Laws:
1. A batch without a value has no memory; its place points at a shared blank chunk, so that
   readers need not ask. Writers call `open_rows` first, which gives every batch they touch a
   chunk of its own that nobody has pinned.
2. A chunk holds its regions one after another: values (LIST: offsets, then sizes), validity. Its
   capacity is a power of two of rows; only the last batch's is below a whole batch's.
3. Memory is canonical: a missing value, and every row past the last, reads `fill` (0; NEVER for
   TIME; the default where nothing is ever missing). So equal values are equal bytes.

Python never sees this module.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memcpy, memset

import numpy as np
import pyarrow as pa

from blaster.core.chunk cimport this_epoch

from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from blaster.rules.vector import Vector

if BATCH_ROWS != ROWS_PER_BATCH or tuple(Kind) != (
    BOOL, INT, NUMBER, DATE, INSTANT, TEXT, CODE, LIST, TIME, ID, Kind.EVENTS
):
    raise ImportError("core was compiled for other kinds than blaster.model.fields declares")

cdef dict ROW_BITS = {
    BOOL: 1, INT: 64, NUMBER: 64, DATE: 32, INSTANT: 64, TEXT: 128, CODE: 32, LIST: 64,
    TIME: 32, ID: 64,
}
cdef dict BLANKS = {}           # (row_bits, has_valid, fill) -> Chunk; a handful for the process
cdef uint64_t NEVER_BITS = NEVER


cdef class Store:

    def __cinit__(self, int kind, bint never_missing=False, uint64_t fill=0, dictionary=None):
        self.kind = kind
        self.dictionary = dictionary
        if kind not in ROW_BITS:
            raise ValueError(f"no column is of kind {kind}")
        self.row_bits = ROW_BITS[kind]
        self.has_valid = not never_missing and kind != TIME and kind != ID
        self.fill = NEVER_BITS if kind == TIME else fill
        self.chunks = []
        key = (self.row_bits, self.has_valid, self.fill)
        self.blank = BLANKS.get(key)
        if self.blank is None:
            self.blank = BLANKS[key] = self.fresh(ROWS_PER_BATCH)

    def __dealloc__(self):
        PyMem_Free(self.places)
        PyMem_Free(self.touched)

    # --- what each kind does its own way ------------------------------------------------------

    cdef object take(self, const int64_t[::1] rows):
        raise NotImplementedError

    cdef object gather(self, const int64_t[::1] rows):
        raise NotImplementedError

    cdef object export(self, Py_ssize_t batch):
        raise NotImplementedError

    cdef int digest_batch(self, object hasher, Py_ssize_t batch) except -1:
        raise NotImplementedError

    cdef int put(self, const int64_t[::1] rows, object values, object valid) except -1:
        raise NotImplementedError

    cdef int put_arrow(self, const int64_t[::1] rows, object values) except -1:
        raise NotImplementedError

    # --- what they share ----------------------------------------------------------------------

    cdef object take_valid(self, const int64_t[::1] rows):
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef const uint64_t* valid
        if self.kind == TIME or self.kind == ID:
            return self.take(rows) != (NEVER if self.kind == TIME else 0)
        found = np.ones(count, np.bool_)
        if not self.has_valid or count == 0:
            return found
        cdef uint8_t[::1] out = found.view(np.uint8)
        cdef const int64_t* row = &rows[0]
        with nogil:
            for i in range(count):
                valid = self.places[row[i] >> BATCH_BITS].valid
                out[i] = get_bit(valid, row[i] & BATCH_MASK)
        return found

    cdef object vector(self, Py_ssize_t batch):
        return self.vector_of(self.chunk_of(batch), self.length(batch), None)

    cdef Py_ssize_t memory(self) except -1:
        cdef Py_ssize_t total = self.batches * <Py_ssize_t>(sizeof(Place) + 1)
        before = None
        for chunk in self.chunks:
            if chunk is not None and chunk is not before:
                total += (<Chunk>chunk).nbytes
            before = chunk
        return total

    cdef int share(self, Py_ssize_t batch) except -1:
        """Let a full batch have the chunk of the batch before it when both hold the same.

        Both were last written in one epoch, so that a snapshot has both or neither. The chunk
        counts as pinned from then on: whoever writes to one of them copies it.
        """
        cdef Chunk here, before
        if batch < 1 or self.length(batch) < ROWS_PER_BATCH:
            return 0
        here, before = self.chunks[batch], self.chunks[batch - 1]
        if here is None or before is None or here is before:
            return 0
        if here.stamp != before.stamp or here.nbytes != before.nbytes:
            return 0
        if memcmp(here.data, before.data, <size_t>here.nbytes) == 0:
            before.pins += 1
            self.chunks[batch] = before
            self.places[batch] = self.place_of(before)
        return 0

    cdef bint have_no_memory(self, const int64_t[::1] rows) noexcept:
        """Whether nothing was ever written to the batches of these (checked) rows."""
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef const uint8_t* blank = self.blank.data
        for i in range(count):
            if self.places[rows[i] >> BATCH_BITS].data != blank:
                return False
        return True

    cdef int grow(self, Py_ssize_t rows) except -1:
        cdef Py_ssize_t i, batches = (rows + BATCH_MASK) >> BATCH_BITS
        cdef Py_ssize_t last = self.batches - 1
        if rows < self.rows:
            raise ValueError(f"a column of {self.rows} rows cannot shrink to {rows}")
        if batches > self.batches:
            places = <Place*>PyMem_Realloc(self.places, <size_t>batches * sizeof(Place))
            if places == NULL:
                raise MemoryError
            self.places = places
            touched = <uint8_t*>PyMem_Calloc(<size_t>batches, 1)
            if touched == NULL:
                raise MemoryError
            PyMem_Free(self.touched)
            self.touched = touched
            self.extended(batches)
            for i in range(self.batches, batches):
                self.places[i] = self.place_of(self.blank)
                self.chunks.append(None)
            self.batches = batches
        self.rows = rows
        if last >= 0 and self.chunks[last] is not None:
            self.widen(last)
        return 0

    cdef int widen(self, Py_ssize_t batch) except -1:
        """Give the chunk of a batch that got more rows the capacity for them."""
        cdef Chunk old = self.chunks[batch]
        cdef Py_ssize_t before = self.capacity_of(old)
        if before >= self.length(batch):
            return 0
        cdef Chunk new = self.fresh(capacity_for(self.length(batch)))
        cdef Place source = self.place_of(old)
        cdef Place target = self.place_of(new)
        if self.kind == LIST:
            memcpy(target.data, source.data, <size_t>before * 4)
            memcpy(target.sizes, source.sizes, <size_t>before * 4)
        else:
            memcpy(target.data, source.data, <size_t>(before * self.row_bits >> 3))
        if self.has_valid:
            memcpy(target.valid, source.valid, <size_t>before >> 3)
        new.stamp = old.stamp       # it holds what the old one held
        self.chunks[batch] = new
        self.places[batch] = target
        return 0

    # --- rows and batches ---------------------------------------------------------------------

    cdef int check_rows(self, const int64_t[::1] rows) except -1:
        """IndexError unless every row is one of this column's."""
        cdef Py_ssize_t i, count = rows.shape[0]
        cdef uint64_t limit = <uint64_t>self.rows
        cdef bint bad = False
        if count == 0:
            return 0
        cdef const int64_t* row = &rows[0]
        with nogil:
            for i in range(count):
                bad |= <uint64_t>row[i] >= limit
        if bad:
            raise IndexError(f"a row outside the column's {self.rows}")
        return 0

    cdef int open_rows(self, const int64_t[::1] rows) except -1:
        """Make every batch of these (checked) rows writable."""
        cdef Py_ssize_t i, count = rows.shape[0]
        if count == 0:
            return 0
        cdef const int64_t* row = &rows[0]
        cdef uint8_t* touched = self.touched
        cdef int64_t batch, first = row[0] >> BATCH_BITS, last = first
        with nogil:
            for i in range(count):
                batch = row[i] >> BATCH_BITS
                touched[batch] = 1
                first = min(first, batch)
                last = max(last, batch)
        for i in range(first, last + 1):
            if touched[i]:
                touched[i] = 0
                self.open_batch(i)
        return 0

    cdef int open_batch(self, Py_ssize_t batch) except -1:
        """Copy-on-write: afterwards this batch has a chunk that is its own and unpinned."""
        cdef Chunk chunk = self.chunks[batch]
        if chunk is None:
            chunk = self.fresh(capacity_for(self.length(batch)))
        elif chunk.pins > 0:
            chunk = chunk.copy()
        else:
            chunk.stamp = this_epoch()
            return 0
        chunk.stamp = this_epoch()
        self.chunks[batch] = chunk
        self.places[batch] = self.place_of(chunk)
        return 0

    cdef int check_batch(self, Py_ssize_t batch) except -1:
        if batch < 0 or batch >= self.batches:
            raise IndexError(f"batch {batch} of {self.batches}")
        return 0

    cdef int extended(self, Py_ssize_t batches) except -1:
        """Called before `batches` of them exist; whoever keeps more per batch makes room."""
        return 0

    cdef Py_ssize_t length(self, Py_ssize_t batch) noexcept:
        cdef Py_ssize_t rest = self.rows - (batch << BATCH_BITS)
        return rest if rest < ROWS_PER_BATCH else ROWS_PER_BATCH

    # --- chunks -------------------------------------------------------------------------------

    cdef Chunk fresh(self, Py_ssize_t capacity):
        """A chunk of `capacity` rows (a multiple of 64), all of them missing."""
        cdef Py_ssize_t i
        cdef Chunk chunk = Chunk(capacity * (self.row_bits + self.has_valid) >> 3)
        if self.fill == 0:
            return chunk
        if self.row_bits == 1:
            memset(chunk.data, 0xFF, <size_t>capacity >> 3)
        elif self.row_bits == 32:
            for i in range(capacity):
                (<uint32_t*>chunk.data)[i] = <uint32_t>self.fill
        else:
            for i in range(capacity):
                (<uint64_t*>chunk.data)[i] = self.fill
        return chunk

    cdef Py_ssize_t capacity_of(self, Chunk chunk) noexcept:
        return (chunk.nbytes << 3) // (self.row_bits + self.has_valid)

    cdef Place place_of(self, Chunk chunk) noexcept:
        cdef Py_ssize_t capacity = self.capacity_of(chunk)
        cdef Place place
        place.data = chunk.data
        place.sizes = <int32_t*>chunk.data + capacity if self.kind == LIST else NULL
        place.valid = NULL
        if self.has_valid:
            place.valid = <uint64_t*>(chunk.data + (capacity * self.row_bits >> 3))
        return place

    cdef Chunk chunk_of(self, Py_ssize_t batch):
        chunk = self.chunks[batch]
        return self.blank if chunk is None else chunk

    cdef bint is_blank(self, Py_ssize_t batch) noexcept:
        """Whether every row of the batch is missing (reads the default), with memory or without."""
        cdef Place here = self.places[batch]
        cdef Place blank = self.place_of(self.blank)
        cdef Py_ssize_t length = self.length(batch)
        if here.data == blank.data:
            return True
        cdef size_t words = <size_t>(length + 63) >> 6
        if self.has_valid:
            return memcmp(here.valid, blank.valid, words * 8) == 0
        if self.row_bits == 1:
            return memcmp(here.data, blank.data, words * 8) == 0
        return memcmp(here.data, blank.data, <size_t>(length * self.row_bits) >> 3) == 0

    # --- views of a chunk ---------------------------------------------------------------------

    cdef object vector_of(self, Chunk chunk, Py_ssize_t length, Chunk arena):
        """The chunk's first rows as what rules read; the vector pins the chunk and the arena."""
        cdef Place place = self.place_of(chunk)
        cdef Py_ssize_t words = (length + 63) >> 6
        cdef object last
        cdef uint64_t mask
        whole = memoryview(chunk)
        sizes = valid = None
        if self.kind == LIST:
            start = <uint8_t*>place.sizes - chunk.data
            sizes = whole[start:start + length * 4]
            data = whole[:length * 4]
        elif self.kind == BOOL:
            data = whole[:words * 8]
            if self.fill and length & 63:       # a default of true; past the last row bits are 0
                mask = (<uint64_t>1 << (length & 63)) - 1
                last = (<uint64_t*>chunk.data)[words - 1] & mask
                data = bytes(whole[:words * 8 - 8]) + last.to_bytes(8, "little")
        else:
            data = whole[:length * self.row_bits >> 3]
        if self.has_valid:
            start = <uint8_t*>place.valid - chunk.data
            valid = whole[start:start + words * 8]
        return Vector(self.kind, length, data, valid, sizes, arena, self.dictionary)

    cdef object valid_buffer(self, Chunk chunk, Py_ssize_t length):
        """The validity bitmap as an Arrow buffer that pins the chunk, or None."""
        if not self.has_valid:
            return None
        start = <uint8_t*>self.place_of(chunk).valid - chunk.data
        return pa.py_buffer(chunk).slice(start, (length + 7) >> 3)

    cdef int update_valid(self, object hasher, Py_ssize_t batch) except -1:
        """Feed a digest the validity bitmap, which is 0 past the last row."""
        if self.has_valid:
            hasher.update(self.valid_buffer(self.chunk_of(batch), self.length(batch)))
        return 0


cdef Py_ssize_t capacity_for(Py_ssize_t rows) noexcept nogil:
    cdef Py_ssize_t capacity = CAPACITY_ROWS_MIN
    while capacity < rows:
        capacity *= 2
    return capacity


cdef void collect_bits(
    const Place* places, const int64_t* rows, Py_ssize_t count, bint of_valid, uint64_t* out
) noexcept nogil:
    """Bits of these rows, of the values or of the validity, packed into `out`; tail bits 0."""
    cdef Py_ssize_t start, i, stop
    cdef uint64_t word
    cdef const Place* place
    cdef int64_t row
    for start in range(0, count, 64):
        stop = min(start + 64, count)
        word = 0
        for i in range(start, stop):
            row = rows[i]
            place = &places[row >> BATCH_BITS]
            if of_valid:
                word |= <uint64_t>get_bit(place.valid, row & BATCH_MASK) << (i - start)
            else:
                word |= <uint64_t>get_bit(<uint64_t*>place.data, row & BATCH_MASK) << (i - start)
        out[start >> 6] = word


cdef object checked_valid(object valid, Py_ssize_t count):
    """`valid` as a bool array of one flag a row, or of one for all."""
    if not isinstance(valid, np.ndarray):
        valid = np.array(valid, np.bool_)
        if valid.ndim == 0:
            return valid.reshape(1)
    if valid.dtype != np.bool_:
        raise TypeError(f"validity of {valid.dtype}, not bool")
    if valid.shape != (count,):
        raise ValueError(f"validity of shape {valid.shape} for {count} rows")
    return np.ascontiguousarray(valid)
