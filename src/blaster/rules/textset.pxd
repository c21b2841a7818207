# A set of texts, hashed over their bytes; probed for whole columns without the GIL.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from blaster.rules.textkernels cimport TextColumn

cdef struct TextSlot:
    uint32_t tag     # high bits of the hash
    uint32_t entry   # its number plus 1; 0: free

cdef struct Texts:
    TextSlot* slots  # mask + 1 of them, a power of two, at most half of them taken
    uint64_t mask
    int64_t* ends    # entry n lies in `data` from ends[n] to ends[n + 1]
    uint8_t* data
    Py_ssize_t longest
    int fold

cdef class TextSet:
    cdef Texts table
    cdef readonly Py_ssize_t count  # different texts

    cdef bint add(self, const uint8_t* text, Py_ssize_t nbytes) noexcept nogil

# As textkernels.text_rows: the rows that are in the set; -1 when memory ran out.
cdef int among_texts(
    const Texts* table, const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil
