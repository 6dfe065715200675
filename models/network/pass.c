// SPDX-License-Identifier: MIT
#include "models/network/pass.h"

#include <errno.h>

#define EPSILON 1e-5f

/* Whether to make the next call. Every call checks, so a cancelled pass ends within one kernel. */
static bool may_continue(struct pass *pass)
{
    if (pass->error == 0 && pass->cancelled &&
        atomic_load_explicit(pass->cancelled, memory_order_relaxed))
        pass->error = -ECANCELED;
    return pass->error == 0;
}

void pass_reserve(struct pass *pass, struct storage *storage, size_t elements)
{
    if (!may_continue(pass) || storage->elements >= elements)
        return;
    pass_release(pass, storage);
    pass->error = pass->kernels->buffer_create(pass->queue, elements, &storage->buffer);
    if (pass->error == 0)
        storage->elements = elements;
}

void pass_reserve_memory(struct pass *pass, struct storage *storage, enum hearken_memory_kind kind,
                         uint32_t rows, uint32_t columns)
{
    const size_t elements = (size_t)rows * columns;
    if (!may_continue(pass) || storage->elements >= elements)
        return;
    pass_release(pass, storage);
    pass->error = pass->kernels->memory_create(pass->queue, kind, rows, columns, &storage->buffer);
    if (pass->error == 0)
        storage->elements = elements;
}

void pass_release(struct pass *pass, struct storage *storage)
{
    if (storage->elements > 0)
        pass->kernels->buffer_destroy(pass->queue, storage->buffer);
    *storage = (struct storage){0};
}

struct hearken_matrix matrix_of(const struct storage *storage, uint32_t rows, uint32_t columns)
{
    return (struct hearken_matrix){storage->buffer, 0, rows, columns, columns};
}

struct hearken_matrix matrix_rows(struct hearken_matrix matrix, uint32_t first, uint32_t count)
{
    matrix.offset += first * matrix.stride;
    matrix.rows = count;
    return matrix;
}

struct hearken_matrix matrix_columns(struct hearken_matrix matrix, uint32_t first, uint32_t count)
{
    matrix.offset += first;
    matrix.columns = count;
    return matrix;
}

void pass_write(struct pass *pass, struct hearken_matrix to, const float *from)
{
    if (may_continue(pass))
        pass->error = pass->kernels->write(pass->queue, &to, from);
}

void pass_read(struct pass *pass, struct hearken_matrix from, float *to)
{
    if (may_continue(pass))
        pass->error = pass->kernels->read(pass->queue, &from, to);
}

void pass_wait(struct pass *pass, struct hearken_matrix any)
{
    float corner;
    pass_read(pass, matrix_columns(matrix_rows(any, 0, 1), 0, 1), &corner);
}

static void linear(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                   const struct affine *affine, enum hearken_activation activation,
                   const struct hearken_matrix *residual)
{
    if (!may_continue(pass))
        return;
    const struct hearken_linear arguments = {
        .out = out,
        .in = in,
        .weight = affine->weight,
        .bias = affine->bias,
        .activation = activation,
        .residual = residual,
    };
    pass->error = pass->kernels->linear(pass->queue, &arguments);
}

void pass_linear(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                 const struct affine *affine)
{
    linear(pass, out, in, affine, HEARKEN_ACTIVATION_NONE, NULL);
}

void pass_linear_gelu(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                      const struct affine *affine)
{
    linear(pass, out, in, affine, HEARKEN_ACTIVATION_GELU, NULL);
}

void pass_linear_add(struct pass *pass, struct hearken_matrix x, struct hearken_matrix in,
                     const struct affine *affine)
{
    linear(pass, x, in, affine, HEARKEN_ACTIVATION_NONE, &x);
}

void pass_layer_norm(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                     const struct norm *norm)
{
    if (!may_continue(pass))
        return;
    const struct hearken_layer_norm arguments = {out, in, norm->scale, norm->shift, EPSILON};
    pass->error = pass->kernels->layer_norm(pass->queue, &arguments);
}

void pass_convolve(struct pass *pass, const struct hearken_convolve *arguments)
{
    if (may_continue(pass))
        pass->error = pass->kernels->convolve(pass->queue, arguments);
}

void pass_self_attend(struct pass *pass, const struct hearken_self_attend *arguments)
{
    if (may_continue(pass))
        pass->error = pass->kernels->self_attend(pass->queue, arguments);
}

void pass_attend(struct pass *pass, const struct hearken_attend *arguments)
{
    if (may_continue(pass))
        pass->error = pass->kernels->attend(pass->queue, arguments);
}

void pass_lstm(struct pass *pass, const struct hearken_lstm *arguments)
{
    if (may_continue(pass))
        pass->error = pass->kernels->lstm(pass->queue, arguments);
}

void pass_embed(struct pass *pass, const struct hearken_embed *arguments)
{
    if (may_continue(pass))
        pass->error = pass->kernels->embed(pass->queue, arguments);
}

void pass_reorder(struct pass *pass, struct hearken_matrix state, const uint32_t *parents)
{
    if (may_continue(pass))
        pass->error = pass->kernels->reorder(pass->queue, &state, parents, state.rows);
}

void pass_log_softmax(struct pass *pass, struct hearken_matrix x, const struct hearken_tensor *mask)
{
    if (may_continue(pass))
        pass->error = pass->kernels->log_softmax(pass->queue, &x, mask);
}

void pass_top_k(struct pass *pass, struct hearken_matrix x, uint32_t count, float *values,
                uint32_t *columns)
{
    if (may_continue(pass))
        pass->error = pass->kernels->top_k(pass->queue, &x, count, values, columns);
}
