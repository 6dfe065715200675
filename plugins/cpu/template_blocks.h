// SPDX-License-Identifier: MIT
/*
 * Products of Q8_0 weights in integer arithmetic. Each block of inputs of a row is quantised with a
 * scale of its own, as the weights are; the sum over a block is an integer and exact. The last
 * block may have fewer inputs.
 *
 * The including file defines how its instruction multiplies:
 *     number             int8_t or int16_t: the type of quantised inputs
 *     BLOCK_INPUTS       inputs of a block
 *     ROUNDED_ROWS       rows that are multiplied together
 *     WEIGHT_OFFSET      added to all weights by the packing, subtracted from the sums here
 *     load_weights       LANES groups of weights
 *     add_products       sum + the products of a group of inputs with LANES groups of weights
 *     store_numbers      LANES whole numbers, none above LARGEST
 * or, with OWN_MULTIPLY_ROUNDED defined, a multiply_rounded of its own instead of load_weights and
 * add_products.
 */
#ifndef HEARKEN_CPU_TEMPLATE_BLOCKS_H
#define HEARKEN_CPU_TEMPLATE_BLOCKS_H

#include "plugins/cpu/template_finish.h"
#include "plugins/cpu/template_tile.h"

#include <errno.h>
#include <string.h>

enum {
    GROUP = sizeof(int32_t) / sizeof(number),      /* adjacent inputs in an element of 32 bits */
    LARGEST = (1 << (8 * sizeof(number) - 1)) - 1, /* what a block's largest input is scaled to */
    ROUNDED_SIZE = 64 * 1024, /* bytes of rows that are quantised at a time: half stays in L1 */
    BLOCK_SIZE = PANEL * (sizeof(uint16_t) + BLOCK_INPUTS), /* of the weights in a panel */
    /* Prefetch distance in bytes: products of few rows are bound by loading the weights, and this
     * covers the latency of the third-level cache. */
    AHEAD = 4096,
    CACHE_LINE = 64,
};

/* Quantised rows of a tile. */
struct rounded {
    number *numbers; /* [blocks][rows][BLOCK_INPUTS] */
    float *scales;   /* [blocks][rows] */
    int32_t *starts; /* [blocks][rows]: initial value of a block's sum, against WEIGHT_OFFSET */
};

static void round_block(const float *in, size_t count, number *numbers, float *scale,
                        int32_t *start)
{
    vector largest = broadcast(0);
    vector_int sum = {0};

    for (size_t at = 0; at < count; at += LANES) {
        const vector x = load(in + at);
        largest = maximum(largest, maximum(x, -x));
    }
    const float most = largest_of(largest);
    /* Blocks of smaller inputs count as zeros: the reciprocal might overflow. */
    const vector factor = broadcast(most > 1e-30f ? (float)LARGEST / most : 0);
    for (size_t at = 0; at < count; at += LANES) {
        const vector_int whole = round_lanes(load(in + at) * factor);
        store_numbers(numbers + at, whole);
        sum += whole;
    }
    *scale = most / (float)LARGEST;
    *start = 0;
    if (WEIGHT_OFFSET != 0)
        *start = -WEIGHT_OFFSET * (int32_t)sum_of(__builtin_convertvector(sum, vector));
}

static size_t inputs_of_block(size_t inputs, size_t block)
{
    const size_t left = inputs - block * BLOCK_INPUTS;

    return left < BLOCK_INPUTS ? left : BLOCK_INPUTS;
}

static void round_tile(const float *in, size_t step, size_t rows, size_t inputs,
                       const struct rounded *rounded)
{
    for (size_t block = 0; block * BLOCK_INPUTS < inputs; block++) {
        const size_t count = inputs_of_block(inputs, block);
        number *numbers = rounded->numbers + block * rows * BLOCK_INPUTS;
        for (size_t row = 0; row < rows; row++)
            round_block(in + row * step + block * BLOCK_INPUTS, count, numbers + row * BLOCK_INPUTS,
                        rounded->scales + block * rows + row, rounded->starts + block * rows + row);
    }
}

#ifdef OWN_MULTIPLY_ROUNDED

/* sums[row][PANEL] = Σ over the blocks of a panel. */
static void multiply_rounded(const struct rounded *rounded, const unsigned char *panel,
                             size_t inputs, float *sums, size_t rows);

#else

/* A group of inputs in every lane. */
INLINE vector_int broadcast_group(const number *group)
{
    int32_t together;

    memcpy(&together, group, sizeof(together));
    return (vector_int){0} + together;
}

/*
 * sum[row][PANEL] += Σ over `count` numbers of x[row], `x_step` apart, with the groups of a panel,
 * `step` bytes apart. With `signed_panel` it is the panel that is signed, where the instruction
 * tells the two apart. `ahead`: prefetch distance in bytes, or 0.
 */
INLINE void multiply_groups(const number *x, size_t x_step, size_t count, const int8_t *panel,
                            size_t step, vector_int (*sum)[2], const size_t rows,
                            const bool signed_panel, const size_t ahead)
{
    for (size_t at = 0; at < count; at += GROUP, panel += step) {
        const vector_int low = load_weights(panel), high = load_weights(panel + GROUP * LANES);
        for (size_t line = 0; ahead > 0 && line < GROUP * PANEL; line += CACHE_LINE)
            __builtin_prefetch(panel + ahead + line);
        UNROLL
        for (size_t row = 0; row < rows; row++) {
            const vector_int group = broadcast_group(x + row * x_step + at);
            sum[row][0] = signed_panel ? add_products(sum[row][0], low, group)
                                       : add_products(sum[row][0], group, low);
            sum[row][1] = signed_panel ? add_products(sum[row][1], high, group)
                                       : add_products(sum[row][1], group, high);
        }
    }
}

/* sums[row][PANEL] += Σ over a block of `count` inputs, scaled; the first block stores instead. */
INLINE void add_block(const number *x, size_t count, const int32_t *starts, const float *scales,
                      const unsigned char *panel, float *sums, const size_t rows, const bool first)
{
    const uint16_t *halves = (const void *)panel;
    vector_int sum[ROUNDED_ROWS][2];

    UNROLL
    for (size_t row = 0; row < rows; row++)
        sum[row][0] = sum[row][1] = (vector_int){0} + starts[row];
    multiply_groups(x, BLOCK_INPUTS, count, (const int8_t *)(halves + PANEL), GROUP * PANEL, sum,
                    rows, false, AHEAD);
    const vector low = load_half(halves), high = load_half(halves + LANES);
    UNROLL
    for (size_t row = 0; row < rows; row++) {
        float *at = sums + row * PANEL;
        const vector scale = broadcast(scales[row]);
        const vector before_low = first ? broadcast(0) : load(at);
        const vector before_high = first ? broadcast(0) : load(at + LANES);
        store(at,
              multiply_add(__builtin_convertvector(sum[row][0], vector), low * scale, before_low));
        store(at + LANES, multiply_add(__builtin_convertvector(sum[row][1], vector), high * scale,
                                       before_high));
    }
}

INLINE void multiply_rounded_of(const struct rounded *rounded, const unsigned char *panel,
                                size_t inputs, float *sums, const size_t rows)
{
    add_block(rounded->numbers, inputs_of_block(inputs, 0), rounded->starts, rounded->scales, panel,
              sums, rows, true);
    for (size_t block = 1; block * BLOCK_INPUTS < inputs; block++) {
        panel += BLOCK_SIZE;
        add_block(rounded->numbers + block * rows * BLOCK_INPUTS, inputs_of_block(inputs, block),
                  rounded->starts + block * rows, rounded->scales + block * rows, panel, sums, rows,
                  false);
    }
}

static void multiply_rounded(const struct rounded *rounded, const unsigned char *panel,
                             size_t inputs, float *sums, size_t rows)
{
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (n <= ROUNDED_ROWS)                                                                     \
            multiply_rounded_of(rounded, panel, inputs, sums, n <= ROUNDED_ROWS ? n : 1);          \
        break;
        CASES_OF_ROWS(CASE)
#undef CASE
    }
}

#endif

/* A row's numbers, scales and starts within those of a range of rows. */
static struct rounded rounded_at(const struct rounded *all, size_t row, size_t inputs)
{
    const size_t blocks = row * divide_up(inputs, BLOCK_INPUTS);

    return (struct rounded){all->numbers + blocks * BLOCK_INPUTS, all->scales + blocks,
                            all->starts + blocks};
}

static void multiply_rows(const struct cpu_product *product, struct range rows, struct range panels,
                          const struct rounded *rounded)
{
    const struct packed *packed = &cpu_tensor(product->weight)->packed;
    const size_t inputs = packed->inputs;
    float sums[ROUNDED_ROWS * PANEL] __attribute__((aligned(64)));
    size_t count;

    for (size_t row = rows.first; row < rows.end; row += count) {
        const struct rounded tile = rounded_at(rounded, row - rows.first, inputs);
        count = rows.end - row < ROUNDED_ROWS ? rows.end - row : ROUNDED_ROWS;
        round_tile(product->in + row * product->in_step, product->in_step, count, inputs, &tile);
    }
    for (size_t index = panels.first; index < panels.end; index++)
        for (size_t row = rows.first; row < rows.end; row += count) {
            const struct rounded tile = rounded_at(rounded, row - rows.first, inputs);
            count = rows.end - row < ROUNDED_ROWS ? rows.end - row : ROUNDED_ROWS;
            multiply_rounded(&tile, packed->data + index * packed->panel_size, inputs, sums, count);
            finish_tile(product, row, count, index * PANEL, sums);
        }
}

static int multiply_blocks(const struct cpu_product *product, struct range rows,
                           struct range panels, struct workspace *workspace)
{
    const size_t inputs = cpu_tensor(product->weight)->packed.inputs;
    const size_t tiles = ROUNDED_SIZE / sizeof(number) / inputs / ROUNDED_ROWS;
    const size_t most = (tiles > 0 ? tiles : 1) * ROUNDED_ROWS;
    const size_t count = rows.end - rows.first < most ? rows.end - rows.first : most;
    const size_t blocks = count * divide_up(inputs, BLOCK_INPUTS);
    float *all = workspace_reserve(
        workspace, blocks * (sizeof(float) + sizeof(int32_t) + BLOCK_INPUTS * sizeof(number)));

    if (!all)
        return -ENOMEM;
    const struct rounded rounded = {
        .scales = all,
        .starts = (int32_t *)(void *)(all + blocks),
        .numbers = (number *)(void *)(all + 2 * blocks),
    };
    for (size_t first = rows.first; first < rows.end; first += most) {
        const size_t end = rows.end - first < most ? rows.end : first + most;
        multiply_rows(product, (struct range){first, end}, panels, &rounded);
    }
    return 0;
}

#define MATRIX_KERNELS_OF_BLOCKS(packing, attention)                                               \
    {                                                                                              \
        (packing), PANEL, ROUNDED_ROWS, multiply_blocks, (attention)                               \
    }

#endif
