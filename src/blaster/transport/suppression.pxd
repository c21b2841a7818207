# Who must not be written to: a mapped file that the core writes and every worker reads.
#
#     0   8  magic                      40   4  crc32 of bytes 0 to 39 (what never changes)
#     8   4  format version             44   4  0
#    12   4  0                          48   8  count: slots in use          } change; stored
#    16   8  capacity, a power of two   56   4  superseded: 1 once grown      } with release
#    24  16  key of the hash            60   4  0
#    64      capacity slots of 16 bytes: hash (0: empty), scopes
#
# Little-endian machines only, like the rest of the engine.

from libc.stdint cimport uint8_t, uint64_t

cdef struct Slot:
    uint64_t hash
    uint64_t scopes

cdef class SuppressionTable:
    cdef readonly object path           # Path; None when opened by descriptor
    cdef object map                     # the mapping, kept as long as `head` points into it
    cdef const uint8_t[::1] view
    cdef const uint8_t* head
    cdef const Slot* slots
    cdef readonly uint64_t capacity
    cdef uint64_t k0
    cdef uint64_t k1

    cdef int show(self, object map) except -1
    cdef uint64_t hash_of(self, str address) except 0
    cdef const Slot* find(self, uint64_t hash) noexcept nogil

cdef class SuppressionWriter(SuppressionTable):
    cdef uint64_t used

    cdef int put_hash(self, uint64_t hash, uint64_t scopes) except -1
    cdef int grow(self) except -1

cdef uint64_t siphash(const uint8_t* data, Py_ssize_t size, uint64_t k0, uint64_t k1) noexcept nogil
