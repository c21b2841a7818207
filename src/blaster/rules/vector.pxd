# A vector: one column over the rows of one evaluation, a read-only view of somebody's buffers.

from libc.stdint cimport int32_t, uint8_t

# The values of model.fields.Kind, for C.
cdef enum:
    KIND_BOOL = 1
    KIND_INT = 2
    KIND_NUMBER = 3
    KIND_DATE = 4
    KIND_INSTANT = 5
    KIND_TEXT = 6
    KIND_CODE = 7
    KIND_LIST = 8
    KIND_TIME = 9
    KIND_ID = 10

# How the values lie in memory; the names are in vector.FORMS, in this order.
cdef enum:
    FORM_BITS = 0
    FORM_I8 = 1
    FORM_I16 = 2
    FORM_I32 = 3
    FORM_I64 = 4
    FORM_U8 = 5
    FORM_U16 = 6
    FORM_U32 = 7
    FORM_U64 = 8
    FORM_F32 = 9
    FORM_F64 = 10
    FORM_VIEW = 11   # Arrow string views
    FORM_O32 = 12    # int32 offsets[length + 1] into the arena
    FORM_O64 = 13    # int64 offsets[length + 1] into the arena
    FORM_LIST = 14   # int32 offsets, with sizes

cdef class Vector:
    cdef readonly int kind               # model.fields.Kind
    cdef readonly Py_ssize_t length      # rows
    cdef int layout                      # FORM_*
    cdef const void* data                # values, aligned to their width; BOOL: bits
    cdef const uint8_t* valid            # bits, NULL = all valid; TIME: NULL = all but NEVER
    cdef const int32_t* sizes            # LIST only
    cdef const void* arena               # TEXT: bytes; LIST: int32 codes
    cdef Py_ssize_t arena_nbytes
    cdef readonly object dictionary      # CODE and LIST: rules.Dictionary
    cdef tuple held                      # (data, valid, sizes, arena): memoryviews or None
    cdef object owner                    # keeps memory that was lent

    cdef Py_ssize_t data_nbytes(self) noexcept

    # The first and the last offset lie in the arena; those between are the owner's word.
    cdef int check_ends(self) except -1

# A vector over memory that `owner` keeps: as long as the layout needs, aligned to its width. The
# kind has this layout, and no sizes.
cdef Vector lying(
    int kind, int layout, Py_ssize_t rows, const void* data, const uint8_t* valid, object owner,
)

cdef int alignment_of(int layout) noexcept nogil
cdef int width_of_form(int layout) noexcept nogil
cdef int layout_of(int kind, str form) except -1
