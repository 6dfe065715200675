// SPDX-License-Identifier: MIT
/*
 * Products of Q8_0 weights with an instruction that multiplies pairs or quadruples of whole numbers
 * and adds the products in 32 bits. Compiled once for each instruction, with its flags and FOR_...
 * defined: blocks_avx2.o and so on.
 */
#include "plugins/cpu/cpu.h"

/* PMADDWD: pairs of 16-bit numbers. */
#if defined(FOR_AVX2)

#include "plugins/cpu/vector_avx2.h"

#define TABLE   blocks_avx2
#define PACKING PACKED_PAIRS

typedef int16_t number;

enum {
    BLOCK_INPUTS = Q8_0_INPUTS,
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

/* The same with 512-bit vectors. */
#elif defined(FOR_AVX512)

#include "plugins/cpu/vector_avx512.h"

#define TABLE   blocks_avx512
#define PACKING PACKED_PAIRS

typedef int16_t number;

enum {
    BLOCK_INPUTS = Q8_0_INPUTS,
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

/*
 * VPDPBUSD: quadruples of unsigned and signed bytes, so the weights are stored unsigned, with an
 * offset of 128. No sum overflows: 128 · 255 · 127 < 2^22.
 */
#elif defined(FOR_VNNI)

#include "plugins/cpu/vector_avx512.h"

#ifndef __AVX512VNNI__
#error "compile this with -mavx512vnni"
#endif

#define TABLE   blocks_vnni
#define BYTES   bytes_vnni
#define PACKING PACKED_OFFSET_QUADS

typedef int8_t number;

enum {
    BLOCK_INPUTS = WIDE_INPUTS,
    ROUNDED_ROWS = 8, /* the quickest of 6, 7, 8, 10 and 12 */
    WEIGHT_OFFSET = 128,
    LARGEST_SHARE = 255,
};

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    _mm_storeu_si128((void *)numbers, _mm512_cvtsepi32_epi8((__m512i)whole));
}

static inline void store_shares(int8_t *shares, vector x, vector factor)
{
    /* The last byte of the sum is the whole number. */
    const vector shifted = multiply_add(x, factor, broadcast(0x1.8p23f));

    _mm_storeu_si128((void *)shares, _mm512_cvtepi32_epi8((__m512i)shifted));
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

/* The same with 256-bit vectors, for processors without AVX-512. */
#elif defined(FOR_AVXVNNI)

#include "plugins/cpu/vector_avx2.h"

#ifndef __AVXVNNI__
#error "compile this with -mavxvnni"
#endif

#define TABLE   blocks_avxvnni
#define BYTES   bytes_avxvnni
#define PACKING PACKED_OFFSET_QUADS

typedef int8_t number;

enum {
    BLOCK_INPUTS = WIDE_INPUTS,
    ROUNDED_ROWS = TILE_ROWS,
    WEIGHT_OFFSET = 128,
    LARGEST_SHARE = 255,
};

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    const __m256i wide = (__m256i)whole;
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));

    _mm_storel_epi64((void *)numbers, _mm_packs_epi16(halves, halves));
}

static inline void store_shares(int8_t *shares, vector x, vector factor)
{
    const __m256i wide = (__m256i)round_lanes(x * factor);
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));

    _mm_storel_epi64((void *)shares, _mm_packus_epi16(halves, halves));
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

/* SDOT: quadruples of signed bytes. */
#elif defined(FOR_DOTPROD)

#include "plugins/cpu/vector_neon.h"

#ifndef __ARM_FEATURE_DOTPROD
#error "compile this with -march=armv8.2-a+dotprod"
#endif

#define TABLE   blocks_dotprod
#define BYTES   bytes_dotprod
#define PACKING PACKED_QUADS

typedef int8_t number;

enum {
    BLOCK_INPUTS = WIDE_INPUTS,
    ROUNDED_ROWS = TILE_ROWS,
    WEIGHT_OFFSET = 0,
    LARGEST_SHARE = 127,
};

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    const int16x4_t pairs = vmovn_s32((int32x4_t)whole);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(pairs, pairs));

    memcpy(numbers, &bytes, 4);
}

static inline void store_shares(int8_t *shares, vector x, vector factor)
{
    store_numbers(shares, round_lanes(x * factor));
}

static inline vector_int load_weights(const int8_t *bytes)
{
    return (vector_int)vld1q_s8(bytes);
}

static inline vector_int add_products(vector_int sum, vector_int inputs, vector_int weights)
{
    return (vector_int)vdotq_s32((int32x4_t)sum, (int8x16_t)weights, (int8x16_t)inputs);
}

#endif

#include "plugins/cpu/template_blocks.h"

#ifdef BYTES
#include "plugins/cpu/template_byte_attend.h"
#include "plugins/cpu/template_byte_attention.h"

const struct byte_kernels BYTES = {
    .self_attend = self_attend_in_bytes,
    .attend = attend_in_bytes,
    .group = GROUP,
    .flip = WEIGHT_OFFSET,
};

const struct matrix_kernels TABLE = MATRIX_KERNELS_OF_BLOCKS(PACKING, &BYTES);
#else
const struct matrix_kernels TABLE = MATRIX_KERNELS_OF_BLOCKS(PACKING, NULL);
#endif
