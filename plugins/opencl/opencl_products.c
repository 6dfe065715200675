// SPDX-License-Identifier: MIT
/* The kernels based on the matrix product: see kernels/product.cl. */
#include "plugins/opencl/opencl_queue.h"

/* As in kernels/product.cl. */
enum { OPTION_BIAS = 1, OPTION_GELU = 2, OPTION_RESIDUAL = 4, PARTS = 8, FEW_ROWS = 4 };

/* out = activation(in · weightᵀ + bias) + residual */
struct opencl_product {
    struct rows_at out, in, residual;
    size_t rows;
    const struct hearken_tensor *weight, *bias; /* bias or NULL */
    cl_uint options;
};

/* The arguments that all kernels of product.cl share. For absent matrices any buffer is passed:
 * their option bit is clear. */
static void launch_product(struct launch *launch, const struct opencl_product *product,
                           cl_uint inputs)
{
    const struct opencl_tensor *weight = opencl_tensor(product->weight);
    const struct opencl_tensor *bias = product->bias ? opencl_tensor(product->bias) : weight;

    launch_rows(launch, product->out);
    launch_rows(launch, product->in);
    launch_weight(launch, weight);
    launch_memory(launch, bias->memory);
    launch_rows(launch, product->options & OPTION_RESIDUAL ? product->residual : product->out);
    launch_uint(launch, product->options);
    launch_uint(launch, (cl_uint)product->rows);
    launch_uint(launch, inputs);
    launch_uint(launch, weight->base.weights.rows);
}

static int run_tiles(struct launch *launch, size_t rows, size_t outputs)
{
    const struct tuning *tuning = &opencl_backend(&launch->queue->base)->device.tuning;
    const size_t tile_outputs = tuning->lanes_x * tuning->wide;
    const size_t tile_rows = tuning->lanes_y * tuning->high;

    return launch_run_tiles(launch, (outputs + tile_outputs - 1) / tile_outputs,
                            (rows + tile_rows - 1) / tile_rows, 1);
}

static int multiply_on(struct opencl_queue *queue, const struct opencl_product *product)
{
    const struct opencl_tensor *weight = opencl_tensor(product->weight);
    const struct tuning *tuning = &opencl_backend(&queue->base)->device.tuning;
    const bool few = product->rows <= tuning->few_rows;
    const size_t outputs = weight->base.weights.rows;
    struct launch launch =
        launch_begin(queue, (few ? KERNEL_PRODUCT_FEW_F32 : KERNEL_PRODUCT_F32) + weight->type);

    launch_product(&launch, product, weight->base.weights.columns);
    if (!few)
        return run_tiles(&launch, product->rows, outputs);
    const size_t few_outputs = tuning->group / PARTS;
    return launch_run_groups(&launch, (outputs + few_outputs - 1) / few_outputs,
                             (product->rows + FEW_ROWS - 1) / FEW_ROWS);
}

int opencl_linear(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    int result = check_linear(queue, arguments);

    if (result)
        return result;
    struct opencl_product product = {
        .out = rows_of(&arguments->out),
        .in = rows_of(&arguments->in),
        .rows = arguments->in.rows,
        .weight = arguments->weight,
        .bias = arguments->bias,
        .options = (arguments->bias ? OPTION_BIAS : 0) |
                   (arguments->activation == HEARKEN_ACTIVATION_GELU ? OPTION_GELU : 0) |
                   (arguments->residual ? OPTION_RESIDUAL : 0),
    };
    if (arguments->residual)
        product.residual = rows_of(arguments->residual);
    return multiply_on(opencl_queue(queue), &product);
}

static int add_positions(struct hearken_queue *queue, const struct hearken_convolve *arguments)
{
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_ADD_POSITIONS);

    launch_matrix(&launch, &arguments->out);
    launch_weight(&launch, opencl_tensor(arguments->positions));
    launch_uint(&launch, arguments->out.columns);
    launch_uint(&launch, arguments->position);
    return launch_run_elements(&launch, arguments->out.columns, arguments->out.rows);
}

int opencl_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments)
{
    int result = check_convolve(queue, arguments);

    if (result)
        return result;
    const struct opencl_product product = {
        .out = rows_of(&arguments->out),
        .in = rows_of(&arguments->in),
        .rows = arguments->out.rows,
        .weight = arguments->weight,
        .bias = arguments->bias,
        .options =
            OPTION_BIAS | (arguments->activation == HEARKEN_ACTIVATION_GELU ? OPTION_GELU : 0),
    };
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_CONVOLVE);
    launch_product(&launch, &product, arguments->in.columns);
    launch_uint(&launch, arguments->in.rows);
    launch_uint(&launch, arguments->weight->weights.taps);
    launch_uint(&launch, arguments->stride);
    launch_uint(&launch, arguments->padding);
    result = run_tiles(&launch, product.rows, arguments->out.columns);
    return result || !arguments->positions ? result : add_positions(queue, arguments);
}

/* gates [rows, 4 · width] = in · input_weightᵀ + input_bias + hidden · hidden_weightᵀ + hidden_bias
 */
static int compute_gates(struct hearken_queue *queue, const struct hearken_lstm *arguments,
                         struct rows_at gates)
{
    const struct opencl_product from_input = {
        .out = gates,
        .in = rows_of(&arguments->in),
        .rows = arguments->in.rows,
        .weight = arguments->input_weight,
        .bias = arguments->input_bias,
        .options = OPTION_BIAS,
    };
    const struct opencl_product from_hidden = {
        .out = gates,
        .in = rows_of(&arguments->hidden),
        .residual = gates,
        .rows = arguments->in.rows,
        .weight = arguments->hidden_weight,
        .bias = arguments->hidden_bias,
        .options = OPTION_BIAS | OPTION_RESIDUAL,
    };
    int result = multiply_on(opencl_queue(queue), &from_input);

    return result ? result : multiply_on(opencl_queue(queue), &from_hidden);
}

int opencl_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments)
{
    int result = check_lstm(queue, arguments);

    if (result)
        return result;
    const size_t rows = arguments->in.rows, width = arguments->hidden.columns;
    struct rows_at gates = {.stride = 4 * width};
    result = opencl_scratch(opencl_queue(queue), OPENCL_SCRATCH_GATES,
                            rows * 4 * width * sizeof(float), &gates.memory);
    if (result)
        return result;
    result = compute_gates(queue, arguments, gates);
    if (result)
        return result;
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_LSTM_GATES);
    launch_matrix(&launch, &arguments->out);
    launch_memory(&launch, gates.memory);
    launch_matrix(&launch, &arguments->hidden);
    launch_matrix(&launch, &arguments->cell);
    launch_matrix(&launch, arguments->residual ? arguments->residual : &arguments->out);
    launch_uint(&launch, arguments->residual != NULL);
    launch_uint(&launch, (cl_uint)width);
    return launch_run_elements(&launch, width, rows);
}
