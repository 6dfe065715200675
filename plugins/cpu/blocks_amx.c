// SPDX-License-Identifier: MIT
/*
 * Products of Q8_0 weights with AMX: one instruction multiplies 32 inputs of a tile's rows by 16
 * outputs. A panel's groups of four already have the layout of a tile of weights: one
 * tile row for each group.
 */
#include "plugins/cpu/vector_avx512.h"

#include "plugins/cpu/cpu.h"
#include "plugins/cpu/tiles.h"

typedef int8_t number;

enum {
    BLOCK_INPUTS = WIDE_INPUTS,
    ROUNDED_ROWS = TILE_ROWS,
    WEIGHT_OFFSET = 0,
};

/* Numbers of the tile registers: constants, since they are a part of the instruction. */
#define LOW_SUMS     0
#define HIGH_SUMS    1
#define INPUTS       2
#define LOW_WEIGHTS  3
#define HIGH_WEIGHTS 4

static inline void store_numbers(int8_t *numbers, vector_int whole)
{
    _mm_storeu_si128((void *)numbers, _mm512_cvtsepi32_epi8((__m512i)whole));
}

enum { TILE_INPUTS = 32 }; /* of Q8_0, so that every row has whole tiles */

#define OWN_MULTIPLY_ROUNDED
#include "plugins/cpu/template_blocks.h"

static void configure(size_t rows)
{
    struct tile_shapes shapes = {.palette = 1};

    for (size_t tile = LOW_SUMS; tile <= HIGH_WEIGHTS; tile++) {
        shapes.rows[tile] = tile >= LOW_WEIGHTS ? TILE_INPUTS / GROUP : (uint8_t)rows;
        shapes.row_bytes[tile] = tile == INPUTS ? TILE_INPUTS : GROUP * LANES;
    }
    tiles_configure(&shapes);
}

/* products[row][PANEL] of a block's inputs x[rows][128] with its weights */
static void multiply_tiles(const number *x, size_t count, const int8_t *weights, int32_t *products)
{
    tile_zero(LOW_SUMS);
    tile_zero(HIGH_SUMS);
    for (size_t input = 0; input < count; input += TILE_INPUTS, weights += TILE_INPUTS * PANEL) {
        tile_load(INPUTS, x + input, BLOCK_INPUTS);
        tile_load(LOW_WEIGHTS, weights, GROUP * PANEL);
        tile_load(HIGH_WEIGHTS, weights + GROUP * LANES, GROUP * PANEL);
        tile_add_products(LOW_SUMS, INPUTS, LOW_WEIGHTS);
        tile_add_products(HIGH_SUMS, INPUTS, HIGH_WEIGHTS);
    }
    tile_store(LOW_SUMS, products, PANEL * sizeof(int32_t));
    tile_store(HIGH_SUMS, products + LANES, PANEL * sizeof(int32_t));
}

/* sums[row][PANEL] += products · scales, of the block's outputs and of the row's inputs */
static void add_scaled(const int32_t *products, const uint16_t *halves, const float *scales,
                       float *sums, size_t rows)
{
    const vector scale_of[2] = {load_half(halves), load_half(halves + LANES)};

    for (size_t row = 0; row < rows; row++)
        for (size_t half = 0; half < 2; half++) {
            const size_t at = row * PANEL + half * LANES;
            const vector_int whole = (vector_int)_mm512_loadu_si512(products + at);
            store(sums + at,
                  multiply_add(__builtin_convertvector(whole, vector),
                               scale_of[half] * broadcast(scales[row]), load(sums + at)));
        }
}

/* Configures the tiles for each call and releases them afterwards, so no state stays with the
 * thread, and the system need not save the tiles. */
static void multiply_rounded(const struct rounded *rounded, const unsigned char *panel,
                             size_t inputs, float *sums, size_t rows)
{
    int32_t products[ROUNDED_ROWS * PANEL] __attribute__((aligned(64)));

    memset(sums, 0, rows * PANEL * sizeof(float));
    configure(rows);
    for (size_t block = 0; block * BLOCK_INPUTS < inputs; block++, panel += BLOCK_SIZE) {
        const uint16_t *halves = (const void *)panel;
        multiply_tiles(rounded->numbers + block * rows * BLOCK_INPUTS,
                       inputs_of_block(inputs, block), (const int8_t *)(halves + PANEL), products);
        add_scaled(products, halves, rounded->scales + block * rows, sums, rows);
    }
    tiles_release();
}

const struct matrix_kernels blocks_amx = MATRIX_KERNELS_OF_BLOCKS(PACKED_QUADS, NULL);
