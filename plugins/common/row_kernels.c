// SPDX-License-Identifier: MIT
/* The kernels embed, reorder, log_softmax and top_k in the host's memory: the reference versions,
 * some of which the cpu plugin uses too. */
#include "plugins/common/host_backend.h"
#include "plugins/common/kernel_check.h"

#include <errno.h>
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

/* ---- Embedding ---- */

/* out[r] = table[tokens[r]] · scale + positions[position + r mod period] */

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

/* ---- Beam search: reorder, log_softmax, top_k ---- */

/* state[r] = state[parents[r]], all rows at once: through a copy of the rows that change. */

int host_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                 const uint32_t *parents, uint32_t count)
{
    int result = check_reorder(queue, state, parents, count);

    if (result)
        return result;
    const size_t columns = state->columns, size = columns * sizeof(float);
    size_t moved = 0;
    for (size_t row = 0; row < count; row++)
        moved += parents[row] != row;
    float *rows = host_scratch(queue, SCRATCH_STATES, moved * columns);
    if (!rows && moved > 0)
        return -ENOMEM;

    float *next = rows;
    for (size_t row = 0; row < count; row++) {
        if (parents[row] == row)
            continue;
        memcpy(next, host_matrix_row(state, parents[row]), size);
        next += columns;
    }
    next = rows;
    for (size_t row = 0; row < count; row++) {
        if (parents[row] == row)
            continue;
        memcpy(host_matrix_row(state, row), next, size);
        next += columns;
    }
    return 0;
}

/* x[r] = y - log Σ exp(y), y = x[r] + mask */
int host_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                     const struct hearken_tensor *mask)
{
    int result = check_log_softmax(queue, x, mask);

    if (result)
        return result;
    for (size_t row = 0; row < x->rows; row++) {
        float *numbers = host_matrix_row(x, row);
        if (mask) {
            const float *add = mask->weights.data;
            for (size_t column = 0; column < x->columns; column++)
                numbers[column] += add[column];
        }
        host_log_softmax_row(numbers, x->columns);
    }
    return 0;
}

/* The best candidates so far, as a binary heap with the worst at the root (Williams 1964). */
struct heap {
    float *values;
    uint32_t *columns;
    size_t count;
};

/* A larger value is better; of equal values, the one in the lower column. */
static bool better(float value, uint32_t column, const struct heap *heap, size_t at)
{
    return value > heap->values[at] || (value == heap->values[at] && column < heap->columns[at]);
}

/* Inserts a candidate at the free node `at` or below, so that no node is better than its
 * children. */
static void sift_down(struct heap *heap, size_t at, float value, uint32_t column)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            better(heap->values[child], heap->columns[child], heap, child + 1))
            child++;
        if (!better(value, column, heap, child))
            break;
        heap->values[at] = heap->values[child];
        heap->columns[at] = heap->columns[child];
        at = child;
    }
    heap->values[at] = value;
    heap->columns[at] = column;
}

static void top_of_row(const float *x, uint32_t columns, struct heap *heap)
{
    const size_t count = heap->count;

    for (uint32_t column = 0; column < count; column++) {
        heap->values[column] = x[column];
        heap->columns[column] = column;
    }
    for (size_t at = count / 2; at-- > 0;)
        sift_down(heap, at, heap->values[at], heap->columns[at]);
    for (uint32_t column = (uint32_t)count; column < columns; column++)
        if (better(x[column], column, heap, 0))
            sift_down(heap, 0, x[column], column);

    /* Heapsort: moves the worst of the remaining to the end, which leaves the best first. */
    while (heap->count > 1) {
        const size_t last = --heap->count;
        const float value = heap->values[last];
        const uint32_t column = heap->columns[last];
        heap->values[last] = heap->values[0];
        heap->columns[last] = heap->columns[0];
        sift_down(heap, 0, value, column);
    }
}

int host_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
               float *values, uint32_t *columns)
{
    int result = check_top_k(queue, x, count);

    if (result)
        return result;
    for (size_t row = 0; row < x->rows; row++) {
        struct heap heap = {values + row * count, columns + row * count, count};
        top_of_row(host_matrix_row(x, row), x->columns, &heap);
    }
    return 0;
}
