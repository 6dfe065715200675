// SPDX-License-Identifier: MIT
/* The epilogue of a product: out = activation(sums + bias) + residual. */
#ifndef HEARKEN_CPU_TEMPLATE_FINISH_H
#define HEARKEN_CPU_TEMPLATE_FINISH_H

#include "plugins/cpu/template_math.h"
#include "plugins/cpu/template_tile.h"

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
        store_first(product->out + row * product->out_step + output + at, left, value);
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
