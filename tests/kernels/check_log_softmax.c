// SPDX-License-Identifier: MIT
/* log_softmax: x + mask, minus the logarithm of Σ exp */
#include "tests/kernels/compare.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>

struct softmax_case {
    struct matrix x;
    struct weight mask;
    bool masked;
    char what[128];
};

/* A mask withholds about `withheld` of 8 columns. */
static struct softmax_case create(uint32_t rows, uint32_t columns, uint32_t withheld,
                                  enum layout layout, enum fill fill)
{
    struct softmax_case c = {.x = matrix_create(rows, columns, layout, fill),
                             .masked = withheld > 0};

    if (c.masked) {
        double *mask = allocate(columns, sizeof(double));
        for (size_t i = 0; i < columns; i++)
            mask[i] = random_below(8) < withheld ? -INFINITY : 0;
        c.mask = weight_create_of(HEARKEN_TENSOR_F32, HEARKEN_USE_VECTOR, 1, columns, 1, mask);
    }
    snprintf(c.what, sizeof(c.what), "log_softmax %u x %u, %u/8 withheld, %s%s", rows, columns,
             withheld, fill_name(fill), layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct softmax_case *c)
{
    if (c->masked)
        weight_destroy(&c->mask);
    matrix_destroy(&c->x);
}

static int run(const void *arguments)
{
    const struct softmax_case *c = arguments;

    return subject()->kernels->log_softmax(subject()->queue, &c->x.view,
                                           c->masked ? c->mask.tensor : NULL);
}

static double masked_at(const struct softmax_case *c, size_t row, size_t column)
{
    return *matrix_at(&c->x, row, column) + (c->masked ? c->mask.values[column] : 0);
}

/* A row of which nothing is left stays -∞ throughout. */
static void formula(const struct softmax_case *c, struct expected *expected)
{
    for (size_t row = 0; row < c->x.view.rows; row++) {
        double largest = -INFINITY, sum = 0;
        for (size_t i = 0; i < c->x.view.columns; i++)
            largest = fmax(largest, masked_at(c, row, i));
        for (size_t i = 0; i < c->x.view.columns && largest > -INFINITY; i++)
            sum += exp(masked_at(c, row, i) - largest);
        for (size_t i = 0; i < c->x.view.columns; i++) {
            const double x = masked_at(c, row, i);
            const double value = x > -INFINITY ? x - largest - log(sum) : x;
            expected_set(expected, row, i, value,
                         x > -INFINITY ? 1 + rounding_scale(fabs(x) + fabs(largest)) : 1);
        }
    }
}

static void check(struct softmax_case *c)
{
    struct expected expected = expected_create(c->x.view.rows, c->x.view.columns);

    formula(c, &expected);
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->x, &expected, HEARKEN_TENSOR_F32, c->what);
    expected_destroy(&expected);
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(120); i++) {
        struct softmax_case c = create(random_size(8), random_size(3000), random_below(9),
                                       random_below(LAYOUT_COUNT), FILL_NORMAL);
        check(&c);
        destroy(&c);
    }
}

static void check_fills(void)
{
    static const uint32_t withheld[] = {0, 4, 8};

    for (int fill = 0; fill < FILL_COUNT; fill++)
        for (size_t i = 0; i < 3; i++) {
            struct softmax_case c = create(3, 501, withheld[i], LAYOUT_STRIDED, fill);
            check(&c);
            destroy(&c);
        }
}

/* Rows that already hold -∞, one of them nothing else, and one with a single number left. */
static void check_infinities(void)
{
    struct softmax_case c = create(5, 40, 0, LAYOUT_STRIDED, FILL_NORMAL);

    for (size_t row = 0; row < 5; row++)
        for (size_t i = 0; i < 40; i++)
            if (row == 0 || (row == 1 && i != 7) || (row > 1 && random_below(4) == 0))
                *matrix_at(&c.x, row, i) = -INFINITY;
    matrix_write(&c.x);
    check(&c);
    expect(*matrix_at(&c.x, 0, 7) == -INFINITY, "a row of -inf gives %g",
           (double)*matrix_at(&c.x, 0, 7));
    expect(*matrix_at(&c.x, 1, 7) == 0, "a single number gives %g", (double)*matrix_at(&c.x, 1, 7));
    destroy(&c);
}

/* Log-probabilities of log-probabilities are the same again. */
static void check_twice(void)
{
    struct softmax_case c = create(4, 6000, 0, LAYOUT_PACKED, FILL_NORMAL);

    check(&c);
    check(&c);
    for (size_t row = 0; row < 4; row++) {
        double sum = 0;
        for (size_t i = 0; i < 6000; i++)
            sum += exp(*matrix_at(&c.x, row, i));
        expect(fabs(sum - 1) < 1e-5, "probabilities of row %zu sum to %.9g", row, sum);
    }
    destroy(&c);
}

static void check_vocabulary(void)
{
    struct softmax_case c = create(4, 51864, 1, LAYOUT_PACKED, FILL_NORMAL);

    check(&c);
    destroy(&c);
}

static void check_refused(void)
{
    struct softmax_case c = create(3, 12, 3, LAYOUT_PACKED, FILL_NORMAL), bad;
    struct weight longer = weight_create_vector(13, FILL_ZERO);
    struct weight table = weight_create(HEARKEN_TENSOR_F32, HEARKEN_USE_EMBED, 1, 12, 1, FILL_ZERO);

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "log_softmax with %s was not refused", #change);              \
    } while (0)
    REFUSED(bad.x.view.rows = 0);
    REFUSED(bad.x.view.rows = 4);
    REFUSED(bad.x.view.columns = 11);
    REFUSED(bad.x.view.offset = 1);
    REFUSED(bad.mask = longer);
    REFUSED(bad.mask = table);
#undef REFUSED
    matrix_expect_unchanged(&c.x, "log_softmax: x of refused calls");
    check(&c);
    weight_destroy(&table);
    weight_destroy(&longer);
    destroy(&c);
}

static void bench(void)
{
    static const uint32_t columns[] = {6000, 51864};

    for (size_t i = 0; i < 2; i++) {
        struct softmax_case c = create(4, columns[i], 0, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "4 x %u", columns[i]);
        bench_report("log_softmax", what, 8.0 * columns[i] * sizeof(float), "B",
                     bench_seconds(run, &c, &c.x.view));
        destroy(&c);
    }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},          {"fills", check_fills},
    {"infinities", check_infinities},         {"twice", check_twice},
    {"a whole vocabulary", check_vocabulary}, {"refused arguments", check_refused},
};

const struct check_group log_softmax_group = GROUP("log_softmax", checks, bench);
