// SPDX-License-Identifier: MIT
/*
 * Matrices and weights of a test: what the plugin holds, what the test knows it holds, and how
 * close results must come to the formula.
 */
#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H

#include <hearken/plugin.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers that fill a matrix or a weight. */
enum fill {
    FILL_NORMAL,
    FILL_ZERO,
    FILL_HUGE,      /* 10^4 or -10^4 */
    FILL_SUBNORMAL, /* the smallest numbers of the type; results may be flushed to zero */
    FILL_CONSTANT,  /* all numbers of a row are equal */
    FILL_OUTLIER,   /* normal, but one element of each row is 10^4 */
    FILL_COUNT,
};

const char *fill_name(enum fill fill);
double fill_number(enum fill fill, double row_constant);

/* ---- Matrices ---- */

/*
 * A view into a buffer of its own, surrounded by elements that no kernel may change. `held` is the
 * expected content of the whole buffer.
 */
struct matrix {
    struct hearken_matrix view;
    size_t elements;
    float *held;
};

enum layout {
    LAYOUT_PACKED,
    LAYOUT_STRIDED, /* random offset and distance between rows */
    LAYOUT_COUNT,
};

/* Filled and written to the plugin. */
struct matrix matrix_create(uint32_t rows, uint32_t columns, enum layout layout, enum fill fill);
void matrix_destroy(struct matrix *matrix);

float *matrix_at(const struct matrix *matrix, size_t row, size_t column);

/* Writes `held` to the plugin's buffer. */
void matrix_write(const struct matrix *matrix);

/* Reads the view into `held` and expects the surrounding elements to be unchanged. */
void matrix_read(struct matrix *matrix);

/* Expects the plugin's buffer to equal `held`, bit for bit. */
void matrix_expect_unchanged(const struct matrix *matrix, const char *name);

/* The view's rows from `first`, `count` of them. */
struct hearken_matrix matrix_rows(const struct matrix *matrix, uint32_t first, uint32_t count);

/* A matrix of the columns from `first`, `count` of them, in the same buffer: not to be destroyed.
 */
struct matrix matrix_columns(const struct matrix *matrix, uint32_t first, uint32_t count);

/* Expects two views of one shape to hold the same bits after both were read. */
void matrix_expect_same(const struct matrix *matrix, const struct matrix *other, const char *what);

/* ---- Weights ---- */

/* A tensor with the numbers [rows, columns, taps] that its data represent. */
struct weight {
    struct hearken_weights weights;
    struct hearken_tensor *tensor;
    void *memory; /* `weights.data` is 4 bytes into it: aligned to 4, not more */
    double *values;
};

/* Normal numbers are divided by sqrt(columns · taps), as in a network. */
struct weight weight_create(enum hearken_tensor_type type, uint32_t use, uint32_t rows,
                            uint32_t columns, uint32_t taps, enum fill fill);
struct weight weight_create_vector(uint32_t columns, enum fill fill);
/* Makes a weight of the caller's numbers, which it takes over and rounds to the type. */
struct weight weight_create_of(enum hearken_tensor_type type, uint32_t use, uint32_t rows,
                               uint32_t columns, uint32_t taps, double *values);
void weight_destroy(struct weight *weight);

double weight_at(const struct weight *weight, size_t row, size_t column, size_t tap);
enum { TYPE_COUNT = HEARKEN_TENSOR_Q5_0 + 1 }; /* of enum hearken_tensor_type */

const char *type_name(enum hearken_tensor_type type);

/* Columns of these divide by 32. */
static inline bool has_blocks(enum hearken_tensor_type type)
{
    return type == HEARKEN_TENSOR_Q8_0 || type == HEARKEN_TENSOR_Q5_0;
}

/* ---- How close ---- */

/*
 * The tolerances of plugins against the formula in double precision.
 *
 * Each expected number has a scale: the expected size of its error for each unit of relative error
 * of the arithmetic. For a sum of products that is the root of the sum of their squares plus the
 * size of the result (rounding errors add up like a random walk); see `sum_scale`. Over a whole
 * matrix,
 *
 *     Σ error² / Σ scale² ≤ mean_square       the normalised mean square error, and
 *     |error| ≤ worst · scale                 for every element.
 *
 * The bounds follow the type of the weight:
 *
 *     F32   single precision throughout, sums in any order, exp and erf within a few units in the
 *           last place. Half precision in the buffers between kernels does not pass, nor does the
 *           tanh approximation of GELU.
 *     F16   inputs may be rounded to half precision or bfloat16 before they are multiplied.
 *     Q8_0  inputs may be rounded to 8 bits in blocks of 32, as the weights are.
 *     Q5_0  likewise.
 *
 * Sums are of single precision or better in all.
 */
struct tolerance {
    double mean_square, worst;
};

extern const struct tolerance tolerance_of[]; /* by enum hearken_tensor_type */

struct expected {
    uint32_t rows, columns;
    double *values, *scales;
};

struct expected expected_create(uint32_t rows, uint32_t columns);
void expected_destroy(struct expected *expected);
void expected_set(struct expected *expected, size_t row, size_t column, double value, double scale);

/* Reads the matrix and compares it; `what` describes the case for messages. */
void expect_close(struct matrix *actual, const struct expected *expected,
                  enum hearken_tensor_type type, const char *what);

/* A running sum, with the sum of squares for its scale. */
struct sum {
    double value, squares;
};

static inline void sum_add(struct sum *sum, double term)
{
    sum->value += term;
    sum->squares += term * term;
}

double sum_scale(const struct sum *sum);

/* The scale of a result that is off by a few units in the last place of `number`. */
double rounding_scale(double number);

/* Likewise of exp(number) as a part of itself: for large numbers that is all of it, and more. */
double exponential_scale(double number);

double gelu(double x);

#endif
