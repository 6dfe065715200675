// SPDX-License-Identifier: MIT
/* lstm: one step for all hypotheses, gates in the order input, forget, cell, output */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>

struct lstm_case {
    uint32_t rows, inputs, width;
    enum hearken_tensor_type type;
    bool has_residual, in_place;
    struct matrix out, in, hidden, cell, residual;
    struct weight input_weight, hidden_weight, input_bias, hidden_bias;
    char what[128];
};

enum { WITH_RESIDUAL = 1, IN_PLACE = 2, OPTIONS = 4 };

static struct lstm_case create(uint32_t rows, uint32_t inputs, uint32_t width,
                               enum hearken_tensor_type type, uint32_t options, enum layout layout,
                               enum fill fill)
{
    struct lstm_case c = {
        .rows = rows,
        .inputs = inputs,
        .width = width,
        .type = type,
        .has_residual = options != 0,
        .in_place = options & IN_PLACE,
        .out = matrix_create(rows, width, layout, FILL_NORMAL),
        .in = matrix_create(rows, inputs, layout, fill),
        .hidden = matrix_create(rows, width, layout, fill),
        .cell = matrix_create(rows, width, layout, fill),
        .input_weight = weight_create(type, HEARKEN_USE_LINEAR, 4 * width, inputs, 1, FILL_NORMAL),
        .hidden_weight = weight_create(type, HEARKEN_USE_LINEAR, 4 * width, width, 1, FILL_NORMAL),
        .input_bias = weight_create_vector(4 * width, FILL_NORMAL),
        .hidden_bias = weight_create_vector(4 * width, FILL_NORMAL),
    };
    if (c.has_residual && !c.in_place)
        c.residual = matrix_create(rows, width, layout, fill);
    snprintf(c.what, sizeof(c.what), "lstm %u x %u -> %u %s%s, %s%s", rows, inputs, width,
             type_name(type),
             c.in_place       ? " + out"
             : c.has_residual ? " + residual"
                              : "",
             fill_name(fill), layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct lstm_case *c)
{
    weight_destroy(&c->input_weight);
    weight_destroy(&c->hidden_weight);
    weight_destroy(&c->input_bias);
    weight_destroy(&c->hidden_bias);
    if (c->has_residual && !c->in_place)
        matrix_destroy(&c->residual);
    matrix_destroy(&c->out);
    matrix_destroy(&c->in);
    matrix_destroy(&c->hidden);
    matrix_destroy(&c->cell);
}

static int run(const void *arguments)
{
    const struct lstm_case *c = arguments;

    return subject()->kernels->lstm(subject()->queue,
                                    &(struct hearken_lstm){
                                        .out = c->out.view,
                                        .in = c->in.view,
                                        .hidden = c->hidden.view,
                                        .cell = c->cell.view,
                                        .input_weight = c->input_weight.tensor,
                                        .hidden_weight = c->hidden_weight.tensor,
                                        .input_bias = c->input_bias.tensor,
                                        .hidden_bias = c->hidden_bias.tensor,
                                        .residual = c->in_place       ? &c->out.view
                                                    : c->has_residual ? &c->residual.view
                                                                      : NULL,
                                    });
}

/* A number with the scale of its error, propagated through the formula. */
struct number {
    double value, scale;
};

static struct number gate(const struct lstm_case *c, size_t row, size_t which, size_t i)
{
    const size_t at = which * c->width + i;
    struct sum sum = {0};

    sum_add(&sum, c->input_bias.values[at]);
    sum_add(&sum, c->hidden_bias.values[at]);
    for (size_t input = 0; input < c->inputs; input++)
        sum_add(&sum, *matrix_at(&c->in, row, input) * weight_at(&c->input_weight, at, input, 0));
    for (size_t other = 0; other < c->width; other++)
        sum_add(&sum,
                *matrix_at(&c->hidden, row, other) * weight_at(&c->hidden_weight, at, other, 0));
    return (struct number){sum.value, sum_scale(&sum)};
}

/* Bounds the error of f(x) by the largest slope within the error of x. */
static double steepest(const struct lstm_case *c, struct number x)
{
    return fmax(0, fabs(x.value) - tolerance_of[c->type].worst * x.scale);
}

static struct number sigmoid(const struct lstm_case *c, struct number x)
{
    const double at = 1 / (1 + exp(steepest(c, x)));
    const double value = 1 / (1 + exp(-x.value));

    return (struct number){value, value + at * (1 - at) * x.scale};
}

static struct number tangent(const struct lstm_case *c, struct number x)
{
    const double at = tanh(steepest(c, x)), value = tanh(x.value);

    return (struct number){value, fabs(value) + (1 - at * at) * x.scale};
}

static struct number times(struct number a, struct number b)
{
    return (struct number){a.value * b.value, fabs(a.value) * b.scale + fabs(b.value) * a.scale};
}

static struct number plus(struct number a, struct number b)
{
    return (struct number){a.value + b.value, a.scale + b.scale};
}

static void formula(const struct lstm_case *c, struct expected *hidden, struct expected *cell,
                    struct expected *out)
{
    const struct matrix *residual = c->in_place ? &c->out : &c->residual;

    for (size_t row = 0; row < c->rows; row++)
        for (size_t i = 0; i < c->width; i++) {
            const double before = *matrix_at(&c->cell, row, i);
            const struct number kept =
                times(sigmoid(c, gate(c, row, 1, i)), (struct number){before, fabs(before)});
            const struct number added =
                times(sigmoid(c, gate(c, row, 0, i)), tangent(c, gate(c, row, 2, i)));
            const struct number now = plus(kept, added);
            const struct number shown = times(sigmoid(c, gate(c, row, 3, i)), tangent(c, now));
            const double rest = c->has_residual ? *matrix_at(residual, row, i) : 0;
            expected_set(cell, row, i, now.value, now.scale);
            expected_set(hidden, row, i, shown.value, shown.scale);
            expected_set(out, row, i, shown.value + rest, shown.scale + fabs(rest));
        }
}

static void check(struct lstm_case *c)
{
    struct expected hidden = expected_create(c->rows, c->width);
    struct expected cell = expected_create(c->rows, c->width);
    struct expected out = expected_create(c->rows, c->width);

    formula(c, &hidden, &cell, &out);
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->cell, &cell, c->type, c->what);
    expect_close(&c->hidden, &hidden, c->type, c->what);
    expect_close(&c->out, &out, c->type, c->what);
    matrix_expect_unchanged(&c->in, "lstm: in");
    if (c->has_residual && !c->in_place)
        matrix_expect_unchanged(&c->residual, "lstm: residual");
    expected_destroy(&hidden);
    expected_destroy(&cell);
    expected_destroy(&out);
}

static void check_case(uint32_t rows, uint32_t inputs, uint32_t width,
                       enum hearken_tensor_type type, uint32_t options, enum layout layout,
                       enum fill fill)
{
    struct lstm_case c = create(rows, inputs, width, type, options, layout, fill);

    check(&c);
    destroy(&c);
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(80); i++) {
        const enum hearken_tensor_type type = random_below(TYPE_COUNT);
        const bool blocks = has_blocks(type);
        check_case(random_size(8), blocks ? 32 * (1 + random_below(4)) : random_size(100),
                   blocks ? 32 * (1 + random_below(3)) : random_size(70), type,
                   random_below(OPTIONS), random_below(LAYOUT_COUNT), FILL_NORMAL);
    }
}

/* Includes saturated gates: the overflow of exp(10^4) must not give NaN. */
static void check_fills(void)
{
    for (int type = 0; type < TYPE_COUNT; type++)
        for (int fill = 0; fill < FILL_COUNT; fill++)
            if (!has_blocks(type) || fill != FILL_OUTLIER)
                check_case(4, 64, 32, type, random_below(OPTIONS), LAYOUT_STRIDED, fill);
}

static void check_network(void)
{
    for (int type = 0; type < TYPE_COUNT; type++)
        check_case(5, 512, 512, type, IN_PLACE, LAYOUT_PACKED, FILL_NORMAL);
}

/* Several steps, each from the state of the previous one. */
static void check_steps(void)
{
    struct lstm_case c =
        create(3, 32, 64, HEARKEN_TENSOR_F32, WITH_RESIDUAL, LAYOUT_PACKED, FILL_NORMAL);

    for (int step = 0; step < 10; step++)
        check(&c);
    destroy(&c);
}

static void check_pieces(void)
{
    struct lstm_case c = create(11, 96, 64, HEARKEN_TENSOR_Q8_0, 0, LAYOUT_STRIDED, FILL_NORMAL);
    struct lstm_case alone = c;

    alone.out = matrix_create(11, 64, LAYOUT_PACKED, FILL_ZERO);
    alone.hidden = matrix_create(11, 64, LAYOUT_PACKED, FILL_ZERO);
    alone.cell = matrix_create(11, 64, LAYOUT_PACKED, FILL_ZERO);
    for (size_t row = 0; row < 11; row++)
        for (size_t i = 0; i < 64; i++) {
            *matrix_at(&alone.hidden, row, i) = *matrix_at(&c.hidden, row, i);
            *matrix_at(&alone.cell, row, i) = *matrix_at(&c.cell, row, i);
        }
    matrix_write(&alone.hidden);
    matrix_write(&alone.cell);
    expect_done(run(&c));
    for (uint32_t row = 0; row < 11; row++) {
        struct lstm_case one = alone;
        one.in.view = matrix_rows(&c.in, row, 1);
        one.out.view = matrix_rows(&alone.out, row, 1);
        one.hidden.view = matrix_rows(&alone.hidden, row, 1);
        one.cell.view = matrix_rows(&alone.cell, row, 1);
        expect_done(run(&one));
    }
    matrix_read(&c.out);
    matrix_read(&c.cell);
    matrix_read(&alone.out);
    matrix_read(&alone.cell);
    matrix_expect_same(&c.out, &alone.out, "lstm in pieces: out");
    matrix_expect_same(&c.cell, &alone.cell, "lstm in pieces: cell");
    matrix_destroy(&alone.out);
    matrix_destroy(&alone.hidden);
    matrix_destroy(&alone.cell);
    destroy(&c);
}

static void check_refused(void)
{
    struct lstm_case c =
        create(3, 20, 8, HEARKEN_TENSOR_F32, WITH_RESIDUAL, LAYOUT_PACKED, FILL_NORMAL);
    struct lstm_case bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "lstm with %s was not refused", #change);                     \
    } while (0)
    REFUSED(bad.in.view.columns = 19);
    REFUSED(bad.in.view.rows = 2);
    REFUSED(bad.in.view.rows = 0);
    REFUSED(bad.out.view.columns = 7);
    REFUSED(bad.out.view.rows = 2);
    REFUSED(bad.hidden.view.columns = 7);
    REFUSED(bad.hidden.view.rows = 2);
    REFUSED(bad.hidden.view.offset = 1);
    REFUSED(bad.cell.view.columns = 7);
    REFUSED(bad.cell.view.rows = 4);
    REFUSED(bad.residual.view.columns = 7);
    REFUSED(bad.residual.view.rows = 2);
    REFUSED(bad.input_weight = c.hidden_weight);
    REFUSED(bad.hidden_weight = c.input_weight);
    REFUSED(bad.input_weight.tensor = NULL);
    REFUSED(bad.hidden_weight.tensor = NULL);
    REFUSED(bad.input_bias.tensor = NULL);
    REFUSED(bad.hidden_bias.tensor = NULL);
    REFUSED(bad.input_bias = c.input_weight);
#undef REFUSED
    matrix_expect_unchanged(&c.out, "lstm: out of refused calls");
    matrix_expect_unchanged(&c.hidden, "lstm: hidden of refused calls");
    matrix_expect_unchanged(&c.cell, "lstm: cell of refused calls");
    check(&c);
    destroy(&c);
}

static void bench(void)
{
    static const uint32_t rows[] = {1, 4};

    for (size_t i = 0; i < 2; i++)
        for (int type = 0; type < TYPE_COUNT; type++) {
            struct lstm_case c =
                create(rows[i], 512, 512, type, WITH_RESIDUAL, LAYOUT_PACKED, FILL_NORMAL);
            char what[64];
            snprintf(what, sizeof(what), "%u x 512 -> 512 %s", rows[i], type_name(type));
            bench_report("lstm", what, 2.0 * rows[i] * 4 * 512 * 1024, "FLOP",
                         bench_seconds(run, &c, &c.out.view));
            destroy(&c);
        }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},
    {"sizes of the network", check_network},
    {"fills", check_fills},
    {"several steps", check_steps},
    {"hypotheses alone equal them together", check_pieces},
    {"refused arguments", check_refused},
};

const struct check_group lstm_group = GROUP("lstm", checks, bench);
