/* The plain kernels, and which of them this machine gets. */
#include "simd.h"

#include <string.h>

/* ------------------------------------------------------------------------------- plain C */

#define SIMD(name) plain_##name
#define SIMD_NAME "plain"
#define ATTR
#define WORD static inline uint64_t

/* 64 bytes, each 0 or 1, as one word. */
WORD packed(const uint8_t *flags)
{
    uint64_t word = 0, eight;
    int group;
    for (group = 0; group < 8; group++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        memcpy(&eight, flags + 8 * group, 8);
        /* The product moves bit 0 of byte i to bit 56 + i; no two terms meet there. */
        eight = (eight * UINT64_C(0x0102040810204080)) >> 56;
#else
        int bit;
        for (eight = 0, bit = 0; bit < 8; bit++)
            eight |= (uint64_t)flags[8 * group + bit] << bit;
#endif
        word |= eight << (8 * group);
    }
    return word;
}

#define PLAIN_RANGE(kernel, type)                                                              \
    WORD SIMD(kernel##_word)(const type *data, type base, type span)                           \
    {                                                                                          \
        uint8_t flags[64];                                                                     \
        int row;                                                                               \
        for (row = 0; row < 64; row++)                                                         \
            flags[row] = (type)(data[row] - base) <= span;                                     \
        return packed(flags);                                                                  \
    }

#define PLAIN_REAL(kernel, type)                                                               \
    WORD SIMD(kernel##_word)(const type *data, type low, type high)                            \
    {                                                                                          \
        uint8_t flags[64];                                                                     \
        int row;                                                                               \
        for (row = 0; row < 64; row++)                                                         \
            flags[row] = (data[row] >= low) & (data[row] <= high);                             \
        return packed(flags);                                                                  \
    }

#define PLAIN_GAP(kernel, type, top)                                                           \
    WORD SIMD(kernel##_word)(const type *a, const type *b, const simd_gap *gap)                \
    {                                                                                          \
        const type flip = gap->is_signed ? top : 0;                                            \
        const type pos_base = (type)gap->pos_base, pos_span = (type)gap->pos_span;             \
        const type neg_base = (type)gap->neg_base, neg_span = (type)gap->neg_span;             \
        const uint8_t pos = gap->pos != 0, neg = gap->neg != 0;                                \
        uint8_t flags[64];                                                                     \
        int row;                                                                               \
        for (row = 0; row < 64; row++) {                                                       \
            uint8_t ahead = (a[row] ^ flip) >= (b[row] ^ flip);                                \
            uint8_t in_pos = ((type)(a[row] - b[row] - pos_base) <= pos_span) & pos;           \
            uint8_t in_neg = ((type)(b[row] - a[row] - neg_base) <= neg_span) & neg;           \
            flags[row] = (ahead & in_pos) | ((ahead ^ 1) & in_neg);                            \
        }                                                                                      \
        return packed(flags);                                                                  \
    }

#define PLAIN_TABLE(kernel, type, signed_type)                                                 \
    WORD SIMD(kernel##_word)(const type *data, uint32_t base, const uint32_t *bits, size_t size) \
    {                                                                                          \
        uint64_t word = 0;                                                                     \
        int row;                                                                               \
        for (row = 0; row < 64; row++) {                                                       \
            uint32_t place = (uint32_t)(int32_t)(signed_type)data[row] - base;                 \
            uint32_t here = place < size ? bits[place >> 5] >> (place & 31) : 0;               \
            word |= (uint64_t)(here & 1) << row;                                               \
        }                                                                                      \
        return word;                                                                           \
    }

PLAIN_RANGE(range8, uint8_t)
PLAIN_RANGE(range16, uint16_t)
PLAIN_RANGE(range32, uint32_t)
PLAIN_RANGE(range64, uint64_t)
PLAIN_REAL(real32, float)
PLAIN_REAL(real64, double)
PLAIN_GAP(gap32, uint32_t, UINT32_C(1) << 31)
PLAIN_GAP(gap64, uint64_t, UINT64_C(1) << 63)
PLAIN_TABLE(table8, uint8_t, int8_t)
PLAIN_TABLE(table16, uint16_t, int16_t)
PLAIN_TABLE(table32_small, uint32_t, int32_t)
PLAIN_TABLE(table32_large, uint32_t, int32_t)

#define BYTES(value) (UINT64_C(0x0101010101010101) * (value))

/* Eight bytes with the ASCII letters among them in lower case; right where all are ASCII. */
WORD lower8(uint64_t eight)
{
    const uint64_t from_a = eight + BYTES(0x80 - 'A'), past_z = eight + BYTES(0x7F - 'Z');
    return eight | (from_a & ~past_z & BYTES(0x80)) >> 2;
}

WORD SIMD(ends32_word)(const int32_t *ends, const uint8_t *arena, const simd_ending *ending,
                       uint64_t *others)
{
    static const uint8_t nothing[16];
    const int32_t size = ending->size;
    uint64_t word = 0, rest = 0;
    int row;
    for (row = 0; row < 64; row++) {
        const uint64_t enough = ends[row + 1] - ends[row] >= size;
        const uint8_t *text = enough ? arena + (ends[row + 1] - size) : nothing;
        uint64_t x, y;
        memcpy(&x, text, 8);
        memcpy(&y, text + size - 8, 8);
        rest |= (uint64_t)(((x | y) & BYTES(0x80)) != 0 || !enough) << row;
        if (ending->fold)
            x = lower8(x), y = lower8(y);
        word |= (enough & (((x ^ ending->first) | (y ^ ending->last)) == 0)) << row;
    }
    *others = rest;
    return word;
}

#include "simd_drive.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_X86 1
#include "simd_x86.h"
#endif

/* ---------------------------------------------------------------------------------- choice */

int simd_best(void)
{
#ifdef HAVE_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2"))
        return 1;
#endif
    return 0;
}

const simd_kernels *simd_at(int level)
{
    if (level < 0 || level > simd_best())
        return NULL;
#ifdef HAVE_X86
    if (level == 2)
        return &avx512_kernels;
    if (level == 1)
        return &avx2_kernels;
#endif
    return &plain_kernels;
}
