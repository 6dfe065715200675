// SPDX-License-Identifier: MIT
/*
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1), for each head h and each row r:
 *
 *     alignment[r, h] = softmax(query[r, h] · keys[h]ᵀ / sqrt(width) + bias)    [keys]
 *     context[r, h]   = alignment[r, h] · values[h]                             [width]
 *
 * with query[r, h] [width], keys[h] and values[h] [keys, width]. `bias` is that of the stand-ins
 * for the last `stand_ins.count` keys, and 0 for the others.
 *
 * `attend` gets query, keys and values as matrices. In `self_attend` they are the thirds of a row
 * of `qkv`; keys and values of past positions come from the caches, and a position sees all keys
 * or, with `chunk`, those up to the end of its own chunk.
 */
#include "plugins/common/kernel_check.h"
#include "plugins/reference/reference.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* From this many query rows on, it pays to copy a head's keys and values to contiguous memory. */
enum { PACK_FROM = 8 };

/* The keys and values of one head. */
struct memory {
    const float *keys, *values;    /* [rows, width] */
    size_t keys_step, values_step; /* elements from row to row */
    size_t rows, width;
    struct hearken_stand_ins stand_ins; /* the last of the rows */
};

static float *pack_rows(struct hearken_queue *queue, enum scratch_use use, const float *rows,
                        size_t step, size_t count, size_t width)
{
    float *packed = host_scratch(queue, use, count * width);

    for (size_t row = 0; packed && row < count; row++)
        memcpy(packed + row * width, rows + row * step, width * sizeof(float));
    return packed;
}

/*
 * Packs keys and values, which every query row reads again: between the other heads, their rows are
 * pages apart. Values and order stay the same.
 */
static int pack(struct hearken_queue *queue, struct memory *memory, size_t queries)
{
    if (queries < PACK_FROM)
        return 0;
    memory->keys = pack_rows(queue, SCRATCH_KEYS, memory->keys, memory->keys_step, memory->rows,
                             memory->width);
    memory->values = pack_rows(queue, SCRATCH_VALUES, memory->values, memory->values_step,
                               memory->rows, memory->width);
    memory->keys_step = memory->values_step = memory->width;
    return memory->keys && memory->values ? 0 : -ENOMEM;
}

/* alignment [rows] = softmax(query · keysᵀ / sqrt(width) + bias);
 * context [width] = alignment · values. */
static void attend_head(const struct memory *memory, const float *query, float *alignment,
                        float *context)
{
    const float scale = (float)(1 / sqrt((double)memory->width));

    host_dot_rows(memory->keys, memory->keys_step, memory->rows, query, memory->width, alignment);
    for (size_t row = 0; row < memory->rows; row++)
        alignment[row] *= scale;
    for (size_t row = memory->rows - memory->stand_ins.count; row < memory->rows; row++)
        alignment[row] += memory->stand_ins.bias;
    host_softmax(alignment, memory->rows);
    host_mix_rows(memory->values, memory->values_step, memory->rows, alignment, memory->width,
                  context);
}

int reference_attend(struct hearken_queue *queue, const struct hearken_attend *arguments)
{
    int result = check_attend(queue, arguments);

    if (result)
        return result;
    const size_t steps = arguments->keys.rows;
    const size_t width = arguments->query.columns / arguments->heads;
    float *scores = host_scratch(queue, SCRATCH_SCORES, steps);
    if (!scores)
        return -ENOMEM;

    for (size_t head = 0; head < arguments->heads; head++) {
        struct memory memory = {
            .keys = host_matrix_row(&arguments->keys, 0) + head * width,
            .values = host_matrix_row(&arguments->values, 0) + head * width,
            .keys_step = arguments->keys.stride,
            .values_step = arguments->values.stride,
            .rows = steps,
            .width = width,
            .stand_ins = arguments->stand_ins,
        };
        result = pack(queue, &memory, arguments->query.rows);
        if (result)
            return result;
        for (size_t row = 0; row < arguments->query.rows; row++) {
            float *alignment = arguments->alignment
                                   ? host_matrix_row(arguments->alignment, row) + head * steps
                                   : scores;
            attend_head(&memory, host_matrix_row(&arguments->query, row) + head * width, alignment,
                        host_matrix_row(&arguments->context, row) + head * width);
        }
    }
    return 0;
}

/* Keys that a position sees: all, or those up to the end of its chunk. */
static size_t visible(size_t position, size_t total, size_t chunk)
{
    if (chunk == 0)
        return total;
    const size_t end = (position / chunk + 1) * chunk;
    return end < total ? end : total;
}

/* The keys and values of one head of one sequence: from the caches, or from `qkv`. */
static struct memory memory_of(const struct hearken_self_attend *arguments, size_t sequence,
                               size_t head, size_t rows)
{
    const size_t width = arguments->out.columns, head_width = width / arguments->heads;
    const float *keys, *values;
    size_t step = width;

    if (arguments->keys.buffer) {
        keys = host_matrix_row(&arguments->keys, sequence);
        values = host_matrix_row(&arguments->values, sequence);
    } else {
        keys = host_matrix_row(&arguments->qkv, 0) + width;
        values = keys + width;
        step = arguments->qkv.stride;
    }
    return (struct memory){
        .keys = keys + head * head_width,
        .values = values + head * head_width,
        .keys_step = step,
        .values_step = step,
        .rows = rows,
        .width = head_width,
        .stand_ins = arguments->stand_ins,
    };
}

static int attend_sequence(struct hearken_queue *queue, const struct hearken_self_attend *arguments,
                           size_t sequence, float *scores)
{
    const size_t positions = arguments->qkv.rows / arguments->sequences;
    const size_t total = arguments->past + positions;
    const size_t width = arguments->out.columns / arguments->heads;

    for (size_t head = 0; head < arguments->heads; head++) {
        struct memory memory = memory_of(arguments, sequence, head, total);
        int result = pack(queue, &memory, positions);
        if (result)
            return result;
        for (size_t position = 0; position < positions; position++) {
            const size_t row = sequence * positions + position;
            memory.rows = visible(arguments->past + position, total, arguments->chunk);
            attend_head(&memory, host_matrix_row(&arguments->qkv, row) + head * width, scores,
                        host_matrix_row(&arguments->out, row) + head * width);
        }
    }
    return 0;
}

int reference_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments)
{
    int result = check_self_attend(queue, arguments);

    if (result)
        return result;
    const size_t positions = arguments->qkv.rows / arguments->sequences;
    float *scores = host_scratch(queue, SCRATCH_SCORES, arguments->past + positions);
    if (!scores)
        return -ENOMEM;
    if (arguments->keys.buffer)
        host_append_to_caches(arguments);
    for (size_t sequence = 0; sequence < arguments->sequences && !result; sequence++)
        result = attend_sequence(queue, arguments, sequence, scores);
    return result;
}
