// SPDX-License-Identifier: MIT
/* The kernels that take each row by itself: reference_layer_norm, host_log_softmax, host_top_k. */
#include "plugins/cpu/cpu.h"
#include "plugins/cpu/thread_pool.h"

enum { PART_ELEMENTS = 64 * 1024 };

struct norm {
    const struct hearken_layer_norm *arguments;
    const struct instruction_set *set;
    size_t step; /* rows of a part */
};

static int norm_part(const void *context, size_t index, struct workspace *workspace)
{
    const struct norm *norm = context;
    const struct hearken_layer_norm *arguments = norm->arguments;
    const size_t first = index * norm->step, left = arguments->in.rows - first;
    const size_t end = first + (left < norm->step ? left : norm->step);

    (void)workspace;
    for (size_t row = first; row < end; row++)
        norm->set->norm_row(host_matrix_row(&arguments->in, row), arguments->in.columns,
                            arguments->scale->weights.data, arguments->shift->weights.data,
                            arguments->epsilon, host_matrix_row(&arguments->out, row));
    return 0;
}

int cpu_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments)
{
    int result = check_layer_norm(queue, arguments);

    if (result)
        return result;
    const struct norm norm = {arguments, cpu_set(queue), PART_ELEMENTS / arguments->in.columns + 1};
    return pool_run(cpu_backend(queue)->pool, norm_part, &norm,
                    (arguments->in.rows + norm.step - 1) / norm.step,
                    &((struct cpu_queue *)queue)->workspace);
}

int cpu_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                    const struct hearken_tensor *mask)
{
    int result = check_log_softmax(queue, x, mask);

    for (size_t row = 0; row < x->rows && !result; row++)
        cpu_set(queue)->log_softmax_row(host_matrix_row(x, row), mask ? mask->weights.data : NULL,
                                        x->columns);
    return result;
}

/* Puts a candidate among the best so far, which are in order; the last may fall out. */
static void insert(float *values, uint32_t *columns, size_t count, float value, uint32_t column)
{
    size_t at = count;

    for (; at > 0 && value > values[at - 1]; at--) {
        values[at] = values[at - 1];
        columns[at] = columns[at - 1];
    }
    values[at] = value;
    columns[at] = column;
}

/* Few numbers of a row are above the worst of the best so far: the rest is passed over in vectors.
 */
static void search_row(const struct instruction_set *set, const float *x, size_t width,
                       size_t count, float *values, uint32_t *columns)
{
    for (size_t column = 0; column < count; column++)
        insert(values, columns, column, x[column], (uint32_t)column);
    for (size_t column = count;;) {
        column = set->find_above(x, column, width, values[count - 1]);
        if (column == width)
            break;
        insert(values, columns, count - 1, x[column], (uint32_t)column);
        column++;
    }
}

int cpu_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
              float *values, uint32_t *columns)
{
    int result = check_top_k(queue, x, count);

    /* In order by insertion is slow for many: those the reference finds with a heap. */
    if (!result && count > 256)
        return host_top_k(queue, x, count, values, columns);
    for (size_t row = 0; row < x->rows && !result; row++)
        search_row(cpu_set(queue), host_matrix_row(x, row), x->columns, count, values + row * count,
                   columns + row * count);
    return result;
}
