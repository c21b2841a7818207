"""Shows an `Index` the keys that stand in a text column, without copying them."""

from blaster.core.column cimport Column
from blaster.core.store cimport BATCH_BITS, BATCH_MASK, TEXT, get_bit


cdef class ColumnReader(KeyReader):
    """The keys of a TEXT column, row by row; a missing text is no key."""

    def __cinit__(self, Column column not None):
        if column.store.kind != TEXT:
            raise TypeError(f"keys are text; this is a {column.kind.name} column")
        self.column = column
        self.store = <TextStore>column.store

    cdef const uint8_t* key_of(self, int64_t row, Py_ssize_t* size) noexcept nogil:
        cdef const uint8_t* text = NULL
        size[0] = 0
        if row >= self.store.rows:
            return NULL
        if not get_bit(self.store.places[row >> BATCH_BITS].valid, row & BATCH_MASK):
            return NULL
        size[0] = self.store.view_at(row, &text).length
        return text
