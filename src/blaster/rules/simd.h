/* Tests over columns of plain values, 64 rows to a word, by the best instructions there are.
 *
 * Laws: a kernel writes ceil(rows / 64) words, the bits past the last row 0; it reads no byte
 * behind the last value; values need no more alignment than their width. Every instruction set
 * gives the same bits. What is missing is the caller's business.
 */
#ifndef BLASTER_RULES_SIMD_H
#define BLASTER_RULES_SIMD_H

#include <stddef.h>
#include <stdint.h>

/* The whole numbers d = a - b that are hits, exact although the numbers have 64 bits: for a >= b
 * those with pos_base <= d <= pos_base + pos_span, for a < b those with neg_base <= -d <=
 * neg_base + neg_span; `pos` or `neg` 0: none at all. */
typedef struct {
    uint64_t pos_base, pos_span, neg_base, neg_span;
    int32_t pos, neg, is_signed;
} simd_gap;

/* What texts are to end with, 8 to 16 bytes: the first 8 of them and the last 8, as they lie.
 * `fold`: in lower case already, and those of a text are made so. */
typedef struct {
    uint64_t first, last;
    int32_t size, fold;
} simd_ending;

typedef struct {
    const char *name;
    /* value - base <= span, unsigned and modulo the width: any range of either signedness. */
    void (*range8)(const void *data, size_t rows, uint64_t base, uint64_t span, uint64_t *out);
    void (*range16)(const void *data, size_t rows, uint64_t base, uint64_t span, uint64_t *out);
    void (*range32)(const void *data, size_t rows, uint64_t base, uint64_t span, uint64_t *out);
    void (*range64)(const void *data, size_t rows, uint64_t base, uint64_t span, uint64_t *out);
    /* low <= value <= high; no number is never a hit. */
    void (*real32)(const void *data, size_t rows, double low, double high, uint64_t *out);
    void (*real64)(const void *data, size_t rows, double low, double high, uint64_t *out);
    void (*gap32)(const void *a, const void *b, size_t rows, const simd_gap *gap, uint64_t *out);
    void (*gap64)(const void *a, const void *b, size_t rows, const simd_gap *gap, uint64_t *out);
    /* Bit number value - base of `bits`, which has `size` of them, a multiple of 512; 0 outside.
     * For 8 bits only those up to 127 count, and `base` is 0. */
    void (*table8)(const void *data, size_t rows, uint64_t base, const uint32_t *bits,
                   size_t size, uint64_t *out);
    void (*table16)(const void *data, size_t rows, uint64_t base, const uint32_t *bits,
                    size_t size, uint64_t *out);
    void (*table32)(const void *data, size_t rows, uint64_t base, const uint32_t *bits,
                    size_t size, uint64_t *out);
    /* Text `row` lies in `arena` from ends[row] to ends[row + 1]. In `others` are the rows that are
     * too short, or whose last bytes are not all ASCII: folded, those are not decided here. Words
     * of which no row is wanted are 0 in both. */
    void (*ends32)(const int32_t *ends, size_t rows, const uint8_t *arena,
                   const simd_ending *ending, const uint64_t *wanted, uint64_t *out,
                   uint64_t *others);
} simd_kernels;

/* By level: 0 plain C, 1 AVX2, 2 AVX-512; NULL where this machine has none. */
const simd_kernels *simd_at(int level);
/* The highest level of this machine. */
int simd_best(void);

#endif
