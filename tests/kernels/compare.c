// SPDX-License-Identifier: MIT
#include "tests/kernels/compare.h"

#include "tests/kernels/subject.h"

#include <math.h>
#include <stdlib.h>

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
