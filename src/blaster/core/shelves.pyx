"""What of a column stands on disk, and what of it a snapshot holds on to until it does.

A shelf knows the place of each chunk of a column, as the newest snapshot has it. `capture` pins
what changed since then, without an object for what did not; `lend` and `settle` bring it to disk,
piece by piece, on any one thread; `commit` makes the new places the known ones, `forget` drops
them.

Laws:
1. What is lent is what the column held when it was captured: values are pinned, so that their next
   writer copies them first; an arena is only appended to, so holding on to it is enough.
2. Values are one piece a batch; an arena's are pages of PAGE_BYTES, so that of one that was only
   appended to, full pages stay where they are.
3. One capture at a time: it ends with `commit` or `forget`.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_FromMemory

import numpy as np

from blaster.core.arena cimport ARENA_BYTES_MAX, Arena, ArenaStore
from blaster.core.chunk cimport Chunk, next_epoch, this_epoch
from blaster.core.fixed cimport TimeStore
from blaster.core.rare cimport RareStore
from blaster.core.store cimport (
    CAPACITY_ROWS_MIN, CODE, LIST, ROWS_PER_BATCH, TEXT,
)

cdef extern from "Python.h":
    enum:
        PyBUF_WRITE

PLACE = np.dtype([("segment", "<u4"), ("crc", "<u4"), ("offset", "<u8"), ("length", "<u8")])
PAGE_BYTES = PAGE
cdef object NO_PLACES = np.zeros(0, PLACE)


def epoch():
    return this_epoch()


def end_epoch():
    return next_epoch()


def page_counts(used):
    return -(-used // PAGE)


cdef object grown_to(object places, Py_ssize_t count):
    """A copy of that length; what is new is blank."""
    made = np.zeros(count, PLACE)
    made[:len(places)] = places
    return made


cdef class ColumnShelf:

    def __cinit__(self, Column column not None):
        self.column = column
        self.store = column.store
        self.places = NO_PLACES
        self.pages = []
        self.saved = self.used = self.garbage = np.zeros(0, np.int64)
        self.chunks = []

    def __dealloc__(self):
        PyMem_Free(self.pieces)

    @property
    def has_arena(self):
        return self.store.kind == TEXT or self.store.kind == LIST

    # --- on the thread that owns the column -------------------------------------------------------

    def capture(self, int64_t since):
        cdef Store store = self.store
        cdef Py_ssize_t batch
        cdef Chunk chunk
        self.left = self.count = 0
        self.next_places = self.places
        if store.batches > len(self.places):
            self.next_places = grown_to(self.places, store.batches)
        for batch in range(store.batches):
            chunk = store.chunks[batch]
            if chunk is not None and <int64_t>chunk.stamp > since:
                chunk.pins += 1
                self.note(chunk, Piece(batch, -1, 0, chunk.nbytes))
        if self.has_arena:
            self.capture_arenas(since)
        self.left = self.count
        if self.count and self.next_places is self.places:
            self.next_places = self.places.copy()

    cdef int capture_arenas(self, int64_t since) except -1:
        cdef ArenaStore store = self.store
        cdef Py_ssize_t batch, page, first, batches = store.batches
        cdef int64_t known, stop
        cdef Arena* arena
        cdef Chunk chunk
        self.used = np.zeros(batches, np.int64)
        self.garbage = np.zeros(batches, np.int64)
        cdef int64_t[::1] used = self.used
        cdef int64_t[::1] garbage = self.garbage
        cdef const int64_t[::1] saved = self.saved
        self.next_pages = self.pages + [NO_PLACES] * (batches - len(self.pages))
        for batch in range(batches):
            arena = &store.arenas[batch]
            used[batch], garbage[batch] = arena.used, arena.garbage
            known = saved[batch] if batch < saved.shape[0] else 0
            chunk = store.arena_chunks[batch]
            if chunk is not None and <int64_t>chunk.stamp > since:
                known = 0
            elif arena.used == known:
                continue
            first = known // PAGE
            pages = np.zeros((arena.used + PAGE - 1) // PAGE, PLACE)
            pages[:first] = self.next_pages[batch][:first]
            self.next_pages[batch] = pages
            for page in range(first, len(pages)):
                stop = min((page + 1) * PAGE, arena.used)
                self.note(chunk, Piece(batch, page, page * PAGE, stop))
        return 0

    cdef int note(self, object chunk, Piece piece) except -1:
        if self.count == self.room:
            room = max(16, 2 * self.room)
            pieces = <Piece*>PyMem_Realloc(self.pieces, <size_t>room * sizeof(Piece))
            if pieces == NULL:
                raise MemoryError
            self.pieces, self.room = pieces, room
        self.pieces[self.count] = piece
        self.chunks.append(chunk)
        self.count += 1
        return 0

    # --- on the thread that writes ----------------------------------------------------------------

    def lend(self):
        cdef Py_ssize_t at = self.count - self.left
        if self.left == 0:
            raise IndexError("nothing is left to be written")
        return memoryview(self.chunks[at])[self.pieces[at].start:self.pieces[at].stop]

    def settle(self, place):
        cdef Py_ssize_t at = self.count - self.left
        cdef Piece piece = self.pieces[at]
        if piece.page < 0:
            self.next_places[piece.batch] = place
        else:
            self.next_pages[piece.batch][piece.page] = place
        self.let_go(at)
        self.left -= 1

    cdef int let_go(self, Py_ssize_t at) except -1:
        if self.pieces[at].page < 0:
            (<Chunk>self.chunks[at]).pins -= 1
        self.chunks[at] = None
        return 0

    def held(self):
        """Bytes that only this capture keeps: their batch has another chunk by now."""
        cdef Py_ssize_t at, total = 0
        cdef Chunk chunk
        for at in range(self.count - self.left, self.count):
            chunk = self.chunks[at]
            if self.pieces[at].page < 0:
                if self.store.chunks[self.pieces[at].batch] is not chunk:
                    total += chunk.nbytes
            elif (<ArenaStore>self.store).arena_chunks[self.pieces[at].batch] is not chunk:
                total += self.pieces[at].stop - self.pieces[at].start
        return total

    def table(self):
        """Every place of what was captured: batch by batch the values, then the arenas' pages."""
        if not self.has_arena:
            return self.next_places
        return np.concatenate([self.next_places, *self.next_pages])

    # --- the end of a capture ---------------------------------------------------------------------

    def commit(self, table):
        cdef Py_ssize_t at, batches = len(self.next_places)
        if self.left:
            raise ValueError(f"{self.left} pieces are not written yet")
        self.places = table[:batches]
        if self.has_arena:
            at, self.pages = batches, []
            for pages in self.next_pages:
                self.pages.append(table[at:at + len(pages)])
                at += len(pages)
            self.saved = self.used
        self.next_places = self.next_pages = None
        self.chunks.clear()
        self.count = 0

    def forget(self):
        cdef Py_ssize_t at
        for at in range(self.count - self.left, self.count):
            self.let_go(at)
        self.left = self.count = 0
        self.next_places = self.next_pages = None
        self.chunks.clear()

    # --- coming back ------------------------------------------------------------------------------

    def restore(self, table, used, garbage, read):
        """Fills a column that has its rows and no values yet; `read` writes a place into memory."""
        cdef Py_ssize_t batch, at, batches = self.store.batches
        cdef Chunk chunk
        counts = page_counts(used) if self.has_arena else np.zeros(0, np.int64)
        if len(table) != batches + int(counts.sum()) or len(counts) != batches * self.has_arena:
            raise ValueError(f"{len(table)} places for a column of {batches} batches")
        self.places, self.used, self.garbage, self.saved = table[:batches], used, garbage, used
        for batch in range(batches):
            place = table[batch]
            if place["segment"]:
                chunk = Chunk(int(place["length"]))
                fill(chunk, 0, place, read)
                self.take_batch(batch, chunk)
                if self.store.kind == CODE:
                    self.store.share(batch)
        at = batches
        for batch in range(len(counts)):
            pages = table[at:at + counts[batch]]
            self.pages.append(pages)
            at += len(pages)
            if len(pages):
                chunk = Chunk((used[batch] + 63) & ~63)
                for page in range(len(pages)):
                    fill(chunk, page * PAGE, pages[page], read)
                self.take_arena(batch, chunk)

    cdef int take_batch(self, Py_ssize_t batch, object chunk) except -1:
        cdef Store store = self.store
        if isinstance(store, RareStore) and (<RareStore>store).lies_sparse(chunk):
            return (<RareStore>store).adopt(batch, chunk)
        cdef Py_ssize_t capacity = store.capacity_of(chunk)
        cdef Py_ssize_t bits = capacity * (store.row_bits + store.has_valid)
        if (<Chunk>chunk).nbytes << 3 != bits or capacity % CAPACITY_ROWS_MIN or (
            capacity > ROWS_PER_BATCH
        ):
            raise ValueError(f"a chunk of {(<Chunk>chunk).nbytes} bytes in a column of this kind")
        store.chunks[batch] = chunk
        store.places[batch] = store.place_of(chunk)
        store.widen(batch)
        if isinstance(store, TimeStore):    # no value is below 0; the next look at it finds out
            (<TimeStore>store).minima[batch] = 0
            (<TimeStore>store).loose[batch] = 1
        return 0

    cdef int take_arena(self, Py_ssize_t batch, object chunk) except -1:
        cdef ArenaStore store = self.store
        cdef Arena* arena = &store.arenas[batch]
        if self.used[batch] > ARENA_BYTES_MAX or self.garbage[batch] > self.used[batch]:
            raise ValueError(f"an arena of {self.used[batch]} bytes")
        store.arena_chunks[batch] = chunk
        arena.data = (<Chunk>chunk).data
        arena.used, arena.garbage = self.used[batch], self.garbage[batch]
        arena.capacity = (<Chunk>chunk).nbytes
        return 0


cdef int fill(Chunk chunk, Py_ssize_t start, object place, object read) except -1:
    """Reads a piece into the memory of a chunk that nobody has seen yet."""
    cdef Py_ssize_t length = place["length"]
    if start + length > chunk.nbytes:
        raise ValueError(f"a piece of {length} bytes at {start} of {chunk.nbytes}")
    read(place, PyMemoryView_FromMemory(<char*>chunk.data + start, length, PyBUF_WRITE))
    return 0
