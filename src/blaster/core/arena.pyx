"""Columns whose values lie in an arena per batch: what TEXT and LIST share.

Laws:
1. An arena is only appended to; bytes that a row has named never change. So appending needs no
   copy however many readers have pinned it, and a bigger or compacted arena is a new chunk. Only
   a compacted one holds other bytes than before, and is stamped.
2. `garbage` counts what was overwritten or cleared. When it is more than a third of what is used,
   the batch is compacted at the end of the call that wrote it.
3. No value is longer than ARENA_VALUE_BYTES_MAX: a call with a longer one raises before it has
   written anything. So no write ever finds an arena too small, whatever its garbage: the rows of a
   batch name one value each, and all of them and the one that is being written, without garbage,
   take (ROWS_PER_BATCH + 1) * ARENA_VALUE_BYTES_MAX <= ARENA_BYTES_MAX at most. That is what
   `reserve` leaves of an arena when there is no other room.

Python never sees this module.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memcpy, memset

from blaster.core.chunk cimport this_epoch


cdef class ArenaStore(Store):

    def __cinit__(self, *args, **kwargs):
        self.arena_chunks = []

    def __dealloc__(self):
        PyMem_Free(self.arenas)

    cdef int extended(self, Py_ssize_t batches) except -1:
        arenas = <Arena*>PyMem_Realloc(self.arenas, <size_t>batches * sizeof(Arena))
        if arenas == NULL:
            raise MemoryError
        self.arenas = arenas
        memset(&arenas[self.batches], 0, <size_t>(batches - self.batches) * sizeof(Arena))
        self.arena_chunks.extend([None] * (batches - self.batches))
        return 0

    cdef Py_ssize_t memory(self) except -1:
        cdef Py_ssize_t total = Store.memory(self) + self.batches * <Py_ssize_t>sizeof(Arena)
        for chunk in self.arena_chunks:
            if chunk is not None:
                total += (<Chunk>chunk).nbytes
        return total

    cdef int64_t move_live(
        self, Place place, Py_ssize_t rows, const uint8_t* source, uint8_t* target
    ) noexcept:
        """Copy what these rows name to `target`, end to end, and let them name it there."""
        return 0

    cdef int reserve(self, Py_ssize_t batch, int64_t nbytes) except -1:
        """Room for `nbytes` more in the arena of a batch that is open for writing."""
        cdef Arena* arena = &self.arenas[batch]
        cdef int64_t needed = arena.used + nbytes
        cdef Chunk chunk
        if needed <= arena.capacity:
            return 0
        if arena.garbage * 8 > arena.used or needed > ARENA_BYTES_MAX:
            return self.repack(batch, nbytes)
        chunk = Chunk(grown(arena.capacity, needed))
        memcpy(chunk.data, arena.data, <size_t>arena.used)
        if self.arena_chunks[batch] is not None:
            chunk.stamp = (<Chunk>self.arena_chunks[batch]).stamp
        arena.data = chunk.data
        arena.capacity = chunk.nbytes
        self.arena_chunks[batch] = chunk
        return 0

    cdef int compact(self) except -1:
        """Repack the arenas in which too much is garbage (only batches open for writing can be)."""
        cdef Py_ssize_t batch
        cdef Arena* arena
        for batch in range(self.batches):
            arena = &self.arenas[batch]
            if arena.garbage * 3 > arena.used and arena.used > 4 * ARENA_BYTES_MIN:
                self.repack(batch, 0)
        return 0

    cdef int repack(self, Py_ssize_t batch, int64_t spare) except -1:
        """A new arena without garbage and with room for `spare` more bytes."""
        cdef Arena* arena = &self.arenas[batch]
        cdef int64_t live = arena.used - arena.garbage
        cdef Chunk chunk = Chunk(grown(live, live + spare) if spare else (live + 63) & ~63)
        self.open_batch(batch)
        self.move_live(self.places[batch], self.length(batch), arena.data, chunk.data)
        chunk.stamp = this_epoch()
        self.arena_chunks[batch] = chunk
        arena.data = chunk.data
        arena.used = live
        arena.garbage = 0
        arena.capacity = chunk.nbytes
        return 0


cdef int admit(int64_t longest) except -1:
    """OverflowError if a value of so many bytes is too long."""
    if longest > ARENA_VALUE_BYTES_MAX:
        raise OverflowError(f"a value of {longest} bytes; {ARENA_VALUE_BYTES_MAX} may be")
    return 0


cdef int64_t grown(int64_t capacity, int64_t needed) noexcept nogil:
    """The next size of an arena: twice, later an eighth more, and at least `needed`."""
    if capacity < ARENA_DOUBLING_BYTES_MAX:
        capacity *= 2
    else:
        capacity += capacity >> 3
    capacity = max(capacity, needed, ARENA_BYTES_MIN)
    return min((capacity + 63) & ~63, <int64_t>ARENA_BYTES_MAX)
