// SPDX-License-Identifier: MIT
/* convolve: out[t] = activation(bias + Σ weight · in[t · stride + k - padding]) + positions */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>

struct convolve_shape {
    uint32_t frames, inputs, outputs, taps, stride, padding, steps;
    enum hearken_tensor_type type;
};

struct convolve_case {
    struct convolve_shape shape;
    struct matrix out, in;
    struct weight weight, bias, positions;
    bool has_positions;
    uint32_t position;
    enum hearken_activation activation;
    char what[160];
};

/* The steps whose windows lie within the padded input. */
static uint32_t full_steps(const struct convolve_shape *shape)
{
    const uint32_t padded = shape->frames + 2 * shape->padding;

    return padded < shape->taps ? 0 : (padded - shape->taps) / shape->stride + 1;
}

static struct convolve_case create(struct convolve_shape shape, bool gelu, bool positions,
                                   enum layout layout, enum fill fill)
{
    struct convolve_case c = {
        .shape = shape,
        .in = matrix_create(shape.frames, shape.inputs, layout, fill),
        .out = matrix_create(shape.steps, shape.outputs, layout, FILL_NORMAL),
        .weight = weight_create(shape.type, HEARKEN_USE_CONVOLVE, shape.outputs, shape.inputs,
                                shape.taps, fill),
        .bias = weight_create_vector(shape.outputs, fill),
        .has_positions = positions,
        .position = random_below(4),
        .activation = gelu ? HEARKEN_ACTIVATION_GELU : HEARKEN_ACTIVATION_NONE,
    };
    if (positions)
        c.positions = weight_create(shape.outputs % 32 ? random_below(2) : random_below(TYPE_COUNT),
                                    HEARKEN_USE_EMBED, c.position + shape.steps, shape.outputs, 1,
                                    FILL_NORMAL);
    snprintf(c.what, sizeof(c.what),
             "convolve %u x %u -> %u x %u %s, %u taps, stride %u, padding %u%s%s, %s%s",
             shape.frames, shape.inputs, shape.steps, shape.outputs, type_name(shape.type),
             shape.taps, shape.stride, shape.padding, gelu ? ", GELU" : "",
             positions ? " + positions" : "", fill_name(fill),
             layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct convolve_case *c)
{
    if (c->has_positions)
        weight_destroy(&c->positions);
    weight_destroy(&c->bias);
    weight_destroy(&c->weight);
    matrix_destroy(&c->out);
    matrix_destroy(&c->in);
}

static int run(const void *arguments)
{
    const struct convolve_case *c = arguments;

    return subject()->kernels->convolve(
        subject()->queue, &(struct hearken_convolve){
                              .out = c->out.view,
                              .in = c->in.view,
                              .weight = c->weight.tensor,
                              .bias = c->bias.tensor,
                              .stride = c->shape.stride,
                              .padding = c->shape.padding,
                              .activation = c->activation,
                              .positions = c->has_positions ? c->positions.tensor : NULL,
                              .position = c->position,
                          });
}

static void formula(const struct convolve_case *c, struct expected *expected)
{
    for (size_t step = 0; step < c->out.view.rows; step++)
        for (size_t output = 0; output < c->out.view.columns; output++) {
            struct sum sum = {0};
            sum_add(&sum, c->bias.values[output]);
            for (size_t tap = 0; tap < c->shape.taps; tap++) {
                const int64_t frame = (int64_t)(step * c->shape.stride + tap) - c->shape.padding;
                if (frame < 0 || frame >= c->in.view.rows)
                    continue;
                for (size_t input = 0; input < c->in.view.columns; input++)
                    sum_add(&sum, *matrix_at(&c->in, (size_t)frame, input) *
                                      weight_at(&c->weight, output, input, tap));
            }
            double value = c->activation ? gelu(sum.value) : sum.value;
            double scale = sum_scale(&sum);
            if (c->has_positions) {
                value += weight_at(&c->positions, c->position + step, output, 0);
                scale += 1;
            }
            expected_set(expected, step, output, value, scale);
        }
}

static void check(struct convolve_case *c)
{
    struct expected expected = expected_create(c->out.view.rows, c->out.view.columns);

    formula(c, &expected);
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->out, &expected, c->shape.type, c->what);
    matrix_expect_unchanged(&c->in, "convolve: in");
    expected_destroy(&expected);
}

static void check_case(struct convolve_shape shape, bool gelu, bool positions, enum layout layout,
                       enum fill fill)
{
    struct convolve_case c = create(shape, gelu, positions, layout, fill);

    check(&c);
    destroy(&c);
}

/* Every stride, padding and number of taps with inputs so short that every window is at a boundary,
 * and with steps beyond the last full one, whose windows hold some or only zeros. */
static void check_boundaries(void)
{
    for (uint32_t taps = 1; taps <= 5; taps++)
        for (uint32_t stride = 1; stride <= 3; stride++)
            for (uint32_t padding = 0; padding <= 3; padding++)
                for (uint32_t frames = 1; frames <= 6; frames++) {
                    struct convolve_shape shape = {frames, 5,       3, taps,
                                                   stride, padding, 0, random_below(2)};
                    shape.steps = full_steps(&shape) + random_below(3);
                    if (shape.steps > 0)
                        check_case(shape, false, random_below(2), random_below(LAYOUT_COUNT),
                                   FILL_NORMAL);
                }
}

/* Strides and paddings near the limit of 32 bits: windows with two rows of the input or fewer. */
static void check_far_windows(void)
{
    static const uint32_t far[] = {1000, INT32_MAX, UINT32_MAX - 1, UINT32_MAX};

    for (size_t stride = 0; stride < 4; stride++)
        for (size_t padding = 0; padding < 4; padding++)
            check_case(
                (struct convolve_shape){9, 5, 7, 3, far[stride], far[padding], 4, random_below(2)},
                false, false, LAYOUT_STRIDED, FILL_NORMAL);
}

static struct convolve_shape random_shape(void)
{
    struct convolve_shape shape = {
        .frames = random_size(60),
        .inputs = random_size(40),
        .outputs = random_size(70),
        .taps = 1 + random_below(5),
        .stride = 1 + random_below(2),
        .padding = random_below(3),
        .type = random_below(2),
    };
    const uint32_t full = full_steps(&shape);

    shape.steps = full > 1 && random_below(2) ? 1 + random_below(full) : full + (full == 0);
    return shape;
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(100); i++)
        check_case(random_shape(), random_below(2), random_below(2), random_below(LAYOUT_COUNT),
                   FILL_NORMAL);
}

static void check_fills(void)
{
    for (int type = 0; type < 2; type++)
        for (int fill = 0; fill < FILL_COUNT; fill++)
            check_case((struct convolve_shape){20, 16, 9, 3, 2, 1, 10, type}, fill % 2, fill % 3,
                       LAYOUT_STRIDED, fill);
}

static void check_network(void)
{
    for (int type = 0; type < 2; type++) {
        check_case((struct convolve_shape){128, 80, 512, 3, 1, 1, 128, type}, true, false,
                   LAYOUT_PACKED, FILL_NORMAL);
        check_case((struct convolve_shape){64, 512, 512, 3, 2, 1, 32, type}, true, true,
                   LAYOUT_PACKED, FILL_NORMAL);
    }
}

/* The steps from `first` on, from only the input rows in their windows; padding only at the edges.
 */
static void run_piece(const struct convolve_case *c, const struct matrix *out, uint32_t first,
                      uint32_t count)
{
    const struct convolve_shape *shape = &c->shape;
    const int64_t from = (int64_t)first * shape->stride - shape->padding;
    const int64_t to = (int64_t)(first + count - 1) * shape->stride + shape->taps - shape->padding;
    const uint32_t begin = from < 0 ? 0 : (uint32_t)from;
    const uint32_t end = to < shape->frames ? (uint32_t)to : shape->frames;
    struct convolve_case piece = *c;

    piece.in.view = matrix_rows(&c->in, begin, end - begin);
    piece.out.view = matrix_rows(out, first, count);
    piece.shape.padding = (uint32_t)(begin - from);
    piece.position += first;
    expect(run(&piece) == 0, "%s in pieces failed", c->what);
}

/* A signal computed in pieces gives the same bits as the whole. */
static void check_pieces(void)
{
    for (int i = 0; i < cases(40); i++) {
        struct convolve_shape shape = random_shape();
        shape.padding = random_below(shape.taps);
        if (full_steps(&shape) == 0)
            continue;
        shape.steps = full_steps(&shape);
        struct convolve_case c = create(shape, true, true, LAYOUT_STRIDED, FILL_NORMAL);
        struct matrix out = matrix_create(shape.steps, shape.outputs, LAYOUT_PACKED, FILL_ZERO);
        uint32_t count;
        expect_done(run(&c));
        for (uint32_t step = 0; step < shape.steps; step += count) {
            count = random_size(shape.steps - step);
            run_piece(&c, &out, step, count);
        }
        matrix_read(&c.out);
        matrix_read(&out);
        matrix_expect_same(&c.out, &out, c.what);
        matrix_destroy(&out);
        destroy(&c);
    }
}

static void check_refused(void)
{
    struct convolve_case c = create((struct convolve_shape){9, 4, 6, 3, 2, 1, 5, 0}, false, true,
                                    LAYOUT_PACKED, FILL_NORMAL);
    struct weight matrix =
        weight_create(HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, 6, 4, 1, FILL_ZERO);
    struct convolve_case bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "convolve with %s was not refused", #change);                 \
    } while (0)
    REFUSED(bad.shape.stride = 0);
    REFUSED(bad.in.view.columns = 3);
    REFUSED(bad.in.view.rows = 10);
    REFUSED(bad.in.view.rows = 0);
    REFUSED(bad.out.view.columns = 5);
    REFUSED(bad.out.view.rows = 0);
    REFUSED(bad.out.view.rows = 6);
    REFUSED(bad.out.view.offset = 1);
    REFUSED(bad.position++);
    REFUSED(bad.position = UINT32_MAX);
    REFUSED(bad.positions = bad.weight);
    REFUSED(bad.bias.tensor = NULL);
    REFUSED(bad.bias = bad.weight);
    REFUSED(bad.weight = matrix);
    REFUSED(bad.weight.tensor = NULL);
    REFUSED(bad.activation = (enum hearken_activation) - 1);
#undef REFUSED
    matrix_expect_unchanged(&c.out, "convolve: out of refused calls");
    check(&c);
    weight_destroy(&matrix);
    destroy(&c);
}

static void bench(void)
{
    static const struct convolve_shape shapes[] = {
        {1500, 80, 512, 3, 1, 1, 1500, 0},
        {1500, 512, 512, 3, 2, 1, 750, 0},
        {66, 512, 512, 3, 2, 0, 32, 0},
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (int type = 0; type < 2; type++) {
            struct convolve_shape shape = shapes[i];
            char what[64];
            shape.type = type;
            struct convolve_case c = create(shape, true, false, LAYOUT_PACKED, FILL_NORMAL);
            snprintf(what, sizeof(what), "%u x %u -> %u x %u %s", shape.frames, shape.inputs,
                     shape.steps, shape.outputs, type_name(type));
            bench_report("convolve", what,
                         2.0 * shape.steps * shape.taps * shape.inputs * shape.outputs, "FLOP",
                         bench_seconds(run, &c, &c.out.view));
            destroy(&c);
        }
}

static const struct check checks[] = {
    {"boundaries", check_boundaries},
    {"far windows", check_far_windows},
    {"random shapes", check_shapes},
    {"sizes of the network", check_network},
    {"fills", check_fills},
    {"steps in pieces equal the whole", check_pieces},
    {"refused arguments", check_refused},
};

const struct check_group convolve_group = GROUP("convolve", checks, bench);
