# A hash index from keys to rows: 64-bit slots (32-bit tag, 32-bit row + 1), sorted by slot value.
#
# The home of a slot follows from its tag alone, so growing and removing never read a key. Keys are
# read only to tell apart two that share a tag, through a KeyReader.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from blaster.core.keys cimport Keys, KeyView, Seed

cdef class KeyReader:
    # Where the index reads the key of a row. NULL: this row has no key.
    cdef const uint8_t* key_of(self, int64_t row, Py_ssize_t* size) noexcept nogil

cdef class ArrowReader(KeyReader):
    cdef Keys keys

cdef class Index:
    cdef readonly KeyReader reader
    cdef readonly bint fold
    cdef Seed seed
    cdef uint64_t* slots        # capacity + tail of them, ascending but for the empty (0)
    cdef uint64_t capacity      # homes
    cdef uint64_t tail          # slots past the last home, so that no run wraps around
    cdef uint64_t used

    cdef int64_t find_one(self, const uint8_t* data, Py_ssize_t size, uint64_t tag) noexcept nogil
    cdef int insert_one(self, uint64_t slot) except -1 nogil
    cdef bint remove_one(self, uint64_t slot) noexcept nogil
    cdef int rebuild(self, uint64_t capacity, uint64_t tail) except -1 nogil
    cdef int change(self, Keys keys, object rows, bint adding) except -1
    cdef void fetch(
        self, const KeyView* view, Py_ssize_t start, Py_ssize_t count, uint64_t* tags
    ) noexcept nogil
