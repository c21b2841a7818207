# The hand-over ring: one place per order that a worker has, in a mapped file that outlives it.
#
# The file: 256 bytes of head (magic 8, version 4, places 4, boot id 36, crc32 of those 52 bytes 4),
# then the places, 256 bytes each. Little-endian machines only, like the rest of the engine.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    REASON_ROOM = 232

cdef struct Place:
    uint32_t state              # stored last, with release
    uint32_t code
    uint64_t number
    uint32_t wait_s
    uint32_t reason_size
    uint8_t[REASON_ROOM] reason

cdef class Ring:
    cdef readonly str boot_id
    cdef readonly uint32_t places
    cdef object map             # the mapping, kept as long as `first` points into it
    cdef uint8_t[::1] view
    cdef Place* first

    cdef int show(self, object map) except -1
    cdef Place* at(self, Py_ssize_t place, int allowed) except NULL
