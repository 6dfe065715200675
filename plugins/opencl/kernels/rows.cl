// SPDX-License-Identifier: MIT
/* Kernels that process each row, or each element, by itself. */

/* `rows` is the second dimension of the range, columns the first. */
kernel void copy_rows(global float *to, const ulong to_offset, const ulong to_stride,
                      global const float *from, const ulong from_offset, const ulong from_stride,
                      const uint columns)
{
    const size_t column = get_global_id(0), row = get_global_id(1);

    if (column < columns)
        to[to_offset + row * to_stride + column] = from[from_offset + row * from_stride + column];
}

/* As copy_rows, but reads row parents[row]. */
kernel void gather_rows(global float *to, const ulong to_offset, const ulong to_stride,
                        global const float *from, const ulong from_offset, const ulong from_stride,
                        const uint columns, const uint16 parents)
{
    const size_t column = get_global_id(0), row = get_global_id(1);

    if (column < columns)
        to[to_offset + row * to_stride + column] =
            from[from_offset + ((private const uint *)&parents)[row] * from_stride + column];
}

/* out[r] = table[tokens[r]] * scale + positions[position + r mod period]. `first`: rows of the call
 * before this part. */
kernel void embed(global float *out, const ulong out_offset, const ulong out_stride,
                  WEIGHT_ARGUMENTS(table), WEIGHT_ARGUMENTS(positions), const uint columns,
                  const uint16 tokens, const uint first, const float scale, const uint with_positions,
                  const uint position, const uint period)
{
    const uint column = get_global_id(0), row = get_global_id(1);

    if (column >= columns)
        return;
    float number = element_of(WEIGHT(table), ((private const uint *)&tokens)[row], column) *
                   scale;
    if (with_positions)
        number += element_of(WEIGHT(positions), position + (first + row) % period, column);
    out[out_offset + (first + row) * out_stride + column] = number;
}

/* out += positions[position + row] */
kernel void add_positions(global float *out, const ulong out_offset, const ulong out_stride,
                          WEIGHT_ARGUMENTS(positions), const uint columns, const uint position)
{
    const uint column = get_global_id(0), row = get_global_id(1);

    if (column < columns)
        out[out_offset + row * out_stride + column] +=
            element_of(WEIGHT(positions), position + row, column);
}

/*
 * The mean is corrected by the mean of the deviations, and the variance is computed from the
 * corrected mean. So the sums need no double precision, which not every device has.
 */
ROW_KERNEL void layer_norm(global float *out, const ulong out_offset, const ulong out_stride,
                           global const float *in, const ulong in_offset, const ulong in_stride,
                           global const float *scale, global const float *shift, const uint columns,
                           const float epsilon)
{
    local float folded[GROUP];
    const uint lane = get_local_id(0);
    float sum = 0;

    in += in_offset + get_group_id(0) * in_stride;
    out += out_offset + get_group_id(0) * out_stride;
    for (uint i = lane; i < columns; i += GROUP)
        sum += in[i];
    float mean = group_sum(sum, folded) / columns;
    sum = 0;
    for (uint i = lane; i < columns; i += GROUP)
        sum += in[i] - mean;
    mean += group_sum(sum, folded) / columns;
    sum = 0;
    for (uint i = lane; i < columns; i += GROUP)
        sum = MULTIPLY_ADD(in[i] - mean, in[i] - mean, sum);
    const float variance = group_sum(sum, folded) / columns;
    const float deviation = sqrt(variance + epsilon);
    for (uint i = lane; i < columns; i += GROUP)
        out[i] = MULTIPLY_ADD((in[i] - mean) / deviation, scale[i], shift[i]);
}

/* x = y - log(sum exp(y)), y = x + mask; a row of only -infinity stays unchanged. */
ROW_KERNEL void log_softmax(global float *x, const ulong x_offset, const ulong x_stride,
                            global const float *mask, const uint with_mask, const uint columns)
{
    local float folded[GROUP];
    const uint lane = get_local_id(0);
    float maximum = -INFINITY, sum = 0;

    x += x_offset + get_group_id(0) * x_stride;
    for (uint i = lane; i < columns; i += GROUP) {
        if (with_mask)
            x[i] += mask[i];
        maximum = fmax(maximum, x[i]);
    }
    maximum = group_maximum(maximum, folded);
    if (maximum == -INFINITY)
        return;
    for (uint i = lane; i < columns; i += GROUP)
        sum += exp(x[i] - maximum);
    const float logarithm = log(group_sum(sum, folded));
    for (uint i = lane; i < columns; i += GROUP)
        x[i] = x[i] - maximum - logarithm;
}

/* 1 / (1 + exp(-x)); where exp overflows to infinity, the result is 0. */
inline float sigmoid(float x)
{
    return 1 / (1 + exp(-x));
}

/* Updates hidden, cell and out from the gates' sums [rows, 4 * width], in the order input, forget,
 * cell, output. */
kernel void lstm_gates(global float *out, const ulong out_offset, const ulong out_stride,
                       global const float *gates, global float *hidden, const ulong hidden_offset,
                       const ulong hidden_stride, global float *cell, const ulong cell_offset,
                       const ulong cell_stride, global const float *residual,
                       const ulong residual_offset, const ulong residual_stride,
                       const uint with_residual, const uint width)
{
    const size_t i = get_global_id(0), row = get_global_id(1);

    if (i >= width)
        return;
    gates += row * 4 * width + i;
    cell += cell_offset + row * cell_stride + i;
    const float kept = sigmoid(gates[width]) * *cell;
    const float state = kept + sigmoid(gates[0]) * tanh(gates[2 * width]);
    const float shown = sigmoid(gates[3 * width]) * tanh(state);
    *cell = state;
    hidden[hidden_offset + row * hidden_stride + i] = shown;
    out[out_offset + row * out_stride + i] =
        with_residual ? shown + residual[residual_offset + row * residual_stride + i] : shown;
}

/* Whether (value, column) ranks before (other, other_column): larger values first, then lower
 * columns. */
#define COMES_BEFORE(value, column, other, other_column)                                           \
    ((value) > (other) || ((value) == (other) && (column) < (other_column)))

/*
 * The `count` best of each piece of a row, best first: `best` [rows, pieces, count], pairs of a
 * value's bits and its column. Each iteration finds the best of those that rank after the previous
 * one. With `paired`, `x` holds such pairs, and `columns` and `piece` count pairs: this merges the
 * results of the pieces.
 */
ROW_KERNEL void top_k(global uint2 *best, global const float *x, const ulong x_offset,
                      const ulong x_stride, const uint columns, const uint piece, const uint count,
                      const uint paired)
{
    local float values[GROUP];
    local uint places[GROUP];
    global const uint2 *pairs = (global const uint2 *)x + x_offset + get_group_id(1) * x_stride;
    const uint lane = get_local_id(0);
    const uint first = get_group_id(0) * piece, end = min(first + piece, columns);
    float last = 0;
    uint last_column = 0;

    x += x_offset + get_group_id(1) * x_stride;
    best += (get_group_id(1) * get_num_groups(0) + get_group_id(0)) * count;
    for (uint turn = 0; turn < count; turn++) {
        float value = -INFINITY;
        uint column = UINT_MAX;
        for (uint i = first + lane; i < end; i += GROUP) {
            const float candidate = paired ? as_float(pairs[i].x) : x[i];
            const uint place = paired ? pairs[i].y : i;
            if ((turn == 0 || COMES_BEFORE(last, last_column, candidate, place)) &&
                COMES_BEFORE(candidate, place, value, column)) {
                value = candidate;
                column = place;
            }
        }
        values[lane] = value;
        places[lane] = column;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint half_way = GROUP / 2; half_way > 0; half_way /= 2) {
            if (lane < half_way && COMES_BEFORE(values[lane + half_way], places[lane + half_way],
                                                values[lane], places[lane])) {
                values[lane] = values[lane + half_way];
                places[lane] = places[lane + half_way];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        last = values[0];
        last_column = places[0];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane == 0)
            best[turn] = (uint2)(as_uint(last), last_column);
    }
}
