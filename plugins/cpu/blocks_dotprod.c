// SPDX-License-Identifier: MIT
/* Products of Q8_0 weights with ARM's SDOT: four products of signed bytes for each lane. */
#include "plugins/cpu/vector_neon.h"

#ifndef __ARM_FEATURE_DOTPROD
#error "compile this file with -march=armv8.2-a+dotprod"
#endif

#include "plugins/cpu/cpu.h"

typedef int8_t number;

enum {
    GROUP = 4,
    LARGEST = 127,
    ROUNDED_ROWS = TILE_ROWS,
    WEIGHT_OFFSET = 0,
};

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    const int16x4_t pairs = vmovn_s32((int32x4_t)whole);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(pairs, pairs));

    memcpy(numbers, &bytes, 4);
}

static inline vector_int load_weights(const int8_t *bytes)
{
    return (vector_int)vld1q_s8(bytes);
}

static inline vector_int add_products(vector_int sum, vector_int inputs, vector_int weights)
{
    return (vector_int)vdotq_s32((int32x4_t)sum, (int8x16_t)weights, (int8x16_t)inputs);
}

#include "plugins/cpu/template_blocks.h"

const struct matrix_kernels blocks_dotprod = MATRIX_KERNELS_OF_BLOCKS(PACKED_QUADS);
