// SPDX-License-Identifier: MIT
/*
 * linear: out [rows, outputs] = activation(in [rows, inputs] · weightᵀ + bias [outputs]) +
 * residual, weight [outputs, inputs]; GELU(x) = x · Φ(x) (Hendrycks and Gimpel 2016).
 *
 * The matrix product, which `convolve` and `lstm` share, has three loops: over blocks of input rows
 * that fit in the second-level cache; over tiles of weight rows, which are expanded to floats once
 * for each block; over groups of input rows that fit, with the tile, in the first-level cache.
 */
#include "plugins/common/kernel_check.h"
#include "plugins/reference/reference.h"

#include <errno.h>
#include <math.h>

enum {
    BLOCK_ELEMENTS = 128 * 1024, /* of `in`: 512 KiB */
    TILE_OUTPUTS = 8,
    GROUP_ROWS = 4, /* as many as host_dot_rows() computes together */
};

static float gelu(float x)
{
    /* x · Φ(x), Φ(x) = erfc(-x / √2) / 2. (1 + erf(x / √2) would cancel for x far below 0.) */
    return 0.5f * x * erfcf(-x * 0.70710678118654752f);
}

/* The weight rows first <= i < first + count as floats. */
struct tile {
    size_t first, count;
    const float *weights[TILE_OUTPUTS];
};

static void finish_row(const struct product *product, size_t row, const struct tile *tile,
                       const float *sums)
{
    const size_t first = tile->first;
    const float *residual =
        product->residual ? product->residual + row * product->residual_step : NULL;
    float *out = product->out + row * product->out_step;

    for (size_t output = first; output < first + tile->count; output++) {
        float value = sums[(output - first) * GROUP_ROWS];
        if (product->bias)
            value += product->bias[output];
        if (product->activation == HEARKEN_ACTIVATION_GELU)
            value = gelu(value);
        out[output] = residual ? value + residual[output] : value;
    }
}

static void multiply_group(const struct product *product, size_t row, size_t count,
                           const struct tile *tile)
{
    float sums[TILE_OUTPUTS * GROUP_ROWS];

    for (size_t output = 0; output < tile->count; output++)
        host_dot_rows(product->in + row * product->in_step, product->in_step, count,
                      tile->weights[output], host_tensor_width(product->weight),
                      sums + output * GROUP_ROWS);
    for (size_t i = 0; i < count; i++)
        finish_row(product, row + i, tile, sums + i);
}

size_t reference_multiply_block(const struct hearken_tensor *weight)
{
    const size_t rows = BLOCK_ELEMENTS / host_tensor_width(weight);

    return rows < GROUP_ROWS ? GROUP_ROWS : rows;
}

/* All outputs of the input rows of one block, first <= i < end. */
static void multiply_rows(const struct product *product, size_t first, size_t end, float *expanded)
{
    const size_t columns = host_tensor_width(product->weight);
    const size_t outputs = product->weight->weights.rows;
    struct tile tile;

    for (tile.first = 0; tile.first < outputs; tile.first += tile.count) {
        const size_t left = outputs - tile.first;
        tile.count = left < TILE_OUTPUTS ? left : TILE_OUTPUTS;
        for (size_t i = 0; i < tile.count; i++)
            tile.weights[i] =
                host_tensor_row(product->weight, tile.first + i, expanded + i * columns);
        for (size_t row = first; row < end; row += GROUP_ROWS)
            multiply_group(product, row, end - row < GROUP_ROWS ? end - row : GROUP_ROWS, &tile);
    }
}

int reference_multiply(struct hearken_queue *queue, const struct product *product)
{
    const size_t block = reference_multiply_block(product->weight);
    float *expanded =
        host_scratch(queue, SCRATCH_WEIGHT, TILE_OUTPUTS * host_tensor_width(product->weight));

    if (!expanded)
        return -ENOMEM;
    for (size_t first = 0; first < product->rows; first += block) {
        const size_t left = product->rows - first;
        multiply_rows(product, first, first + (left < block ? left : block), expanded);
    }
    return 0;
}

/* out = activation(in · weightᵀ + bias) + residual */
int reference_linear(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    int result = check_linear(queue, arguments);

    if (result)
        return result;
    return reference_multiply(
        queue, &(struct product){
                   .in = host_matrix_row(&arguments->in, 0),
                   .in_step = arguments->in.stride,
                   .rows = arguments->in.rows,
                   .weight = arguments->weight,
                   .bias = arguments->bias ? arguments->bias->weights.data : NULL,
                   .activation = arguments->activation,
                   .residual = arguments->residual ? host_matrix_row(arguments->residual, 0) : NULL,
                   .residual_step = arguments->residual ? arguments->residual->stride : 0,
                   .out = host_matrix_row(&arguments->out, 0),
                   .out_step = arguments->out.stride,
               });
}
