"""The suppression table: from an address to the scopes that must not reach it.

Owns the layout (suppression.pxd), the hash and the growing. Never keeps an address: only a keyed
hash of it. Laws:

1. One process writes, through the one SuppressionWriter; a reader's mapping cannot be written to.
2. A slot's scopes are stored before its hash, and the hash with release; readers load the hash with
   acquire. A slot's hash never changes again; its scopes may, at any time.
3. At most half of the slots are in use, so that every search ends. A table that would exceed it is
   copied into a new file, twice as large, which is synced and takes the old one's place; then
   `superseded` is set in the old, whose mapping stays valid and no longer changes.
4. A put is in force in every process when it returns, if readers look at `superseded` before `get`.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memcpy

import struct
import zlib
from pathlib import Path

from blaster.errors import BlasterError
from blaster.transport.atomics cimport load_u32, load_u64, store_u32, store_u64
from blaster.transport.mapping import make_file, map_file, put_in_place

CAPACITY_MAX = 1 << 33  # slots; 128 GiB of file, and four billion addresses

cdef bytes MAGIC = b"blastsup"
cdef object HEAD = struct.Struct("<8sIIQ16s")
cdef object SEAL = struct.Struct("<I")
cdef str WHAT = "suppression table"

cdef enum:
    VERSION = 1
    KEY_BYTES = 16
    HEAD_BYTES = 64
    SLOT_BYTES = 16
    COUNT_AT = 48
    SUPERSEDED_AT = 56
    CAPACITY_MIN = 16


# --- the hash -----------------------------------------------------------------------------------


cdef inline uint64_t _rotate(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline void _round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] += v[3]
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


cdef inline void _compress(uint64_t* v, uint64_t word) noexcept nogil:
    v[3] ^= word
    _round(v)
    _round(v)
    v[0] ^= word


cdef uint64_t siphash(
    const uint8_t* data, Py_ssize_t size, uint64_t k0, uint64_t k1
) noexcept nogil:
    # SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, section 2).
    cdef uint64_t[4] v
    cdef uint64_t word
    cdef Py_ssize_t at = 0
    v[0] = k0 ^ <uint64_t>0x736F6D6570736575
    v[1] = k1 ^ <uint64_t>0x646F72616E646F6D
    v[2] = k0 ^ <uint64_t>0x6C7967656E657261
    v[3] = k1 ^ <uint64_t>0x7465646279746573
    while at + 8 <= size:
        memcpy(&word, data + at, 8)
        _compress(v, word)
        at += 8
    word = 0
    memcpy(&word, data + at, <size_t>(size - at))
    _compress(v, word | (<uint64_t>size << 56))
    v[2] ^= 0xFF
    _round(v)
    _round(v)
    _round(v)
    _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def siphash24(bytes key not None, bytes data not None):
    """SipHash-2-4 of the data under a key of 16 bytes."""
    k0, k1 = struct.unpack("<QQ", key)
    return siphash(<const uint8_t*><const char*>data, len(data), k0, k1)


# --- reading ------------------------------------------------------------------------------------


cdef class SuppressionTable:
    """What a worker sees. Addresses are compared as they are given: normalise them first."""

    @staticmethod
    def create(path, bytes key not None, capacity):
        """A new, empty table at `path`, in place of what stood there, with room for `capacity`
        addresses before it grows. `key`: 16 secret bytes. The writer; see SuppressionWriter.

        Raises ValueError for a key or capacity that cannot be, OSError for a disk that will not.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes; it has {KEY_BYTES}")
        if not 0 <= capacity <= CAPACITY_MAX // 2:
            raise ValueError(f"a table for {capacity:,} addresses")
        cdef SuppressionWriter table = SuppressionWriter.__new__(SuppressionWriter)
        table.path = Path(path)
        slots = max(<int>CAPACITY_MIN, 1 << max(2 * capacity - 1, 0).bit_length())
        table.show(make_file(table.path, _head(slots, key), _size(slots)))
        put_in_place(table.path, table.map)
        return table

    @staticmethod
    def open(file):
        """The table at a path, or of a descriptor (which stays the caller's), to be read.

        Raises BlasterError for a file that is no whole table of this version.
        """
        cdef SuppressionTable table = SuppressionTable.__new__(SuppressionTable)
        table.path = None if isinstance(file, int) else Path(file)
        table.show(map_file(file, WHAT, HEAD_BYTES, write=False))
        return table

    cdef int show(self, object map) except -1:
        # From now on this object reads `map`, which is verified first.
        head = map[:HEAD_BYTES]
        magic, version, _, capacity, key = HEAD.unpack_from(head)
        if magic != MAGIC:
            raise BlasterError(f"the file is no {WHAT}")
        if version != VERSION:
            raise BlasterError(f"the {WHAT} has format {version}; this release reads {VERSION}")
        if SEAL.unpack_from(head, HEAD.size)[0] != zlib.crc32(head[:HEAD.size]):
            raise BlasterError(f"the head of the {WHAT} is damaged")
        if capacity & (capacity - 1) or len(map) != _size(capacity):
            raise BlasterError(
                f"the {WHAT} has {len(map):,} bytes; with {capacity:,} slots it is not whole"
            )
        self.view = map
        self.map = map
        self.head = &self.view[0]
        self.slots = <const Slot*>(self.head + HEAD_BYTES)
        self.capacity = capacity
        self.k0, self.k1 = struct.unpack("<QQ", key)
        return 0

    def __len__(self):
        """Addresses that were ever put, also those whose scopes are 0 by now."""
        return load_u64(self.head + COUNT_AT)

    @property
    def superseded(self):
        """The writer went on in a new file at the same path: open that. Look before each `get`."""
        return load_u32(self.head + SUPERSEDED_AT) != 0

    def get(self, str address not None):
        """The scopes of an address; 0 for one that was never put."""
        cdef const Slot* slot = self.find(self.hash_of(address))
        return load_u64(&slot.scopes) if load_u64(&slot.hash) != 0 else 0

    cdef uint64_t hash_of(self, str address) except 0:
        cdef Py_ssize_t size = 0
        cdef const char* data = PyUnicode_AsUTF8AndSize(address, &size)
        cdef uint64_t hash = siphash(<const uint8_t*>data, size, self.k0, self.k1)
        return hash if hash != 0 else 1     # 0 says that a slot is empty

    cdef const Slot* find(self, uint64_t hash) noexcept nogil:
        # The slot of this hash, or the empty one where it belongs.
        cdef uint64_t at = hash & (self.capacity - 1)
        cdef uint64_t there
        while True:
            there = load_u64(&self.slots[at].hash)
            if there == hash or there == 0:
                return &self.slots[at]
            at = (at + 1) & (self.capacity - 1)


# --- writing ------------------------------------------------------------------------------------


cdef class SuppressionWriter(SuppressionTable):
    """The one writer of a table; made by `SuppressionTable.create`."""

    def put(self, str address not None, uint64_t scopes):
        """From now on the address has exactly these scopes.

        None for an address that is not there adds nothing. Raises OSError when the table must grow
        and cannot; then nothing changed.
        """
        self.put_hash(self.hash_of(address), scopes)

    def put_all(
        self, const int32_t[::1] ends, const uint8_t[::1] text, const uint64_t[::1] scopes
    ):
        """`put` of many addresses, in order: number i is the bytes ends[i] to ends[i + 1] of `text`
        (UTF-8; ends int32[n + 1], ascending) and has scopes[i] (uint64[n]).

        Raises ValueError for what is not so. OSError as `put`: those before it are in force then.
        """
        cdef Py_ssize_t row, count = scopes.shape[0]
        cdef uint64_t hash
        cdef const uint8_t* data = &text[0] if text.shape[0] else NULL
        if ends.shape[0] != count + 1 or ends[0] < 0 or ends[count] > text.shape[0]:
            raise ValueError(f"{ends.shape[0]} ends and {text.shape[0]} bytes for {count} scopes")
        for row in range(count):
            if ends[row + 1] < ends[row]:
                raise ValueError(f"address {row} ends before it begins")
        for row in range(count):
            hash = siphash(data + ends[row], ends[row + 1] - ends[row], self.k0, self.k1)
            self.put_hash(hash if hash != 0 else 1, scopes[row])

    cdef int put_hash(self, uint64_t hash, uint64_t scopes) except -1:
        cdef Slot* slot = <Slot*>self.find(hash)
        if slot.hash == hash:
            store_u64(&slot.scopes, scopes)
            return 0
        if scopes == 0:
            return 0
        if 2 * (self.used + 1) > self.capacity:
            self.grow()
            slot = <Slot*>self.find(hash)
        store_u64(&slot.scopes, scopes)
        store_u64(&slot.hash, hash)
        self.used += 1
        store_u64(<void*>(self.head + COUNT_AT), self.used)
        return 0

    cdef int grow(self) except -1:
        # Into a table twice as large; addresses without scopes stay behind.
        cdef SuppressionWriter larger = SuppressionWriter.__new__(SuppressionWriter)
        cdef uint64_t at
        cdef Slot* slot
        slots = 2 * self.capacity
        if slots > CAPACITY_MAX:
            raise BlasterError(f"the {WHAT} is full: {self.used:,} addresses")
        head = _head(slots, struct.pack("<QQ", self.k0, self.k1))
        larger.show(make_file(self.path, head, _size(slots)))
        for at in range(self.capacity):
            if self.slots[at].scopes != 0:
                slot = <Slot*>larger.find(self.slots[at].hash)
                slot.scopes = self.slots[at].scopes
                slot.hash = self.slots[at].hash
                larger.used += 1
        store_u64(<void*>(larger.head + COUNT_AT), larger.used)
        put_in_place(self.path, larger.map)
        store_u32(<void*>(self.head + SUPERSEDED_AT), 1)
        self.show(larger.map)
        self.used = larger.used
        return 0


def _head(slots, key):
    head = HEAD.pack(MAGIC, VERSION, 0, slots, key)
    return head + SEAL.pack(zlib.crc32(head))


def _size(slots):
    return HEAD_BYTES + slots * SLOT_BYTES
