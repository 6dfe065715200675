// SPDX-License-Identifier: MIT
/* Scaled dot-product attention (Vaswani et al. 2017, equation 1), one head of one row at a time. */
#include "check.h"
#include "reference.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* One head's keys and values: rows `step` elements apart. */
struct memory {
    const float *keys, *values;
    size_t step_keys, step_values;
    size_t rows, width;
};

/* alignment = softmax(q · k / sqrt(width)) over the rows; context = alignment · values */
static void attend_head(const struct memory *memory, const float *query, float *alignment,
                        float *context)
{
    const float scale = (float)(1 / sqrt((double)memory->width));

    dot_rows(memory->keys, memory->step_keys, memory->rows, query, memory->width, alignment);
    for (size_t row = 0; row < memory->rows; row++)
        alignment[row] *= scale;
    softmax(alignment, memory->rows);
    mix_rows(memory->values, memory->step_values, memory->rows, alignment, memory->width, context);
}

int attend(struct hearken_queue *queue, const struct hearken_attend *arguments)
{
    int error = check_attend(queue, arguments);

    if (error)
        return error;
    const size_t steps = arguments->keys.rows;
    const size_t width = arguments->query.columns / arguments->heads;
    float *scores = scratch(queue, SCRATCH_SCORES, steps);
    if (!scores)
        return -ENOMEM;

    for (size_t head = 0; head < arguments->heads; head++) {
        const struct memory memory = {
            .keys = matrix_row(&arguments->keys, 0) + head * width,
            .values = matrix_row(&arguments->values, 0) + head * width,
            .step_keys = arguments->keys.stride,
            .step_values = arguments->values.stride,
            .rows = steps,
            .width = width,
        };
        for (size_t row = 0; row < arguments->query.rows; row++) {
            float *alignment = arguments->alignment
                                   ? matrix_row(arguments->alignment, row) + head * steps
                                   : scores;
            attend_head(&memory, matrix_row(&arguments->query, row) + head * width, alignment,
                        matrix_row(&arguments->context, row) + head * width);
        }
    }
    return 0;
}

/* The new keys and values of one sequence go behind those that its cache holds. */
static void append(const struct hearken_self_attend *arguments, size_t sequence, size_t positions)
{
    const size_t width = arguments->out.columns;

    for (size_t row = 0; row < positions; row++) {
        const float *qkv = matrix_row(&arguments->qkv, sequence * positions + row);
        const size_t at = (arguments->past + row) * width;
        memcpy(matrix_row(&arguments->keys, sequence) + at, qkv + width, width * sizeof(float));
        memcpy(matrix_row(&arguments->values, sequence) + at, qkv + 2 * width,
               width * sizeof(float));
    }
}

/* How many positions position i sees: all, or up to the end of its chunk. */
static size_t visible(size_t position, size_t total, size_t chunk)
{
    if (chunk == 0)
        return total;
    const size_t end = (position / chunk + 1) * chunk;
    return end < total ? end : total;
}

static struct memory memory_of(const struct hearken_self_attend *arguments, size_t sequence,
                               size_t head)
{
    const size_t width = arguments->out.columns, head_width = width / arguments->heads;
    const size_t at = head * head_width;

    if (!arguments->keys.buffer) {
        const float *qkv = matrix_row(&arguments->qkv, 0);
        const size_t step = arguments->qkv.stride;
        return (struct memory){qkv + width + at, qkv + 2 * width + at, step, step, 0, head_width};
    }
    return (struct memory){matrix_row(&arguments->keys, sequence) + at,
                           matrix_row(&arguments->values, sequence) + at,
                           width,
                           width,
                           0,
                           head_width};
}

static void attend_sequence(const struct hearken_self_attend *arguments, size_t sequence,
                            size_t positions, float *scores)
{
    const size_t width = arguments->out.columns / arguments->heads;

    for (size_t head = 0; head < arguments->heads; head++) {
        struct memory memory = memory_of(arguments, sequence, head);
        for (size_t position = 0; position < positions; position++) {
            const size_t row = sequence * positions + position;
            memory.rows =
                visible(arguments->past + position, arguments->past + positions, arguments->chunk);
            attend_head(&memory, matrix_row(&arguments->qkv, row) + head * width, scores,
                        matrix_row(&arguments->out, row) + head * width);
        }
    }
}

int self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments)
{
    int error = check_self_attend(queue, arguments);

    if (error)
        return error;
    const size_t positions = arguments->qkv.rows / arguments->sequences;
    float *scores = scratch(queue, SCRATCH_SCORES, arguments->past + positions);
    if (!scores)
        return -ENOMEM;
    for (size_t sequence = 0; sequence < arguments->sequences; sequence++) {
        if (arguments->keys.buffer)
            append(arguments, sequence, positions);
        attend_sequence(arguments, sequence, positions, scores);
    }
    return 0;
}
