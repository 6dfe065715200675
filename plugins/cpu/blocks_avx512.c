// SPDX-License-Identifier: MIT
/* Products of Q8_0 weights with AVX-512 BW: PMADDWD multiplies pairs of 16-bit numbers and adds the
 * two products. */
#include "plugins/cpu/vector_avx512.h"

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
    _mm256_storeu_si256((void *)numbers, _mm512_cvtsepi32_epi16((__m512i)whole));
}

static inline vector_int load_weights(const int8_t *bytes)
{
    return (vector_int)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)bytes));
}

static inline vector_int add_products(vector_int sum, vector_int inputs, vector_int weights)
{
    return sum + (vector_int)_mm512_madd_epi16((__m512i)inputs, (__m512i)weights);
}

#include "plugins/cpu/template_blocks.h"

const struct matrix_kernels blocks_avx512 = MATRIX_KERNELS_OF_BLOCKS(PACKED_PAIRS);
