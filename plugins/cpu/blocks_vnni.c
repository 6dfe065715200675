// SPDX-License-Identifier: MIT
/*
 * Products of Q8_0 weights with AVX-512 VNNI. VPDPBUSD multiplies unsigned by signed bytes, so the
 * weights are stored unsigned, with an offset of 128. No sum overflows: 32 · 255 · 127 < 2^20.
 */
#include "plugins/cpu/vector_avx512.h"

#ifndef __AVX512VNNI__
#error "compile this file with -mavx512vnni"
#endif

#include "plugins/cpu/cpu.h"

typedef int8_t number;

enum {
    GROUP = 4,
    LARGEST = 127,
    ROUNDED_ROWS = 6, /* with more, the end of a block does not overlap the start of the next */
    WEIGHT_OFFSET = 128,
};

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    _mm_storeu_si128((void *)numbers, _mm512_cvtsepi32_epi8((__m512i)whole));
}

static inline vector_int load_weights(const int8_t *bytes)
{
    return (vector_int)_mm512_loadu_si512(bytes);
}

/* Inline assembly, since GCC 12 spills every sum to the stack around the intrinsic. */
static inline vector_int add_products(vector_int sum, vector_int inputs, vector_int weights)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(inputs));
    return sum;
}

#include "plugins/cpu/template_blocks.h"

const struct matrix_kernels blocks_vnni = MATRIX_KERNELS_OF_BLOCKS(PACKED_OFFSET_QUADS);
