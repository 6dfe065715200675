// SPDX-License-Identifier: MIT
/* out = activation(in · weightᵀ + bias) + residual */
#include "plugins/common/kernel_check.h"
#include "plugins/reference/reference.h"

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
