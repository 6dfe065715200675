// SPDX-License-Identifier: MIT
/* top_k: the largest of each row, largest first, equal ones by column */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct top_case {
    struct matrix x;
    uint32_t count;
    float *values;
    uint32_t *columns;
};

static struct top_case create(uint32_t rows, uint32_t columns, uint32_t count, enum layout layout,
                              enum fill fill)
{
    return (struct top_case){matrix_create(rows, columns, layout, fill), count,
                             allocate(rows * (size_t)count, sizeof(float)),
                             allocate(rows * (size_t)count, sizeof(uint32_t))};
}

static void destroy(struct top_case *c)
{
    matrix_destroy(&c->x);
    free(c->values);
    free(c->columns);
}

static int run(const void *arguments)
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

static void check_row(const struct top_case *c, size_t row, struct candidate *sorted)
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

static void check(struct top_case *c)
{
    struct candidate *sorted = allocate(c->x.view.columns, sizeof(*sorted));

    expect(run(c) == 0, "top_k failed: %s", subject()->message);
    for (size_t row = 0; row < c->x.view.rows; row++)
        check_row(c, row, sorted);
    matrix_expect_unchanged(&c->x, "top_k: x");
    free(sorted);
}

/* With -∞ among them, and many equal numbers in some. */
static void check_shapes(void)
{
    for (int i = 0; i < cases(150); i++) {
        const uint32_t columns = random_size(2000), kinds = 1 + random_below(6);
        struct top_case c = create(random_size(8), columns, random_size(columns),
                                   random_below(LAYOUT_COUNT), FILL_NORMAL);
        const bool ties = random_below(2);
        for (size_t row = 0; row < c.x.view.rows; row++)
            for (size_t column = 0; column < columns; column++)
                if (ties)
                    *matrix_at(&c.x, row, column) = (float)random_below(kinds) - 2;
                else if (random_below(10) == 0)
                    *matrix_at(&c.x, row, column) = -INFINITY;
        matrix_write(&c.x);
        check(&c);
        destroy(&c);
    }
}

static void check_all(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 7, 64, 65, 1000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int fill = 0; fill < FILL_COUNT; fill++) {
            if (fill == FILL_SUBNORMAL)
                continue; /* may compare as zeros */
            struct top_case c = create(3, sizes[i], sizes[i], LAYOUT_STRIDED, fill);
            check(&c);
            destroy(&c);
        }
}

/* Rising and falling rows: every element, or none after the first ones, is a new best. */
static void check_sorted(void)
{
    struct top_case c = create(3, 500, 10, LAYOUT_PACKED, FILL_NORMAL);

    for (size_t column = 0; column < 500; column++) {
        *matrix_at(&c.x, 0, column) = (float)column;
        *matrix_at(&c.x, 1, column) = -(float)column;
        *matrix_at(&c.x, 2, column) = -INFINITY;
    }
    matrix_write(&c.x);
    check(&c);
    destroy(&c);
}

static void check_vocabulary(void)
{
    struct top_case c = create(4, 51864, 12, LAYOUT_PACKED, FILL_NORMAL);

    check(&c);
    destroy(&c);
}

static void check_refused(void)
{
    struct top_case c = create(2, 9, 9, LAYOUT_PACKED, FILL_NORMAL), bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "top_k with %s was not refused", #change);                    \
    } while (0)
    REFUSED(bad.count = 10);
    REFUSED(bad.count = 0);
    REFUSED(bad.count = UINT32_MAX);
    REFUSED(bad.x.view.rows = 0);
    REFUSED(bad.x.view.rows = 3);
    REFUSED(bad.x.view.columns = 10);
    REFUSED(bad.x.view.offset = SIZE_MAX);
#undef REFUSED
    check(&c);
    destroy(&c);
}

static void bench(void)
{
    static const uint32_t columns[] = {6000, 51864};

    for (size_t i = 0; i < 2; i++) {
        struct top_case c = create(4, columns[i], 8, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "8 of 4 x %u", columns[i]);
        bench_report("top_k", what, 4.0 * columns[i] * sizeof(float), "B",
                     bench_seconds(run, &c, &c.x.view));
        destroy(&c);
    }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},      {"all columns", check_all},
    {"sorted rows", check_sorted},        {"a whole vocabulary", check_vocabulary},
    {"refused arguments", check_refused},
};

const struct check_group top_k_group = GROUP("top_k", checks, bench);
