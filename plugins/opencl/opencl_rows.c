// SPDX-License-Identifier: MIT
/* Kernels that process each row by itself: see kernels/rows.cl. */
#include "plugins/opencl/opencl_queue.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tokens and parents are passed as a kernel argument, in parts of this size, which saves a
 * transfer. */
enum { ROWS_AT_A_TIME = 16 };

static size_t at_a_time(size_t left)
{
    return left < ROWS_AT_A_TIME ? left : ROWS_AT_A_TIME;
}

int opencl_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments)
{
    int result = check_layer_norm(queue, arguments);

    if (result)
        return result;
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_LAYER_NORM);
    launch_matrix(&launch, &arguments->out);
    launch_matrix(&launch, &arguments->in);
    launch_memory(&launch, opencl_tensor(arguments->scale)->memory);
    launch_memory(&launch, opencl_tensor(arguments->shift)->memory);
    launch_uint(&launch, arguments->in.columns);
    launch_float(&launch, arguments->epsilon);
    return launch_run_groups(&launch, arguments->in.rows, 1);
}

/* ---- embed ---- */

static int embed_rows(struct hearken_queue *queue, const struct hearken_embed *arguments,
                      size_t first, size_t count)
{
    const struct hearken_tensor *positions =
        arguments->positions ? arguments->positions : arguments->table;
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_EMBED);
    cl_uint16 tokens = {{0}};

    memcpy(&tokens, arguments->tokens + first, count * sizeof(uint32_t));
    launch_matrix(&launch, &arguments->out);
    launch_weight(&launch, opencl_tensor(arguments->table));
    launch_weight(&launch, opencl_tensor(positions));
    launch_uint(&launch, arguments->out.columns);
    launch_uint16(&launch, &tokens);
    launch_uint(&launch, (cl_uint)first);
    launch_float(&launch, arguments->scale);
    launch_uint(&launch, arguments->positions != NULL);
    launch_uint(&launch, arguments->position);
    launch_uint(&launch, arguments->period ? arguments->period : 1);
    return launch_run_elements(&launch, arguments->out.columns, count);
}

int opencl_embed(struct hearken_queue *queue, const struct hearken_embed *arguments)
{
    int result = check_embed(queue, arguments);
    size_t count;

    for (size_t first = 0; !result && first < arguments->out.rows; first += count) {
        count = at_a_time(arguments->out.rows - first);
        result = embed_rows(queue, arguments, first, count);
    }
    return result;
}

/* ---- reorder ---- */

static int gather(struct opencl_queue *queue, const struct hearken_matrix *state,
                  const uint32_t *parents, size_t first, size_t count, cl_mem rows)
{
    struct launch launch = launch_begin(queue, KERNEL_GATHER_ROWS);
    cl_uint16 named = {{0}};

    memcpy(&named, parents + first, count * sizeof(uint32_t));
    launch_memory(&launch, rows);
    launch_ulong(&launch, first * state->columns);
    launch_ulong(&launch, state->columns);
    launch_matrix(&launch, state);
    launch_uint(&launch, state->columns);
    launch_uint16(&launch, &named);
    return launch_run_elements(&launch, state->columns, count);
}

int opencl_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                   const uint32_t *parents, uint32_t count)
{
    struct opencl_queue *q = opencl_queue(queue);
    int result = check_reorder(queue, state, parents, count);
    size_t now;

    if (result)
        return result;
    cl_mem rows;
    result = opencl_scratch(q, OPENCL_SCRATCH_ROWS, (size_t)count * state->columns * sizeof(float),
                            &rows);
    if (result)
        return result;
    for (size_t first = 0; !result && first < count; first += now) {
        now = at_a_time(count - first);
        result = gather(q, state, parents, first, now, rows);
    }
    if (result)
        return result;
    return launch_copy(q, rows_of(state), (struct rows_at){rows, 0, state->columns}, count,
                       state->columns);
}

/* ---- log_softmax and top_k ---- */

int opencl_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                       const struct hearken_tensor *mask)
{
    int result = check_log_softmax(queue, x, mask);

    if (result)
        return result;
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_LOG_SOFTMAX);
    launch_matrix(&launch, x);
    launch_memory(&launch, mask ? opencl_tensor(mask)->memory : matrix_memory(x));
    launch_uint(&launch, mask != NULL);
    launch_uint(&launch, x->columns);
    return launch_run_groups(&launch, x->rows, 1);
}

struct candidate {
    cl_float value;
    cl_uint column;
};

/* The pieces into which a row is split: several if `count` is small against the columns. */
static size_t choose_pieces(const struct tuning *tuning, uint32_t columns, uint32_t count)
{
    const size_t piece = (size_t)tuning->group * 4;
    const size_t pieces = (columns + piece - 1) / piece;

    if (count > piece / 8)
        return 1;
    return pieces < tuning->most_pieces ? pieces : tuning->most_pieces;
}

struct top {
    struct rows_at from; /* stride in elements of the row: numbers, or candidates */
    size_t rows, columns, pieces, count;
    bool paired;
};

static int find_best(struct opencl_queue *queue, const struct top *top, cl_mem best)
{
    struct launch launch = launch_begin(queue, KERNEL_TOP_K);

    launch_memory(&launch, best);
    launch_memory(&launch, top->from.memory);
    launch_ulong(&launch, top->from.offset);
    launch_ulong(&launch, top->from.stride);
    launch_uint(&launch, (cl_uint)top->columns);
    launch_uint(&launch, (cl_uint)((top->columns + top->pieces - 1) / top->pieces));
    launch_uint(&launch, (cl_uint)top->count);
    launch_uint(&launch, top->paired);
    return launch_run_groups(&launch, top->pieces, top->rows);
}

/* Enqueues the search; `best` receives the buffer of the candidates [rows, count]. */
static int enqueue_top(struct opencl_queue *queue, const struct hearken_matrix *x, uint32_t count,
                       cl_mem *best)
{
    const size_t pieces =
        choose_pieces(&opencl_backend(&queue->base)->device.tuning, x->columns, count);
    const size_t size = (size_t)x->rows * count * sizeof(struct candidate);
    const struct top top = {
        .from = rows_of(x),
        .rows = x->rows,
        .columns = x->columns,
        .pieces = pieces,
        .count = count,
    };
    cl_mem found;
    int result = opencl_scratch(queue, OPENCL_SCRATCH_BEST, size * pieces, &found);

    if (!result)
        result = find_best(queue, &top, found);
    if (result)
        return result;
    *best = found;
    if (pieces == 1)
        return 0;
    result = opencl_scratch(queue, OPENCL_SCRATCH_MERGED, size, best);
    if (result)
        return result;
    return find_best(queue,
                     &(struct top){.from = {found, 0, pieces * count},
                                   .rows = x->rows,
                                   .columns = pieces * count,
                                   .pieces = 1,
                                   .count = count,
                                   .paired = true},
                     *best);
}

int opencl_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
                 float *values, uint32_t *columns)
{
    struct opencl_queue *q = opencl_queue(queue);
    int result = check_top_k(queue, x, count);
    cl_mem best;

    if (result)
        return result;
    const size_t total = (size_t)x->rows * count;
    result = enqueue_top(q, x, count, &best);
    if (result)
        return result;
    struct candidate *candidates = malloc(total * sizeof(*candidates));
    if (!candidates)
        return -ENOMEM;
    result = queue_read(q, best, 0, total * sizeof(*candidates), candidates);
    for (size_t i = 0; i < total && !result; i++) {
        const bool is_known = candidates[i].column < x->columns; /* not in a row of NaN */
        values[i] = is_known ? candidates[i].value : -INFINITY;
        columns[i] = is_known ? candidates[i].column : 0;
    }
    free(candidates);
    return result;
}
