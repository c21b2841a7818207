"""One column over the rows of a table: a value or nothing for each row, of one kind.

This is the contract; how the values of a kind lie in memory is its store's affair. Row arrays are
one-dimensional contiguous int64, checked here once per call: IndexError, and nothing is written,
if one is outside the column. When a row stands twice in a write, the last wins. Results are the
caller's own memory unless the method says otherwise.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

import numpy as np

from blaster.core.arena cimport ArenaStore
from blaster.core.bits cimport BoolStore
from blaster.core.chunk cimport Chunk
from blaster.core.fixed cimport FixedStore, TimeStore
from blaster.core.lists cimport ListStore
from blaster.core.rare cimport RareStore
from blaster.core.store cimport BATCH_BITS, INT, LIST, TEXT, Place, Store, get_bit
from blaster.core.text cimport TextStore

from blaster.core.codes import settled
from blaster.model.fields import Kind
from blaster.rules.dictionary import Dictionary

cdef dict DEFAULT_DTYPES = {
    Kind.INT: np.int64, Kind.NUMBER: np.float64, Kind.DATE: np.int32, Kind.INSTANT: np.int64,
    Kind.CODE: np.int32,
}
cdef tuple RARE_KINDS = (Kind.TIME, Kind.CODE, Kind.DATE)


cdef class Column:

    def __cinit__(
        self, kind, *, dictionary=None, default=None, bint never_missing=False, bint rare=False
    ):
        kind = Kind(kind)
        if kind in (Kind.CODE, Kind.LIST):
            dictionary = Dictionary() if dictionary is None else dictionary
        elif dictionary is not None:
            raise TypeError(f"a {kind.name} column has no dictionary")
        if never_missing and kind in (Kind.TEXT, Kind.LIST, Kind.TIME, Kind.ID):
            raise TypeError(f"a {kind.name} column has missing values")
        if rare and (never_missing or kind not in RARE_KINDS):
            raise TypeError("only instants, dates and words that may be missing are rare")
        self.default = default
        self.never_missing = never_missing
        fill = default_bits(kind, default, dictionary) if never_missing else 0
        if rare:
            self.store = RareStore(kind, never_missing, fill, dictionary)
        elif kind == Kind.BOOL:
            self.store = BoolStore(kind, never_missing, fill)
        elif kind == Kind.TEXT:
            self.store = TextStore(kind)
        elif kind == Kind.LIST:
            self.store = ListStore(kind, False, 0, dictionary)
        elif kind == Kind.TIME:
            self.store = TimeStore(kind)
        else:
            self.store = FixedStore(kind, never_missing, fill, dictionary)

    cdef const int64_t[::1] checked(self, object rows):
        cdef const int64_t[::1] view = rows
        self.store.check_rows(view)
        return view

    # --- what it is ---------------------------------------------------------------------------

    @property
    def kind(self):
        return Kind(self.store.kind)

    @property
    def rows(self):
        return self.store.rows

    @property
    def batches(self):
        return self.store.batches

    @property
    def dictionary(self):
        return self.store.dictionary

    @property
    def rare(self):
        return isinstance(self.store, RareStore)

    @property
    def nbytes(self):
        return self.store.memory()

    def grow(self, Py_ssize_t rows):
        self.store.grow(rows)

    def share(self, Py_ssize_t batch):
        self.store.check_batch(batch)
        if self.store.kind != TEXT and self.store.kind != LIST:
            self.store.share(batch)

    def chunk(self, Py_ssize_t batch):
        self.store.check_batch(batch)
        return self.store.chunks[batch]

    def arena(self, Py_ssize_t batch):
        self.store.check_batch(batch)
        if self.store.kind == TEXT:
            return (<TextStore>self.store).arena_chunks[batch]
        if self.store.kind == LIST:
            return (<ListStore>self.store).arena_chunks[batch]
        return None

    # --- reading ------------------------------------------------------------------------------

    def take(self, rows):
        return self.store.take(self.checked(rows))

    def texts(self, rows):
        if self.store.kind != TEXT:
            raise TypeError(f"a {self.kind.name} column has no texts")
        return (<TextStore>self.store).texts(self.checked(rows))

    def take_valid(self, rows):
        return self.store.take_valid(self.checked(rows))

    def gather(self, rows):
        return self.store.gather(self.checked(rows))

    def vector(self, Py_ssize_t batch):
        self.store.check_batch(batch)
        return self.store.vector(batch)

    def export(self, Py_ssize_t batch):
        self.store.check_batch(batch)
        return self.store.export(batch)

    def digest_into(self, hasher):
        cdef Py_ssize_t batch
        cdef Store store = self.store
        hasher.update(np.array([store.kind, store.has_valid, store.rows], np.int64))
        for batch in range(store.batches):
            if not store.is_blank(batch):
                hasher.update(np.array([batch], np.int64))
                store.digest_batch(hasher, batch)

    def due_before(self, now, most=None):
        if most is None:
            most = self.store.rows
        return self.time_store().due_before(min(now, 0xFFFFFFFF), most)

    def minimum(self):
        return self.time_store().minimum()

    cdef TimeStore time_store(self):
        if not isinstance(self.store, TimeStore):
            raise TypeError(f"a {'rare ' * self.rare}{self.kind.name} column has no due rows")
        return self.store

    # --- writing ------------------------------------------------------------------------------

    def put(self, rows, values, valid=None):
        self.store.put(self.checked(rows), values, valid)

    def put_arrow(self, rows, values, keep_null):
        cdef const int64_t[::1] view = self.checked(rows)
        values = settled(values)
        if len(values) != view.shape[0]:
            raise ValueError(f"{len(values)} values for {view.shape[0]} rows")
        if keep_null and values.null_count:
            view = np.asarray(rows)[values.is_valid().to_numpy(zero_copy_only=False)]
            values = values.drop_null()
        if view.shape[0]:
            self.store.put_arrow(view, values)

    def add_to(self, rows, amount, start=None):
        if self.store.kind != INT:
            raise TypeError(f"nothing can be added to a {self.kind.name} column")
        if start is None:
            start = self.default or 0
        return (<FixedStore>self.store).add(self.checked(rows), amount, start)

    def scrub(self, rows):
        self.checked(rows)
        cdef Store store = self.store
        chosen = np.asarray(rows)
        batches = [
            batch for batch in np.unique(chosen >> BATCH_BITS).tolist()
            if store.chunks[batch] is not None
        ]
        chosen = chosen[np.isin(chosen >> BATCH_BITS, batches)]
        if len(chosen):
            store.put(chosen, None, None)
        if store.kind == TEXT or store.kind == LIST:
            for batch in batches:
                tidied(store, batch)

    def tidy(self):
        cdef Py_ssize_t batch
        if self.store.kind == TEXT or self.store.kind == LIST:
            for batch in range(self.store.batches):
                tidied(self.store, batch)

    def codes_used(self):
        cdef Py_ssize_t batch, row, count
        cdef Store store = self.store
        cdef Chunk chunk
        cdef Place place
        cdef const int32_t* codes
        cdef int64_t at
        cdef bint whole
        if store.dictionary is None:
            raise TypeError(f"a {self.kind.name} column has no dictionary")
        used = np.zeros(len(store.dictionary), np.bool_)
        if not len(used):
            return used
        cdef uint8_t[::1] flags = used.view(np.uint8)
        for batch in range(store.batches):
            if store.chunks[batch] is None:
                continue
            chunk = store.chunk_of(batch)
            place = store.place_of(chunk)
            count = store.length(batch)
            with nogil:
                if store.kind == LIST:
                    codes = <const int32_t*>(<ArenaStore>store).arenas[batch].data
                    for row in range(count):
                        for at in range(place.sizes[row]):
                            flags[codes[(<const int32_t*>place.data)[row] + at]] = 1
                else:
                    codes = <const int32_t*>place.data
                    whole = place.valid == NULL
                    for row in range(count):
                        if whole or get_bit(place.valid, row):
                            flags[codes[row]] = 1
        return used


cdef int tidied(ArenaStore store, Py_ssize_t batch) except -1:
    """No garbage at all in the arena of a batch, however little there is."""
    if store.arenas[batch].garbage:
        store.repack(batch, 0)
    return 0


cdef uint64_t default_bits(object kind, object default, object dictionary) except? 0:
    """The default (None: 0, false) as the bits that lie in memory."""
    if kind == Kind.BOOL:
        return 1 if default else 0
    if kind == Kind.CODE:
        if default is None:
            raise TypeError("a CODE column that is never missing needs a default word")
        default = dictionary.add(default)
    value = np.array([default or 0], DEFAULT_DTYPES[kind])
    return int(value.view(np.uint32 if value.itemsize == 4 else np.uint64)[0])
