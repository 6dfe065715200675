// SPDX-License-Identifier: MIT
/* The matrix product under `linear`, `convolve` and `lstm`: per weight row, over a block of rows.
 */
#include "reference.h"

#include <errno.h>
#include <math.h>

enum {
    BLOCK_ELEMENTS = 128 * 1024, /* of input: half a megabyte, for a second-level cache */
    BLOCK_ROWS = 256,
};

static float gelu(float x)
{
    /* erfc rather than 1 + erf, which has no digits left where x is far below zero. */
    return 0.5f * x * erfcf(-x * 0.70710678118654752f);
}

size_t multiply_block(const struct hearken_tensor *weight)
{
    const size_t rows = BLOCK_ELEMENTS / tensor_width(weight);

    return rows < 4 ? 4 : rows > BLOCK_ROWS ? BLOCK_ROWS : rows;
}

/* One column of `out`, for `count` rows from `first`. */
static void finish_column(const struct product *product, size_t first, size_t count, size_t output,
                          float *sums)
{
    if (product->bias)
        for (size_t row = 0; row < count; row++)
            sums[row] += product->bias[output];
    if (product->activation == HEARKEN_ACTIVATION_GELU)
        for (size_t row = 0; row < count; row++)
            sums[row] = gelu(sums[row]);
    if (product->residual)
        for (size_t row = 0; row < count; row++)
            sums[row] += product->residual[(first + row) * product->residual_step + output];
    for (size_t row = 0; row < count; row++)
        product->out[(first + row) * product->out_step + output] = sums[row];
}

int multiply(struct hearken_queue *queue, const struct product *product)
{
    const struct hearken_tensor *weight = product->weight;
    const size_t columns = tensor_width(weight), block = multiply_block(weight);
    float *expanded = scratch(queue, SCRATCH_WEIGHT, columns);
    float sums[BLOCK_ROWS];

    if (!expanded)
        return -ENOMEM;
    for (size_t first = 0; first < product->rows; first += block) {
        const size_t left = product->rows - first, count = left < block ? left : block;
        const float *in = product->in + first * product->in_step;
        for (size_t output = 0; output < weight->weights.rows; output++) {
            const float *row = tensor_row(weight, output, expanded);
            dot_rows(in, product->in_step, count, row, columns, sums);
            finish_column(product, first, count, output, sums);
        }
    }
    return 0;
}
