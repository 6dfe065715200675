// SPDX-License-Identifier: MIT
/*
 * One step of a long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates: Gers et
 * al. 2000); in [rows, inputs], hidden and cell [rows, width], weights [4 · width, ..]:
 *
 *     i, f, g, o = in · input_weightᵀ + input_bias + hidden · hidden_weightᵀ + hidden_bias
 *     cell   = sigmoid(f) · cell + sigmoid(i) · tanh(g)
 *     hidden = sigmoid(o) · tanh(cell)
 *     out    = hidden + residual
 */
#include "plugins/common/kernel_check.h"
#include "plugins/reference/reference.h"

#include <errno.h>
#include <math.h>

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* gates [rows, 4 · width] = in · input_weightᵀ + input_bias + hidden · hidden_weightᵀ +
 * hidden_bias, in the order i, f, g, o. */
static int compute_gates(struct hearken_queue *queue, const struct hearken_lstm *arguments,
                         float *gates)
{
    const size_t step = arguments->input_weight->weights.rows;
    int result = reference_multiply(queue, &(struct product){
                                               .in = host_matrix_row(&arguments->in, 0),
                                               .in_step = arguments->in.stride,
                                               .rows = arguments->in.rows,
                                               .weight = arguments->input_weight,
                                               .bias = arguments->input_bias->weights.data,
                                               .out = gates,
                                               .out_step = step,
                                           });
    if (result)
        return result;
    return reference_multiply(queue, &(struct product){
                                         .in = host_matrix_row(&arguments->hidden, 0),
                                         .in_step = arguments->hidden.stride,
                                         .rows = arguments->hidden.rows,
                                         .weight = arguments->hidden_weight,
                                         .bias = arguments->hidden_bias->weights.data,
                                         .residual = gates,
                                         .residual_step = step,
                                         .out = gates,
                                         .out_step = step,
                                     });
}

static void update_row(const float *gates, size_t width, const float *residual, float *cell,
                       float *hidden, float *out)
{
    const float *input = gates, *forget = gates + width;
    const float *candidate = gates + 2 * width, *output = gates + 3 * width;

    for (size_t i = 0; i < width; i++) {
        cell[i] = sigmoid(forget[i]) * cell[i] + sigmoid(input[i]) * tanhf(candidate[i]);
        hidden[i] = sigmoid(output[i]) * tanhf(cell[i]);
        out[i] = residual ? hidden[i] + residual[i] : hidden[i];
    }
}

int reference_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments)
{
    int result = check_lstm(queue, arguments);

    if (result)
        return result;
    const size_t width = arguments->hidden.columns, rows = arguments->in.rows;
    float *gates = host_scratch(queue, SCRATCH_GATES, rows * 4 * width);
    if (!gates)
        return -ENOMEM;
    result = compute_gates(queue, arguments, gates);
    if (result)
        return result;
    for (size_t row = 0; row < rows; row++)
        update_row(gates + row * 4 * width, width,
                   arguments->residual ? host_matrix_row(arguments->residual, row) : NULL,
                   host_matrix_row(&arguments->cell, row), host_matrix_row(&arguments->hidden, row),
                   host_matrix_row(&arguments->out, row));
    return 0;
}
