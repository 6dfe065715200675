// SPDX-License-Identifier: MIT
/* out = (in - mean) / sqrt(variance + epsilon) · scale + shift */
#include "check.h"
#include "reference.h"

#include <math.h>

/* Double precision: the mean of a row far from zero must not leave an error as large as the row's
 * deviations, which the division then makes larger still. */
static void norm_row(const float *in, size_t width, const float *scale, const float *shift,
                     float epsilon, float *out)
{
    double sum = 0, squares = 0;

#pragma omp simd reduction(+ : sum)
    for (size_t column = 0; column < width; column++)
        sum += in[column];
    const double mean = sum / (double)width;
#pragma omp simd reduction(+ : squares)
    for (size_t column = 0; column < width; column++)
        squares += (in[column] - mean) * (in[column] - mean);
    const double factor = 1 / sqrt(squares / (double)width + epsilon);
    for (size_t column = 0; column < width; column++)
        out[column] = (float)((in[column] - mean) * factor) * scale[column] + shift[column];
}

int layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments)
{
    int error = check_layer_norm(queue, arguments);

    if (error)
        return error;
    for (size_t row = 0; row < arguments->in.rows; row++)
        norm_row(matrix_row(&arguments->in, row), arguments->in.columns,
                 arguments->scale->weights.data, arguments->shift->weights.data, arguments->epsilon,
                 matrix_row(&arguments->out, row));
    return 0;
}
