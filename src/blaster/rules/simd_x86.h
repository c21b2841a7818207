/* The same kernels by AVX2 and by AVX-512, each function with its own target attribute, so that
 * one binary runs anywhere. Included by simd.c only. */
#include <immintrin.h>

/* --------------------------------------------------------------------------------- AVX2 */

#define SIMD(name) avx2_##name
#define SIMD_NAME "avx2"
#define ATTR __attribute__((target("avx2")))
#define WORD static inline __attribute__((always_inline, target("avx2"))) uint64_t
#define VALUES static inline __attribute__((always_inline, target("avx2"))) __m256i

VALUES load256(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

/* There is no unsigned comparison: value - base <= span is, moved by half the width on both
 * sides, a signed one, and its opposite is what the instruction says. */
WORD SIMD(range8_word)(const uint8_t *data, uint8_t base, uint8_t span)
{
    const __m256i move = _mm256_set1_epi8((char)(0x80 - base));
    const __m256i last = _mm256_set1_epi8((char)(span ^ 0x80));
    uint64_t word = 0;
    int part;
    for (part = 0; part < 2; part++) {
        __m256i x = _mm256_add_epi8(load256(data + 32 * part), move);
        word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(x, last)) << (32 * part);
    }
    return ~word;
}

WORD SIMD(range16_word)(const uint16_t *data, uint16_t base, uint16_t span)
{
    const __m256i move = _mm256_set1_epi16((short)(0x8000 - base));
    const __m256i last = _mm256_set1_epi16((short)(span ^ 0x8000));
    uint64_t word = 0;
    int part;
    for (part = 0; part < 2; part++) {
        __m256i x = _mm256_add_epi16(load256(data + 32 * part), move);
        __m256i y = _mm256_add_epi16(load256(data + 32 * part + 16), move);
        __m256i both = _mm256_packs_epi16(_mm256_cmpgt_epi16(x, last), _mm256_cmpgt_epi16(y, last));
        both = _mm256_permute4x64_epi64(both, 0xD8);
        word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(both) << (32 * part);
    }
    return ~word;
}

WORD SIMD(mask32)(__m256i x)
{
    return (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(x));
}

WORD SIMD(mask64)(__m256i x)
{
    return (uint64_t)(uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(x));
}

WORD SIMD(range32_word)(const uint32_t *data, uint32_t base, uint32_t span)
{
    const __m256i move = _mm256_set1_epi32((int)(0x80000000u - base));
    const __m256i last = _mm256_set1_epi32((int)(span ^ 0x80000000u));
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m256i x = _mm256_add_epi32(load256(data + 8 * part), move);
        word |= SIMD(mask32)(_mm256_cmpgt_epi32(x, last)) << (8 * part);
    }
    return ~word;
}

WORD SIMD(range64_word)(const uint64_t *data, uint64_t base, uint64_t span)
{
    const uint64_t top = UINT64_C(1) << 63;
    const __m256i move = _mm256_set1_epi64x((long long)(top - base));
    const __m256i last = _mm256_set1_epi64x((long long)(span ^ top));
    uint64_t word = 0;
    int part;
    for (part = 0; part < 16; part++) {
        __m256i x = _mm256_add_epi64(load256(data + 4 * part), move);
        word |= SIMD(mask64)(_mm256_cmpgt_epi64(x, last)) << (4 * part);
    }
    return ~word;
}

WORD SIMD(real32_word)(const float *data, float low, float high)
{
    const __m256 first = _mm256_set1_ps(low), last = _mm256_set1_ps(high);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m256 x = _mm256_loadu_ps(data + 8 * part);
        __m256 hit = _mm256_and_ps(_mm256_cmp_ps(x, first, _CMP_GE_OQ),
                                   _mm256_cmp_ps(x, last, _CMP_LE_OQ));
        word |= (uint64_t)(uint32_t)_mm256_movemask_ps(hit) << (8 * part);
    }
    return word;
}

WORD SIMD(real64_word)(const double *data, double low, double high)
{
    const __m256d first = _mm256_set1_pd(low), last = _mm256_set1_pd(high);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 16; part++) {
        __m256d x = _mm256_loadu_pd(data + 4 * part);
        __m256d hit = _mm256_and_pd(_mm256_cmp_pd(x, first, _CMP_GE_OQ),
                                    _mm256_cmp_pd(x, last, _CMP_LE_OQ));
        word |= (uint64_t)(uint32_t)_mm256_movemask_pd(hit) << (4 * part);
    }
    return word;
}

WORD SIMD(gap32_word)(const uint32_t *a, const uint32_t *b, const simd_gap *gap)
{
    const __m256i flip = _mm256_set1_epi32(gap->is_signed ? 0 : (int)0x80000000u);
    const __m256i pos_move = _mm256_set1_epi32((int)(0x80000000u - (uint32_t)gap->pos_base));
    const __m256i neg_move = _mm256_set1_epi32((int)(0x80000000u - (uint32_t)gap->neg_base));
    const __m256i pos_last = _mm256_set1_epi32((int)((uint32_t)gap->pos_span ^ 0x80000000u));
    const __m256i neg_last = _mm256_set1_epi32((int)((uint32_t)gap->neg_span ^ 0x80000000u));
    const __m256i no_pos = _mm256_set1_epi32(gap->pos ? 0 : -1);
    const __m256i no_neg = _mm256_set1_epi32(gap->neg ? 0 : -1);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m256i x = load256(a + 8 * part), y = load256(b + 8 * part);
        __m256i behind =
            _mm256_cmpgt_epi32(_mm256_xor_si256(y, flip), _mm256_xor_si256(x, flip));
        __m256i ahead = _mm256_add_epi32(_mm256_sub_epi32(x, y), pos_move);
        __m256i back = _mm256_add_epi32(_mm256_sub_epi32(y, x), neg_move);
        ahead = _mm256_or_si256(_mm256_cmpgt_epi32(ahead, pos_last), no_pos);
        back = _mm256_or_si256(_mm256_cmpgt_epi32(back, neg_last), no_neg);
        word |= SIMD(mask32)(_mm256_blendv_epi8(ahead, back, behind)) << (8 * part);
    }
    return ~word;
}

WORD SIMD(gap64_word)(const uint64_t *a, const uint64_t *b, const simd_gap *gap)
{
    const uint64_t top = UINT64_C(1) << 63;
    const __m256i flip = _mm256_set1_epi64x(gap->is_signed ? 0 : (long long)top);
    const __m256i pos_move = _mm256_set1_epi64x((long long)(top - gap->pos_base));
    const __m256i neg_move = _mm256_set1_epi64x((long long)(top - gap->neg_base));
    const __m256i pos_last = _mm256_set1_epi64x((long long)(gap->pos_span ^ top));
    const __m256i neg_last = _mm256_set1_epi64x((long long)(gap->neg_span ^ top));
    const __m256i no_pos = _mm256_set1_epi64x(gap->pos ? 0 : -1);
    const __m256i no_neg = _mm256_set1_epi64x(gap->neg ? 0 : -1);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 16; part++) {
        __m256i x = load256(a + 4 * part), y = load256(b + 4 * part);
        __m256i behind =
            _mm256_cmpgt_epi64(_mm256_xor_si256(y, flip), _mm256_xor_si256(x, flip));
        __m256i ahead = _mm256_add_epi64(_mm256_sub_epi64(x, y), pos_move);
        __m256i back = _mm256_add_epi64(_mm256_sub_epi64(y, x), neg_move);
        ahead = _mm256_or_si256(_mm256_cmpgt_epi64(ahead, pos_last), no_pos);
        back = _mm256_or_si256(_mm256_cmpgt_epi64(back, neg_last), no_neg);
        word |= SIMD(mask64)(_mm256_blendv_epi8(ahead, back, behind)) << (4 * part);
    }
    return ~word;
}

/* Bytes 0 to 127 by two shuffles: the byte of the table that holds the bit, and the bit. A byte
 * with its top bit set shuffles to 0. */
WORD SIMD(table8_word)(const uint8_t *data, uint64_t base, const uint32_t *bits, size_t size)
{
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bits));
    const __m256i powers = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    uint64_t word = 0;
    int part;
    (void)base, (void)size;
    for (part = 0; part < 2; part++) {
        __m256i x = load256(data + 32 * part);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 3), _mm256_set1_epi8(0x0F));
        __m256i one = _mm256_and_si256(x, _mm256_set1_epi8((char)0x87));
        __m256i bit = _mm256_and_si256(_mm256_shuffle_epi8(table, high),
                                       _mm256_shuffle_epi8(powers, one));
        bit = _mm256_cmpeq_epi8(bit, _mm256_setzero_si256());
        word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(bit) << (32 * part);
    }
    return ~word;
}

/* Whether `place` has its bit in one of 512: two registers of the table, bit 8 chooses. */
VALUES small256(__m256i place, const uint32_t *bits)
{
    const __m256i low = load256(bits), high = load256(bits + 8);
    __m256i dword = _mm256_srli_epi32(place, 5);
    __m256i half = _mm256_slli_epi32(place, 31 - 8);
    __m256i found = _mm256_castps_si256(_mm256_blendv_ps(
        _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(low, dword)),
        _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(high, dword)),
        _mm256_castsi256_ps(half)));
    __m256i outside = _mm256_srli_epi32(place, 9);
    __m256i bit = _mm256_and_si256(place, _mm256_set1_epi32(31));
    found = _mm256_sllv_epi32(found, _mm256_sub_epi32(_mm256_set1_epi32(31), bit));
    return _mm256_and_si256(found, _mm256_cmpeq_epi32(outside, _mm256_setzero_si256()));
}

VALUES large256(__m256i place, const uint32_t *bits, size_t size)
{
    const __m256i top = _mm256_set1_epi32((int)0x80000000u);
    const __m256i last = _mm256_set1_epi32((int)((uint32_t)(size - 1) ^ 0x80000000u));
    __m256i outside = _mm256_cmpgt_epi32(_mm256_xor_si256(place, top), last);
    __m256i inside = _mm256_xor_si256(outside, _mm256_set1_epi32(-1));
    __m256i dword = _mm256_srli_epi32(place, 5);
    __m256i bit = _mm256_and_si256(place, _mm256_set1_epi32(31));
    __m256i found = _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), (const int *)bits, dword,
                                                inside, 4);
    return _mm256_sllv_epi32(found, _mm256_sub_epi32(_mm256_set1_epi32(31), bit));
}

WORD SIMD(table16_word)(const uint16_t *data, uint32_t base, const uint32_t *bits, size_t size)
{
    const __m256i from = _mm256_set1_epi32((int)base);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        const __m128i *at = (const __m128i *)(const void *)(data + 8 * part);
        __m256i x = _mm256_cvtepi16_epi32(_mm_loadu_si128(at));
        x = _mm256_sub_epi32(x, from);
        word |= SIMD(mask32)(large256(x, bits, size)) << (8 * part);
    }
    return word;
}

WORD SIMD(table32_small_word)(const uint32_t *data, uint32_t base, const uint32_t *bits,
                              size_t size)
{
    const __m256i from = _mm256_set1_epi32((int)base);
    uint64_t word = 0;
    int part;
    (void)size;
    for (part = 0; part < 8; part++) {
        __m256i x = _mm256_sub_epi32(load256(data + 8 * part), from);
        word |= SIMD(mask32)(small256(x, bits)) << (8 * part);
    }
    return word;
}

WORD SIMD(table32_large_word)(const uint32_t *data, uint32_t base, const uint32_t *bits,
                              size_t size)
{
    const __m256i from = _mm256_set1_epi32((int)base);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m256i x = _mm256_sub_epi32(load256(data + 8 * part), from);
        word |= SIMD(mask32)(large256(x, bits, size)) << (8 * part);
    }
    return word;
}

/* Bytes of ASCII letters in lower case, the others as they are. */
VALUES lower256(__m256i x)
{
    __m256i letter = _mm256_sub_epi8(x, _mm256_set1_epi8((char)('A' + 0x80)));
    letter = _mm256_cmpgt_epi8(_mm256_set1_epi8(26 - 0x80), letter);
    return _mm256_or_si256(x, _mm256_and_si256(letter, _mm256_set1_epi8(0x20)));
}

WORD SIMD(ends32_word)(const int32_t *ends, const uint8_t *arena, const simd_ending *ending,
                       uint64_t *others)
{
    const __m128i size = _mm_set1_epi32(ending->size), reach = _mm_set1_epi32(ending->size - 8);
    const __m256i first = _mm256_set1_epi64x((long long)ending->first);
    const __m256i last = _mm256_set1_epi64x((long long)ending->last);
    uint64_t word = 0, rest = 0;
    int part;
    for (part = 0; part < 16; part++) {
        __m128i from = _mm_loadu_si128((const __m128i *)(const void *)(ends + 4 * part));
        __m128i to = _mm_loadu_si128((const __m128i *)(const void *)(ends + 4 * part + 1));
        __m128i at = _mm_sub_epi32(to, size);
        __m256i less = _mm256_cvtepi32_epi64(_mm_cmpgt_epi32(from, at));
        __m256i enough = _mm256_xor_si256(less, _mm256_set1_epi32(-1));
        __m256i none = _mm256_setzero_si256(), x, y;
        const long long *base = (const long long *)(const void *)arena;
        x = _mm256_mask_i32gather_epi64(none, base, at, enough, 1);
        y = _mm256_mask_i32gather_epi64(none, base, _mm_add_epi32(at, reach), enough, 1);
        __m256i high = _mm256_and_si256(_mm256_or_si256(x, y), _mm256_set1_epi8((char)0x80));
        high = _mm256_cmpeq_epi64(high, none);
        if (ending->fold)
            x = lower256(x), y = lower256(y);
        x = _mm256_and_si256(_mm256_cmpeq_epi64(x, first), _mm256_cmpeq_epi64(y, last));
        word |= SIMD(mask64)(_mm256_and_si256(x, enough)) << (4 * part);
        rest |= SIMD(mask64)(_mm256_and_si256(high, enough)) << (4 * part);
    }
    *others = ~rest;
    return word;
}

#undef VALUES
#include "simd_drive.h"

/* ------------------------------------------------------------------------------- AVX-512 */

#define TARGET_512 "avx512f,avx512bw,avx512dq,avx512vl"
#define SIMD(name) avx512_##name
#define SIMD_NAME "avx512"
#define ATTR __attribute__((target(TARGET_512)))
#define WORD static inline __attribute__((always_inline, target(TARGET_512))) uint64_t

WORD SIMD(range8_word)(const uint8_t *data, uint8_t base, uint8_t span)
{
    __m512i x = _mm512_sub_epi8(_mm512_loadu_si512(data), _mm512_set1_epi8((char)base));
    return _mm512_cmple_epu8_mask(x, _mm512_set1_epi8((char)span));
}

WORD SIMD(range16_word)(const uint16_t *data, uint16_t base, uint16_t span)
{
    const __m512i from = _mm512_set1_epi16((short)base), last = _mm512_set1_epi16((short)span);
    __m512i x = _mm512_sub_epi16(_mm512_loadu_si512(data), from);
    __m512i y = _mm512_sub_epi16(_mm512_loadu_si512(data + 32), from);
    return (uint64_t)_mm512_cmple_epu16_mask(x, last) |
           (uint64_t)_mm512_cmple_epu16_mask(y, last) << 32;
}

WORD SIMD(range32_word)(const uint32_t *data, uint32_t base, uint32_t span)
{
    const __m512i from = _mm512_set1_epi32((int)base), last = _mm512_set1_epi32((int)span);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 4; part++) {
        __m512i x = _mm512_sub_epi32(_mm512_loadu_si512(data + 16 * part), from);
        word |= (uint64_t)_mm512_cmple_epu32_mask(x, last) << (16 * part);
    }
    return word;
}

WORD SIMD(range64_word)(const uint64_t *data, uint64_t base, uint64_t span)
{
    const __m512i from = _mm512_set1_epi64((long long)base);
    const __m512i last = _mm512_set1_epi64((long long)span);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m512i x = _mm512_sub_epi64(_mm512_loadu_si512(data + 8 * part), from);
        word |= (uint64_t)_mm512_cmple_epu64_mask(x, last) << (8 * part);
    }
    return word;
}

WORD SIMD(real32_word)(const float *data, float low, float high)
{
    const __m512 first = _mm512_set1_ps(low), last = _mm512_set1_ps(high);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 4; part++) {
        __m512 x = _mm512_loadu_ps(data + 16 * part);
        __mmask16 hit = _mm512_cmp_ps_mask(x, first, _CMP_GE_OQ);
        word |= (uint64_t)_mm512_mask_cmp_ps_mask(hit, x, last, _CMP_LE_OQ) << (16 * part);
    }
    return word;
}

WORD SIMD(real64_word)(const double *data, double low, double high)
{
    const __m512d first = _mm512_set1_pd(low), last = _mm512_set1_pd(high);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m512d x = _mm512_loadu_pd(data + 8 * part);
        __mmask8 hit = _mm512_cmp_pd_mask(x, first, _CMP_GE_OQ);
        word |= (uint64_t)_mm512_mask_cmp_pd_mask(hit, x, last, _CMP_LE_OQ) << (8 * part);
    }
    return word;
}

WORD SIMD(gap32_word)(const uint32_t *a, const uint32_t *b, const simd_gap *gap)
{
    const __m512i pos_base = _mm512_set1_epi32((int)gap->pos_base);
    const __m512i pos_span = _mm512_set1_epi32((int)gap->pos_span);
    const __m512i neg_base = _mm512_set1_epi32((int)gap->neg_base);
    const __m512i neg_span = _mm512_set1_epi32((int)gap->neg_span);
    const __mmask16 pos = gap->pos ? 0xFFFF : 0, neg = gap->neg ? 0xFFFF : 0;
    const __m512i flip = _mm512_set1_epi32(gap->is_signed ? (int)0x80000000u : 0);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 4; part++) {
        __m512i x = _mm512_loadu_si512(a + 16 * part), y = _mm512_loadu_si512(b + 16 * part);
        __mmask16 ahead =
            _mm512_cmpge_epu32_mask(_mm512_xor_si512(x, flip), _mm512_xor_si512(y, flip));
        __m512i up = _mm512_sub_epi32(_mm512_sub_epi32(x, y), pos_base);
        __m512i down = _mm512_sub_epi32(_mm512_sub_epi32(y, x), neg_base);
        __mmask16 hit = _mm512_mask_cmple_epu32_mask(ahead & pos, up, pos_span);
        hit |= _mm512_mask_cmple_epu32_mask((__mmask16)(~ahead & neg), down, neg_span);
        word |= (uint64_t)hit << (16 * part);
    }
    return word;
}

WORD SIMD(gap64_word)(const uint64_t *a, const uint64_t *b, const simd_gap *gap)
{
    const __m512i pos_base = _mm512_set1_epi64((long long)gap->pos_base);
    const __m512i pos_span = _mm512_set1_epi64((long long)gap->pos_span);
    const __m512i neg_base = _mm512_set1_epi64((long long)gap->neg_base);
    const __m512i neg_span = _mm512_set1_epi64((long long)gap->neg_span);
    const __mmask8 pos = gap->pos ? 0xFF : 0, neg = gap->neg ? 0xFF : 0;
    const __m512i flip = _mm512_set1_epi64(gap->is_signed ? (long long)(UINT64_C(1) << 63) : 0);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m512i x = _mm512_loadu_si512(a + 8 * part), y = _mm512_loadu_si512(b + 8 * part);
        __mmask8 ahead =
            _mm512_cmpge_epu64_mask(_mm512_xor_si512(x, flip), _mm512_xor_si512(y, flip));
        __m512i up = _mm512_sub_epi64(_mm512_sub_epi64(x, y), pos_base);
        __m512i down = _mm512_sub_epi64(_mm512_sub_epi64(y, x), neg_base);
        __mmask8 hit = _mm512_mask_cmple_epu64_mask(ahead & pos, up, pos_span);
        hit |= _mm512_mask_cmple_epu64_mask((__mmask8)(~ahead & neg), down, neg_span);
        word |= (uint64_t)hit << (8 * part);
    }
    return word;
}

WORD SIMD(table8_word)(const uint8_t *data, uint64_t base, const uint32_t *bits, size_t size)
{
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)bits));
    const __m512i powers = _mm512_set1_epi64((long long)UINT64_C(0x8040201008040201));
    __m512i x = _mm512_loadu_si512(data);
    __m512i high = _mm512_and_si512(_mm512_srli_epi16(x, 3), _mm512_set1_epi8(0x0F));
    __m512i one = _mm512_and_si512(x, _mm512_set1_epi8((char)0x87));
    (void)base, (void)size;
    return _mm512_test_epi8_mask(_mm512_shuffle_epi8(table, high),
                                 _mm512_shuffle_epi8(powers, one));
}

WORD SIMD(large512)(__m512i place, const uint32_t *bits, size_t size)
{
    const __m512i one = _mm512_set1_epi32(1);
    __mmask16 inside = _mm512_cmple_epu32_mask(place, _mm512_set1_epi32((int)(size - 1)));
    __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), inside,
                                                _mm512_srli_epi32(place, 5), bits, 4);
    return _mm512_test_epi32_mask(found, _mm512_rolv_epi32(one, place));
}

WORD SIMD(table16_word)(const uint16_t *data, uint32_t base, const uint32_t *bits, size_t size)
{
    const __m512i from = _mm512_set1_epi32((int)base);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 4; part++) {
        __m512i x = _mm512_cvtepi16_epi32(load256(data + 16 * part));
        word |= SIMD(large512)(_mm512_sub_epi32(x, from), bits, size) << (16 * part);
    }
    return word;
}

/* 512 bits are one register. */
WORD SIMD(table32_small_word)(const uint32_t *data, uint32_t base, const uint32_t *bits,
                              size_t size)
{
    const __m512i from = _mm512_set1_epi32((int)base), one = _mm512_set1_epi32(1);
    const __m512i table = _mm512_loadu_si512(bits), last = _mm512_set1_epi32(511);
    uint64_t word = 0;
    int part;
    (void)size;
    for (part = 0; part < 4; part++) {
        __m512i place = _mm512_sub_epi32(_mm512_loadu_si512(data + 16 * part), from);
        __mmask16 inside = _mm512_cmple_epu32_mask(place, last);
        __m512i found = _mm512_permutexvar_epi32(_mm512_srli_epi32(place, 5), table);
        word |= (uint64_t)_mm512_mask_test_epi32_mask(inside, found,
                                                      _mm512_rolv_epi32(one, place))
                << (16 * part);
    }
    return word;
}

WORD SIMD(table32_large_word)(const uint32_t *data, uint32_t base, const uint32_t *bits,
                              size_t size)
{
    const __m512i from = _mm512_set1_epi32((int)base);
    uint64_t word = 0;
    int part;
    for (part = 0; part < 4; part++) {
        __m512i x = _mm512_sub_epi32(_mm512_loadu_si512(data + 16 * part), from);
        word |= SIMD(large512)(x, bits, size) << (16 * part);
    }
    return word;
}

#define VALUES static inline __attribute__((always_inline, target(TARGET_512))) __m512i

VALUES lower512(__m512i x)
{
    __m512i letter = _mm512_sub_epi8(x, _mm512_set1_epi8('A'));
    __mmask64 upper = _mm512_cmplt_epu8_mask(letter, _mm512_set1_epi8(26));
    return _mm512_mask_add_epi8(x, upper, x, _mm512_set1_epi8(0x20));
}

WORD SIMD(ends32_word)(const int32_t *ends, const uint8_t *arena, const simd_ending *ending,
                       uint64_t *others)
{
    const __m256i size = _mm256_set1_epi32(ending->size);
    const __m256i reach = _mm256_set1_epi32(ending->size - 8);
    const __m512i first = _mm512_set1_epi64((long long)ending->first);
    const __m512i last = _mm512_set1_epi64((long long)ending->last);
    uint64_t word = 0, rest = 0;
    int part;
    for (part = 0; part < 8; part++) {
        __m256i at = _mm256_sub_epi32(load256(ends + 8 * part + 1), size);
        __mmask8 enough = _mm256_cmple_epi32_mask(load256(ends + 8 * part), at);
        __m512i none = _mm512_setzero_si512(), x, y;
        x = _mm512_mask_i32gather_epi64(none, enough, at, arena, 1);
        y = _mm512_mask_i32gather_epi64(none, enough, _mm256_add_epi32(at, reach), arena, 1);
        __mmask8 ascii = _mm512_mask_testn_epi64_mask(enough, _mm512_or_si512(x, y),
                                                      _mm512_set1_epi8((char)0x80));
        if (ending->fold)
            x = lower512(x), y = lower512(y);
        enough = _mm512_mask_cmpeq_epi64_mask(enough, x, first);
        word |= (uint64_t)_mm512_mask_cmpeq_epi64_mask(enough, y, last) << (8 * part);
        rest |= (uint64_t)ascii << (8 * part);
    }
    *others = ~rest;
    return word;
}

#undef VALUES
#include "simd_drive.h"
