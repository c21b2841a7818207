"""One column over the rows of one evaluation.

Owns the view only: the buffers belong to whoever made them, are kept alive by the buffer protocol
(or by an owner of other memory) and are never written. Laws: every buffer is C-contiguous and long
enough for `length` rows (checked here, once, so that no kernel has to; of memory that is lent its
lender says so); bitmaps begin at bit 0 and need no padding, and what stands behind their last row
means nothing; values lie at a multiple of their width (else they are copied).
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
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


cdef class _Piece:
    """Some bytes of what somebody keeps, as a read-only buffer that keeps it too."""

    cdef object owner
    cdef const void* start
    cdef Py_ssize_t nbytes

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, <void*>self.start, self.nbytes, 1, flags)


cdef _Piece piece_of(object owner, const void* start, Py_ssize_t nbytes):
    cdef _Piece found = _Piece.__new__(_Piece)
    found.owner, found.start, found.nbytes = owner, start, nbytes
    return found


cdef int alignment_of(int layout) noexcept nogil:
    return ALIGNED[layout]


cdef int width_of_form(int layout) noexcept nogil:
    return WIDTH[layout]


cdef int layout_of(int kind, str form) except -1:
    layout = (<dict>LAYOUTS[kind]).get(form)
    if layout is None:
        raise ValueError(f"no vector of kind {kind} lies as {form!r}")
    return layout


cdef Vector lying(
    int kind, int layout, Py_ssize_t rows, const void* data, const uint8_t* valid, object owner,
):
    cdef Vector found = Vector.__new__(Vector, kind, rows, LENT)
    found.layout, found.data, found.valid, found.owner = layout, data, valid, owner
    return found


cdef object LENT = object()
NO_WORDS = Dictionary()
"""The words of a column that has none."""


cdef class Vector:
    """A read-only column: `kind` (model.fields.Kind), `length` rows, buffers as in the .pxd."""

    def __cinit__(
        self, kind, length, data, valid=None, sizes=None, arena=None, dictionary=None, form=""
    ):
        if not 1 <= kind <= 10 or length < 0:
            raise ValueError(f"no vector of kind {kind} and {length} rows")
        self.kind = kind
        self.length = length
        if data is LENT:  # see `lying`
            return
        self.layout = layout_of(self.kind, form)
        self.dictionary = dictionary
        cdef Py_ssize_t bitmap_nbytes = (self.length + 7) >> 3
        data = hold(data, ALIGNED[self.layout], self.data_nbytes(), "data", &self.data)
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
        self.held = data, valid, sizes, arena
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

    cdef Py_ssize_t data_nbytes(self) noexcept:
        """What the values take up."""
        if self.layout == FORM_BITS:
            return (self.length + 7) >> 3
        return (self.length + (self.layout in (FORM_O32, FORM_O64))) * WIDTH[self.layout]

    @property
    def buffers(self):
        """Data, valid, sizes and arena as memoryviews; None for what there is not."""
        if self.held is None:
            data = memoryview(piece_of(self.owner, self.data, self.data_nbytes()))
            valid, arena = None, None
            if self.valid != NULL:
                valid = memoryview(piece_of(self.owner, self.valid, (self.length + 7) >> 3))
            if self.kind == KIND_TEXT:
                arena = memoryview(piece_of(self.owner, self.arena, self.arena_nbytes))
            self.held = data, valid, None, arena
        return self.held

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
            return Vector(kind, length, bytes(length), bits, dictionary=NO_WORDS, form="i8")
        data = bytes(length * WIDTH[LAYOUTS[kind][""]])
        if kind == KIND_LIST:
            return Vector(kind, length, data, bits, bytes(4 * length), b"", NO_WORDS)
        return Vector(kind, length, data, bits)
