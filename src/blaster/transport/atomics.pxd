# Words of memory that two processes map: loads acquire, stores release (atomics.h).

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "blaster/transport/atomics.h" nogil:
    uint32_t load_u32 "blaster_load_u32"(const void* at) noexcept
    void store_u32 "blaster_store_u32"(void* at, uint32_t value) noexcept
    uint64_t load_u64 "blaster_load_u64"(const void* at) noexcept
    void store_u64 "blaster_store_u64"(void* at, uint64_t value) noexcept
