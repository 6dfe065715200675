// SPDX-License-Identifier: MIT
/* out[r] = table[tokens[r]] · scale + positions[position + r mod period] */
#include "plugins/common/host_backend.h"
#include "plugins/common/kernel_check.h"

#include <errno.h>

int host_embed_by(struct hearken_queue *queue, const struct hearken_embed *arguments,
                  host_tensor_row_function *row_of)
{
    int result = check_embed(queue, arguments);

    if (result)
        return result;
    const size_t width = arguments->out.columns;
    float *expanded = host_scratch(queue, SCRATCH_WEIGHT, 2 * width);
    if (!expanded)
        return -ENOMEM;

    for (size_t row = 0; row < arguments->out.rows; row++) {
        float *out = host_matrix_row(&arguments->out, row);
        const float *token = row_of(arguments->table, arguments->tokens[row], expanded);
        for (size_t column = 0; column < width; column++)
            out[column] = token[column] * arguments->scale;
        if (!arguments->positions)
            continue;
        const float *position =
            row_of(arguments->positions, arguments->position + row % arguments->period, expanded);
        for (size_t column = 0; column < width; column++)
            out[column] += position[column];
    }
    return 0;
}

int host_embed(struct hearken_queue *queue, const struct hearken_embed *arguments)
{
    return host_embed_by(queue, arguments, host_tensor_row);
}
