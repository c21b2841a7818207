# A vector: one column over the rows of one evaluation, a read-only view of somebody's buffers.

from libc.stdint cimport int32_t, uint64_t

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

cdef class Vector:
    cdef readonly int kind               # model.fields.Kind
    cdef readonly Py_ssize_t length      # rows
    cdef const void* data                # values; BOOL: bitmap words; LIST: int32 offsets
    cdef const uint64_t* valid           # words, NULL = all valid; TIME and ID: always NULL
    cdef const int32_t* sizes            # LIST only
    cdef const void* arena               # TEXT: bytes; LIST: int32 codes
    cdef Py_ssize_t arena_nbytes
    cdef readonly object dictionary      # CODE and LIST: rules.Dictionary
    cdef readonly tuple buffers          # (data, valid, sizes, arena): memoryviews or None
