// SPDX-License-Identifier: MIT
/* Products of Q8_0 weights with AVX-VNNI: as blocks_vnni.c, but with 256-bit vectors, for
 * processors without AVX-512. */
#include "plugins/cpu/vector_avx2.h"

#ifndef __AVXVNNI__
#error "compile this file with -mavxvnni"
#endif

#include "plugins/cpu/cpu.h"

typedef int8_t number;

enum {
    GROUP = 4,
    LARGEST = 127,
    ROUNDED_ROWS = TILE_ROWS,
    WEIGHT_OFFSET = 128,
};

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    const __m256i wide = (__m256i)whole;
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));

    _mm_storel_epi64((void *)numbers, _mm_packs_epi16(halves, halves));
}

static inline vector_int load_weights(const int8_t *bytes)
{
    return (vector_int)_mm256_loadu_si256((const void *)bytes);
}

static inline vector_int add_products(vector_int sum, vector_int inputs, vector_int weights)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(weights), "x"(inputs));
    return sum;
}

#include "plugins/cpu/template_blocks.h"

const struct matrix_kernels blocks_avxvnni = MATRIX_KERNELS_OF_BLOCKS(PACKED_OFFSET_QUADS);
