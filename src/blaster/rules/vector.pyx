"""One column over the rows of one evaluation.

Owns the view only: the buffers belong to whoever made them, are kept alive by the buffer protocol
and are never written. Laws: every buffer is C-contiguous and long enough for `length` rows (checked
here, once, so that no kernel has to); bitmaps are padded to whole 64-bit words.
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, uint64_t

from blaster.rules.bitmap cimport words_of

from blaster.rules.dictionary import Dictionary

# Bytes of one value by kind; BOOL is counted in words.
cdef int[11] WIDTH
WIDTH[:] = [0, 0, 8, 8, 4, 8, 16, 4, 4, 4, 8]


cdef const void* address_of(object view, Py_ssize_t needed, str name) except? NULL:
    """The address of a memoryview's bytes, which must be at least `needed`."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE)
    cdef const void* address = buffer.buf
    cdef Py_ssize_t nbytes = buffer.len
    PyBuffer_Release(&buffer)  # the memoryview itself keeps the memory where it is
    if nbytes < needed:
        raise ValueError(f"{name} has {nbytes} bytes; this vector needs {needed}")
    return address


cdef object view_of(object buffer):
    return None if buffer is None else memoryview(buffer)


cdef class Vector:
    """A read-only column: `kind` (model.fields.Kind), `length` rows, buffers as in the .pxd."""

    def __cinit__(
        self, kind, length, data, valid=None, sizes=None, arena=None, dictionary=None
    ):
        if not 1 <= kind <= 10 or length < 0:
            raise ValueError(f"no vector of kind {kind} and {length} rows")
        self.kind = kind
        self.length = length
        self.dictionary = dictionary
        self.buffers = (memoryview(data), view_of(valid), view_of(sizes), view_of(arena))
        cdef Py_ssize_t bitmap_nbytes = 8 * words_of(self.length)
        cdef Py_ssize_t data_nbytes = (
            bitmap_nbytes if self.kind == KIND_BOOL else self.length * WIDTH[self.kind]
        )
        self.data = address_of(self.buffers[0], data_nbytes, "data")
        if valid is not None:
            if self.kind in (KIND_TIME, KIND_ID):
                raise ValueError("TIME and ID have no validity bitmap")
            self.valid = <const uint64_t*>address_of(self.buffers[1], bitmap_nbytes, "valid")
        if self.kind in (KIND_CODE, KIND_LIST) and not isinstance(dictionary, Dictionary):
            raise ValueError("CODE and LIST need their dictionary")
        if self.kind == KIND_LIST:
            if sizes is None or arena is None:
                raise ValueError("LIST needs sizes and an arena of codes")
            self.sizes = <const int32_t*>address_of(self.buffers[2], 4 * self.length, "sizes")
        if arena is not None:
            self.arena = address_of(self.buffers[3], 0, "arena")
            self.arena_nbytes = self.buffers[3].nbytes

    @staticmethod
    def missing(kind, length):
        """Every row missing."""
        words = bytes(8 * words_of(length))
        if kind == KIND_TIME:
            return Vector(kind, length, b"\xff" * (4 * length))
        if kind == KIND_ID:
            return Vector(kind, length, bytes(8 * length))
        if kind == KIND_BOOL:
            return Vector(kind, length, words, words)
        data = bytes(length * WIDTH[kind])
        if kind == KIND_LIST:
            return Vector(kind, length, data, words, bytes(4 * length), b"", Dictionary())
        dictionary = Dictionary() if kind == KIND_CODE else None
        return Vector(kind, length, data, words, dictionary=dictionary)
