// SPDX-License-Identifier: MIT
/* Kernels that process each row by itself: layer norm, the cell of an LSTM, log softmax, search. */
#ifndef HEARKEN_CPU_TEMPLATE_ROWS_H
#define HEARKEN_CPU_TEMPLATE_ROWS_H

#include "plugins/cpu/template_math.h"

/*
 * In double precision: in a row far from zero, the mean's rounding error in single precision could
 * be as large as the deviations, and the division amplifies it. Eight independent partial sums.
 */
static void norm_row(const float *in, size_t width, const float *scale, const float *shift,
                     float epsilon, float *out)
{
    enum { SUMS = 8 };
    double sums[SUMS] = {0}, squares[SUMS] = {0}, sum = 0, square = 0;
    size_t column = 0;

    for (; column + SUMS <= width; column += SUMS)
        for (size_t i = 0; i < SUMS; i++)
            sums[i] += (double)in[column + i];
    for (; column < width; column++)
        sum += (double)in[column];
    for (size_t i = 0; i < SUMS; i++)
        sum += sums[i];
    const double mean = sum / (double)width;
    for (column = 0; column + SUMS <= width; column += SUMS)
        for (size_t i = 0; i < SUMS; i++)
            squares[i] += ((double)in[column + i] - mean) * ((double)in[column + i] - mean);
    for (; column < width; column++)
        square += ((double)in[column] - mean) * ((double)in[column] - mean);
    for (size_t i = 0; i < SUMS; i++)
        square += squares[i];
    const double factor = 1 / sqrt(square / (double)width + (double)epsilon);
    for (column = 0; column < width; column++)
        out[column] = (float)(((double)in[column] - mean) * factor) * scale[column] + shift[column];
}

static void lstm_row(const float *gates, size_t width, const float *residual, float *cell,
                     float *hidden, float *out)
{
    for (size_t i = 0; i < width; i += LANES) {
        const size_t left = width - i;
        const vector input = sigmoid(load_first(gates + i, left));
        const vector forget = sigmoid(load_first(gates + width + i, left));
        const vector candidate = tangent(load_first(gates + 2 * width + i, left));
        const vector output = sigmoid(load_first(gates + 3 * width + i, left));
        const vector now = forget * load_first(cell + i, left) + input * candidate;
        const vector shown = output * tangent(now);
        store_first(cell + i, left, now);
        store_first(hidden + i, left, shown);
        store_first(out + i, left, residual ? shown + load_first(residual + i, left) : shown);
    }
}

static float add_mask(float *x, const float *mask, size_t count)
{
    vector largest = broadcast(-INFINITY);

    for (size_t i = 0; i < count; i += LANES) {
        vector v = load_first(x + i, count - i);
        if (mask) {
            v += load_first(mask + i, count - i);
            store_first(x + i, count - i, v);
        }
        largest = maximum(largest, keep_first(v, count - i, -INFINITY));
    }
    return largest_of(largest);
}

static void log_softmax_row_of_set(float *x, const float *mask, size_t count)
{
    const float largest = add_mask(x, mask, count);
    double total = 0;

    if (largest == -INFINITY)
        return;
    /* Single precision for some hundred numbers, double for the rest. */
    for (size_t i = 0; i < count;) {
        const size_t end = count - i < 32 * LANES ? count : i + 32 * LANES;
        vector sum = broadcast(0);
        for (; i < end; i += LANES)
            sum += exponential(keep_first(load_first(x + i, count - i), count - i, -INFINITY) -
                               largest);
        total += (double)sum_of(sum);
    }
    const float logarithm = (float)log(total);
    for (size_t i = 0; i < count; i += LANES)
        store_first(x + i, count - i, load_first(x + i, count - i) - largest - logarithm);
}

static size_t find_above(const float *x, size_t from, size_t count, float bound)
{
    for (; from + 4 * LANES <= count; from += 4 * LANES) {
        const vector a = maximum(load(x + from), load(x + from + LANES));
        const vector b = maximum(load(x + from + 2 * LANES), load(x + from + 3 * LANES));
        if (largest_of(maximum(a, b)) > bound)
            break;
    }
    for (; from < count; from++)
        if (x[from] > bound)
            break;
    return from;
}

#endif
