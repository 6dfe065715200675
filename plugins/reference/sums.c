// SPDX-License-Identifier: MIT
/*
 * The inner loops. They are written so that the compiler can vectorise them without being allowed
 * to reorder additions: the order is spelt out, as LANES partial sums that are folded at the end.
 * So a row's sum has the same bits however many rows are in the call and wherever it stands among
 * them, which lets a stream that is computed in pieces equal one that is computed whole.
 */
#include "reference.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 8,    /* partial sums of a row */
    GROUP = 4,    /* rows taken together: GROUP · LANES additions that do not wait on each other */
    COLUMNS = 32, /* columns that `mix_rows` keeps in registers */
};

/* ((0+4)+(2+6)) + ((1+5)+(3+7)) */
static inline float fold(float lanes[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

static inline void dot_group(const float *rows, size_t step, size_t count, const float *with,
                             size_t columns, float *out)
{
    float lanes[GROUP][LANES] = {{0}};
    size_t column = 0;

    for (; column + LANES <= columns; column += LANES)
        for (size_t row = 0; row < count; row++)
#pragma omp simd
            for (size_t lane = 0; lane < LANES; lane++)
                lanes[row][lane] += rows[row * step + column + lane] * with[column + lane];
    for (size_t row = 0; row < count; row++) {
        for (size_t lane = 0; column + lane < columns; lane++)
            lanes[row][lane] += rows[row * step + column + lane] * with[column + lane];
        out[row] = fold(lanes[row]);
    }
}

void dot_rows(const float *rows, size_t step, size_t count, const float *with, size_t columns,
              float *out)
{
    size_t row = 0;

    for (; row + GROUP <= count; row += GROUP)
        dot_group(rows + row * step, step, GROUP, with, columns, out + row);
    for (; row < count; row++)
        dot_group(rows + row * step, step, 1, with, columns, out + row);
}

static inline void mix_columns(const float *rows, size_t step, size_t count, const float *weights,
                               size_t columns, float *out)
{
    float sums[COLUMNS] = {0};

    for (size_t row = 0; row < count; row++)
#pragma omp simd
        for (size_t column = 0; column < columns; column++)
            sums[column] += weights[row] * rows[row * step + column];
    memcpy(out, sums, columns * sizeof(float));
}

void mix_rows(const float *rows, size_t step, size_t count, const float *weights, size_t columns,
              float *out)
{
    size_t column = 0;

    for (; column + COLUMNS <= columns; column += COLUMNS)
        mix_columns(rows + column, step, count, weights, COLUMNS, out + column);
    if (column < columns)
        mix_columns(rows + column, step, count, weights, columns - column, out + column);
}

static float maximum_of(const float *x, size_t count)
{
    float maximum = -INFINITY;

    for (size_t i = 0; i < count; i++)
        maximum = x[i] > maximum ? x[i] : maximum;
    return maximum;
}

void softmax(float *x, size_t count)
{
    const float maximum = maximum_of(x, count);
    double sum = 0;

    /* The largest is taken as 1 without a subtraction: ∞ - ∞ would not be a number. */
    for (size_t i = 0; i < count; i++) {
        x[i] = x[i] == maximum ? 1.0f : expf(x[i] - maximum);
        sum += x[i];
    }
    const float scale = (float)(1 / sum);
    for (size_t i = 0; i < count; i++)
        x[i] *= scale;
}

void log_softmax_row(float *x, size_t count)
{
    const float maximum = maximum_of(x, count);
    double sum = 0;

    if (maximum == -INFINITY)
        return;
    for (size_t i = 0; i < count; i++)
        sum += expf(x[i] - maximum);
    const float logarithm = (float)log(sum);
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] - maximum - logarithm;
}
