// SPDX-License-Identifier: MIT
/* layer_norm: out = (in - mean) / sqrt(variance + epsilon) · scale + shift */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>

struct norm_case {
    struct matrix out, in;
    struct weight scale, shift;
    bool in_place;
    float epsilon;
    char what[128];
};

static struct norm_case create(uint32_t rows, uint32_t width, bool in_place, enum layout layout,
                               enum fill fill)
{
    struct norm_case c = {
        .in = matrix_create(rows, width, layout, fill),
        .scale = weight_create_vector(width, FILL_NORMAL),
        .shift = weight_create_vector(width, FILL_NORMAL),
        .in_place = in_place,
        .epsilon = 1e-5f,
    };
    c.out = in_place ? c.in : matrix_create(rows, width, layout, FILL_NORMAL);
    snprintf(c.what, sizeof(c.what), "layer_norm %u x %u%s, %s%s", rows, width,
             in_place ? " in place" : "", fill_name(fill),
             layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct norm_case *c)
{
    weight_destroy(&c->scale);
    weight_destroy(&c->shift);
    matrix_destroy(&c->in);
    if (!c->in_place)
        matrix_destroy(&c->out);
}

static int run(const void *arguments)
{
    const struct norm_case *c = arguments;

    return subject()->kernels->layer_norm(subject()->queue, &(struct hearken_layer_norm){
                                                                .out = c->out.view,
                                                                .in = c->in.view,
                                                                .scale = c->scale.tensor,
                                                                .shift = c->shift.tensor,
                                                                .epsilon = c->epsilon,
                                                            });
}

/* A mean accumulated in single precision is off by some units in its last place (with equal numbers
 * all rounding errors have the same sign), and the division amplifies the error. */
static void formula(const struct norm_case *c, struct expected *expected)
{
    const size_t width = c->in.view.columns;

    for (size_t row = 0; row < c->in.view.rows; row++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < width; i++)
            mean += *matrix_at(&c->in, row, i) / (double)width;
        for (size_t i = 0; i < width; i++)
            variance += pow(*matrix_at(&c->in, row, i) - mean, 2) / (double)width;
        const double deviation = sqrt(variance + c->epsilon);
        for (size_t i = 0; i < width; i++) {
            const double normed = (*matrix_at(&c->in, row, i) - mean) / deviation;
            const double factor = c->scale.values[i];
            expected_set(expected, row, i, normed * factor + c->shift.values[i],
                         fabs(factor) * (fabs(normed) + 4 * rounding_scale(mean / deviation)) +
                             fabs(c->shift.values[i]));
        }
    }
}

static void check(struct norm_case *c)
{
    struct expected expected = expected_create(c->in.view.rows, c->in.view.columns);

    formula(c, &expected);
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->out, &expected, HEARKEN_TENSOR_F32, c->what);
    if (!c->in_place)
        matrix_expect_unchanged(&c->in, "layer_norm: in");
    expected_destroy(&expected);
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(100); i++) {
        struct norm_case c = create(random_size(40), random_size(1100), random_below(2),
                                    random_below(LAYOUT_COUNT), FILL_NORMAL);
        check(&c);
        destroy(&c);
    }
}

static void check_fills(void)
{
    for (int fill = 0; fill < FILL_COUNT; fill++)
        for (int in_place = 0; in_place < 2; in_place++) {
            struct norm_case c = create(7, 512, in_place, LAYOUT_STRIDED, fill);
            check(&c);
            destroy(&c);
        }
}

/* Small deviations around a large mean, where Σx² - (Σx)² / n would cancel. */
static void check_far_from_zero(void)
{
    for (int i = 0; i < cases(20); i++) {
        struct norm_case c = create(3, 512, false, LAYOUT_PACKED, FILL_NORMAL);
        for (size_t row = 0; row < 3; row++)
            for (size_t column = 0; column < 512; column++)
                *matrix_at(&c.in, row, column) += 1000;
        matrix_write(&c.in);
        check(&c);
        destroy(&c);
    }
}

/* Zeros alone give the shift, to the bit. */
static void check_zeros(void)
{
    struct norm_case c = create(2, 77, false, LAYOUT_PACKED, FILL_ZERO);

    expect_done(run(&c));
    matrix_read(&c.out);
    for (size_t i = 0; i < 77; i++)
        expect(*matrix_at(&c.out, 1, i) == (float)c.shift.values[i],
               "layer_norm of zeros is not the shift in column %zu", i);
    destroy(&c);
}

static void check_pieces(void)
{
    struct norm_case c = create(50, 512, false, LAYOUT_STRIDED, FILL_NORMAL);
    struct matrix out = matrix_create(50, 512, LAYOUT_PACKED, FILL_ZERO);
    uint32_t count;

    expect_done(run(&c));
    matrix_read(&c.out);
    for (uint32_t row = 0; row < 50; row += count) {
        struct norm_case piece = c;
        count = random_size(50 - row);
        piece.in.view = matrix_rows(&c.in, row, count);
        piece.out.view = matrix_rows(&out, row, count);
        expect_done(run(&piece));
    }
    matrix_read(&out);
    matrix_expect_same(&c.out, &out, "layer_norm in pieces");
    matrix_destroy(&out);
    destroy(&c);
}

static void check_refused(void)
{
    struct norm_case c = create(4, 20, false, LAYOUT_PACKED, FILL_NORMAL), bad;
    struct weight shorter = weight_create_vector(19, FILL_NORMAL);
    struct weight table = weight_create(HEARKEN_TENSOR_F32, HEARKEN_USE_EMBED, 1, 20, 1, FILL_ZERO);

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "layer_norm with %s was not refused", #change);               \
    } while (0)
    REFUSED(bad.in.view.rows = 3);
    REFUSED(bad.in.view.columns = 19);
    REFUSED(bad.out.view.columns = 19);
    REFUSED(bad.out.view.rows = 5);
    REFUSED(bad.in.view.stride = 19);
    REFUSED(bad.scale = shorter);
    REFUSED(bad.shift = shorter);
    REFUSED(bad.shift = table);
    REFUSED(bad.scale.tensor = NULL);
    REFUSED(bad.shift.tensor = NULL);
#undef REFUSED
    matrix_expect_unchanged(&c.out, "layer_norm: out of refused calls");
    check(&c);
    weight_destroy(&table);
    weight_destroy(&shorter);
    destroy(&c);
}

static void bench(void)
{
    static const uint32_t rows[] = {750, 4};

    for (size_t i = 0; i < 2; i++) {
        struct norm_case c = create(rows[i], 512, false, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "%u x 512", rows[i]);
        bench_report("layer_norm", what, 2.0 * sizeof(float) * rows[i] * 512, "B",
                     bench_seconds(run, &c, &c.out.view));
        destroy(&c);
    }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},
    {"fills", check_fills},
    {"far from zero", check_far_from_zero},
    {"zeros", check_zeros},
    {"rows in pieces equal the whole", check_pieces},
    {"refused arguments", check_refused},
};

const struct check_group layer_norm_group = GROUP("layer_norm", checks, bench);
