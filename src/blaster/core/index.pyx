"""The hash index: from a key (id, e-mail, phone) to the row that has it.

Owns one table of 64-bit slots. Never owns keys: they stand in a text column, which the `KeyReader`
shows. Laws:

1. A slot is (tag << 32) | (row + 1); 0 is empty. The tag is the upper half of the key's hash.
2. Filled slots ascend. A slot stands at its home or after it, with no empty slot between: the home
   is `tag * capacity / 2**32`, which ascends with the tag. So a search ends at the first larger
   slot, and nothing about the table depends on the order of insertions.
3. At most four fifths of the homes are filled; the table grows by a quarter, so a key costs 10
   to 12.5 bytes. Runs never wrap around: `tail` slots follow the last home.
4. A hit is verified: tags of different keys are equal once in 4 billion pairs.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from blaster.core.keys cimport (
    BLOCK, blaster_prefetch, hash_key, key_bytes, key_given, same_key, seed_of,
)

cdef enum:
    CAPACITY_MIN = 16
    TAIL_MIN = 16
    PARTS = 2048        # of a table that is built at once
    PART_SHIFT = 21     # a tag's bits below those that number its part

cdef uint64_t ROW_MAX = 0xFFFFFFFE  # row + 1 must fit 32 bits


cdef class KeyReader:
    """Shows the key of a row; a subclass reads it from where it stands."""

    cdef const uint8_t* key_of(self, int64_t row, Py_ssize_t* size) noexcept nogil:
        size[0] = 0
        return NULL


cdef class ArrowReader(KeyReader):
    """Keys of an Arrow array, row by row; `show` changes the array."""

    def __init__(self, values):
        self.keys = Keys(values)

    def show(self, values):
        """From now on the keys are those of `values`."""
        self.keys = Keys(values)

    cdef const uint8_t* key_of(self, int64_t row, Py_ssize_t* size) noexcept nogil:
        if row >= self.keys.view.length or not key_given(&self.keys.view, row):
            size[0] = 0
            return NULL
        return key_bytes(&self.keys.view, row, size)


cdef inline uint64_t _home(uint64_t slot, uint64_t capacity) noexcept nogil:
    return ((slot >> 32) * capacity) >> 32


cdef class Index:
    """Rows by key. `fold`: keys that differ only in the case of ASCII letters are one key."""

    def __cinit__(self, KeyReader reader not None, uint64_t seed=0, bint fold=False):
        self.reader = reader
        self.fold = fold
        self.seed = seed_of(seed)
        self.rebuild(CAPACITY_MIN, TAIL_MIN)

    def __dealloc__(self):
        free(self.slots)

    def __len__(self):
        return self.used

    @property
    def nbytes(self):
        """Bytes of the table."""
        return (self.capacity + self.tail) * sizeof(uint64_t)

    def find(self, values):
        """The row of each key, int64[len(values)]; -1 where there is none or the key is null.

        Of several rows with one key (possible only if the caller let it happen) the lowest.
        """
        cdef Keys keys = Keys(values)
        rows = np.empty(keys.view.length, np.int64)
        cdef int64_t[::1] out = rows
        cdef uint64_t[BLOCK] tags
        cdef Py_ssize_t start = 0, at, count, size = 0
        cdef const uint8_t* data
        with nogil:
            while start < keys.view.length:
                count = min(<Py_ssize_t>BLOCK, keys.view.length - start)
                self.fetch(&keys.view, start, count, tags)
                for at in range(count):
                    if key_given(&keys.view, start + at):
                        data = key_bytes(&keys.view, start + at, &size)
                        out[start + at] = self.find_one(data, size, tags[at])
                    else:
                        out[start + at] = -1
                start += count
        return rows

    def insert(self, values, rows):
        """Adds key -> row for every key that is not null; again the same changes nothing."""
        self.change(Keys(values), rows, True)

    def remove(self, values, rows):
        """Removes key -> row for every key that is not null; what is not there changes nothing."""
        self.change(Keys(values), rows, False)

    def build(self, Py_ssize_t rows):
        """An empty index gets the keys that its reader shows of rows 0 to `rows`, all at once.

        The same table as inserting them gives, up to its size. It lets other threads run.
        """
        cdef uint64_t[PARTS + 1] starts
        cdef Py_ssize_t row, size = 0, count = 0, at
        cdef const uint8_t* key
        cdef uint64_t tag
        cdef int part
        if self.used:
            raise ValueError("an index that has keys cannot be built")
        if rows < 0 or <uint64_t>rows > ROW_MAX:
            raise ValueError(f"{rows} rows are out of range")
        cdef uint64_t[::1] slots = np.empty(rows, np.uint64)
        memset(starts, 0, sizeof(starts))
        with nogil:
            for row in range(rows):
                key = self.reader.key_of(row, &size)
                if key != NULL:
                    tag = hash_key(key, size, self.seed, self.fold) >> 32
                    slots[count] = (tag << 32) | <uint64_t>(row + 1)
                    starts[(tag >> PART_SHIFT) + 1] += 1
                    count += 1
        # Slots of one part of the table after those of the part before: what is being filled is
        # then small enough to stay in a processor's cache.
        cdef uint64_t[::1] by_part = np.empty(count, np.uint64)
        with nogil:
            for part in range(PARTS):
                starts[part + 1] += starts[part]
            for at in range(count):
                part = <int>(slots[at] >> (32 + PART_SHIFT))
                by_part[<Py_ssize_t>starts[part]] = slots[at]
                starts[part] += 1
            # Room for a sixteenth more before the table grows.
            self.rebuild(<uint64_t>max(CAPACITY_MIN, count + (count >> 2) + (count >> 4)), TAIL_MIN)
            for at in range(count):
                self.insert_one(by_part[at])

    cdef int change(self, Keys keys, object rows, bint adding) except -1:
        cdef const int64_t[::1] numbers = np.ascontiguousarray(rows, np.int64)
        cdef uint64_t[BLOCK] tags
        cdef uint64_t slot
        cdef Py_ssize_t start = 0, at, count
        if numbers.shape[0] != keys.view.length:
            raise ValueError(f"{keys.view.length} keys for {numbers.shape[0]} rows")
        for at in range(numbers.shape[0]):
            if numbers[at] < 0 or <uint64_t>numbers[at] >= ROW_MAX:
                raise ValueError(f"row {numbers[at]} is out of range")
        with nogil:
            while start < keys.view.length:
                count = min(<Py_ssize_t>BLOCK, keys.view.length - start)
                self.fetch(&keys.view, start, count, tags)
                for at in range(count):
                    if not key_given(&keys.view, start + at):
                        continue
                    slot = (tags[at] << 32) | (<uint64_t>numbers[start + at] + 1)
                    if adding:
                        self.insert_one(slot)
                    else:
                        self.remove_one(slot)
                start += count
        return 0

    cdef void fetch(
        self, const KeyView* view, Py_ssize_t start, Py_ssize_t count, uint64_t* tags
    ) noexcept nogil:
        # Hashes a block and asks for its slots, so that the waits for memory overlap.
        cdef Py_ssize_t at, size = 0
        cdef const uint8_t* data
        for at in range(count):
            if not key_given(view, start + at):
                continue
            data = key_bytes(view, start + at, &size)
            tags[at] = hash_key(data, size, self.seed, self.fold) >> 32
            blaster_prefetch(&self.slots[(tags[at] * self.capacity) >> 32])

    cdef int64_t find_one(self, const uint8_t* data, Py_ssize_t size, uint64_t tag) noexcept nogil:
        cdef uint64_t at = (tag * self.capacity) >> 32
        cdef uint64_t slot
        cdef int64_t row
        cdef Py_ssize_t key_size = 0
        cdef const uint8_t* key
        while True:
            slot = self.slots[at]
            if slot == 0 or (slot >> 32) > tag:
                return -1
            if (slot >> 32) == tag:
                row = <int64_t><uint32_t>slot - 1
                key = self.reader.key_of(row, &key_size)
                if key != NULL and same_key(key, key_size, data, size, self.fold):
                    return row
            at += 1

    cdef int insert_one(self, uint64_t slot) except -1 nogil:
        cdef uint64_t at, next_slot
        if (self.used + 1) * 5 > self.capacity * 4:
            self.rebuild(self.capacity + (self.capacity >> 2), self.tail)
        at = _home(slot, self.capacity)
        while self.slots[at] != 0 and self.slots[at] < slot:
            at += 1
        if self.slots[at] == slot:
            return 0
        self.used += 1
        while slot != 0:                # the rest of the run moves one to the right
            next_slot = self.slots[at]
            self.slots[at] = slot
            slot = next_slot
            at += 1
        if at >= self.capacity + self.tail - 1:     # the last slot stays empty: searches end there
            self.rebuild(self.capacity, self.tail * 2)
        return 0

    cdef bint remove_one(self, uint64_t slot) noexcept nogil:
        cdef uint64_t at = _home(slot, self.capacity)
        cdef uint64_t following
        while self.slots[at] != 0 and self.slots[at] < slot:
            at += 1
        if self.slots[at] != slot:
            return False
        self.used -= 1
        while True:                     # the rest of the run moves back, as far as its homes let it
            following = self.slots[at + 1]
            if following == 0 or _home(following, self.capacity) == at + 1:
                self.slots[at] = 0
                return True
            self.slots[at] = following
            at += 1

    cdef int rebuild(self, uint64_t capacity, uint64_t tail) except -1 nogil:
        # The slots ascend already: one pass, each to its home or right after the one before.
        cdef uint64_t* slots = <uint64_t*>calloc(<size_t>(capacity + tail), sizeof(uint64_t))
        cdef uint64_t at, home, free_at = 0
        if slots == NULL:
            raise MemoryError()
        if self.slots != NULL:
            for at in range(self.capacity + self.tail):
                if self.slots[at] == 0:
                    continue
                home = _home(self.slots[at], capacity)
                if home > free_at:
                    free_at = home
                if free_at >= capacity + tail - 1:
                    free(slots)
                    return self.rebuild(capacity, tail * 2)
                slots[free_at] = self.slots[at]
                free_at += 1
            free(self.slots)
        self.slots = slots
        self.capacity = capacity
        self.tail = tail
        return 0
