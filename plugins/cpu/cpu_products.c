// SPDX-License-Identifier: MIT
/*
 * The kernels that are split into parts for the threads: matrix products (linear, convolve, lstm),
 * and those that process each row by itself (layer_norm, log_softmax, top_k).
 */
#include "plugins/cpu/cpu.h"
#include "plugins/cpu/thread_pool.h"

#include <errno.h>

enum {
    PART_PRODUCTS = 512 * 1024, /* multiplications that justify another thread */
    PARTS_PER_THREAD = 3,       /* so that a thread that starts late does not delay the others */
};

/* How a product is split: by rows if there are many, else by panels. */
struct cut {
    const struct cpu_product *product;
    size_t panels;
    size_t parts, step;
    bool by_rows;
};

static struct cut cut_product(const struct cpu_product *product, size_t threads)
{
    const struct cpu_tensor *weight = cpu_tensor(product->weight);
    const size_t panels = divide_up(weight->packed.outputs, weight->packed.panel);
    const size_t tiles = divide_up(product->rows, weight->kernels->tile_rows);
    const double work =
        (double)product->rows * (double)weight->packed.inputs * (double)weight->packed.outputs;
    const bool by_rows = tiles >= PARTS_PER_THREAD * threads;
    const size_t pieces = by_rows ? tiles : panels;
    size_t parts = threads * PARTS_PER_THREAD;

    if (threads == 1 || work < 2.0 * PART_PRODUCTS)
        parts = 1;
    else if (work / PART_PRODUCTS < (double)parts)
        parts = (size_t)(work / PART_PRODUCTS);
    const size_t step = divide_up(pieces, parts);
    return (struct cut){product, panels, divide_up(pieces, step), step, by_rows};
}

static struct range part_of(size_t index, size_t step, size_t count)
{
    const size_t first = index * step;

    return (struct range){first, count - first < step ? count : first + step};
}

static int multiply_part(const void *context, size_t index, struct workspace *workspace)
{
    const struct cut *cut = context;
    const struct matrix_kernels *kernels = cpu_tensor(cut->product->weight)->kernels;
    struct range rows = {0, cut->product->rows}, panels = {0, cut->panels};

    if (cut->by_rows)
        rows = part_of(index, cut->step * kernels->tile_rows, cut->product->rows);
    else
        panels = part_of(index, cut->step, cut->panels);
    return kernels->multiply(cut->product, rows, panels, workspace);
}

static int run_product(struct hearken_queue *queue, const struct cpu_product *product)
{
    struct pool *pool = cpu_backend(queue)->pool;
    const struct cut cut = cut_product(product, pool_threads(pool));

    return pool_run(pool, cpu_caller(queue), multiply_part, &cut, cut.parts);
}

/* The linear layer's rows `rows`, into `to` with `step` elements from row to row. */
static int multiply_rows(struct hearken_queue *queue, const struct hearken_linear *arguments,
                         struct range rows, float *to, size_t step)
{
    const struct hearken_matrix *residual = arguments->residual;

    return run_product(queue,
                       &(struct cpu_product){
                           .in = host_matrix_row(&arguments->in, rows.first),
                           .in_step = arguments->in.stride,
                           .rows = rows.end - rows.first,
                           .weight = arguments->weight,
                           .bias = arguments->bias ? arguments->bias->weights.data : NULL,
                           .activation = arguments->activation,
                           .residual = residual ? host_matrix_row(residual, rows.first) : NULL,
                           .residual_step = residual ? residual->stride : 0,
                           .out = to,
                           .out_step = step,
                       });
}

/* Rows that become bytes are in single precision for as long as they are in the cache. */
static int multiply_into_memory(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    enum { BLOCK_ELEMENTS = 256 * 1024 };
    const struct hearken_matrix *out = &arguments->out;
    const size_t fitting = BLOCK_ELEMENTS / out->columns + 1;
    const size_t block = out->rows < fitting ? out->rows : fitting;
    float *numbers = host_scratch(queue, SCRATCH_MEMORY, block * out->columns);
    int result = numbers ? 0 : -ENOMEM;

    for (size_t first = 0; first < out->rows && !result; first += block) {
        const size_t end = out->rows - first < block ? out->rows : first + block;
        struct hearken_matrix to = *out;
        to.offset += first * out->columns;
        to.rows = (uint32_t)(end - first);
        result = multiply_rows(queue, arguments, (struct range){first, end}, numbers, out->columns);
        if (!result)
            result = cpu_remember(queue, &to, numbers);
    }
    return result;
}

int cpu_linear(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    const struct hearken_matrix *out = &arguments->out;
    int result = check_linear(queue, arguments);

    if (result)
        return result;
    if (out->buffer->memory)
        return multiply_into_memory(queue, arguments);
    return multiply_rows(queue, arguments, (struct range){0, out->rows}, host_matrix_row(out, 0),
                         out->stride);
}

/* ---- Convolution: the input rows that a step sees, side by side, are a row of a product ---- */

/* A convolution and its positions, or NULL: the product's residual. */
struct convolution {
    const struct hearken_convolve *arguments;
    const float *positions;
    size_t positions_step; /* from row to row */
};

/* Positions of other types are expanded to where the product adds to them. */
static void find_positions(struct convolution *convolution)
{
    const struct hearken_convolve *arguments = convolution->arguments;
    const struct hearken_tensor *table = arguments->positions;

    if (!table)
        return;
    if (table->weights.type == HEARKEN_TENSOR_F32) {
        convolution->positions = host_tensor_row(table, arguments->position, NULL);
        convolution->positions_step = arguments->out.columns;
        return;
    }
    for (size_t step = 0; step < arguments->out.rows; step++)
        host_tensor_row(table, arguments->position + step, host_matrix_row(&arguments->out, step));
    convolution->positions = host_matrix_row(&arguments->out, 0);
    convolution->positions_step = arguments->out.stride;
}

/* Steps `steps`, which see the rows of `in`. */
static int convolve_steps(struct hearken_queue *queue, const struct convolution *convolution,
                          struct range steps, const float *in, size_t in_step)
{
    const struct hearken_convolve *arguments = convolution->arguments;
    const float *positions = convolution->positions;
    const size_t step = convolution->positions_step;

    return run_product(queue, &(struct cpu_product){
                                  .in = in,
                                  .in_step = in_step,
                                  .rows = steps.end - steps.first,
                                  .weight = arguments->weight,
                                  .bias = arguments->bias->weights.data,
                                  .activation = arguments->activation,
                                  .residual = positions ? positions + steps.first * step : NULL,
                                  .residual_step = step,
                                  .out = host_matrix_row(&arguments->out, steps.first),
                                  .out_step = arguments->out.stride,
                              });
}

/* Steps that see padding, or rows that do not follow each other in memory: what they see is
 * copied. */
static int convolve_copies(struct hearken_queue *queue, const struct convolution *convolution,
                           struct range steps)
{
    enum { WINDOW_ELEMENTS = 256 * 1024 };
    const size_t width = host_tensor_width(convolution->arguments->weight);
    const size_t fitting = WINDOW_ELEMENTS / width + 1, all = steps.end - steps.first;
    const size_t block = all < fitting ? all : fitting;
    int result = 0;

    if (all == 0)
        return 0;
    float *windows = host_scratch(queue, SCRATCH_WINDOW, block * width);
    if (!windows)
        return -ENOMEM;
    for (size_t first = steps.first; first < steps.end && !result; first += block) {
        const size_t end = steps.end - first < block ? steps.end : first + block;
        for (size_t step = first; step < end; step++)
            host_fill_window(convolution->arguments, step, windows + (step - first) * width);
        result = convolve_steps(queue, convolution, (struct range){first, end}, windows, width);
    }
    return result;
}

/* The steps that see only rows of the input, next to each other in memory. */
static struct range steps_in_place(const struct hearken_convolve *arguments)
{
    const size_t stride = arguments->stride, padding = arguments->padding;
    const size_t taps = arguments->weight->weights.taps, steps = arguments->out.rows;
    const size_t padded = arguments->in.rows + padding;
    const size_t first = divide_up(padding, stride);
    size_t end = padded < taps ? 0 : (padded - taps) / stride + 1;

    end = end < steps ? end : steps;
    if (arguments->in.stride != arguments->in.columns || end <= first)
        return (struct range){steps, steps};
    return (struct range){first, end};
}

int cpu_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments)
{
    struct convolution convolution = {.arguments = arguments};
    int result = check_convolve(queue, arguments);

    if (result)
        return result;
    find_positions(&convolution);
    const struct range inside = steps_in_place(arguments);
    result = convolve_copies(queue, &convolution, (struct range){0, inside.first});
    if (!result && inside.first < inside.end)
        result = convolve_steps(
            queue, &convolution, inside,
            host_matrix_row(&arguments->in, inside.first * arguments->stride - arguments->padding),
            (size_t)arguments->stride * arguments->in.columns);
    if (!result)
        result =
            convolve_copies(queue, &convolution, (struct range){inside.end, arguments->out.rows});
    return result;
}

/* ---- LSTM ---- */

/* [rows, 4 · width] = in · input_weightᵀ + input_bias + hidden · hidden_weightᵀ + hidden_bias */
static int compute_gates(struct hearken_queue *queue, const struct hearken_lstm *arguments,
                         float *gates)
{
    const size_t step = arguments->input_weight->weights.rows;
    int result = run_product(queue, &(struct cpu_product){
                                        .in = host_matrix_row(&arguments->in, 0),
                                        .in_step = arguments->in.stride,
                                        .rows = arguments->in.rows,
                                        .weight = arguments->input_weight,
                                        .bias = arguments->input_bias->weights.data,
                                        .out = gates,
                                        .out_step = step,
                                    });
    if (result)
        return result;
    return run_product(queue, &(struct cpu_product){
                                  .in = host_matrix_row(&arguments->hidden, 0),
                                  .in_step = arguments->hidden.stride,
                                  .rows = arguments->hidden.rows,
                                  .weight = arguments->hidden_weight,
                                  .bias = arguments->hidden_bias->weights.data,
                                  .residual = gates,
                                  .residual_step = step,
                                  .out = gates,
                                  .out_step = step,
                              });
}

int cpu_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments)
{
    int result = check_lstm(queue, arguments);

    if (result)
        return result;
    const size_t width = arguments->hidden.columns, rows = arguments->in.rows;
    float *gates = host_scratch(queue, SCRATCH_GATES, rows * 4 * width);
    if (!gates)
        return -ENOMEM;
    result = compute_gates(queue, arguments, gates);
    for (size_t row = 0; row < rows && !result; row++)
        cpu_set(queue)->lstm_row(
            gates + row * 4 * width, width,
            arguments->residual ? host_matrix_row(arguments->residual, row) : NULL,
            host_matrix_row(&arguments->cell, row), host_matrix_row(&arguments->hidden, row),
            host_matrix_row(&arguments->out, row));
    return result;
}

/* ---- Row by row ---- */

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
    return pool_run(cpu_backend(queue)->pool, cpu_caller(queue), norm_part, &norm,
                    (arguments->in.rows + norm.step - 1) / norm.step);
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

/* Inserts a candidate into the sorted list of the best, which drops its last. */
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

/* Few elements of a row exceed the worst of the best so far; find_above() skips the rest with
 * vectors. */
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

    /* Insertion is slow for a large count: plugins/common/ uses a heap. */
    if (!result && count > 256)
        return host_top_k(queue, x, count, values, columns);
    for (size_t row = 0; row < x->rows && !result; row++)
        search_row(cpu_set(queue), host_matrix_row(x, row), x->columns, count, values + row * count,
                   columns + row * count);
    return result;
}
