// SPDX-License-Identifier: MIT
/* The kernels of each step of a beam search: reorder, log_softmax, top_k. */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reorder: row r becomes what row parents[r] was ---- */

static int reorder(const struct matrix *state, const uint32_t *parents, uint32_t count)
{
    return subject()->kernels->reorder(subject()->queue, &state->view, parents, count);
}

/* Expects the rows that the parents had, bit for bit. */
static void check_reorder(struct matrix *state, const uint32_t *parents)
{
    const size_t rows = state->view.rows, columns = state->view.columns;
    float *expected = allocate(rows * columns, sizeof(float));
    uint32_t *lent = allocate(rows, sizeof(uint32_t));

    memcpy(lent, parents, rows * sizeof(uint32_t));
    for (size_t row = 0; row < rows; row++)
        memcpy(expected + row * columns, matrix_at(state, parents[row], 0),
               columns * sizeof(float));
    expect_done(reorder(state, lent, (uint32_t)rows));
    memset(lent, 0xff, rows * sizeof(uint32_t)); /* the caller's again */
    matrix_read(state);
    for (size_t row = 0; row < rows; row++)
        expect(memcmp(matrix_at(state, row, 0), expected + row * columns,
                      columns * sizeof(float)) == 0,
               "row %zu of %zu is not what row %u was", row, rows, parents[row]);
    free(lent);
    free(expected);
}

static void check_reorder_random(void)
{
    for (int i = 0; i < cases(100); i++) {
        uint32_t parents[16];
        struct matrix state = matrix_create(1 + random_below(16), random_size(700),
                                            random_below(LAYOUT_COUNT), FILL_NORMAL);
        for (size_t row = 0; row < state.view.rows; row++)
            parents[row] = random_below(state.view.rows);
        check_reorder(&state, parents);
        matrix_destroy(&state);
    }
}

static void check_reorder_patterns(void)
{
    static const uint32_t patterns[][5] = {
        {0, 1, 2, 3, 4}, /* nothing moves */
        {4, 4, 4, 4, 4}, /* all from the last */
        {0, 0, 0, 0, 0}, {1, 2, 3, 4, 0}, {4, 0, 1, 2, 3}, {4, 3, 2, 1, 0}, {1, 1, 3, 3, 2},
    };

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct matrix state = matrix_create(5, 333, LAYOUT_STRIDED, FILL_NORMAL);
        check_reorder(&state, patterns[i]);
        matrix_destroy(&state);
    }
}

static void check_reorder_refused(void)
{
    struct matrix state = matrix_create(4, 10, LAYOUT_PACKED, FILL_NORMAL), bad;
    const uint32_t good[5] = {3, 2, 1, 0, 0}, beyond[4] = {0, 1, 2, 4};

    expect_refused(reorder(&state, good, 3));
    expect_refused(reorder(&state, good, 5));
    expect_refused(reorder(&state, good, 0));
    expect_refused(reorder(&state, beyond, 4));
    bad = state;
    bad.view.columns = 11;
    expect_refused(reorder(&bad, good, 4));
    bad = state;
    bad.view.rows = 5;
    expect_refused(reorder(&bad, good, 5));
    matrix_expect_unchanged(&state, "reorder: state of refused calls");
    check_reorder(&state, good);
    matrix_destroy(&state);
}

static int run_reorder(const void *state)
{
    static const uint32_t parents[] = {1, 2, 3, 0};

    return reorder(state, parents, 4);
}

static void bench_reorder(void)
{
    static const uint32_t columns[] = {512, 448 * 512};

    for (size_t i = 0; i < 2; i++) {
        struct matrix state = matrix_create(4, columns[i], LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "4 x %u, all move", columns[i]);
        bench_report("reorder", what, 4.0 * columns[i] * sizeof(float), "B",
                     bench_seconds(run_reorder, &state, &state.view));
        matrix_destroy(&state);
    }
}

static const struct check reorder_checks[] = {
    {"random parents", check_reorder_random},
    {"patterns", check_reorder_patterns},
    {"refused arguments", check_reorder_refused},
};

const struct check_group reorder_group = GROUP("reorder", reorder_checks, bench_reorder);

/* ---- log_softmax: x + mask, minus the logarithm of Σ exp ---- */

struct softmax_case {
    struct matrix x;
    struct weight mask;
    bool masked;
    char what[128];
};

/* The mask excludes about `withheld` of 8 columns. */
static struct softmax_case create_softmax(uint32_t rows, uint32_t columns, uint32_t withheld,
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

static void destroy_softmax(struct softmax_case *c)
{
    if (c->masked)
        weight_destroy(&c->mask);
    matrix_destroy(&c->x);
}

static int run_softmax(const void *arguments)
{
    const struct softmax_case *c = arguments;

    return subject()->kernels->log_softmax(subject()->queue, &c->x.view,
                                           c->masked ? c->mask.tensor : NULL);
}

static double masked_at(const struct softmax_case *c, size_t row, size_t column)
{
    return *matrix_at(&c->x, row, column) + (c->masked ? c->mask.values[column] : 0);
}

/* A row whose columns are all masked stays -∞. */
static void softmax_formula(const struct softmax_case *c, struct expected *expected)
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

static void check_softmax(struct softmax_case *c)
{
    struct expected expected = expected_create(c->x.view.rows, c->x.view.columns);

    softmax_formula(c, &expected);
    expect(run_softmax(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->x, &expected, HEARKEN_TENSOR_F32, c->what);
    expected_destroy(&expected);
}

static void check_softmax_shapes(void)
{
    for (int i = 0; i < cases(120); i++) {
        struct softmax_case c = create_softmax(random_size(8), random_size(3000), random_below(9),
                                               random_below(LAYOUT_COUNT), FILL_NORMAL);
        check_softmax(&c);
        destroy_softmax(&c);
    }
}

static void check_softmax_fills(void)
{
    static const uint32_t withheld[] = {0, 4, 8};

    for (int fill = 0; fill < FILL_COUNT; fill++)
        for (size_t i = 0; i < 3; i++) {
            struct softmax_case c = create_softmax(3, 501, withheld[i], LAYOUT_STRIDED, fill);
            check_softmax(&c);
            destroy_softmax(&c);
        }
}

/* Rows that already contain -∞: one that is all -∞, and one with a single finite number. */
static void check_softmax_infinities(void)
{
    struct softmax_case c = create_softmax(5, 40, 0, LAYOUT_STRIDED, FILL_NORMAL);

    for (size_t row = 0; row < 5; row++)
        for (size_t i = 0; i < 40; i++)
            if (row == 0 || (row == 1 && i != 7) || (row > 1 && random_below(4) == 0))
                *matrix_at(&c.x, row, i) = -INFINITY;
    matrix_write(&c.x);
    check_softmax(&c);
    expect(*matrix_at(&c.x, 0, 7) == -INFINITY, "a row of -inf gives %g",
           (double)*matrix_at(&c.x, 0, 7));
    expect(*matrix_at(&c.x, 1, 7) == 0, "a single number gives %g", (double)*matrix_at(&c.x, 1, 7));
    destroy_softmax(&c);
}

/* log_softmax is idempotent. */
static void check_softmax_twice(void)
{
    struct softmax_case c = create_softmax(4, 6000, 0, LAYOUT_PACKED, FILL_NORMAL);

    check_softmax(&c);
    check_softmax(&c);
    for (size_t row = 0; row < 4; row++) {
        double sum = 0;
        for (size_t i = 0; i < 6000; i++)
            sum += exp(*matrix_at(&c.x, row, i));
        expect(fabs(sum - 1) < 1e-5, "probabilities of row %zu sum to %.9g", row, sum);
    }
    destroy_softmax(&c);
}

static void check_softmax_vocabulary(void)
{
    struct softmax_case c = create_softmax(4, 51864, 1, LAYOUT_PACKED, FILL_NORMAL);

    check_softmax(&c);
    destroy_softmax(&c);
}

static void check_softmax_refused(void)
{
    struct softmax_case c = create_softmax(3, 12, 3, LAYOUT_PACKED, FILL_NORMAL), bad;
    struct weight longer = weight_create_vector(13, FILL_ZERO);
    struct weight table = weight_create(HEARKEN_TENSOR_F32, HEARKEN_USE_EMBED, 1, 12, 1, FILL_ZERO);

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run_softmax(&bad) == -EINVAL, "log_softmax with %s was not refused", #change);      \
    } while (0)
    REFUSED(bad.x.view.rows = 0);
    REFUSED(bad.x.view.rows = 4);
    REFUSED(bad.x.view.columns = 11);
    REFUSED(bad.x.view.offset = 1);
    REFUSED(bad.mask = longer);
    REFUSED(bad.mask = table);
#undef REFUSED
    matrix_expect_unchanged(&c.x, "log_softmax: x of refused calls");
    check_softmax(&c);
    weight_destroy(&table);
    weight_destroy(&longer);
    destroy_softmax(&c);
}

static void bench_softmax(void)
{
    static const uint32_t columns[] = {6000, 51864};

    for (size_t i = 0; i < 2; i++) {
        struct softmax_case c = create_softmax(4, columns[i], 0, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "4 x %u", columns[i]);
        bench_report("log_softmax", what, 8.0 * columns[i] * sizeof(float), "B",
                     bench_seconds(run_softmax, &c, &c.x.view));
        destroy_softmax(&c);
    }
}

static const struct check softmax_checks[] = {
    {"random shapes", check_softmax_shapes},          {"fills", check_softmax_fills},
    {"infinities", check_softmax_infinities},         {"twice", check_softmax_twice},
    {"a whole vocabulary", check_softmax_vocabulary}, {"refused arguments", check_softmax_refused},
};

const struct check_group log_softmax_group = GROUP("log_softmax", softmax_checks, bench_softmax);

/* ---- top_k: the largest of each row, largest first, equal ones by column ---- */

struct top_case {
    struct matrix x;
    uint32_t count;
    float *values;
    uint32_t *columns;
};

static struct top_case create_top(uint32_t rows, uint32_t columns, uint32_t count,
                                  enum layout layout, enum fill fill)
{
    return (struct top_case){matrix_create(rows, columns, layout, fill), count,
                             allocate(rows * (size_t)count, sizeof(float)),
                             allocate(rows * (size_t)count, sizeof(uint32_t))};
}

static void destroy_top(struct top_case *c)
{
    matrix_destroy(&c->x);
    free(c->values);
    free(c->columns);
}

static int run_top(const void *arguments)
{
    const struct top_case *c = arguments;

    return subject()->kernels->top_k(subject()->queue, &c->x.view, c->count, c->values, c->columns);
}

struct candidate {
    float value;
    uint32_t column;
};

static int by_value_then_column(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return a->column < b->column ? -1 : 1;
}

static void check_top_row(const struct top_case *c, size_t row, struct candidate *sorted)
{
    for (uint32_t column = 0; column < c->x.view.columns; column++)
        sorted[column] = (struct candidate){*matrix_at(&c->x, row, column), column};
    qsort(sorted, c->x.view.columns, sizeof(*sorted), by_value_then_column);
    for (size_t i = 0; i < c->count; i++) {
        const float value = c->values[row * c->count + i];
        const uint32_t column = c->columns[row * c->count + i];
        if (!expect(value == sorted[i].value && column == sorted[i].column,
                    "number %zu of row %zu of %u x %u is %g in column %u, expected %g in %u", i,
                    row, c->x.view.rows, c->x.view.columns, (double)value, column,
                    (double)sorted[i].value, sorted[i].column))
            return;
    }
}

static void check_top(struct top_case *c)
{
    struct candidate *sorted = allocate(c->x.view.columns, sizeof(*sorted));

    expect(run_top(c) == 0, "top_k failed: %s", subject()->message);
    for (size_t row = 0; row < c->x.view.rows; row++)
        check_top_row(c, row, sorted);
    matrix_expect_unchanged(&c->x, "top_k: x");
    free(sorted);
}

/* Rows that contain -∞, some with many equal numbers. */
static void check_top_shapes(void)
{
    for (int i = 0; i < cases(150); i++) {
        const uint32_t columns = random_size(2000), kinds = 1 + random_below(6);
        struct top_case c = create_top(random_size(8), columns, random_size(columns),
                                       random_below(LAYOUT_COUNT), FILL_NORMAL);
        const bool ties = random_below(2);
        for (size_t row = 0; row < c.x.view.rows; row++)
            for (size_t column = 0; column < columns; column++)
                if (ties)
                    *matrix_at(&c.x, row, column) = (float)random_below(kinds) - 2;
                else if (random_below(10) == 0)
                    *matrix_at(&c.x, row, column) = -INFINITY;
        matrix_write(&c.x);
        check_top(&c);
        destroy_top(&c);
    }
}

static void check_top_all(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 7, 64, 65, 1000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int fill = 0; fill < FILL_COUNT; fill++) {
            if (fill == FILL_SUBNORMAL)
                continue; /* may compare as zeros */
            struct top_case c = create_top(3, sizes[i], sizes[i], LAYOUT_STRIDED, fill);
            check_top(&c);
            destroy_top(&c);
        }
}

/* Rising and falling rows: every element, or none after the first ones, is a new best. */
static void check_top_sorted(void)
{
    struct top_case c = create_top(3, 500, 10, LAYOUT_PACKED, FILL_NORMAL);

    for (size_t column = 0; column < 500; column++) {
        *matrix_at(&c.x, 0, column) = (float)column;
        *matrix_at(&c.x, 1, column) = -(float)column;
        *matrix_at(&c.x, 2, column) = -INFINITY;
    }
    matrix_write(&c.x);
    check_top(&c);
    destroy_top(&c);
}

static void check_top_vocabulary(void)
{
    struct top_case c = create_top(4, 51864, 12, LAYOUT_PACKED, FILL_NORMAL);

    check_top(&c);
    destroy_top(&c);
}

static void check_top_refused(void)
{
    struct top_case c = create_top(2, 9, 9, LAYOUT_PACKED, FILL_NORMAL), bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run_top(&bad) == -EINVAL, "top_k with %s was not refused", #change);                \
    } while (0)
    REFUSED(bad.count = 10);
    REFUSED(bad.count = 0);
    REFUSED(bad.count = UINT32_MAX);
    REFUSED(bad.x.view.rows = 0);
    REFUSED(bad.x.view.rows = 3);
    REFUSED(bad.x.view.columns = 10);
    REFUSED(bad.x.view.offset = SIZE_MAX);
#undef REFUSED
    check_top(&c);
    destroy_top(&c);
}

static void bench_top(void)
{
    static const uint32_t columns[] = {6000, 51864};

    for (size_t i = 0; i < 2; i++) {
        struct top_case c = create_top(4, columns[i], 8, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "8 of 4 x %u", columns[i]);
        bench_report("top_k", what, 4.0 * columns[i] * sizeof(float), "B",
                     bench_seconds(run_top, &c, &c.x.view));
        destroy_top(&c);
    }
}

static const struct check top_checks[] = {
    {"random shapes", check_top_shapes},      {"all columns", check_top_all},
    {"sorted rows", check_top_sorted},        {"a whole vocabulary", check_top_vocabulary},
    {"refused arguments", check_top_refused},
};

const struct check_group top_k_group = GROUP("top_k", top_checks, bench_top);
