// SPDX-License-Identifier: MIT
/* What kernels only copy, on plain memory. */
#include "plugins/common/host_backend.h"

#include <string.h>

void host_fill_window(const struct hearken_convolve *arguments, size_t step, float *window)
{
    const size_t inputs = arguments->in.columns;

    for (uint32_t tap = 0; tap < arguments->weight->weights.taps; tap++) {
        const uint64_t padded = (uint64_t)step * arguments->stride + tap; /* row + padding */
        float *to = window + tap * inputs;
        if (padded < arguments->padding || padded - arguments->padding >= arguments->in.rows)
            memset(to, 0, inputs * sizeof(float));
        else
            memcpy(to, host_matrix_row(&arguments->in, (size_t)(padded - arguments->padding)),
                   inputs * sizeof(float));
    }
}

void host_append_to_caches(const struct hearken_self_attend *arguments)
{
    const size_t width = arguments->out.columns, size = width * sizeof(float);
    const size_t positions = arguments->qkv.rows / arguments->sequences;

    for (size_t row = 0; row < arguments->qkv.rows; row++) {
        const float *qkv = host_matrix_row(&arguments->qkv, row);
        const size_t sequence = row / positions;
        const size_t at = (arguments->past + row % positions) * width;
        memcpy(host_matrix_row(&arguments->keys, sequence) + at, qkv + width, size);
        memcpy(host_matrix_row(&arguments->values, sequence) + at, qkv + 2 * width, size);
    }
}
