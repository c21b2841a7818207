"""The columns of a record batch where they lie, by Arrow's C data interface.

Owns the reading of the C structure. Laws: the structure stays as long as any view of its memory,
which the capsule sees to that Arrow lent it in; nothing is copied but a bitmap that does not begin
with a byte; an offset is taken into account here and nowhere else.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint8_t, uintptr_t

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
    void (*release)(ArrowArray*)
    void* private_data


cdef class _Piece:
    """Some bytes of what was lent, as a read-only buffer that keeps all of it."""

    cdef object lent
    cdef const void* start
    cdef Py_ssize_t nbytes

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, <void*>self.start, self.nbytes, 1, flags)


cdef _Piece piece_of(object lent, const void* start, Py_ssize_t nbytes):
    cdef _Piece found = _Piece.__new__(_Piece)
    found.lent, found.start, found.nbytes = lent, start, nbytes
    return found


cdef object bits_from(object lent, const uint8_t* bitmap, int64_t first, int64_t rows):
    """Bits from one on, in bytes that begin with it."""
    cdef Py_ssize_t place, size = (rows + 7) >> 3
    cdef const uint8_t* start = bitmap + (first >> 3)
    cdef int shift = first & 7
    cdef Py_ssize_t there = (shift + rows + 7) >> 3
    cdef uint8_t* out
    if not shift:
        return piece_of(lent, start, size)
    moved = PyBytes_FromStringAndSize(NULL, size)
    out = <uint8_t*>PyBytes_AS_STRING(moved)
    for place in range(size):
        out[place] = start[place] >> shift
        if place + 1 < there:
            out[place] |= start[place + 1] << (8 - shift)
    return moved


cdef const ArrowArray* column_of(object lent, Py_ssize_t place) except NULL:
    cdef const ArrowArray* batch = <const ArrowArray*>PyCapsule_GetPointer(lent, "arrow_array")
    if not 0 <= place < batch.n_children:
        raise IndexError(f"no column {place} of {batch.n_children}")
    return batch.children[place]


def plain(lent, Py_ssize_t place, int width):
    cdef const ArrowArray* column = column_of(lent, place)
    cdef int64_t rows = column.length
    cdef const uint8_t* bitmap
    cdef const uint8_t* values
    if column.n_buffers != 2:
        raise TypeError(f"column {place} has {column.n_buffers} buffers, not two")
    bitmap, values = <const uint8_t*>column.buffers[0], <const uint8_t*>column.buffers[1]
    valid = None
    if bitmap != NULL and column.null_count:
        valid = bits_from(lent, bitmap, column.offset, rows)
    if values == NULL or not rows:
        return rows, None, valid
    if width:
        data = piece_of(lent, values + column.offset * width, rows * width)
    else:
        data = bits_from(lent, values, column.offset, rows)
    return rows, data, valid


def words_at(lent, Py_ssize_t place):
    cdef const ArrowArray* column = column_of(lent, place)
    cdef const ArrowArray* words = column.dictionary
    cdef int64_t part
    if words == NULL:
        raise TypeError(f"column {place} has no dictionary")
    addresses = tuple([
        <uintptr_t>words.buffers[part] for part in range(words.n_buffers)
        if words.buffers[part] != NULL
    ])
    return addresses, words.offset, words.length
