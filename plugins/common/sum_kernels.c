// SPDX-License-Identifier: MIT
/*
 * The inner loops. They let the compiler vectorise without reordering additions: the source fixes
 * the order, as LANES partial sums that are added at the end. So a row's sum has the same bits
 * whatever other rows are in the call, and a stream computed in pieces equals one computed whole.
 */
#include "plugins/common/host_backend.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 8,    /* partial sums of a row, as two vectors of four */
    GROUP = 4,    /* rows computed together: so many independent additions */
    COLUMNS = 32, /* columns that host_mix_rows() accumulates in registers */
};

/* GNU C vector extension: GCC and Clang map it to the target's vector instructions. */
typedef float four __attribute__((vector_size(4 * sizeof(float))));

static inline __attribute__((always_inline)) four load(const float *x)
{
    four vector;

    memcpy(&vector, x, sizeof(vector));
    return vector;
}

/* Always inlined, so that `count` is a constant and the sums stay in registers. */
static inline __attribute__((always_inline)) void dot_group(const float *rows, size_t step,
                                                            size_t count, const float *with,
                                                            size_t columns, float *out)
{
    four sums[GROUP][2];
    size_t column = 0;

    for (size_t row = 0; row < count; row++)
        sums[row][0] = sums[row][1] = (four){0};
    for (; column + LANES <= columns; column += LANES) {
        const four with_low = load(with + column), with_high = load(with + column + 4);
        for (size_t row = 0; row < count; row++) {
            const float *x = rows + row * step + column;
            sums[row][0] += load(x) * with_low;
            sums[row][1] += load(x + 4) * with_high;
        }
    }
    for (size_t row = 0; row < count; row++) {
        const four sum = sums[row][0] + sums[row][1];
        out[row] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
    }
    for (; column < columns; column++)
        for (size_t row = 0; row < count; row++)
            out[row] += rows[row * step + column] * with[column];
}

void host_dot_rows(const float *rows, size_t step, size_t count, const float *with, size_t columns,
                   float *out)
{
    size_t row = 0;

    for (; row + GROUP <= count; row += GROUP)
        dot_group(rows + row * step, step, GROUP, with, columns, out + row);
    for (; row < count; row++)
        dot_group(rows + row * step, step, 1, with, columns, out + row);
}

/* COLUMNS columns, accumulated in registers. */
static void mix_tile(const float *rows, size_t step, size_t count, const float *weights, float *out)
{
    four sums[COLUMNS / 4] = {{0}};

    for (size_t row = 0; row < count; row++) {
        const four weight = {weights[row], weights[row], weights[row], weights[row]};
        for (size_t at = 0; at < COLUMNS / 4; at++)
            sums[at] += weight * load(rows + row * step + at * 4);
    }
    memcpy(out, sums, sizeof(sums));
}

void host_mix_rows(const float *rows, size_t step, size_t count, const float *weights,
                   size_t columns, float *out)
{
    size_t column = 0;

    for (; column + COLUMNS <= columns; column += COLUMNS)
        mix_tile(rows + column, step, count, weights, out + column);
    for (; column < columns; column++) {
        out[column] = 0;
        for (size_t row = 0; row < count; row++)
            out[column] += weights[row] * rows[row * step + column];
    }
}

static float maximum_of(const float *x, size_t count)
{
    float maximum = -INFINITY;

    for (size_t i = 0; i < count; i++)
        maximum = x[i] > maximum ? x[i] : maximum;
    return maximum;
}

void host_softmax(float *x, size_t count)
{
    const float maximum = maximum_of(x, count);
    double sum = 0;

    /* exp(maximum - maximum) is set to 1 without a subtraction, since ∞ - ∞ is NaN. */
    for (size_t i = 0; i < count; i++) {
        x[i] = x[i] == maximum ? 1.0f : expf(x[i] - maximum);
        sum += x[i];
    }
    const float scale = (float)(1 / sum);
    for (size_t i = 0; i < count; i++)
        x[i] *= scale;
}

void host_log_softmax_row(float *x, size_t count)
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
