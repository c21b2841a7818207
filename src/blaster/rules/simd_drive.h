/* The loops of one instruction set: whole words, then the rows that are left over in a copy.
 *
 * Included once per instruction set, with SIMD(name) and ATTR defined and the word functions
 * (64 rows to one word) written: they are all that differs.
 */

#define DRIVE(kernel, type, params, args)                                                        \
    ATTR static void SIMD(kernel)(const void *data, size_t rows, params, uint64_t *out)          \
    {                                                                                            \
        const type *values = data;                                                               \
        size_t word, words = rows / 64, left = rows % 64;                                        \
        for (word = 0; word < words; word++)                                                     \
            out[word] = SIMD(kernel##_word)(values + 64 * word, args);                           \
        if (left) {                                                                              \
            type last[64] = {0};                                                                 \
            memcpy(last, values + 64 * words, left * sizeof(type));                              \
            out[words] = SIMD(kernel##_word)(last, args) & (((uint64_t)1 << left) - 1);          \
        }                                                                                        \
    }

#define PAIR(kernel, type)                                                                       \
    ATTR static void SIMD(kernel)(const void *a, const void *b, size_t rows,                     \
                                  const simd_gap *given, uint64_t *out)                          \
    {                                                                                            \
        const type *left_values = a, *right_values = b;                                          \
        const simd_gap gap = *given;                                                             \
        size_t word, words = rows / 64, left = rows % 64;                                        \
        for (word = 0; word < words; word++)                                                     \
            out[word] =                                                                          \
                SIMD(kernel##_word)(left_values + 64 * word, right_values + 64 * word, &gap);    \
        if (left) {                                                                              \
            type x[64] = {0}, y[64] = {0};                                                       \
            memcpy(x, left_values + 64 * words, left * sizeof(type));                            \
            memcpy(y, right_values + 64 * words, left * sizeof(type));                           \
            out[words] = SIMD(kernel##_word)(x, y, &gap) & (((uint64_t)1 << left) - 1);          \
        }                                                                                        \
    }

#define TWO(first, second) first, second
#define THREE(first, second, third) first, second, third
#define RANGE_PARAMS TWO(uint64_t base, uint64_t span)
#define REAL_PARAMS TWO(double low, double high)
#define TABLE_PARAMS THREE(uint64_t base, const uint32_t *bits, size_t size)

DRIVE(range8, uint8_t, RANGE_PARAMS, TWO((uint8_t)base, (uint8_t)span))
DRIVE(range16, uint16_t, RANGE_PARAMS, TWO((uint16_t)base, (uint16_t)span))
DRIVE(range32, uint32_t, RANGE_PARAMS, TWO((uint32_t)base, (uint32_t)span))
DRIVE(range64, uint64_t, RANGE_PARAMS, TWO(base, span))
DRIVE(real32, float, REAL_PARAMS, TWO((float)low, (float)high))
DRIVE(real64, double, REAL_PARAMS, TWO(low, high))
PAIR(gap32, uint32_t)
PAIR(gap64, uint64_t)
DRIVE(table8, uint8_t, TABLE_PARAMS, THREE(base, bits, size))
DRIVE(table16, uint16_t, TABLE_PARAMS, THREE((uint32_t)base, bits, size))
DRIVE(table32_small, uint32_t, TABLE_PARAMS, THREE((uint32_t)base, bits, size))
DRIVE(table32_large, uint32_t, TABLE_PARAMS, THREE((uint32_t)base, bits, size))

ATTR static void SIMD(table32)(const void *data, size_t rows, uint64_t base, const uint32_t *bits,
                               size_t size, uint64_t *out)
{
    if (size == 512)
        SIMD(table32_small)(data, rows, base, bits, size, out);
    else
        SIMD(table32_large)(data, rows, base, bits, size, out);
}

ATTR static void SIMD(ends32)(const int32_t *ends, size_t rows, const uint8_t *arena,
                              const simd_ending *given, const uint64_t *wanted, uint64_t *out,
                              uint64_t *others)
{
    const simd_ending ending = *given;
    size_t word, row, words = rows / 64, left = rows % 64;
    for (word = 0; word < words; word++) {
        out[word] = others[word] = 0;
        if (wanted[word])
            out[word] = SIMD(ends32_word)(ends + 64 * word, arena, &ending, others + word);
    }
    if (left) {
        int32_t last[65]; /* the rows behind the last one are empty */
        for (row = 0; row < 65; row++)
            last[row] = ends[64 * words + (row < left ? row : left)];
        out[words] = SIMD(ends32_word)(last, arena, &ending, others + words);
        out[words] &= ((uint64_t)1 << left) - 1;
        others[words] &= ((uint64_t)1 << left) - 1;
    }
}

static const simd_kernels SIMD(kernels) = {
    SIMD_NAME,    SIMD(range8), SIMD(range16), SIMD(range32), SIMD(range64), SIMD(real32),
    SIMD(real64), SIMD(gap32),  SIMD(gap64),   SIMD(table8),  SIMD(table16), SIMD(table32),
    SIMD(ends32),
};

#undef DRIVE
#undef PAIR
#undef TWO
#undef THREE
#undef RANGE_PARAMS
#undef REAL_PARAMS
#undef TABLE_PARAMS
#undef SIMD
#undef SIMD_NAME
#undef ATTR
#undef WORD
