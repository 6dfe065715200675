// SPDX-License-Identifier: MIT
/*
 * Products of Q8_0 weights with AVX-512 VNNI. Each block of 32 inputs of a row is rounded to 16
 * bits under a scale of its own; sums over a block are whole numbers and exact, for 32 · 127 ·
 * 32767 is below 2^27. So the only error beside those of single precision is that of the inputs: at
 * most 1/65534 of the largest of their block.
 */
#include "vector_avx512.h"

#ifndef __AVX512VNNI__
#error "compile this file with -mavx512vnni"
#endif

#include "cpu.h"

#include <errno.h>
#include <string.h>

#include "template_finish.h"
#include "template_tile.h"

enum {
    PAIRS = BLOCK_INPUTS / 2,
    BLOCK_ELEMENTS = 32 * 1024, /* inputs: so few rows that their outputs stay in the cache, too */
    BLOCK_SIZE = PANEL * (sizeof(uint16_t) + BLOCK_INPUTS),
};

/* Rows of a tile as whole numbers. */
struct rounded {
    int16_t *numbers; /* [blocks][rows][32] */
    float *scales;    /* [blocks][rows] */
};

static void round_block(const float *in, int16_t *numbers, float *scale)
{
    const vector low = load(in), high = load(in + LANES);
    const float largest = largest_of(maximum(maximum(low, -low), maximum(high, -high)));
    /* Below, a block counts as zeros: its inverse might overflow. */
    const float factor = largest > 1e-30f ? 32767.0f / largest : 0;

    *scale = largest / 32767.0f;
    _mm256_storeu_si256((void *)numbers,
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32((__m512)(low * factor))));
    _mm256_storeu_si256((void *)(numbers + LANES),
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32((__m512)(high * factor))));
}

static void round_tile(const float *in, size_t step, size_t rows, size_t blocks,
                       struct rounded *rounded)
{
    for (size_t block = 0; block < blocks; block++)
        for (size_t row = 0; row < rows; row++) {
            const size_t at = block * rows + row;
            round_block(in + row * step + block * BLOCK_INPUTS,
                        rounded->numbers + at * BLOCK_INPUTS, rounded->scales + at);
        }
}

/* A pair of inputs in every lane. */
INLINE __m512i broadcast_pair(const int16_t *pair)
{
    int32_t both;

    memcpy(&both, pair, sizeof(both));
    return _mm512_set1_epi32(both);
}

/*
 * sum + the products of both inputs of each pair with their weights. As an instruction, for around
 * the intrinsic function GCC 12 moves every sum to the stack and back.
 */
INLINE vector_int add_pairs(vector_int sum, __m512i inputs, __m512i weights)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights));
    return sum;
}

/* sums[row][PANEL] = Σ over the blocks of a panel. */
INLINE void multiply_rounded_of(const struct rounded *rounded, const unsigned char *panel,
                                size_t blocks, float *sums, const size_t rows)
{
    const int16_t *x = rounded->numbers;
    const float *scales = rounded->scales;

    for (size_t block = 0; block < blocks; block++, panel += BLOCK_SIZE) {
        const uint16_t *halves = (const void *)panel;
        const int8_t *bytes = (const int8_t *)(halves + PANEL);
        vector_int sum[TILE_ROWS][2];

        UNROLL
        for (size_t row = 0; row < rows; row++)
            sum[row][0] = sum[row][1] = (vector_int){0};
        for (size_t pair = 0; pair < PAIRS; pair++, bytes += 2 * PANEL) {
            const __m512i low = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)bytes));
            const __m512i high =
                _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)(bytes + PANEL)));
            UNROLL
            for (size_t row = 0; row < rows; row++) {
                const __m512i input = broadcast_pair(x + row * BLOCK_INPUTS + 2 * pair);
                sum[row][0] = add_pairs(sum[row][0], input, low);
                sum[row][1] = add_pairs(sum[row][1], input, high);
            }
        }
        const vector low = load_half(halves), high = load_half(halves + LANES);
        UNROLL
        for (size_t row = 0; row < rows; row++) {
            float *at = sums + row * PANEL;
            const vector scale = broadcast(scales[row]);
            store(at, multiply_add(__builtin_convertvector(sum[row][0], vector), low * scale,
                                   load(at)));
            store(at + LANES, multiply_add(__builtin_convertvector(sum[row][1], vector),
                                           high * scale, load(at + LANES)));
        }
        x += rows * BLOCK_INPUTS;
        scales += rows;
    }
}

static void multiply_rounded(const struct rounded *rounded, const unsigned char *panel,
                             size_t blocks, float *sums, size_t rows)
{
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        multiply_rounded_of(rounded, panel, blocks, sums, n);                                      \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#undef CASE
    }
}

/* The place of a row's numbers and scales among those of a block of rows. */
static struct rounded rounded_at(const struct rounded *all, size_t row, size_t inputs)
{
    return (struct rounded){all->numbers + row * inputs, all->scales + row * inputs / BLOCK_INPUTS};
}

static void multiply_rows(const struct product *product, struct range rows, struct range panels,
                          const struct rounded *rounded)
{
    const struct packed *packed = &cpu_tensor(product->weight)->packed;
    const size_t inputs = packed->inputs;
    float sums[TILE_ROWS * PANEL] __attribute__((aligned(64)));
    size_t count;

    for (size_t row = rows.first; row < rows.end; row += count) {
        struct rounded tile = rounded_at(rounded, row - rows.first, inputs);
        count = rows.end - row < TILE_ROWS ? rows.end - row : TILE_ROWS;
        round_tile(product->in + row * product->in_step, product->in_step, count,
                   inputs / BLOCK_INPUTS, &tile);
    }
    for (size_t index = panels.first; index < panels.end; index++)
        for (size_t row = rows.first; row < rows.end; row += count) {
            const struct rounded tile = rounded_at(rounded, row - rows.first, inputs);
            count = rows.end - row < TILE_ROWS ? rows.end - row : TILE_ROWS;
            memset(sums, 0, count * PANEL * sizeof(float));
            multiply_rounded(&tile, packed->data + index * packed->panel_size,
                             inputs / BLOCK_INPUTS, sums, count);
            finish_tile(product, row, count, index * PANEL, sums);
        }
}

static int multiply_blocks(const struct product *product, struct range rows, struct range panels,
                           struct workspace *workspace)
{
    const size_t inputs = cpu_tensor(product->weight)->packed.inputs;
    const size_t tiles = BLOCK_ELEMENTS / inputs / TILE_ROWS;
    const size_t block = (tiles > 0 ? tiles : 1) * TILE_ROWS;
    const size_t count = rows.end - rows.first < block ? rows.end - rows.first : block;
    int16_t *numbers =
        workspace_reserve(workspace, count * inputs * sizeof(int16_t) +
                                         count * inputs / BLOCK_INPUTS * sizeof(float));

    if (!numbers)
        return -ENOMEM;
    const struct rounded rounded = {numbers, (float *)(void *)(numbers + count * inputs)};
    for (size_t first = rows.first; first < rows.end; first += block) {
        const size_t end = rows.end - first < block ? rows.end : first + block;
        multiply_rows(product, (struct range){first, end}, panels, &rounded);
    }
    return 0;
}

const struct matrix_kernels blocks_vnni = {
    .packing_of_q8 = PACKED_PAIRS,
    .panel = PANEL,
    .tile_rows = TILE_ROWS,
    .multiply = multiply_blocks,
};
