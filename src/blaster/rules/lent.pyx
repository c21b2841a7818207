"""The columns of record batches where they lie, by Arrow's C data and C stream interfaces.

Owns the reading of the C structures. Laws: what Arrow lent stays as long as any vector of it, and
is released once; nothing is copied but a bitmap that does not begin with a byte and values that do
not lie at a multiple of their width; that a buffer is as long as its column says, and that a code
has its word, is Arrow's word, as it is of any data that was not validated.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.string cimport memcpy

from blaster.rules.vector cimport (
    FORM_BITS, FORM_O32, FORM_VIEW, KIND_CODE, KIND_TEXT, Vector, alignment_of,
    layout_of, lying, width_of_form,
)

# https://arrow.apache.org/docs/format/CDataInterface.html
cdef struct ArrowArray:
    int64_t length
    int64_t null_count      # -1: nobody counted
    int64_t offset
    int64_t n_buffers
    int64_t n_children
    const void** buffers
    ArrowArray** children
    ArrowArray* dictionary
    void (*release)(ArrowArray*) noexcept
    void* private_data

# https://arrow.apache.org/docs/format/CStreamInterface.html
cdef struct ArrowArrayStream:
    int (*get_schema)(ArrowArrayStream*, void*) noexcept
    int (*get_next)(ArrowArrayStream*, ArrowArray*) noexcept
    const char* (*get_last_error)(ArrowArrayStream*) noexcept
    void (*release)(ArrowArrayStream*) noexcept
    void* private_data

cdef enum:
    PARTS_MAX = 4  # of a dictionary's texts


cdef class Lent:
    cdef ArrowArray batch
    cdef readonly object schema
    cdef object source      # the batch; or the table, of which it is the batch `number`
    cdef list batches       # of that table, made when one is asked for; shared by all its batches
    cdef Py_ssize_t number

    def __dealloc__(self):
        if self.batch.release != NULL:
            self.batch.release(&self.batch)

    @property
    def rows(self):
        return self.batch.length

    def array(self, place):
        if self.batches is None:
            return self.source.column(place)
        if not self.batches:
            self.batches.extend(self.source.to_batches())
        return self.batches[self.number].column(place)

    cdef const ArrowArray* column(self, Py_ssize_t place) except NULL:
        if not 0 <= place < self.batch.n_children:
            raise IndexError(f"no column {place} of {self.batch.n_children}")
        return self.batch.children[place]


def lent(batch):
    cdef Lent found = Lent.__new__(Lent)
    _, capsule = batch.__arrow_c_array__()
    cdef ArrowArray* given = <ArrowArray*>PyCapsule_GetPointer(capsule, "arrow_array")
    found.batch = given[0]
    given.release = NULL  # it is ours now
    found.schema, found.source = batch.schema, batch
    return found


def lent_all(table):
    capsule = table.__arrow_c_stream__()
    cdef ArrowArrayStream* stream = <ArrowArrayStream*>PyCapsule_GetPointer(
        capsule, "arrow_array_stream"
    )
    cdef list found = []
    cdef list batches = []
    cdef object schema = table.schema
    cdef Lent one
    while True:
        one = Lent.__new__(Lent)
        if stream.get_next(stream, &one.batch):
            said = stream.get_last_error(stream)
            raise OSError("no batch came" if said == NULL else said.decode("utf-8", "replace"))
        if one.batch.release == NULL:
            return found
        one.schema, one.source, one.batches, one.number = schema, table, batches, len(found)
        found.append(one)


# ------------------------------------------------------------------------------------- columns

cdef const uint8_t* bits_at(
    const uint8_t* bitmap, int64_t first, int64_t rows, list copies
) except? NULL:
    """Bits from one on, in bytes that begin with it."""
    cdef Py_ssize_t place, size = (rows + 7) >> 3
    cdef const uint8_t* start = bitmap + (first >> 3)
    cdef int shift = first & 7
    cdef Py_ssize_t there = (shift + rows + 7) >> 3
    cdef uint8_t* out
    if not shift:
        return start
    moved = PyBytes_FromStringAndSize(NULL, size)
    copies.append(moved)
    out = <uint8_t*>PyBytes_AS_STRING(moved)
    for place in range(size):
        out[place] = start[place] >> shift
        if place + 1 < there:
            out[place] |= start[place + 1] << (8 - shift)
    return out


cdef const void* aligned(
    const uint8_t* values, Py_ssize_t nbytes, int width, list copies
) except NULL:
    if not <uintptr_t>values % width:
        return values
    moved = PyBytes_FromStringAndSize(<const char*>values, nbytes)
    copies.append(moved)
    return PyBytes_AS_STRING(moved)


cdef Vector vector_at(const ArrowArray* column, int kind, int layout, Lent owner):
    """A column of this layout as a vector; its words are still to be given."""
    cdef int64_t rows = column.length
    cdef const uint8_t* bitmap = <const uint8_t*>column.buffers[0]
    cdef const uint8_t* values = <const uint8_t*>column.buffers[1]
    cdef const uint8_t* valid = NULL
    cdef const void* data
    cdef list copies = []
    cdef int width
    if values == NULL or not rows:
        return Vector.missing(kind, rows)
    if bitmap != NULL and column.null_count:
        valid = bits_at(bitmap, column.offset, rows, copies)
    if layout == FORM_BITS:
        data = bits_at(values, column.offset, rows, copies)
    else:
        width = width_of_form(layout)
        data = aligned(
            values + column.offset * width, (rows + (kind == KIND_TEXT)) * width,
            alignment_of(layout), copies,
        )
    return lying(kind, layout, rows, data, valid, (owner, *copies) if copies else owner)


cdef class Lying:
    """Makes vectors of one column whose values lie as a form wants them."""

    cdef Py_ssize_t place
    cdef int kind
    cdef int layout

    def __cinit__(self, place, kind, form):
        self.place, self.kind, self.layout = place, kind, layout_of(kind, form)

    def __call__(self, Lent found):
        cdef const ArrowArray* column = found.column(self.place)
        if column.n_buffers != 2:
            raise TypeError(f"column {self.place} has {column.n_buffers} buffers, not two")
        return vector_at(column, self.kind, self.layout, found)


cdef class LyingTexts:
    """Makes vectors of a column of texts; those in several arenas go to `otherwise`."""

    cdef Py_ssize_t place
    cdef int layout
    cdef object otherwise

    def __cinit__(self, place, form, otherwise):
        self.place, self.layout, self.otherwise = place, layout_of(KIND_TEXT, form), otherwise

    def __call__(self, Lent found):
        cdef const ArrowArray* column = found.column(self.place)
        cdef int64_t parts = column.n_buffers
        cdef Vector vector
        if self.layout == FORM_VIEW and parts > 4:
            return self.otherwise(found.array(self.place))
        if not 3 <= parts <= 4:
            raise TypeError(f"column {self.place} has {parts} buffers; texts have three or four")
        vector = vector_at(column, KIND_TEXT, self.layout, found)
        if vector.owner is None:  # there is nothing
            return vector
        vector.arena = column.buffers[2] if self.layout != FORM_VIEW or parts == 4 else NULL
        if self.layout == FORM_VIEW:
            vector.arena_nbytes = (<const int64_t*>column.buffers[3])[0] if parts == 4 else 0
        elif self.layout == FORM_O32:
            vector.arena_nbytes = (<const int32_t*>vector.data)[vector.length]
        else:
            vector.arena_nbytes = (<const int64_t*>vector.data)[vector.length]
        if self.layout != FORM_VIEW:
            vector.check_ends()
        return vector


cdef class LyingCodes:
    """Makes vectors of a dictionary column whose codes are those of the dictionary met last.

    `translate` gives of Arrow's words the dictionary, and None where the codes are the same in it;
    else a column goes to `otherwise`.
    """

    cdef Py_ssize_t place
    cdef int layout
    cdef object translate
    cdef object otherwise
    cdef object words       # met last: Arrow's, which stay where they are as long as this is kept
    cdef object dictionary  # and ours
    cdef int64_t offset
    cdef int64_t count
    cdef int64_t parts
    cdef uintptr_t[PARTS_MAX] where

    def __cinit__(self, place, form, translate, otherwise):
        self.place, self.layout = place, layout_of(KIND_CODE, form)
        self.translate, self.otherwise = translate, otherwise

    def __call__(self, Lent found):
        cdef const ArrowArray* column = found.column(self.place)
        cdef Vector vector
        if column.dictionary == NULL:
            raise TypeError(f"column {self.place} has no dictionary")
        if not self.met(column.dictionary):
            array = found.array(self.place)
            words = array.dictionary
            dictionary, codes = self.translate(words)
            if codes is not None or column.dictionary.n_buffers > PARTS_MAX:
                return self.otherwise(array)
            self.keep(column.dictionary, words, dictionary)
        vector = vector_at(column, KIND_CODE, self.layout, found)
        if vector.owner is not None:
            vector.dictionary = self.dictionary
        return vector

    cdef bint met(self, const ArrowArray* words) noexcept:
        """Whether these are the words that lay there last time."""
        if self.words is None or words.n_buffers != self.parts:
            return False
        if words.offset != self.offset or words.length != self.count:
            return False
        cdef int64_t part
        for part in range(self.parts):
            if <uintptr_t>words.buffers[part] != self.where[part]:
                return False
        return True

    cdef int keep(self, const ArrowArray* there, object words, object dictionary) except -1:
        self.words, self.dictionary = words, dictionary
        self.offset, self.count, self.parts = there.offset, there.length, there.n_buffers
        memcpy(&self.where[0], there.buffers, there.n_buffers * sizeof(void*))
        return 0
