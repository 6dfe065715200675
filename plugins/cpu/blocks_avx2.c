// SPDX-License-Identifier: MIT
/* Products of Q8_0 weights with AVX2: PMADDWD multiplies pairs of 16-bit numbers and adds the two
 * products. */
#include "plugins/cpu/vector_avx2.h"

#include "plugins/cpu/cpu.h"

typedef int16_t number;

enum {
    GROUP = 2,
    LARGEST = 32767,
    ROUNDED_ROWS = TILE_ROWS,
    WEIGHT_OFFSET = 0,
};

static inline void store_numbers(int16_t *numbers, vector_int whole)
{
    const __m256i wide = (__m256i)whole;

    _mm_storeu_si128((void *)numbers, _mm_packs_epi32(_mm256_castsi256_si128(wide),
                                                      _mm256_extracti128_si256(wide, 1)));
}

static inline vector_int load_weights(const int8_t *bytes)
{
    return (vector_int)_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)bytes));
}

static inline vector_int add_products(vector_int sum, vector_int inputs, vector_int weights)
{
    return sum + (vector_int)_mm256_madd_epi16((__m256i)inputs, (__m256i)weights);
}

#include "plugins/cpu/template_blocks.h"

const struct matrix_kernels blocks_avx2 = MATRIX_KERNELS_OF_BLOCKS(PACKED_PAIRS);
