"""The memory of one column of one batch: the unit of copying, pinning and snapshots.

Laws:
1. The memory never moves and is freed only when the chunk is; a bigger one is a new chunk.
2. Python sees it read-only, by the buffer protocol. Every buffer given out is a pin, whoever
   slices it further keeps that one pin, and it may be released on any thread that holds the GIL.
3. Who writes asks `pins` first and writes into a copy when there are any (`store.pyx` does). The
   one exception is appending to an arena past the bytes that any reader's views name.
4. Who writes leaves the epoch as the chunk's stamp; who appends to an arena does not. Epochs are
   counted for the process, from 1, and a snapshot of any state ends one: so a chunk holds something
   new since a snapshot exactly if its stamp is above the snapshot's epoch.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef enum:
    ALIGNMENT = 64

cdef uint64_t EPOCH = 1         # read and raised with the GIL held


cdef uint64_t this_epoch() noexcept:
    return EPOCH


cdef uint64_t next_epoch() noexcept:
    """Ends an epoch, and answers with it; what is written from now on has the next one's stamp."""
    global EPOCH
    EPOCH += 1
    return EPOCH - 1


cdef class Chunk:

    def __cinit__(self, Py_ssize_t nbytes):
        if nbytes < 0:
            raise ValueError(f"a chunk of {nbytes} bytes")
        # calloc, not aligned_alloc: pages never touched are never resident.
        self.block = calloc(1, <size_t>nbytes + ALIGNMENT)
        if self.block == NULL:
            raise MemoryError(f"no memory for a chunk of {nbytes} bytes")
        cdef uintptr_t address = <uintptr_t>self.block + ALIGNMENT - 1
        self.data = <uint8_t*>(address - address % ALIGNMENT)
        self.nbytes = nbytes
        self.pins = 0

    def __dealloc__(self):
        free(self.block)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.nbytes, 1, flags)
        self.pins += 1

    def __releasebuffer__(self, Py_buffer* buffer):
        self.pins -= 1

    @property
    def address(self):
        return <uintptr_t>self.data

    cpdef Chunk copy(self):
        cdef Chunk other = Chunk(self.nbytes)
        memcpy(other.data, self.data, <size_t>self.nbytes)
        return other
