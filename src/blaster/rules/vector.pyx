"""One column over the rows of one evaluation.

Owns the view only: the buffers belong to whoever made them, are kept alive by the buffer protocol
and are never written. Laws: every buffer is C-contiguous and long enough for `length` rows (checked
here, once, so that no kernel has to); bitmaps begin at bit 0 and need no padding, and what stands
behind their last row means nothing; values lie at a multiple of their width (else they are copied).
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t, uintptr_t

from blaster.rules.dictionary import Dictionary

# The names of the forms, in the order of the FORM_* numbers.
FORMS = (
    "bits", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "view", "o32",
    "o64", "list",
)

# What each kind may be; the first is its default.
_FORMS_OF = {
    KIND_BOOL: ("bits",),
    KIND_INT: ("i64", "i8", "i16", "i32", "u8", "u16", "u32"),
    KIND_NUMBER: ("f64", "f32"),
    KIND_DATE: ("i32",),
    KIND_INSTANT: ("i64",),
    KIND_TEXT: ("view", "o32", "o64"),
    KIND_CODE: ("i32", "i8", "i16"),
    KIND_LIST: ("list",),
    KIND_TIME: ("u32",),
    KIND_ID: ("u64",),
}

# By kind what a form's name stands for; "" is the default.
cdef list LAYOUTS = [{}] + [
    {name: FORMS.index(name or names[0]) for name in ("", *names)}
    for _, names in sorted(_FORMS_OF.items())
]

# Bytes of one value by form; bits are counted apart.
cdef int[15] WIDTH
WIDTH[:] = [0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 16, 4, 8, 4]
cdef int[15] ALIGNED
ALIGNED[:] = [1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1, 4, 8, 4]


cdef object hold(object buffer, int width, Py_ssize_t needed, str name, const void** address):
    """A memoryview of at least `needed` bytes that begins at a multiple of `width`; a copy where
    the buffer does not.
    """
    view = buffer if isinstance(buffer, memoryview) else memoryview(buffer)
    cdef Py_buffer found
    PyObject_GetBuffer(view, &found, PyBUF_SIMPLE)
    PyBuffer_Release(&found)  # the memoryview itself keeps the memory where it is
    if found.len < needed:
        raise ValueError(f"{name} has {found.len} bytes; this vector needs {needed}")
    if found.len and <uintptr_t>found.buf % width:
        return hold(bytes(view), width, needed, name, address)
    address[0] = found.buf
    return view


cdef class Vector:
    """A read-only column: `kind` (model.fields.Kind), `length` rows, buffers as in the .pxd."""

    def __cinit__(
        self, kind, length, data, valid=None, sizes=None, arena=None, dictionary=None, form=""
    ):
        if not 1 <= kind <= 10 or length < 0:
            raise ValueError(f"no vector of kind {kind} and {length} rows")
        self.kind = kind
        self.length = length
        layout = (<dict>LAYOUTS[self.kind]).get(form)
        if layout is None:
            raise ValueError(f"no vector of kind {kind} lies as {form!r}")
        self.layout = layout
        self.dictionary = dictionary
        cdef Py_ssize_t bitmap_nbytes = (self.length + 7) >> 3
        cdef Py_ssize_t data_nbytes = self.length * WIDTH[self.layout]
        if self.layout == FORM_BITS:
            data_nbytes = bitmap_nbytes
        elif self.layout in (FORM_O32, FORM_O64):
            data_nbytes += WIDTH[self.layout]
        data = hold(data, ALIGNED[self.layout], data_nbytes, "data", &self.data)
        if valid is not None:
            if self.kind == KIND_ID:
                raise ValueError("ID has no validity bitmap")
            valid = hold(valid, 1, bitmap_nbytes, "valid", <const void**>&self.valid)
        if self.kind in (KIND_CODE, KIND_LIST) and not isinstance(dictionary, Dictionary):
            raise ValueError("CODE and LIST need their dictionary")
        if self.kind == KIND_LIST:
            if sizes is None or arena is None:
                raise ValueError("LIST needs sizes and an arena of codes")
            sizes = hold(sizes, 4, 4 * self.length, "sizes", <const void**>&self.sizes)
        if arena is not None:
            arena = hold(arena, 4 if self.kind == KIND_LIST else 1, 0, "arena", &self.arena)
            self.arena_nbytes = arena.nbytes
        self.buffers = data, valid, sizes, arena
        if self.layout in (FORM_O32, FORM_O64):
            self.check_ends()

    cdef int check_ends(self) except -1:
        """The first and the last offset lie in the arena; those between are the owner's word."""
        cdef int64_t first, last
        if self.layout == FORM_O32:
            first = (<const int32_t*>self.data)[0]
            last = (<const int32_t*>self.data)[self.length]
        else:
            first = (<const int64_t*>self.data)[0]
            last = (<const int64_t*>self.data)[self.length]
        if not 0 <= first <= last <= self.arena_nbytes:
            raise ValueError(
                f"the texts lie from {first} to {last} of an arena of {self.arena_nbytes} bytes"
            )
        return 0

    @property
    def form(self):
        """The name of the layout; never empty."""
        return FORMS[self.layout]

    @staticmethod
    def missing(kind, length):
        """Every row missing."""
        bits = bytes((length + 63) // 64 * 8)
        if kind == KIND_TIME:
            return Vector(kind, length, b"\xff" * (4 * length))
        if kind == KIND_ID:
            return Vector(kind, length, bytes(8 * length))
        if kind == KIND_BOOL:
            return Vector(kind, length, bits, bits)
        if kind == KIND_CODE:
            return Vector(kind, length, bytes(length), bits, dictionary=Dictionary(), form="i8")
        data = bytes(length * WIDTH[LAYOUTS[kind][""]])
        if kind == KIND_LIST:
            return Vector(kind, length, data, bits, bytes(4 * length), b"", Dictionary())
        return Vector(kind, length, data, bits)
