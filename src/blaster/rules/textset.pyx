"""A set of texts to look rows up in, however many they are.

Owns its memory: the texts end to end, where each ends, and a hash table of their numbers; some 24
bytes a text beside its own. Laws: made once, in time linear in its bytes, and never changed; a row
is in the set exactly where one of its texts equals it byte by byte, both folded with `fold`.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from blaster.rules.textkernels cimport (
    FOLD_GROWTH, SCRATCH_NBYTES, TextColumn, fold_into, rows_where,
)

from blaster.rules.textkernels import needle_bytes


cdef inline uint64_t mixed(uint64_t state, uint64_t more) noexcept nogil:
    state = (state ^ more) * <uint64_t>0x9E3779B97F4A7C15
    return state ^ (state >> 32)


cdef inline uint64_t hash_of(const uint8_t* text, Py_ssize_t nbytes) noexcept nogil:
    cdef uint64_t state = mixed(<uint64_t>nbytes, <uint64_t>0xD6E8FEB86659FD93)
    cdef uint64_t eight = 0
    cdef Py_ssize_t at = 0
    while at + 8 <= nbytes:
        memcpy(&eight, text + at, 8)
        state = mixed(state, eight)
        at += 8
    if at < nbytes and nbytes >= 8:
        memcpy(&eight, text + nbytes - 8, 8)
        state = mixed(state, eight)
    elif at < nbytes:
        while at < nbytes:
            eight = eight << 8 | text[at]
            at += 1
        state = mixed(state, eight)
    return mixed(state, <uint64_t>0xA0761D6478BD642F)


cdef inline TextSlot* slot_of(
    const Texts* table, const uint8_t* text, Py_ssize_t nbytes, uint32_t* tag
) noexcept nogil:
    """Where a text is, or the free slot where it would be."""
    cdef uint64_t hashed = hash_of(text, nbytes)
    cdef uint64_t place = hashed & table.mask
    cdef TextSlot* slot = &table.slots[place]
    cdef int64_t start
    tag[0] = <uint32_t>(hashed >> 32)
    while slot.entry:
        if slot.tag == tag[0]:
            start = table.ends[slot.entry - 1]
            if table.ends[slot.entry] - start == nbytes:
                if memcmp(table.data + start, text, nbytes) == 0:
                    return slot
        place = (place + 1) & table.mask
        slot = &table.slots[place]
    return slot


cdef class TextSet:
    """The different texts of `texts`; with `fold` they are compared case-folded."""

    def __cinit__(self, texts, fold=False):
        cdef list found = [needle_bytes(text, fold) for text in texts]
        cdef bytes joined = b"".join(found)
        cdef const uint8_t* start = joined
        cdef Py_ssize_t size = 16
        cdef Py_ssize_t nbytes
        while size < 2 * len(found):
            size *= 2
        self.table.mask = <uint64_t>size - 1
        self.table.fold = bool(fold)
        self.table.slots = <TextSlot*>calloc(size, sizeof(TextSlot))
        self.table.ends = <int64_t*>calloc(len(found) + 1, sizeof(int64_t))
        self.table.data = <uint8_t*>malloc(max(1, len(joined)))
        if not self.table.slots or not self.table.ends or not self.table.data:
            raise MemoryError
        for text in found:
            nbytes = len(text)
            self.add(start, nbytes)
            start += nbytes

    def __dealloc__(self):
        free(self.table.slots)
        free(self.table.ends)
        free(self.table.data)

    cdef bint add(self, const uint8_t* text, Py_ssize_t nbytes) noexcept nogil:
        """False when it was there."""
        cdef uint32_t tag
        cdef TextSlot* slot = slot_of(&self.table, text, nbytes, &tag)
        cdef int64_t end = self.table.ends[self.count]
        if slot.entry:
            return False
        memcpy(self.table.data + end, text, nbytes)
        self.count += 1
        self.table.ends[self.count] = end + nbytes
        slot.tag, slot.entry = tag, <uint32_t>self.count
        self.table.longest = max(self.table.longest, nbytes)
        return True


cdef int holds(const void* given, const uint8_t* text, Py_ssize_t nbytes) noexcept nogil:
    """Whether a text is in the set; -1 when memory ran out."""
    cdef const Texts* table = <const Texts*>given
    cdef uint8_t[FOLD_GROWTH * SCRATCH_NBYTES + 8] small
    cdef uint8_t* scratch = small
    cdef uint32_t tag
    cdef int found
    # Folding makes no text shorter than a third.
    if nbytes > table.longest * (FOLD_GROWTH if table.fold else 1):
        return 0
    if not table.fold:
        return slot_of(table, text, nbytes, &tag).entry != 0
    if nbytes > SCRATCH_NBYTES:
        scratch = <uint8_t*>malloc(FOLD_GROWTH * nbytes + 8)
        if scratch == NULL:
            return -1
    found = slot_of(table, scratch, fold_into(text, nbytes, scratch), &tag).entry != 0
    if scratch != small:
        free(scratch)
    return found


cdef int among_texts(
    const Texts* table, const TextColumn* column, const uint64_t* wanted, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* out,
) noexcept nogil:
    return rows_where(holds, table, column, wanted, first_row, rows, out)
