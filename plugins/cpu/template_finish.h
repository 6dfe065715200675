// SPDX-License-Identifier: MIT
/* The epilogue of a product: out = activation(sums + bias) + residual. */
#ifndef HEARKEN_CPU_TEMPLATE_FINISH_H
#define HEARKEN_CPU_TEMPLATE_FINISH_H

#include <string.h>

#include "plugins/cpu/template_math.h"
#include "plugins/cpu/template_tile.h"

/* Values beyond half precision saturate at its largest finite value. */
static void store_first_halves(uint16_t *halves, size_t count, vector value)
{
    const vector most = broadcast(65504);
    uint16_t last[LANES];

    value = maximum(minimum(value, most), -most);
    if (count >= LANES) {
        store_half(halves, value);
        return;
    }
    store_half(last, value);
    memcpy(halves, last, count * sizeof(*halves));
}

static void finish_row(const struct cpu_product *product, size_t row, size_t output, size_t count,
                       const float *sums)
{
    for (size_t at = 0; at < count; at += LANES) {
        const size_t left = count - at;
        vector value = load(sums + at);
        if (product->bias)
            value += load_first(product->bias + output + at, left);
        if (product->activation == HEARKEN_ACTIVATION_GELU)
            value = gelu(value);
        if (product->residual)
            value +=
                load_first(product->residual + row * product->residual_step + output + at, left);
        const size_t to = row * product->out_step + output + at;
        if (product->half_out)
            store_first_halves(product->half_out + to, left, value);
        else
            store_first(product->out + to, left, value);
    }
}

/* Rows from `row` on, the panel's outputs from `output` on. */
static void finish_tile(const struct cpu_product *product, size_t row, size_t rows, size_t output,
                        const float *sums)
{
    const size_t left = product->weight->weights.rows - output;
    const size_t count = left < PANEL ? left : PANEL;

    for (size_t i = 0; i < rows; i++)
        finish_row(product, row + i, output, count, sums + i * PANEL);
}

#endif
