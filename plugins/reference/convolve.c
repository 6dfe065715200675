// SPDX-License-Identifier: MIT
/*
 * Convolution along time, for each output step t; in [steps, inputs], weight
 * [outputs, inputs, taps], bias [outputs], positions [..., outputs]:
 *
 *     out[t] = activation(bias + Σ_k in[t · stride + k - padding] · weight[.., .., k]ᵀ)
 *              + positions[position + t]
 *
 * with 0 for rows of `in` that do not exist. It is computed as a matrix product: the `taps` input
 * rows that a step sees form one row [taps · inputs], a window, and host_tensor_row() brings the
 * weight rows into the same order.
 */
#include "plugins/common/kernel_check.h"
#include "plugins/reference/reference.h"

#include <errno.h>

static int add_positions(struct hearken_queue *queue, const struct hearken_convolve *arguments)
{
    const size_t outputs = arguments->out.columns;
    float *expanded = host_scratch(queue, SCRATCH_WEIGHT, outputs);

    if (!expanded)
        return -ENOMEM;
    for (size_t step = 0; step < arguments->out.rows; step++) {
        const float *position =
            host_tensor_row(arguments->positions, arguments->position + step, expanded);
        float *out = host_matrix_row(&arguments->out, step);
        for (size_t output = 0; output < outputs; output++)
            out[output] += position[output];
    }
    return 0;
}

int reference_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments)
{
    int result = check_convolve(queue, arguments);

    if (result)
        return result;
    const size_t width = host_tensor_width(arguments->weight), steps = arguments->out.rows;
    const size_t block = reference_multiply_block(arguments->weight);
    float *windows = host_scratch(queue, SCRATCH_WINDOW, (steps < block ? steps : block) * width);
    if (!windows)
        return -ENOMEM;

    for (size_t first = 0; first < steps; first += block) {
        const size_t count = steps - first < block ? steps - first : block;
        for (size_t step = 0; step < count; step++)
            host_fill_window(arguments, first + step, windows + step * width);
        result = reference_multiply(queue, &(struct product){
                                               .in = windows,
                                               .in_step = width,
                                               .rows = count,
                                               .weight = arguments->weight,
                                               .bias = arguments->bias->weights.data,
                                               .activation = arguments->activation,
                                               .out = host_matrix_row(&arguments->out, first),
                                               .out_step = arguments->out.stride,
                                           });
        if (result)
            return result;
    }
    return arguments->positions ? add_positions(queue, arguments) : 0;
}
