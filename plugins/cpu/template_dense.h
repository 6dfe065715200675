// SPDX-License-Identifier: MIT
/*
 * Matrix products in single precision, in three loops: over blocks of rows that fit in the
 * second-level cache; over panels of weights, which are expanded once for each block; over tiles of
 * rows.
 */
#ifndef HEARKEN_CPU_TEMPLATE_DENSE_H
#define HEARKEN_CPU_TEMPLATE_DENSE_H

#include "plugins/cpu/template_finish.h"
#include "plugins/cpu/template_tile.h"

enum { DENSE_BLOCK_ELEMENTS = 128 * 1024 };

static void expand_halves(const uint16_t *halves, size_t inputs, float *panel)
{
    for (size_t i = 0; i < inputs * PANEL; i += LANES)
        store(panel + i, load_half(halves + i));
}

/* A product of 11 and 8 bits: exact. */
static void expand_q8(const unsigned char *data, size_t inputs, float *panel)
{
    for (size_t input = 0; input < inputs; input += Q8_0_INPUTS) {
        const uint16_t *scales = (const void *)data;
        const int8_t *bytes = (const int8_t *)(scales + PANEL);
        const vector low = load_half(scales), high = load_half(scales + LANES);
        for (size_t k = 0; k < Q8_0_INPUTS; k++, bytes += PANEL, panel += PANEL) {
            store(panel, load_bytes(bytes) * low);
            store(panel + LANES, load_bytes(bytes + LANES) * high);
        }
        data = (const unsigned char *)bytes;
    }
}

/* A panel as floats [inputs, PANEL]: in place, or expanded into `expanded`. */
static const float *expand_panel(const struct packed *packed, size_t index, float *expanded)
{
    const unsigned char *data = packed->data + index * packed->panel_size;

    if (packed->packing == PACKED_F32)
        return (const float *)(const void *)data;
    if (packed->packing == PACKED_F16)
        expand_halves((const void *)data, packed->inputs, expanded);
    else
        expand_q8(data, packed->inputs, expanded);
    return expanded;
}

/* Multiplies a block's rows, in the layout of lay_out_tile(), by one panel. */
static void multiply_block_panel(const struct cpu_product *product, struct range rows,
                                 const float *x, const float *panel, size_t output)
{
    const size_t inputs = cpu_tensor(product->weight)->packed.inputs;
    float sums[TILE_ROWS * PANEL] __attribute__((aligned(64)));
    size_t count;

    for (size_t row = rows.first; row < rows.end; row += count) {
        count = rows.end - row < TILE_ROWS ? rows.end - row : TILE_ROWS;
        memset(sums, 0, count * PANEL * sizeof(float));
        multiply_tile(x + (row - rows.first) * whole_chunks(inputs), panel, PANEL, inputs, sums,
                      count);
        finish_tile(product, row, count, output, sums);
    }
}

static void lay_out_block(const struct cpu_product *product, struct range rows, float *x)
{
    const size_t inputs = cpu_tensor(product->weight)->packed.inputs;
    size_t count;

    for (size_t row = rows.first; row < rows.end; row += count) {
        count = rows.end - row < TILE_ROWS ? rows.end - row : TILE_ROWS;
        lay_out_tile(product->in + row * product->in_step, product->in_step, count, inputs,
                     x + (row - rows.first) * whole_chunks(inputs));
    }
}

static size_t dense_block_rows(size_t inputs)
{
    const size_t tiles = DENSE_BLOCK_ELEMENTS / inputs / TILE_ROWS;

    return (tiles > 0 ? tiles : 1) * TILE_ROWS;
}

static int multiply_dense(const struct cpu_product *product, struct range rows, struct range panels,
                          struct workspace *workspace)
{
    const struct packed *packed = &cpu_tensor(product->weight)->packed;
    const size_t block = dense_block_rows(packed->inputs), count = rows.end - rows.first;
    const size_t laid_out = (count < block ? count : block) * whole_chunks(packed->inputs);
    float *x = workspace_reserve(workspace, (laid_out + packed->inputs * PANEL) * sizeof(float));

    if (!x)
        return -ENOMEM;
    for (size_t first = rows.first; first < rows.end; first += block) {
        const size_t end = rows.end - first < block ? rows.end : first + block;
        const struct range part = {first, end};
        lay_out_block(product, part, x);
        for (size_t index = panels.first; index < panels.end; index++)
            multiply_block_panel(product, part, x, expand_panel(packed, index, x + laid_out),
                                 index * PANEL);
    }
    return 0;
}

#endif
