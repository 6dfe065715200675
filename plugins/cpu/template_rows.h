// SPDX-License-Identifier: MIT
/* Kernels that process each row by itself: layer norm, the cell of an LSTM, log softmax, search. */
#ifndef HEARKEN_CPU_TEMPLATE_ROWS_H
#define HEARKEN_CPU_TEMPLATE_ROWS_H

#include "plugins/cpu/template_math.h"

/*
 * In a row far from zero, the mean's rounding error could be as large as the deviations, and the
 * division amplifies it. So the mean is a number near it and the mean of the deviations from that
 * (Chan, Golub and LeVeque 1983, the corrected two-pass algorithm).
 */
static void norm_row(const float *in, size_t width, const float *scale, const float *shift,
                     float epsilon, float *out)
{
    const float part = 1 / (float)width;
    vector sums = broadcast(0), rest = broadcast(0), squares = broadcast(0);

    for (size_t at = 0; at < width; at += LANES)
        sums += keep_first(load_first(in + at, width - at) - in[0], width - at, 0);
    const vector near = broadcast(in[0] + sum_of(sums) * part);
    for (size_t at = 0; at < width; at += LANES) {
        const vector deviation = keep_first(load_first(in + at, width - at) - near, width - at, 0);
        rest += deviation;
        squares = multiply_add(deviation, deviation, squares);
    }
    const float correction = sum_of(rest) * part;
    const float variance = sum_of(squares) * part - correction * correction;
    const float factor = 1 / sqrtf(variance + epsilon);
    for (size_t at = 0; at < width; at += LANES) {
        const size_t left = width - at;
        const vector deviation = load_first(in + at, left) - near - correction;
        store_first(out + at, left,
                    multiply_add(deviation * factor, load_first(scale + at, left),
                                 load_first(shift + at, left)));
    }
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
