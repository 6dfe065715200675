// SPDX-License-Identifier: MIT
#include "plugins/common/kernel_check.h"

#include "plugins/common/host_backend.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    ANY = 0,         /* matches any dimension from 1 on */
    LEVEL_ERROR = 0, /* HEARKEN_LOG_ERROR of hearken.h, which plugins do not include */
};

/* The call whose arguments are checked. */
struct check {
    const struct hearken_queue *queue;
    const char *kernel;
};

static __attribute__((format(printf, 2, 0))) void report_list(const struct hearken_backend *backend,
                                                              const char *format, va_list list)
{
    const struct hearken_plugin_host *host = backend->host;
    char line[256];

    if (!host || !host->log)
        return;
    const int prefix = snprintf(line, sizeof(line), "%s: ", backend->name);
    vsnprintf(line + prefix, sizeof(line) - (size_t)prefix, format, list);
    host->log(host->log_context, LEVEL_ERROR, line);
}

void report(const struct hearken_backend *backend, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    report_list(backend, format, list);
    va_end(list);
}

static __attribute__((format(printf, 2, 3))) bool refuse(const struct check *check,
                                                         const char *format, ...)
{
    char detail[192];
    va_list list;

    va_start(list, format);
    vsnprintf(detail, sizeof(detail), format, list);
    va_end(list);
    report(check->queue->backend, "%s: %s", check->kernel, detail);
    return false;
}

/* ---- Matrices ---- */

static bool shape_is(const struct check *check, const char *name, uint32_t rows, uint32_t columns,
                     uint32_t want_rows, uint32_t want_columns)
{
    char wanted[2][16] = {"any", "any"};

    if (rows > 0 && columns > 0 && (want_rows == ANY || rows == want_rows) &&
        (want_columns == ANY || columns == want_columns))
        return true;
    if (want_rows != ANY)
        snprintf(wanted[0], sizeof(wanted[0]), "%" PRIu32, want_rows);
    if (want_columns != ANY)
        snprintf(wanted[1], sizeof(wanted[1]), "%" PRIu32, want_columns);
    return refuse(check, "%s is [%" PRIu32 ", %" PRIu32 "], expected [%s, %s]", name, rows, columns,
                  wanted[0], wanted[1]);
}

/* Elements from the view's first to one past its last. The view must have passed inside(). */
static size_t span(const struct hearken_matrix *matrix)
{
    return (size_t)(matrix->rows - 1) * (matrix->rows > 1 ? matrix->stride : 0) + matrix->columns;
}

static bool inside(const struct hearken_matrix *matrix)
{
    const size_t elements = matrix->buffer->elements;

    if (matrix->rows > 1 && matrix->stride < matrix->columns)
        return false;
    if (matrix->offset > elements || matrix->columns > elements - matrix->offset)
        return false;
    const size_t left = elements - matrix->offset - matrix->columns;
    return matrix->rows == 1 || left / (matrix->rows - 1) >= matrix->stride;
}

static bool any_matrix_is(const struct check *check, const char *name,
                          const struct hearken_matrix *matrix, uint32_t rows, uint32_t columns)
{
    if (!matrix->buffer)
        return refuse(check, "%s has no buffer", name);
    if (matrix->buffer->queue->backend != check->queue->backend)
        return refuse(check, "%s belongs to another backend", name);
    if (!shape_is(check, name, matrix->rows, matrix->columns, rows, columns))
        return false;
    if (!inside(matrix))
        return refuse(check,
                      "%s, [%" PRIu32 ", %" PRIu32
                      "] with stride %zu at offset %zu, does not fit in a buffer of %zu elements",
                      name, matrix->rows, matrix->columns, matrix->stride, matrix->offset,
                      matrix->buffer->elements);
    return true;
}

static bool matrix_is(const struct check *check, const char *name,
                      const struct hearken_matrix *matrix, uint32_t rows, uint32_t columns)
{
    if (!any_matrix_is(check, name, matrix, rows, columns))
        return false;
    return matrix->buffer->memory == 0 ||
           refuse(check, "%s is in a buffer for keys and values of attend", name);
}

/* Whether the matrix consists of whole rows of a buffer for keys or values. */
static bool rows_of_memory_are(const struct check *check, const char *name,
                               const struct hearken_matrix *matrix, uint32_t rows, uint32_t columns)
{
    if (!any_matrix_is(check, name, matrix, rows, columns))
        return false;
    const uint32_t whole = matrix->buffer->memory_columns;
    if (matrix->columns == whole && matrix->stride == whole && matrix->offset % whole == 0)
        return true;
    return refuse(check,
                  "%s, %" PRIu32 " columns with stride %zu at offset %zu, is not made of whole "
                  "rows of %" PRIu32,
                  name, matrix->columns, matrix->stride, matrix->offset, whole);
}

static bool memory_is(const struct check *check, const char *name,
                      const struct hearken_matrix *matrix, enum hearken_memory_kind kind,
                      uint32_t rows, uint32_t columns)
{
    if (matrix->buffer && matrix->buffer->memory != kind)
        return refuse(check, "%s is not in a buffer of memory_create for %s", name, name);
    if (!rows_of_memory_are(check, name, matrix, rows, columns))
        return false;
    return matrix->offset == 0 ||
           refuse(check, "%s starts at offset %zu, expected 0", name, matrix->offset);
}

/*
 * Whether two views share no element. Views of the same stride may lie side by side, if their
 * column ranges, modulo the stride, are disjoint. Views of different strides count as overlapping
 * as soon as their spans do.
 */
static bool are_apart(const struct hearken_matrix *a, const struct hearken_matrix *b)
{
    if (a->buffer != b->buffer || a->offset + span(a) <= b->offset ||
        b->offset + span(b) <= a->offset)
        return true;
    if (a->rows == 1 && b->rows == 1)
        return false;
    if (a->rows > 1 && b->rows > 1 && a->stride != b->stride)
        return false;
    const size_t stride = a->rows > 1 ? a->stride : b->stride;
    const size_t at = (b->offset % stride + stride - a->offset % stride) % stride;
    return a->columns <= at && at + b->columns <= stride;
}

static bool is_apart(const struct check *check, const char *name_a, const struct hearken_matrix *a,
                     const char *name_b, const struct hearken_matrix *b)
{
    return are_apart(a, b) || refuse(check, "%s overlaps %s", name_a, name_b);
}

static bool is_apart_or_same(const struct check *check, const char *name_a,
                             const struct hearken_matrix *a, const char *name_b,
                             const struct hearken_matrix *b)
{
    const bool same = a->buffer == b->buffer && a->offset == b->offset &&
                      (a->rows == 1 || a->stride == b->stride);

    return same || is_apart(check, name_a, a, name_b, b);
}

/* ---- Tensors ---- */

static bool tensor_is(const struct check *check, const char *name,
                      const struct hearken_tensor *tensor, enum hearken_tensor_use use,
                      uint32_t rows, uint32_t columns)
{
    if (!tensor)
        return refuse(check, "%s is missing", name);
    if (!(tensor->weights.use & use))
        return refuse(check, "%s was made for uses %#" PRIx32 ", expected %#x", name,
                      tensor->weights.use, (unsigned)use);
    return shape_is(check, name, tensor->weights.rows, tensor->weights.columns, rows, columns);
}

static bool vector_is(const struct check *check, const char *name,
                      const struct hearken_tensor *tensor, uint32_t columns)
{
    return tensor_is(check, name, tensor, HEARKEN_USE_VECTOR, 1, columns);
}

/* Whether the table has rows position <= i < position + count, of `width` columns. */
static bool positions_are(const struct check *check, const struct hearken_tensor *positions,
                          uint32_t position, uint32_t count, uint32_t width)
{
    if (!tensor_is(check, "positions", positions, HEARKEN_USE_EMBED, ANY, width))
        return false;
    const uint32_t rows = positions->weights.rows;
    return (position <= rows && count <= rows - position) ||
           refuse(check, "%" PRIu32 " positions from %" PRIu32 ", expected up to %" PRIu32, count,
                  position, rows);
}

static bool activation_is_known(const struct check *check, enum hearken_activation activation)
{
    return activation == HEARKEN_ACTIVATION_NONE || activation == HEARKEN_ACTIVATION_GELU ||
           refuse(check, "activation %d is not known", (int)activation);
}

static bool has_blocks(const struct hearken_weights *weights)
{
    return weights->type == HEARKEN_TENSOR_Q8_0 || weights->type == HEARKEN_TENSOR_Q5_0;
}

static bool weights_fit(const struct hearken_backend *backend,
                        const struct hearken_weights *weights)
{
    const uint32_t known =
        HEARKEN_USE_LINEAR | HEARKEN_USE_EMBED | HEARKEN_USE_CONVOLVE | HEARKEN_USE_VECTOR;
    const bool convolves = weights->use & HEARKEN_USE_CONVOLVE;
    const uint32_t taps = convolves || weights->taps > 0 ? weights->taps : 1;

    if (weights->use == 0 || weights->use & ~known)
        report(backend, "tensor: uses %#" PRIx32 " are not known", weights->use);
    else if (weights->rows == 0 || weights->columns == 0 || taps == 0)
        report(backend, "tensor: [%" PRIu32 ", %" PRIu32 ", %" PRIu32 "] is no shape of a weight",
               weights->rows, weights->columns, weights->taps);
    else if (taps > 1 && weights->use != HEARKEN_USE_CONVOLVE)
        report(backend, "tensor: %" PRIu32 " taps for uses %#" PRIx32 ", expected %#x alone", taps,
               weights->use, (unsigned)HEARKEN_USE_CONVOLVE);
    else if (weights->columns > SIZE_MAX / sizeof(float) / taps / weights->rows)
        report(backend, "tensor: [%" PRIu32 ", %" PRIu32 ", %" PRIu32 "] is too large",
               weights->rows, weights->columns, weights->taps);
    else if (weights->use & HEARKEN_USE_VECTOR && weights->rows != 1)
        report(backend, "tensor: a vector of %" PRIu32 " rows, expected 1", weights->rows);
    else if (has_blocks(weights) && weights->columns % 32 != 0)
        report(backend, "tensor: %" PRIu32 " columns of type Q8_0 or Q5_0 do not divide by 32",
               weights->columns);
    else if (!weights->data || (uintptr_t)weights->data % 4 != 0)
        report(backend, "tensor: data at %p, expected an address that divides by 4", weights->data);
    else
        return true;
    return false;
}

int check_weights(const struct hearken_backend *backend, const struct hearken_weights *weights)
{
    const enum hearken_tensor_type type = weights->type;

    if (type != HEARKEN_TENSOR_F32 && type != HEARKEN_TENSOR_F16 && !has_blocks(weights)) {
        report(backend, "tensor: type %d is not known", (int)type);
        return -ENOTSUP;
    }
    if (!weights_fit(backend, weights))
        return -EINVAL;
    if (weights->use & HEARKEN_USE_VECTOR && type != HEARKEN_TENSOR_F32) {
        report(backend, "tensor: a vector of type %d, expected F32", (int)type);
        return -ENOTSUP;
    }
    if (weights->use & HEARKEN_USE_CONVOLVE && has_blocks(weights)) {
        report(backend, "tensor: a convolution of type %d, expected F32 or F16", (int)type);
        return -ENOTSUP;
    }
    return 0;
}

/* ---- Kernels ---- */

int check_transfer(struct hearken_queue *queue, const char *kernel,
                   const struct hearken_matrix *matrix)
{
    const struct check check = {queue, kernel};

    return matrix_is(&check, "matrix", matrix, ANY, ANY) ? 0 : -EINVAL;
}

int check_memory(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                 uint32_t columns)
{
    const struct check check = {queue, "memory_create"};

    if (rows > 0 && columns > 0 && (kind == HEARKEN_MEMORY_KEYS || kind == HEARKEN_MEMORY_VALUES))
        return 0;
    refuse(&check,
           "kind %d, %" PRIu32 " rows and %" PRIu32 " columns, expected 1 or 2 and at least 1",
           (int)kind, rows, columns);
    return -EINVAL;
}

int check_linear(struct hearken_queue *queue, const struct hearken_linear *arguments)
{
    const struct check check = {queue, "linear"};
    const struct hearken_matrix *out = &arguments->out, *in = &arguments->in;
    const struct hearken_matrix *residual = arguments->residual;

    if (!tensor_is(&check, "weight", arguments->weight, HEARKEN_USE_LINEAR, ANY, in->columns))
        return -EINVAL;
    const uint32_t outputs = arguments->weight->weights.rows;
    const bool good = matrix_is(&check, "in", in, ANY, ANY) &&
                      (!residual && out->buffer && out->buffer->memory
                           ? rows_of_memory_are(&check, "out", out, in->rows, outputs)
                           : matrix_is(&check, "out", out, in->rows, outputs)) &&
                      (!arguments->bias || vector_is(&check, "bias", arguments->bias, outputs)) &&
                      (!residual || (matrix_is(&check, "residual", residual, in->rows, outputs) &&
                                     is_apart_or_same(&check, "out", out, "residual", residual))) &&
                      is_apart(&check, "out", out, "in", in) &&
                      activation_is_known(&check, arguments->activation);
    return good ? 0 : -EINVAL;
}

int check_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments)
{
    const struct check check = {queue, "convolve"};
    const struct hearken_matrix *out = &arguments->out, *in = &arguments->in;

    if (!tensor_is(&check, "weight", arguments->weight, HEARKEN_USE_CONVOLVE, ANY, in->columns))
        return -EINVAL;
    const uint32_t outputs = arguments->weight->weights.rows;
    const bool good =
        matrix_is(&check, "in", in, ANY, ANY) && matrix_is(&check, "out", out, ANY, outputs) &&
        vector_is(&check, "bias", arguments->bias, outputs) &&
        (arguments->stride > 0 || refuse(&check, "stride 0, expected at least 1")) &&
        (!arguments->positions ||
         positions_are(&check, arguments->positions, arguments->position, out->rows, outputs)) &&
        is_apart(&check, "out", out, "in", in) &&
        activation_is_known(&check, arguments->activation);
    return good ? 0 : -EINVAL;
}

int check_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments)
{
    const struct check check = {queue, "layer_norm"};
    const struct hearken_matrix *out = &arguments->out, *in = &arguments->in;
    const bool good = matrix_is(&check, "in", in, ANY, ANY) &&
                      matrix_is(&check, "out", out, in->rows, in->columns) &&
                      vector_is(&check, "scale", arguments->scale, in->columns) &&
                      vector_is(&check, "shift", arguments->shift, in->columns) &&
                      is_apart_or_same(&check, "out", out, "in", in) &&
                      (arguments->epsilon > 0 ||
                       refuse(&check, "epsilon %g, expected above 0", (double)arguments->epsilon));
    return good ? 0 : -EINVAL;
}

static bool heads_divide(const struct check *check, uint32_t heads, uint32_t width)
{
    return (heads > 0 && width % heads == 0) ||
           refuse(check, "%" PRIu32 " heads do not divide width %" PRIu32, heads, width);
}

/* Whether the caches have room for `positions` more positions of every sequence. */
static bool cache_fits(const struct check *check, const struct hearken_self_attend *arguments,
                       uint32_t width, uint32_t positions)
{
    const struct hearken_matrix *keys = &arguments->keys, *values = &arguments->values;

    if (!matrix_is(check, "keys", keys, arguments->sequences, ANY) ||
        !matrix_is(check, "values", values, arguments->sequences, keys->columns) ||
        !is_apart(check, "keys", keys, "values", values) ||
        !is_apart(check, "keys", keys, "qkv", &arguments->qkv) ||
        !is_apart(check, "values", values, "qkv", &arguments->qkv) ||
        !is_apart(check, "out", &arguments->out, "keys", keys) ||
        !is_apart(check, "out", &arguments->out, "values", values))
        return false;
    const uint32_t room = keys->columns / width;
    if (keys->columns % width != 0)
        return refuse(check, "keys of %" PRIu32 " columns do not divide by width %" PRIu32,
                      keys->columns, width);
    return (arguments->past <= room && positions <= room - arguments->past) ||
           refuse(check,
                  "%" PRIu32 " positions after %" PRIu32 " do not fit in a cache of %" PRIu32,
                  positions, arguments->past, room);
}

static bool stand_ins_fit(const struct check *check, struct hearken_stand_ins stand_ins,
                          uint32_t keys)
{
    if (stand_ins.count <= keys && isfinite(stand_ins.bias))
        return true;
    refuse(check,
           "%" PRIu32 " stand-ins with a bias of %g, expected up to %" PRIu32 " and a finite one",
           stand_ins.count, (double)stand_ins.bias, keys);
    return false;
}

int check_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments)
{
    const struct check check = {queue, "self_attend"};
    const struct hearken_matrix *out = &arguments->out, *qkv = &arguments->qkv;
    const uint32_t sequences = arguments->sequences;

    if (!matrix_is(&check, "qkv", qkv, ANY, ANY))
        return -EINVAL;
    if (qkv->columns % 3 != 0) {
        refuse(&check, "qkv of %" PRIu32 " columns, expected 3 · width", qkv->columns);
        return -EINVAL;
    }
    const uint32_t width = qkv->columns / 3;
    if (!matrix_is(&check, "out", out, qkv->rows, width) ||
        !is_apart(&check, "out", out, "qkv", qkv) || !heads_divide(&check, arguments->heads, width))
        return -EINVAL;
    if (sequences == 0 || qkv->rows % sequences != 0) {
        refuse(&check, "%" PRIu32 " sequences do not divide %" PRIu32 " rows", sequences,
               qkv->rows);
        return -EINVAL;
    }
    if (arguments->stand_ins.count > 0 && (arguments->keys.buffer || arguments->chunk > 0)) {
        refuse(&check, "%" PRIu32 " stand-ins with a cache or chunks, expected none",
               arguments->stand_ins.count);
        return -EINVAL;
    }
    if (!stand_ins_fit(&check, arguments->stand_ins, qkv->rows))
        return -EINVAL;
    if (arguments->keys.buffer)
        return cache_fits(&check, arguments, width, qkv->rows / sequences) ? 0 : -EINVAL;
    if (arguments->values.buffer || arguments->past != 0 || sequences != 1) {
        refuse(&check,
               "without keys: values, past %" PRIu32 " or %" PRIu32
               " sequences, expected none, 0 and 1",
               arguments->past, sequences);
        return -EINVAL;
    }
    return 0;
}

int check_attend(struct hearken_queue *queue, const struct hearken_attend *arguments)
{
    const struct check check = {queue, "attend"};
    const struct hearken_matrix *context = &arguments->context, *query = &arguments->query;
    const struct hearken_matrix *keys = &arguments->keys, *values = &arguments->values;
    const struct hearken_matrix *alignment = arguments->alignment;

    if (!matrix_is(&check, "query", query, ANY, ANY) ||
        !memory_is(&check, "keys", keys, HEARKEN_MEMORY_KEYS, ANY, query->columns) ||
        !memory_is(&check, "values", values, HEARKEN_MEMORY_VALUES, keys->rows, query->columns) ||
        !matrix_is(&check, "context", context, query->rows, query->columns) ||
        !heads_divide(&check, arguments->heads, query->columns) ||
        !stand_ins_fit(&check, arguments->stand_ins, keys->rows) ||
        !is_apart(&check, "context", context, "query", query))
        return -EINVAL;
    if (!alignment)
        return 0;
    if (keys->rows > UINT32_MAX / arguments->heads) {
        refuse(&check, "%" PRIu32 " steps for %" PRIu32 " heads are too many", keys->rows,
               arguments->heads);
        return -EINVAL;
    }
    const bool good =
        matrix_is(&check, "alignment", alignment, query->rows, arguments->heads * keys->rows) &&
        is_apart(&check, "alignment", alignment, "context", context) &&
        is_apart(&check, "alignment", alignment, "query", query);
    return good ? 0 : -EINVAL;
}

static bool lstm_tensors_are(const struct check *check, const struct hearken_lstm *arguments)
{
    const uint32_t width = arguments->hidden.columns;

    if (width > UINT32_MAX / 4)
        return refuse(check, "width %" PRIu32 " is too large", width);
    return tensor_is(check, "input_weight", arguments->input_weight, HEARKEN_USE_LINEAR, 4 * width,
                     arguments->in.columns) &&
           tensor_is(check, "hidden_weight", arguments->hidden_weight, HEARKEN_USE_LINEAR,
                     4 * width, width) &&
           vector_is(check, "input_bias", arguments->input_bias, 4 * width) &&
           vector_is(check, "hidden_bias", arguments->hidden_bias, 4 * width);
}

int check_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments)
{
    const struct check check = {queue, "lstm"};
    const struct hearken_matrix *in = &arguments->in, *out = &arguments->out;
    const struct hearken_matrix *hidden = &arguments->hidden, *cell = &arguments->cell;
    const struct hearken_matrix *residual = arguments->residual;
    const uint32_t rows = in->rows, width = hidden->columns;
    const bool good =
        matrix_is(&check, "in", in, ANY, ANY) && matrix_is(&check, "hidden", hidden, rows, ANY) &&
        matrix_is(&check, "cell", cell, rows, width) &&
        matrix_is(&check, "out", out, rows, width) && lstm_tensors_are(&check, arguments) &&
        is_apart(&check, "hidden", hidden, "cell", cell) &&
        is_apart(&check, "hidden", hidden, "in", in) && is_apart(&check, "cell", cell, "in", in) &&
        is_apart(&check, "out", out, "in", in) && is_apart(&check, "out", out, "hidden", hidden) &&
        is_apart(&check, "out", out, "cell", cell);

    if (!good)
        return -EINVAL;
    if (residual && (!matrix_is(&check, "residual", residual, rows, width) ||
                     !is_apart_or_same(&check, "out", out, "residual", residual) ||
                     !is_apart(&check, "hidden", hidden, "residual", residual) ||
                     !is_apart(&check, "cell", cell, "residual", residual)))
        return -EINVAL;
    return 0;
}

int check_embed(struct hearken_queue *queue, const struct hearken_embed *arguments)
{
    const struct check check = {queue, "embed"};
    const struct hearken_matrix *out = &arguments->out;

    if (!tensor_is(&check, "table", arguments->table, HEARKEN_USE_EMBED, ANY, ANY) ||
        !matrix_is(&check, "out", out, ANY, arguments->table->weights.columns))
        return -EINVAL;
    for (size_t row = 0; row < out->rows; row++)
        if (arguments->tokens[row] >= arguments->table->weights.rows) {
            refuse(&check, "token %" PRIu32 " of row %zu, expected below %" PRIu32,
                   arguments->tokens[row], row, arguments->table->weights.rows);
            return -EINVAL;
        }
    if (!arguments->positions)
        return 0;
    if (arguments->period == 0) {
        refuse(&check, "period 0, expected at least 1");
        return -EINVAL;
    }
    const uint32_t count = out->rows < arguments->period ? out->rows : arguments->period;
    return positions_are(&check, arguments->positions, arguments->position, count, out->columns)
               ? 0
               : -EINVAL;
}

int check_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                  const uint32_t *parents, uint32_t count)
{
    const struct check check = {queue, "reorder"};

    if (count == 0) {
        refuse(&check, "0 parents, expected one for each row");
        return -EINVAL;
    }
    if (!matrix_is(&check, "state", state, count, ANY))
        return -EINVAL;
    for (size_t row = 0; row < count; row++)
        if (parents[row] >= count) {
            refuse(&check, "parent %" PRIu32 " of row %zu, expected below %" PRIu32, parents[row],
                   row, count);
            return -EINVAL;
        }
    return 0;
}

int check_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                      const struct hearken_tensor *mask)
{
    const struct check check = {queue, "log_softmax"};

    return matrix_is(&check, "x", x, ANY, ANY) &&
                   (!mask || vector_is(&check, "mask", mask, x->columns))
               ? 0
               : -EINVAL;
}

int check_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count)
{
    const struct check check = {queue, "top_k"};

    if (!matrix_is(&check, "x", x, ANY, ANY))
        return -EINVAL;
    if (count == 0 || count > x->columns) {
        refuse(&check, "%" PRIu32 " of %" PRIu32 " columns, expected 1 to all", count, x->columns);
        return -EINVAL;
    }
    return 0;
}
