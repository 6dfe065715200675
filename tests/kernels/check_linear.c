// SPDX-License-Identifier: MIT
/* linear: out = activation(in · weightᵀ + bias) + residual */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct linear_case {
    struct matrix out, in, residual;
    struct weight weight, bias;
    bool has_bias, has_residual, in_place;
    enum hearken_activation activation;
    char what[160];
};

struct linear_shape {
    uint32_t rows, inputs, outputs;
    enum hearken_tensor_type type;
};

enum { WITH_BIAS = 1, WITH_RESIDUAL = 2, WITH_GELU = 4, IN_PLACE = 8, OPTIONS = 16 };

static struct linear_case create(struct linear_shape shape, uint32_t options, enum layout layout,
                                 enum fill fill)
{
    struct linear_case c = {
        .in = matrix_create(shape.rows, shape.inputs, layout, fill),
        .out = matrix_create(shape.rows, shape.outputs, layout, FILL_NORMAL),
        .weight = weight_create(shape.type, HEARKEN_USE_LINEAR, shape.outputs, shape.inputs, 1,
                                fill == FILL_OUTLIER ? FILL_NORMAL : fill),
        .has_bias = options & WITH_BIAS,
        .has_residual = options & (WITH_RESIDUAL | IN_PLACE),
        .in_place = options & IN_PLACE,
        .activation = options & WITH_GELU ? HEARKEN_ACTIVATION_GELU : HEARKEN_ACTIVATION_NONE,
    };
    if (c.has_bias)
        c.bias = weight_create_vector(shape.outputs, fill);
    if (c.has_residual && !c.in_place)
        c.residual = matrix_create(shape.rows, shape.outputs, layout, FILL_NORMAL);
    snprintf(c.what, sizeof(c.what), "linear %u x %u -> %u %s%s%s%s, %s%s", shape.rows,
             shape.inputs, shape.outputs, type_name(shape.type), c.has_bias ? " + bias" : "",
             c.activation ? ", GELU" : "",
             c.in_place       ? " + out"
             : c.has_residual ? " + residual"
                              : "",
             fill_name(fill), layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct linear_case *c)
{
    weight_destroy(&c->weight);
    if (c->has_bias)
        weight_destroy(&c->bias);
    if (c->has_residual && !c->in_place)
        matrix_destroy(&c->residual);
    matrix_destroy(&c->in);
    matrix_destroy(&c->out);
}

static int run(const void *arguments)
{
    const struct linear_case *c = arguments;

    return subject()->kernels->linear(subject()->queue,
                                      &(struct hearken_linear){
                                          .out = c->out.view,
                                          .in = c->in.view,
                                          .weight = c->weight.tensor,
                                          .bias = c->has_bias ? c->bias.tensor : NULL,
                                          .activation = c->activation,
                                          .residual = c->in_place       ? &c->out.view
                                                      : c->has_residual ? &c->residual.view
                                                                        : NULL,
                                      });
}

static void formula(const struct linear_case *c, struct expected *expected)
{
    const struct matrix *residual = c->in_place ? &c->out : &c->residual;

    for (size_t row = 0; row < c->in.view.rows; row++)
        for (size_t output = 0; output < c->out.view.columns; output++) {
            struct sum sum = {0};
            for (size_t input = 0; input < c->in.view.columns; input++)
                sum_add(&sum,
                        *matrix_at(&c->in, row, input) * weight_at(&c->weight, output, input, 0));
            if (c->has_bias)
                sum_add(&sum, c->bias.values[output]);
            double value = c->activation ? gelu(sum.value) : sum.value;
            double scale = sum_scale(&sum);
            if (c->has_residual) {
                value += *matrix_at(residual, row, output);
                scale += fabs(*matrix_at(residual, row, output));
            }
            expected_set(expected, row, output, value, scale);
        }
}

static void check(struct linear_case *c)
{
    struct expected expected = expected_create(c->out.view.rows, c->out.view.columns);

    formula(c, &expected);
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->out, &expected, c->weight.weights.type, c->what);
    matrix_expect_unchanged(&c->in, "linear: in");
    if (c->has_residual && !c->in_place)
        matrix_expect_unchanged(&c->residual, "linear: residual");
    expected_destroy(&expected);
}

static void check_case(struct linear_shape shape, uint32_t options, enum layout layout,
                       enum fill fill)
{
    struct linear_case c = create(shape, options, layout, fill);

    check(&c);
    destroy(&c);
}

static struct linear_shape random_shape(uint32_t rows, uint32_t inputs, uint32_t outputs)
{
    struct linear_shape shape = {random_size(rows), random_size(inputs), random_size(outputs),
                                 random_below(TYPE_COUNT)};

    if (has_blocks(shape.type))
        shape.inputs = 32 * (1 + random_below((inputs + 31) / 32));
    return shape;
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(150); i++)
        check_case(random_shape(70, 200, 90), random_below(OPTIONS), random_below(LAYOUT_COUNT),
                   FILL_NORMAL);
}

/* The sizes of the network, with fewer rows. */
static void check_network(void)
{
    for (int type = 0; type < TYPE_COUNT; type++) {
        check_case((struct linear_shape){41, 512, 1536, type}, WITH_BIAS, LAYOUT_PACKED,
                   FILL_NORMAL);
        check_case((struct linear_shape){97, 512, 512, type}, WITH_BIAS | IN_PLACE, LAYOUT_PACKED,
                   FILL_NORMAL);
        check_case((struct linear_shape){33, 512, 2048, type}, WITH_BIAS | WITH_GELU, LAYOUT_PACKED,
                   FILL_NORMAL);
        check_case((struct linear_shape){67, 2048, 512, type}, WITH_BIAS | IN_PLACE, LAYOUT_PACKED,
                   FILL_NORMAL);
        check_case((struct linear_shape){4, 512, 3000, type}, 0, LAYOUT_PACKED, FILL_NORMAL);
    }
}

static void check_fills(void)
{
    for (int type = 0; type < TYPE_COUNT; type++)
        for (int fill = 0; fill < FILL_COUNT; fill++) {
            /* 8 bits a block cannot represent the numbers beside an outlier. */
            if (has_blocks(type) && fill == FILL_OUTLIER)
                continue;
            for (uint32_t options = 0; options < OPTIONS; options++)
                check_case((struct linear_shape){9, 96, 11, type}, options, LAYOUT_STRIDED, fill);
        }
}

/* A normal case with given values of the weight. */
static struct linear_case create_of(struct linear_shape shape, uint32_t options, double *values)
{
    struct linear_case c = create(shape, options, LAYOUT_PACKED, FILL_NORMAL);

    weight_destroy(&c.weight);
    c.weight =
        weight_create_of(shape.type, HEARKEN_USE_LINEAR, shape.outputs, shape.inputs, 1, values);
    return c;
}

/* Weights with every exponent of half precision, subnormals included. */
static void check_half_precision(void)
{
    for (int exponent = -24; exponent <= 15; exponent++) {
        double *values = allocate(33 * 17, sizeof(double));
        for (size_t i = 0; i < 33 * 17; i++)
            values[i] = ldexp(random_uniform(), exponent);
        struct linear_case c =
            create_of((struct linear_shape){3, 33, 17, HEARKEN_TENSOR_F16}, 0, values);
        check(&c);
        destroy(&c);
    }
}

/* One input with weight 1: the activation alone, over the range where it is curved. */
static void check_gelu(void)
{
    enum { POINTS = 4001 };
    double *one = allocate(1, sizeof(double));

    *one = 1;
    struct linear_case c =
        create_of((struct linear_shape){POINTS, 1, 1, HEARKEN_TENSOR_F32}, WITH_GELU, one);
    for (int row = 0; row < POINTS; row++)
        *matrix_at(&c.in, (size_t)row, 0) = (float)(row - POINTS / 2) / 160;
    *matrix_at(&c.in, 0, 0) = -1e30f;
    *matrix_at(&c.in, POINTS - 1, 0) = 1e30f;
    matrix_write(&c.in);
    check(&c);
    destroy(&c);
}

/* Runs the rows in pieces of random sizes, into `c->out`. */
static void run_in_pieces(const struct linear_case *c)
{
    uint32_t count;

    for (uint32_t row = 0; row < c->in.view.rows; row += count) {
        count = random_size(c->in.view.rows - row);
        struct linear_case piece = *c;
        piece.in.view = matrix_rows(&c->in, row, count);
        piece.out.view = matrix_rows(&c->out, row, count);
        if (c->has_residual)
            piece.residual.view = matrix_rows(&c->residual, row, count);
        expect(run(&piece) == 0, "%s in pieces failed", c->what);
    }
}

static void check_pieces_of(struct linear_shape shape)
{
    const uint32_t options = WITH_BIAS | WITH_RESIDUAL | WITH_GELU;
    struct linear_case c = create(shape, options, LAYOUT_STRIDED, FILL_NORMAL);
    struct matrix whole = c.out;

    expect_done(run(&c));
    matrix_read(&c.out);
    c.out = matrix_create(shape.rows, shape.outputs, LAYOUT_PACKED, FILL_ZERO);
    run_in_pieces(&c);
    matrix_read(&c.out);
    matrix_expect_same(&whole, &c.out, c.what);
    matrix_destroy(&whole);
    destroy(&c);
}

/* A row has the same bits whatever other rows are in the call. */
static void check_pieces(void)
{
    for (int i = 0; i < cases(40); i++)
        check_pieces_of(random_shape(60, 150, 50));
    for (int type = 0; type < TYPE_COUNT; type++)
        check_pieces_of((struct linear_shape){300, 2048, 9, type});
}

/* All matrices side by side in the rows of one buffer, with `out` in the middle. */
static void check_one_buffer(void)
{
    for (int i = 0; i < cases(40); i++) {
        const struct linear_shape shape = random_shape(30, 100, 50);
        struct linear_case c = create(shape, WITH_RESIDUAL, LAYOUT_PACKED, FILL_NORMAL);
        struct matrix all = matrix_create(shape.rows, shape.inputs + 2 * shape.outputs,
                                          LAYOUT_STRIDED, FILL_NORMAL);
        matrix_destroy(&c.in);
        matrix_destroy(&c.out);
        matrix_destroy(&c.residual);
        c.in = matrix_columns(&all, 0, shape.inputs);
        c.out = matrix_columns(&all, shape.inputs, shape.outputs);
        c.residual = matrix_columns(&all, shape.inputs + shape.outputs, shape.outputs);
        check(&c);
        weight_destroy(&c.weight);
        matrix_destroy(&all);
    }
}

static void check_refused(void)
{
    struct linear_case c = create((struct linear_shape){6, 32, 10, HEARKEN_TENSOR_Q8_0},
                                  WITH_BIAS | WITH_RESIDUAL, LAYOUT_PACKED, FILL_NORMAL);
    struct weight other =
        weight_create(HEARKEN_TENSOR_F32, HEARKEN_USE_EMBED, 10, 32, 1, FILL_ZERO);
    struct weight long_bias = weight_create_vector(11, FILL_ZERO);
    struct linear_case bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "linear with %s was not refused", #change);                   \
    } while (0)
    REFUSED(bad.in.view.columns = 31);
    REFUSED(bad.in.view.rows = 5);
    REFUSED(bad.in.view.rows = 5; bad.has_residual = false);
    REFUSED(bad.in.view.rows = 0);
    REFUSED(bad.in.view.stride = 31);
    REFUSED(bad.in.view.stride = SIZE_MAX / 2);
    REFUSED(bad.in.view.offset = 1);
    REFUSED(bad.in.view.offset = SIZE_MAX - 8);
    REFUSED(bad.in.view.buffer = NULL);
    REFUSED(bad.out.view.columns = 9);
    REFUSED(bad.out.view.offset = 1);
    REFUSED(bad.out.view.rows = 7);
    REFUSED(bad.residual.view.rows = 5);
    REFUSED(bad.residual.view.columns = 11);
    REFUSED(bad.weight.tensor = NULL);
    REFUSED(bad.weight = other);    /* not made for it */
    REFUSED(bad.weight = bad.bias); /* nor this */
    REFUSED(bad.bias = long_bias);
    REFUSED(bad.bias = bad.weight);
    REFUSED(bad.activation = (enum hearken_activation)7);
#undef REFUSED
    matrix_expect_unchanged(&c.out, "linear: out of refused calls");
    check(&c);
    weight_destroy(&long_bias);
    weight_destroy(&other);
    destroy(&c);
}

/* A vector with a second use still works as a vector, if the plugin accepts both uses. */
static void check_vector_with_another_use(void)
{
    static const uint32_t uses[] = {HEARKEN_USE_LINEAR, HEARKEN_USE_EMBED, HEARKEN_USE_CONVOLVE};
    enum { OUTPUTS = 70 };

    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        struct linear_case c = create((struct linear_shape){3, 5, OUTPUTS, HEARKEN_TENSOR_F32},
                                      WITH_BIAS, LAYOUT_PACKED, FILL_NORMAL);
        float
            numbers[OUTPUTS]; /* anew: a plugin may have copied those of `alone`, which are gone */
        struct hearken_weights both = c.bias.weights;
        struct hearken_tensor *tensor = NULL, *const alone = c.bias.tensor;
        both.use |= uses[i];
        for (size_t output = 0; output < OUTPUTS; output++)
            numbers[output] = (float)c.bias.values[output];
        both.data = numbers;
        const int error = subject()->plugin->tensor_create(subject()->backend, &both, &tensor);
        expect(error == 0 || error == -ENOTSUP, "a vector for uses %#x: %d", both.use, error);
        if (error == 0) {
            c.bias.tensor = tensor;
            check(&c);
            c.bias.tensor = alone;
            subject()->plugin->tensor_destroy(subject()->backend, tensor);
        }
        destroy(&c);
    }
}

static void bench(void)
{
    static const struct {
        struct linear_shape shape;
        uint32_t options;
    } cases[] = {
        {{750, 512, 512, 0}, WITH_BIAS | IN_PLACE},
        {{750, 512, 1536, 0}, WITH_BIAS},
        {{750, 512, 2048, 0}, WITH_BIAS | WITH_GELU},
        {{750, 2048, 512, 0}, WITH_BIAS | IN_PLACE},
        {{32, 512, 512, 0}, WITH_BIAS},
        {{4, 512, 2048, 0}, WITH_BIAS},
        {{1, 512, 2048, 0}, WITH_BIAS},
        {{4, 512, 51864, 0}, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int type = 0; type < TYPE_COUNT; type++) {
            struct linear_shape shape = cases[i].shape;
            char what[64];
            shape.type = type;
            struct linear_case c = create(shape, cases[i].options, LAYOUT_PACKED, FILL_NORMAL);
            snprintf(what, sizeof(what), "%u x %u -> %u %s%s", shape.rows, shape.inputs,
                     shape.outputs, type_name(type), c.activation ? ", GELU" : "");
            bench_report("linear", what, 2.0 * shape.rows * shape.inputs * shape.outputs, "FLOP",
                         bench_seconds(run, &c, &c.out.view));
            destroy(&c);
        }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},
    {"sizes of the network", check_network},
    {"fills", check_fills},
    {"half precision of every exponent", check_half_precision},
    {"GELU", check_gelu},
    {"rows in pieces equal the whole", check_pieces},
    {"matrices in one buffer", check_one_buffer},
    {"a vector with another use", check_vector_with_another_use},
    {"refused arguments", check_refused},
};

const struct check_group linear_group = GROUP("linear", checks, bench);
