// SPDX-License-Identifier: MIT
/*
 * Layer normalisation (Ba et al. 2016, equations 3 and 4), for each row r of in and out
 * [rows, columns]; scale, shift [columns]:
 *
 *     out[r] = (in[r] - mean) / sqrt(variance + epsilon) · scale + shift
 *
 * mean = Σ_c in[r, c] / columns, variance = Σ_c (in[r, c] - mean)² / columns.
 */
#include "plugins/common/kernel_check.h"
#include "plugins/reference/reference.h"

#include <math.h>

enum { LANES = 4 }; /* partial sums, so that additions do not depend on each other */

/* Σ (x - from), or Σ (x - from)². In double precision: in a row far from zero, the mean's rounding
 * error in single precision could be as large as the deviations, and the division amplifies it. */
static double sum_from(const float *x, size_t count, double from, bool squares)
{
    double lanes[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            const double deviation = x[i + lane] - from;
            lanes[lane] += squares ? deviation * deviation : deviation;
        }
    for (; i < count; i++) {
        const double deviation = x[i] - from;
        lanes[0] += squares ? deviation * deviation : deviation;
    }
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

static void norm_row(const float *in, size_t width, const float *scale, const float *shift,
                     float epsilon, float *out)
{
    const double mean = sum_from(in, width, 0, false) / (double)width;
    const double variance = sum_from(in, width, mean, true) / (double)width;
    const double factor = 1 / sqrt(variance + epsilon);

    for (size_t column = 0; column < width; column++)
        out[column] = (float)((in[column] - mean) * factor) * scale[column] + shift[column];
}

int reference_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments)
{
    int result = check_layer_norm(queue, arguments);

    if (result)
        return result;
    for (size_t row = 0; row < arguments->in.rows; row++)
        norm_row(host_matrix_row(&arguments->in, row), arguments->in.columns,
                 arguments->scale->weights.data, arguments->shift->weights.data, arguments->epsilon,
                 host_matrix_row(&arguments->out, row));
    return 0;
}
