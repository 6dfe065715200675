// SPDX-License-Identifier: MIT
/*
 * How close a plugin must come to the formula in double precision. This is the one place.
 *
 * Each expected number comes with a scale: how large its error may be thought to be per unit of
 * relative error of the arithmetic. For a sum of products that is the root of the sum of their
 * squares plus the size of the result (rounding errors add up like random steps); see `sum_scale`.
 * Over a whole matrix,
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
#ifndef KERNELS_COMPARE_H
#define KERNELS_COMPARE_H

#include "tests/kernels/matrix.h"

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

/* Reads the matrix and compares; `what` says in words which case it is. */
void expect_close(struct matrix *actual, const struct expected *expected,
                  enum hearken_tensor_type type, const char *what);

/* A sum as it goes, with what its scale needs. */
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
