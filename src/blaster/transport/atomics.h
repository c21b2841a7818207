/* C11 atomics for memory that two processes map: one stores with release, the others load with
 * acquire, so that whoever sees a word also sees everything its writer stored before it.
 *
 * The words lie in mapped files, aligned to their size; a plain and an atomic word have one
 * representation on every machine that passes the assertions below.
 */
#ifndef BLASTER_TRANSPORT_ATOMICS_H
#define BLASTER_TRANSPORT_ATOMICS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must be lock-free between processes");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free between processes");
static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "an atomic word is a plain word");
static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "an atomic word is a plain word");

static inline uint32_t blaster_load_u32(const void *at) {
    return atomic_load_explicit((const _Atomic uint32_t *)at, memory_order_acquire);
}

static inline void blaster_store_u32(void *at, uint32_t value) {
    atomic_store_explicit((_Atomic uint32_t *)at, value, memory_order_release);
}

static inline uint64_t blaster_load_u64(const void *at) {
    return atomic_load_explicit((const _Atomic uint64_t *)at, memory_order_acquire);
}

static inline void blaster_store_u64(void *at, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)at, value, memory_order_release);
}

#endif
