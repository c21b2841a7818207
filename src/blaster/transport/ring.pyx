"""The hand-over ring: what a worker did with each order it has, readable after it died.

Owns the layout (ring.pxd) and the states of a place. Laws:

1. FREE -take-> TAKEN -wire-> WIRE -finish-> DONE -clear-> FREE; `back` leads from WIRE to TAKEN,
   `finish` also from TAKEN, `clear` from everywhere. Any other move raises BlasterError.
2. The worker takes, wires, gives back and finishes; the core clears and scans.
3. A place's state is stored last, with release, after its other fields.

What a crash of the worker means, by the state it left: FREE and TAKEN were not tried; WIRE is in
doubt; DONE has its outcome. Nothing here is synced: after a crash of the machine (another boot id)
every order is in doubt, whatever its place says.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

import struct
import zlib
from pathlib import Path

from blaster import limits
from blaster.errors import BlasterError
from blaster.model.outcomes import cut_reason
from blaster.transport.atomics cimport load_u32, store_u32
from blaster.transport.mapping import make_file, map_file, put_in_place

cdef enum:
    VERSION = 1
    HEAD_BYTES = 256
    BOOT_ID_BYTES = 36

cdef enum State:
    C_FREE = 0
    C_TAKEN = 1
    C_WIRE = 2
    C_DONE = 3

FREE, TAKEN, WIRE, DONE = C_FREE, C_TAKEN, C_WIRE, C_DONE

cdef tuple STATES = ("free", "taken", "on the wire", "done")
cdef bytes MAGIC = b"blastrng"
cdef object HEAD = struct.Struct("<8sII36s")
cdef object SEAL = struct.Struct("<I")
cdef str WHAT = "hand-over ring"

assert sizeof(Place) == 256
assert limits.REASON_BYTES_MAX <= REASON_ROOM


cdef class Ring:
    """A ring of `places` places, numbered from 0, made while the machine ran as `boot_id`."""

    @staticmethod
    def create(path, places, str boot_id not None):
        """A new ring at `path`, in place of what stood there; every place is free.

        Raises ValueError for a count or a boot id that cannot be, OSError for a disk that will not.
        """
        if not 1 <= places <= limits.RING_PLACES:
            raise ValueError(f"a ring of {places:,} places; it has 1 to {limits.RING_PLACES:,}")
        if len(boot_id) != BOOT_ID_BYTES or not boot_id.isascii():
            raise ValueError(f"{boot_id!r} is no boot id")
        cdef Ring ring = Ring.__new__(Ring)
        path = Path(path)
        head = HEAD.pack(MAGIC, VERSION, places, boot_id.encode())
        head += SEAL.pack(zlib.crc32(head))
        ring.show(make_file(path, head, _size(places)))
        put_in_place(path, ring.map)
        return ring

    @staticmethod
    def open(file):
        """The ring at a path, or of a descriptor (open for writing; it stays the caller's).

        Raises BlasterError for a file that is no whole ring of this version.
        """
        cdef Ring ring = Ring.__new__(Ring)
        ring.show(map_file(file, WHAT, HEAD_BYTES, write=True))
        return ring

    cdef int show(self, object map) except -1:
        head = map[:HEAD_BYTES]
        magic, version, places, boot_id = HEAD.unpack_from(head)
        if magic != MAGIC:
            raise BlasterError(f"the file is no {WHAT}")
        if version != VERSION:
            raise BlasterError(f"the {WHAT} has format {version}; this release reads {VERSION}")
        if SEAL.unpack_from(head, HEAD.size)[0] != zlib.crc32(head[:HEAD.size]):
            raise BlasterError(f"the head of the {WHAT} is damaged")
        if len(map) != _size(places):
            raise BlasterError(
                f"the {WHAT} has {len(map):,} bytes; with {places:,} places it is not whole"
            )
        self.boot_id = boot_id.decode("ascii")
        self.places = places
        self.view = map
        self.map = map
        self.first = <Place*>(&self.view[0] + HEAD_BYTES)
        return 0

    cdef Place* at(self, Py_ssize_t place, int allowed) except NULL:
        # The place, if it is in one of the `allowed` states (a bit each).
        if not 0 <= place < <Py_ssize_t>self.places:
            raise BlasterError(f"the {WHAT} has no place {place}")
        cdef uint32_t state = load_u32(&self.first[place].state)
        if state > C_DONE or not (allowed >> state) & 1:
            word = STATES[state] if state <= C_DONE else f"in no state ({state})"
            raise BlasterError(f"place {place} of the {WHAT} is {word}")
        return &self.first[place]

    def take(self, Py_ssize_t place, uint64_t number):
        """The worker has this order; nothing was tried yet."""
        cdef Place* at = self.at(place, 1 << C_FREE | 1 << C_TAKEN)
        at.number = number
        store_u32(&at.state, C_TAKEN)

    def wire(self, Py_ssize_t place):
        """From now on the message may leave: said right before the envelope."""
        store_u32(&self.at(place, 1 << C_TAKEN).state, C_WIRE)

    def back(self, Py_ssize_t place):
        """It did not leave, and cannot any more."""
        store_u32(&self.at(place, 1 << C_WIRE | 1 << C_TAKEN).state, C_TAKEN)

    def finish(self, Py_ssize_t place, uint32_t code, str reason not None, uint32_t wait=0):
        """Its outcome (an OutcomeCode), why, and how many seconds a deferred one waits at least.

        Of the reason what is kept (`cut_reason`).
        """
        cdef Place* at = self.at(place, 1 << C_WIRE | 1 << C_TAKEN)
        cdef bytes text = cut_reason(reason).encode()
        at.code = code
        at.wait_s = wait
        at.reason_size = <uint32_t>len(text)
        memcpy(at.reason, <const char*>text, <size_t>len(text))
        store_u32(&at.state, C_DONE)

    def clear(self, Py_ssize_t place):
        """The core has done with it: the next order may take the place; no reply stays there."""
        cdef Place* at = self.at(place, 0xF)
        memset(at.reason, 0, REASON_ROOM)
        at.reason_size = 0
        store_u32(&at.state, C_FREE)

    def scan(self):
        """(place, number, state, code, reason, wait) of every place that is not free, in order.

        Code, reason and wait are 0 and "" unless the state is DONE. Raises BlasterError for a place
        that cannot be.
        """
        found = []
        cdef uint32_t place, state
        cdef Place* at
        for place in range(self.places):
            at = self.at(place, 0xF)
            state = load_u32(&at.state)
            if state == C_DONE:
                if at.reason_size > REASON_ROOM:
                    raise BlasterError(f"place {place} of the {WHAT} is damaged")
                reason = (<const char*>at.reason)[:at.reason_size].decode("utf-8", "replace")
                found.append((place, at.number, state, at.code, reason, at.wait_s))
            elif state != C_FREE:
                found.append((place, at.number, state, 0, "", 0))
        return found


def _size(places):
    return HEAD_BYTES + places * sizeof(Place)
