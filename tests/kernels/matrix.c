// SPDX-License-Identifier: MIT
#include "tests/kernels/matrix.h"

#include "tests/kernels/subject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const fill_names[FILL_COUNT] = {"normal",    "zero",     "huge",
                                                   "subnormal", "constant", "outlier"};

const char *fill_name(enum fill fill)
{
    return fill_names[fill];
}

double fill_number(enum fill fill, double row_constant)
{
    switch (fill) {
    case FILL_ZERO:
        return 0;
    case FILL_HUGE:
        return random_below(2) ? 1e4 : -1e4;
    case FILL_SUBNORMAL:
        return random_uniform() * 1e-39;
    case FILL_CONSTANT:
        return row_constant;
    case FILL_NORMAL:
    case FILL_OUTLIER:
    case FILL_COUNT:
        break;
    }
    return random_normal();
}

/* ---- Matrices ---- */

/* Fills the elements that no kernel may write to. */
static const float untouched = 7.25f;

float *matrix_at(const struct matrix *matrix, size_t row, size_t column)
{
    return matrix->held + matrix->view.offset + row * matrix->view.stride + column;
}

struct matrix matrix_create(uint32_t rows, uint32_t columns, enum layout layout, enum fill fill)
{
    struct matrix matrix = {.view = {.rows = rows, .columns = columns, .stride = columns}};
    size_t behind = 0;

    if (layout == LAYOUT_STRIDED) {
        matrix.view.offset = random_below(40);
        matrix.view.stride += random_below(20);
        behind = random_below(40);
    }
    matrix.elements = matrix.view.offset + (rows - 1) * matrix.view.stride + columns + behind;
    matrix.held = allocate(matrix.elements, sizeof(float));
    for (size_t i = 0; i < matrix.elements; i++)
        matrix.held[i] = untouched;
    for (size_t row = 0; row < rows; row++) {
        const double constant = random_normal();
        for (size_t column = 0; column < columns; column++)
            *matrix_at(&matrix, row, column) = (float)fill_number(fill, constant);
        if (fill == FILL_OUTLIER)
            *matrix_at(&matrix, row, random_below(columns)) = 1e4f;
    }
    expect_done(
        subject()->kernels->buffer_create(subject()->queue, matrix.elements, &matrix.view.buffer));
    matrix_write(&matrix);
    return matrix;
}

void matrix_destroy(struct matrix *matrix)
{
    subject()->kernels->buffer_destroy(subject()->queue, matrix->view.buffer);
    free(matrix->held);
    *matrix = (struct matrix){0};
}

static struct hearken_matrix whole(const struct matrix *matrix)
{
    return (struct hearken_matrix){matrix->view.buffer, 0, 1, (uint32_t)matrix->elements,
                                   matrix->elements};
}

void matrix_write(const struct matrix *matrix)
{
    const struct hearken_matrix all = whole(matrix);

    expect_done(subject()->kernels->write(subject()->queue, &all, matrix->held));
}

static float *read_whole(const struct matrix *matrix)
{
    const struct hearken_matrix all = whole(matrix);
    float *now = allocate(matrix->elements, sizeof(float));

    expect_done(subject()->kernels->read(subject()->queue, &all, now));
    return now;
}

void matrix_read(struct matrix *matrix)
{
    float *now = read_whole(matrix);
    const size_t size = matrix->view.columns * sizeof(float);

    for (size_t row = 0; row < matrix->view.rows; row++) {
        const size_t at = matrix->view.offset + row * matrix->view.stride;
        memcpy(matrix->held + at, now + at, size);
    }
    const bool same = memcmp(matrix->held, now, matrix->elements * sizeof(float)) == 0;
    expect(same, "elements around a view of [%u, %u] were written", matrix->view.rows,
           matrix->view.columns);
    free(now);
}

void matrix_expect_unchanged(const struct matrix *matrix, const char *name)
{
    float *now = read_whole(matrix);

    expect(memcmp(matrix->held, now, matrix->elements * sizeof(float)) == 0,
           "%s was written to, which is only read", name);
    free(now);
}

struct hearken_matrix matrix_rows(const struct matrix *matrix, uint32_t first, uint32_t count)
{
    struct hearken_matrix rows = matrix->view;

    rows.offset += first * rows.stride;
    rows.rows = count;
    return rows;
}

struct matrix matrix_columns(const struct matrix *matrix, uint32_t first, uint32_t count)
{
    struct matrix columns = *matrix;

    columns.view.offset += first;
    columns.view.columns = count;
    return columns;
}

void matrix_expect_same(const struct matrix *matrix, const struct matrix *other, const char *what)
{
    for (size_t row = 0; row < matrix->view.rows; row++)
        if (!expect(memcmp(matrix_at(matrix, row, 0), matrix_at(other, row, 0),
                           matrix->view.columns * sizeof(float)) == 0,
                    "%s: row %zu does not have the same bits", what, row))
            return;
}

/* ---- Weights ---- */

const char *type_name(enum hearken_tensor_type type)
{
    switch (type) {
    case HEARKEN_TENSOR_F32:
        return "F32";
    case HEARKEN_TENSOR_F16:
        return "F16";
    case HEARKEN_TENSOR_Q8_0:
        return "Q8_0";
    case HEARKEN_TENSOR_Q5_0:
        return "Q5_0";
    }
    return "unknown";
}

/* Converts to IEEE 754 half precision, rounded to the nearest, saturating. */
static uint16_t half_of(double value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);

    if (size < 0x1p-14)
        return sign | (uint16_t)rint(size * 0x1p24);
    const int exponent = ilogb(size);
    const double bits = (exponent + 15) * 1024.0 + rint(ldexp(size, 10 - exponent)) - 1024;
    return sign | (uint16_t)fmin(bits, 0x7bff);
}

static double value_of_half(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double size =
        exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);

    return half & 0x8000 ? -size : size;
}

/* Writes 32 numbers as a block of Q8_0 and replaces them by the block's values. */
static void encode_block(double *numbers, uint8_t *block)
{
    double largest = 0;

    for (size_t i = 0; i < 32; i++)
        largest = fmax(largest, fabs(numbers[i]));
    const uint16_t half = half_of(largest / 127);
    const double scale = value_of_half(half);
    const bool lowest = random_below(8) == 0; /* -128 is not made by rounding, but may be there */
    memcpy(block, &half, sizeof(half));
    for (size_t i = 0; i < 32; i++) {
        double quant = scale > 0 ? fmax(-127, fmin(127, rint(numbers[i] / scale))) : 0;
        if (lowest && i == 5)
            quant = -128;
        const int8_t byte = (int8_t)quant;
        memcpy(block + 2 + i, &byte, 1);
        numbers[i] = quant * scale;
    }
}

/* Likewise as a block of Q5_0. */
static void encode_small_block(double *numbers, uint8_t *block)
{
    double largest = 0;
    uint32_t fifth_bits = 0;

    for (size_t i = 0; i < 32; i++)
        largest = fmax(largest, fabs(numbers[i]));
    const uint16_t half = half_of(largest / 15);
    const double scale = value_of_half(half);
    memset(block, 0, 22);
    for (size_t i = 0; i < 32; i++) {
        const double quant = scale > 0 ? fmax(-16, fmin(15, rint(numbers[i] / scale))) : 0;
        const uint32_t bits = (uint32_t)((int)quant + 16);
        fifth_bits |= (bits >> 4) << i;
        block[6 + i % 16] |= (uint8_t)((bits & 15) << (i < 16 ? 0 : 4));
        numbers[i] = quant * scale;
    }
    memcpy(block, &half, sizeof(half));
    memcpy(block + 2, &fifth_bits, sizeof(fifth_bits));
}

static void encode(struct weight *weight, size_t count, uint8_t *data)
{
    for (size_t i = 0; i < count; i++) {
        if (weight->weights.type == HEARKEN_TENSOR_F32) {
            const float number = (float)weight->values[i];
            memcpy(data + i * 4, &number, 4);
            weight->values[i] = number;
        } else if (weight->weights.type == HEARKEN_TENSOR_F16) {
            const uint16_t half = half_of(weight->values[i]);
            memcpy(data + i * 2, &half, 2);
            weight->values[i] = value_of_half(half);
        } else if (i % 32 == 0 && weight->weights.type == HEARKEN_TENSOR_Q8_0) {
            encode_block(weight->values + i, data + i / 32 * 34);
        } else if (i % 32 == 0) {
            encode_small_block(weight->values + i, data + i / 32 * 22);
        }
    }
}

static size_t data_size(enum hearken_tensor_type type, size_t count)
{
    return type == HEARKEN_TENSOR_F32    ? count * 4
           : type == HEARKEN_TENSOR_F16  ? count * 2
           : type == HEARKEN_TENSOR_Q8_0 ? count / 32 * 34
                                         : count / 32 * 22;
}

/* Subnormals of half precision are below 2^-14. */
static double weight_number(enum hearken_tensor_type type, enum fill fill, double row_constant,
                            double width)
{
    if (fill == FILL_SUBNORMAL && type != HEARKEN_TENSOR_F32)
        return random_uniform() * (type == HEARKEN_TENSOR_F16 ? 0x1p-14 : 0x1p-9);
    const double number = fill_number(fill, row_constant);
    return fill == FILL_HUGE ? number : number / sqrt(width);
}

struct weight weight_create_of(enum hearken_tensor_type type, uint32_t use, uint32_t rows,
                               uint32_t columns, uint32_t taps, double *values)
{
    const size_t count = (size_t)rows * columns * taps;
    struct weight weight = {.weights = {type, use, rows, columns, taps, NULL}, .values = values};
    uint8_t *data = allocate(data_size(type, count) + 4, 1);

    weight.memory = data;
    weight.weights.data = data + 4;
    encode(&weight, count, data + 4);
    expect(subject()->plugin->tensor_create(subject()->backend, &weight.weights, &weight.tensor) ==
               0,
           "tensor_create refused %s [%u, %u, %u] for uses %#x: %s", type_name(type), rows, columns,
           taps, use, subject()->message);
    /* What the plugin says it has copied is gone. */
    if (use & subject()->plugin->copies)
        memset(data, 0xff, data_size(type, count) + 4);
    return weight;
}

struct weight weight_create(enum hearken_tensor_type type, uint32_t use, uint32_t rows,
                            uint32_t columns, uint32_t taps, enum fill fill)
{
    const size_t width = (size_t)columns * taps;
    double *values = allocate(rows * width, sizeof(double));

    for (size_t row = 0; row < rows; row++) {
        const double constant = random_normal();
        for (size_t i = 0; i < width; i++)
            values[row * width + i] = weight_number(type, fill, constant, (double)width);
    }
    return weight_create_of(type, use, rows, columns, taps, values);
}

struct weight weight_create_vector(uint32_t columns, enum fill fill)
{
    double *values = allocate(columns, sizeof(double));

    for (size_t i = 0; i < columns; i++)
        values[i] = fill_number(fill, 0.5);
    return weight_create_of(HEARKEN_TENSOR_F32, HEARKEN_USE_VECTOR, 1, columns, 1, values);
}

void weight_destroy(struct weight *weight)
{
    subject()->plugin->tensor_destroy(subject()->backend, weight->tensor);
    free(weight->memory);
    free(weight->values);
    *weight = (struct weight){0};
}

double weight_at(const struct weight *weight, size_t row, size_t column, size_t tap)
{
    return weight->values[(row * weight->weights.columns + column) * weight->weights.taps + tap];
}

/* ---- How close ---- */

const struct tolerance tolerance_of[] = {
    [HEARKEN_TENSOR_F32] = {1e-10, 2e-5},
    [HEARKEN_TENSOR_F16] = {1e-5, 2e-2},
    [HEARKEN_TENSOR_Q8_0] = {1e-4, 5e-2},
    [HEARKEN_TENSOR_Q5_0] = {1e-4, 5e-2},
};

/* Below this, numbers and errors may be flushed to zero: it covers the subnormal numbers. */
static const double smallest_scale = 1e-30;

struct expected expected_create(uint32_t rows, uint32_t columns)
{
    const size_t count = (size_t)rows * columns;

    return (struct expected){rows, columns, allocate(count, sizeof(double)),
                             allocate(count, sizeof(double))};
}

void expected_destroy(struct expected *expected)
{
    free(expected->values);
    free(expected->scales);
    *expected = (struct expected){0};
}

void expected_set(struct expected *expected, size_t row, size_t column, double value, double scale)
{
    expected->values[row * expected->columns + column] = value;
    expected->scales[row * expected->columns + column] = scale + smallest_scale;
}

void expect_close(struct matrix *actual, const struct expected *expected,
                  enum hearken_tensor_type type, const char *what)
{
    const struct tolerance *tolerance = &tolerance_of[type];
    double errors = 0, scales = 0;

    matrix_read(actual);
    for (size_t row = 0; row < expected->rows; row++)
        for (size_t column = 0; column < expected->columns; column++) {
            const size_t i = row * expected->columns + column;
            const double found = *matrix_at(actual, row, column), want = expected->values[i];
            const double scale = expected->scales[i], error = fabs(found - want);
            if (isinf(want) && found == want)
                continue;
            scales += scale * scale;
            errors += error * error;
            if (error <= tolerance->worst * scale)
                continue;
            expect(false,
                   "%s: [%zu, %zu] is %.9g, expected %.9g (scale %.3g, at most %g of it off)", what,
                   row, column, found, want, scale, tolerance->worst);
            return;
        }
    if (scales > 0)
        expect(errors / scales <= tolerance->mean_square,
               "%s: normalised mean square error %.3g, expected at most %g", what, errors / scales,
               tolerance->mean_square);
}

double sum_scale(const struct sum *sum)
{
    return sqrt(sum->squares) + fabs(sum->value);
}

double rounding_scale(double number)
{
    const double few = 4 * 0x1p-23;

    return few / tolerance_of[HEARKEN_TENSOR_F32].worst * fabs(number);
}

double exponential_scale(double number)
{
    const double worst = tolerance_of[HEARKEN_TENSOR_F32].worst;

    return expm1(fmin(rounding_scale(number) * worst, 20)) / worst;
}

double gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}
