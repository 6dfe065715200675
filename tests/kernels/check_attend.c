// SPDX-License-Identifier: MIT
/* attend, for each head: alignment = softmax(query · keysᵀ / sqrt(width / heads) + bias);
 * context = alignment · values */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>

struct attend_case {
    uint32_t rows, steps, heads, head_width;
    enum fill fill;
    bool aligned;
    bool rounded; /* queries and keys are not representable */
    struct hearken_stand_ins stand_ins;
    struct matrix context, alignment, query, keys, values;
    struct hearken_matrix memory_of_keys, memory_of_values; /* the same, of memory_create */
    char what[128];
};

/* The end of the 32 numbers of a row among which `column` is, or of its head. */
static size_t end_of_part(size_t column, size_t head_width)
{
    const size_t block = (column / 32 + 1) * 32, head = (column / head_width + 1) * head_width;

    return block < head ? block : head;
}

/* Makes the numbers such that bytes with a scale for each 32 of a row, or as many of them as a head
 * has, hold them exactly. */
static void make_representable(struct matrix *matrix, size_t head_width)
{
    for (size_t row = 0; row < matrix->view.rows; row++)
        for (size_t first = 0, end; first < matrix->view.columns; first = end) {
            end = end_of_part(first, head_width);
            const size_t count = end - first;
            float *numbers = matrix_at(matrix, row, first), most = 0;
            int exponent;
            for (size_t i = 0; i < count; i++)
                most = fmaxf(most, fabsf(numbers[i]));
            frexpf(most / 127, &exponent);
            for (size_t i = 0; i < count && most > 0; i++)
                numbers[i] = ldexpf(roundf(numbers[i] / most * 127), exponent);
        }
    matrix_write(matrix);
}

static struct hearken_matrix memory_create(enum hearken_memory_kind kind, uint32_t rows,
                                           uint32_t columns)
{
    struct hearken_matrix memory = {.rows = rows, .columns = columns, .stride = columns};

    expect_done(subject()->kernels->memory_create(subject()->queue, kind, rows + random_below(40),
                                                  columns, &memory.buffer));
    return memory;
}

/* Copies `from` to a new memory in two pieces, by a product with the unit matrix. */
static struct hearken_matrix remember(const struct matrix *from, enum hearken_memory_kind kind)
{
    const uint32_t rows = from->view.rows, width = from->view.columns;
    const uint32_t first = random_below(rows + 1);
    const struct hearken_matrix memory = memory_create(kind, rows, width);
    double *unit = allocate((size_t)width * width, sizeof(double));

    for (size_t i = 0; i < width; i++)
        unit[i * width + i] = 1;
    struct weight weight =
        weight_create_of(HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, width, width, 1, unit);
    for (uint32_t row = 0, count = first; row < rows; row += count, count = rows - row) {
        struct hearken_matrix out = memory;
        if (count == 0)
            continue;
        out.offset = (size_t)row * width;
        out.rows = count;
        expect_done(subject()->kernels->linear(
            subject()->queue, &(struct hearken_linear){.out = out,
                                                       .in = matrix_rows(from, row, count),
                                                       .weight = weight.tensor}));
    }
    weight_destroy(&weight);
    return memory;
}

static void forget(struct hearken_matrix memory)
{
    subject()->kernels->buffer_destroy(subject()->queue, memory.buffer);
}

/* Gives the keys and values as they are now to the memories of the case. */
static void remember_both(struct attend_case *c)
{
    forget(c->memory_of_keys);
    forget(c->memory_of_values);
    c->memory_of_keys = remember(&c->keys, HEARKEN_MEMORY_KEYS);
    c->memory_of_values = remember(&c->values, HEARKEN_MEMORY_VALUES);
}

static struct attend_case create(uint32_t rows, uint32_t steps, uint32_t heads, uint32_t head_width,
                                 bool aligned, enum layout layout, enum fill fill)
{
    const uint32_t width = heads * head_width;
    struct attend_case c = {
        .rows = rows,
        .steps = steps,
        .heads = heads,
        .head_width = head_width,
        .fill = fill,
        .aligned = aligned,
        .context = matrix_create(rows, width, layout, FILL_NORMAL),
        .query = matrix_create(rows, width, layout, fill),
        .keys = matrix_create(steps, width, layout, fill),
        .values = matrix_create(steps, width, layout, fill),
    };
    if (aligned)
        c.alignment = matrix_create(rows, heads * steps, layout, FILL_NORMAL);
    if (fill != FILL_HUGE)
        c.stand_ins = random_stand_ins(steps);
    c.memory_of_keys = memory_create(HEARKEN_MEMORY_KEYS, steps, width);
    c.memory_of_values = memory_create(HEARKEN_MEMORY_VALUES, steps, width);
    make_representable(&c.query, head_width);
    make_representable(&c.keys, width);
    make_representable(&c.values, width);
    if (fill != FILL_ZERO)
        remember_both(&c);
    snprintf(c.what, sizeof(c.what), "attend %u to %u, %u stand-ins, %u heads of %u%s, %s%s", rows,
             steps, c.stand_ins.count, heads, head_width, aligned ? ", aligned" : "",
             fill_name(fill), layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct attend_case *c)
{
    if (c->aligned)
        matrix_destroy(&c->alignment);
    matrix_destroy(&c->context);
    matrix_destroy(&c->query);
    matrix_destroy(&c->keys);
    matrix_destroy(&c->values);
    forget(c->memory_of_keys);
    forget(c->memory_of_values);
}

static int run(const void *arguments)
{
    const struct attend_case *c = arguments;

    return subject()->kernels->attend(subject()->queue,
                                      &(struct hearken_attend){
                                          .context = c->context.view,
                                          .alignment = c->aligned ? &c->alignment.view : NULL,
                                          .query = c->query.view,
                                          .keys = c->memory_of_keys,
                                          .values = c->memory_of_values,
                                          .heads = c->heads,
                                          .stand_ins = c->stand_ins,
                                      });
}

/* The largest magnitude of the 32 numbers of a row among which `column` is. */
static double largest_beside(const struct matrix *matrix, size_t row, size_t column)
{
    double largest = 0;

    for (size_t at = column / 32 * 32; at < column / 32 * 32 + 32 && at < matrix->view.columns;
         at++)
        largest = fmax(largest, fabs((double)*matrix_at(matrix, row, at)));
    return largest;
}

/* See formula_head in check_self_attend.c for the scales. */
static void formula_head(const struct attend_case *c, size_t row, size_t head,
                         struct expected *alignment, struct expected *context)
{
    const size_t at = head * c->head_width;
    double *weights = alignment->values + row * c->heads * c->steps + head * c->steps;
    double largest = -INFINITY, total = 0, size = 0;

    for (size_t step = 0; step < c->steps; step++) {
        struct sum sum = {0};
        for (size_t i = at; i < at + c->head_width; i++)
            sum_add(&sum, (double)*matrix_at(&c->query, row, i) * *matrix_at(&c->keys, step, i));
        weights[step] = sum.value / sqrt(c->head_width);
        if (step >= c->steps - c->stand_ins.count)
            weights[step] += (double)c->stand_ins.bias;
        size = fmax(size, sum_scale(&sum) / sqrt(c->head_width));
        largest = fmax(largest, weights[step]);
    }
    for (size_t step = 0; step < c->steps; step++)
        total += weights[step] = exp(weights[step] - largest);
    const double worst = tolerance_of[HEARKEN_TENSOR_Q8_0].worst;
    const double error = c->rounded             ? 1 + expm1(fmin(worst * size, 20)) / worst
                         : c->fill == FILL_HUGE ? 1
                                                : 1 + exponential_scale(size);
    for (size_t step = 0; step < c->steps; step++)
        expected_set(alignment, row, head * c->steps + step, weights[step] / total,
                     weights[step] / total * error);
    for (size_t i = at; i < at + c->head_width; i++) {
        double value = 0, mean_size = 0;
        for (size_t step = 0; step < c->steps; step++) {
            value += weights[step] * *matrix_at(&c->values, step, i);
            mean_size += weights[step] * largest_beside(&c->values, step, i);
        }
        expected_set(context, row, i, value, mean_size * error);
    }
}

static void expect_rows_of_one(const struct attend_case *c)
{
    for (size_t row = 0; row < c->rows; row++)
        for (size_t head = 0; head < c->heads; head++) {
            double sum = 0;
            for (size_t step = 0; step < c->steps; step++)
                sum += *matrix_at(&c->alignment, row, head * c->steps + step);
            expect(fabs(sum - 1) < 1e-5, "%s: head %zu of row %zu sums to %.9g", c->what, head, row,
                   sum);
        }
}

/* `type`: how close the alignment is, and the context unless the shares may be rounded. */
static void check_within(struct attend_case *c, enum hearken_tensor_type type)
{
    struct expected alignment = expected_create(c->rows, c->heads * c->steps);
    struct expected context = expected_create(c->rows, c->heads * c->head_width);

    for (size_t row = 0; row < c->rows; row++)
        for (size_t head = 0; head < c->heads; head++)
            formula_head(c, row, head, &alignment, &context);
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->context, &context, may_round_attention() ? HEARKEN_TENSOR_Q8_0 : type,
                 c->what);
    if (c->aligned) {
        expect_close(&c->alignment, &alignment, type, c->what);
        expect_rows_of_one(c);
    }
    expected_destroy(&alignment);
    expected_destroy(&context);
}

static void check(struct attend_case *c)
{
    check_within(c, HEARKEN_TENSOR_F32);
    matrix_expect_unchanged(&c->query, "attend: query");
}

static void check_case(uint32_t rows, uint32_t steps, uint32_t heads, uint32_t head_width,
                       bool aligned, enum layout layout, enum fill fill)
{
    struct attend_case c = create(rows, steps, heads, head_width, aligned, layout, fill);

    check(&c);
    destroy(&c);
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(120); i++)
        check_case(random_size(20), random_size(200), 1 + random_below(4), random_size(70),
                   random_below(2), random_below(LAYOUT_COUNT), FILL_NORMAL);
}

static void check_fills(void)
{
    for (int fill = 0; fill < FILL_COUNT; fill++)
        for (int aligned = 0; aligned < 2; aligned++)
            check_case(5, 29, 3, 32, aligned, LAYOUT_STRIDED, fill);
}

static void check_network(void)
{
    check_case(4, 700, 8, 64, true, LAYOUT_PACKED, FILL_NORMAL);
    check_case(1, 1500, 8, 64, true, LAYOUT_PACKED, FILL_NORMAL);
    check_case(30, 375, 8, 64, false, LAYOUT_PACKED, FILL_NORMAL);
}

/* Large enough to be split among threads, into parts of unequal size. */
static void check_odd_heads(void)
{
    static const uint32_t heads[] = {3, 5, 7, 13};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        check_case(5, 701, heads[i], 43, i % 2, LAYOUT_STRIDED, FILL_NORMAL);
}

/* A head wider than a device's local memory: computed or refused, and the queue stays usable. */
static void check_wide_head(void)
{
    static const uint32_t widths[] = {5000, 100003, 1 << 20};

    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        struct attend_case c = create(1, 2, 1, widths[i], true, LAYOUT_PACKED, FILL_ZERO);
        const int error = run(&c);
        expect(error == 0 || error == -EINVAL, "%s: %d, %s", c.what, error, subject()->message);
        if (error == 0)
            check(&c);
        destroy(&c);
        check_case(2, 3, 1, 8, true, LAYOUT_PACKED, FILL_NORMAL);
    }
}

/* With and without the alignment, and alone or among others, a row has the same bits. */
static void check_pieces(void)
{
    for (int i = 0; i < cases(40); i++) {
        struct attend_case c = create(random_size(30), random_size(150), 1 + random_below(4),
                                      random_size(70), true, LAYOUT_STRIDED, FILL_NORMAL);
        struct matrix context =
            matrix_create(c.rows, c.heads * c.head_width, LAYOUT_PACKED, FILL_ZERO);
        uint32_t count;
        expect_done(run(&c));
        matrix_read(&c.context);
        for (uint32_t row = 0; row < c.rows; row += count) {
            struct attend_case piece = c;
            count = random_size(c.rows - row);
            piece.aligned = false;
            piece.query.view = matrix_rows(&c.query, row, count);
            piece.context.view = matrix_rows(&context, row, count);
            expect_done(run(&piece));
        }
        matrix_read(&context);
        matrix_expect_same(&c.context, &context, c.what);
        matrix_destroy(&context);
        destroy(&c);
    }
}

/* Keys and values that the plugin may round to bytes. */
static void check_rounded(void)
{
    for (int i = 0; i < 60; i++) {
        struct attend_case c =
            create(random_size(20), random_size(200), 1 + random_below(4), random_size(70), true,
                   random_below(LAYOUT_COUNT), FILL_NORMAL);
        for (size_t step = 0; step < c.steps; step++)
            for (size_t at = 0; at < c.keys.view.columns; at++) {
                *matrix_at(&c.keys, step, at) = (float)random_normal();
                *matrix_at(&c.values, step, at) = (float)random_normal();
            }
        for (size_t row = 0; row < c.rows; row++)
            for (size_t at = 0; at < c.query.view.columns; at++)
                *matrix_at(&c.query, row, at) = (float)random_normal();
        matrix_write(&c.query);
        matrix_write(&c.keys);
        matrix_write(&c.values);
        remember_both(&c);
        c.rounded = true;
        check_within(&c, HEARKEN_TENSOR_Q8_0);
        destroy(&c);
    }
}

/* A new memory holds zeros: the alignment is uniform and the context zero. */
static void check_nothing(void)
{
    struct attend_case c = create(3, 10, 2, 8, true, LAYOUT_PACKED, FILL_ZERO);

    c.stand_ins = (struct hearken_stand_ins){0};
    expect_done(run(&c));
    matrix_read(&c.alignment);
    matrix_read(&c.context);
    for (size_t row = 0; row < 3; row++) {
        for (size_t at = 0; at < 20; at++)
            expect(fabsf(*matrix_at(&c.alignment, row, at) - 0.1f) < 1e-6f,
                   "alignment [%zu, %zu] with nothing is %g", row, at,
                   (double)*matrix_at(&c.alignment, row, at));
        for (size_t i = 0; i < 16; i++)
            expect(*matrix_at(&c.context, row, i) == 0, "context [%zu, %zu] of nothing is %g", row,
                   i, (double)*matrix_at(&c.context, row, i));
    }
    destroy(&c);
}

/* What a text before has left behind the keys of this one changes nothing, whatever it was. */
static void check_shorter(void)
{
    static const float left[] = {NAN, INFINITY, -INFINITY, 3e38f};

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        struct attend_case c = create(4, 50, 2, 24, true, LAYOUT_PACKED, FILL_NORMAL);
        for (size_t step = 33; step < 50; step++)
            for (size_t at = 0; at < 48; at++)
                *matrix_at(&c.keys, step, at) = *matrix_at(&c.values, step, at) = left[i];
        matrix_write(&c.keys);
        matrix_write(&c.values);
        remember_both(&c);
        c.steps = 33;
        c.stand_ins = (struct hearken_stand_ins){0};
        c.memory_of_keys.rows = c.memory_of_values.rows = 33;
        matrix_destroy(&c.alignment);
        c.alignment = matrix_create(4, 2 * 33, LAYOUT_PACKED, FILL_NORMAL);
        check_within(&c, HEARKEN_TENSOR_F32);
        destroy(&c);
    }
}

/* Numbers beyond half precision do not become infinite. */
static void check_huge(void)
{
    struct attend_case c = create(4, 33, 2, 24, true, LAYOUT_STRIDED, FILL_NORMAL);

    for (size_t step = 0; step < 33; step++)
        for (size_t i = 0; i < 48; i++) {
            *matrix_at(&c.keys, step, i) *= 1e6f;
            *matrix_at(&c.values, step, i) *= 1e6f;
        }
    matrix_write(&c.keys);
    matrix_write(&c.values);
    remember_both(&c);
    expect_done(run(&c));
    matrix_read(&c.context);
    matrix_read(&c.alignment);
    expect_rows_of_one(&c);
    for (size_t row = 0; row < 4; row++)
        for (size_t i = 0; i < 48; i++)
            expect(isfinite(*matrix_at(&c.context, row, i)), "context [%zu, %zu] is %g", row, i,
                   (double)*matrix_at(&c.context, row, i));
    destroy(&c);
}

static void check_memory_refused(void)
{
    const struct hearken_kernels *kernels = subject()->kernels;
    struct hearken_buffer *buffer = NULL;

    expect_refused(kernels->memory_create(subject()->queue, HEARKEN_MEMORY_KEYS, 0, 8, &buffer));
    expect_refused(kernels->memory_create(subject()->queue, HEARKEN_MEMORY_VALUES, 8, 0, &buffer));
    expect_refused(kernels->memory_create(subject()->queue, 0, 8, 8, &buffer));
    expect_refused(kernels->memory_create(subject()->queue, 3, 8, 8, &buffer));
    expect(kernels->memory_create(subject()->queue, HEARKEN_MEMORY_KEYS, UINT32_MAX, UINT32_MAX,
                                  &buffer) == -ENOMEM,
           "memory of the address space");
}

static int write_rows(struct hearken_matrix out, const struct matrix *in,
                      const struct weight *weight, const struct hearken_matrix *residual)
{
    return subject()->kernels->linear(
        subject()->queue,
        &(struct hearken_linear){
            .out = out, .in = in->view, .weight = weight->tensor, .residual = residual});
}

/* Only `linear` may write to a memory, whole rows, and only `attend` read it. */
static void check_memory_alone(void)
{
    struct attend_case c = create(3, 10, 2, 8, true, LAYOUT_PACKED, FILL_NORMAL);
    const struct hearken_matrix memory = c.memory_of_keys;
    struct hearken_matrix out = memory;
    struct attend_case bad = c;
    float numbers[160];

    expect_refused(subject()->kernels->read(subject()->queue, &memory, numbers));
    expect_refused(subject()->kernels->write(subject()->queue, &memory, numbers));
    expect_refused(subject()->kernels->log_softmax(subject()->queue, &memory, NULL));
    bad.query.view = memory;
    bad.query.view.rows = 3;
    expect_refused(run(&bad));
    bad = c;
    bad.context.view = memory;
    bad.context.view.rows = 3;
    expect_refused(run(&bad));
    struct weight weight =
        weight_create(HEARKEN_TENSOR_F32, HEARKEN_USE_LINEAR, 16, 16, 1, FILL_NORMAL);
    expect_refused(subject()->kernels->linear(
        subject()->queue,
        &(struct hearken_linear){.out = c.values.view, .in = memory, .weight = weight.tensor}));
    expect_refused(write_rows(memory, &c.values, &weight, &c.keys.view));
    out.offset = 1;
    expect_refused(write_rows(out, &c.values, &weight, NULL));
    out = memory;
    out.stride = 15;
    expect_refused(write_rows(out, &c.values, &weight, NULL));
    out = memory;
    out.offset = 16 * 100;
    expect_refused(write_rows(out, &c.values, &weight, NULL));
    weight_destroy(&weight);
    destroy(&c);
}

/* One key with a score far above all others gets the whole alignment. */
static void check_one_huge_score(void)
{
    struct attend_case c = create(3, 50, 1, 16, true, LAYOUT_PACKED, FILL_NORMAL);

    for (size_t row = 0; row < 3; row++)
        *matrix_at(&c.query, row, 0) = 1e4f;
    *matrix_at(&c.keys, 17, 0) = 1e4f;
    matrix_write(&c.query);
    make_representable(&c.keys, c.keys.view.columns);
    remember_both(&c);
    expect_done(run(&c));
    matrix_read(&c.alignment);
    matrix_read(&c.context);
    for (size_t row = 0; row < 3; row++) {
        for (size_t step = 0; step < 50; step++)
            expect(fabsf(*matrix_at(&c.alignment, row, step) - (step == 17)) < 1e-30f,
                   "alignment [%zu, %zu] with one huge score", row, step);
        for (size_t i = 0; i < 16; i++) {
            const float value = *matrix_at(&c.values, 17, i);
            expect(fabsf(*matrix_at(&c.context, row, i) - value) <= 1e-6f * fabsf(value),
                   "context [%zu, %zu] with one huge score", row, i);
        }
    }
    destroy(&c);
}

static void check_refused(void)
{
    struct attend_case c = create(3, 10, 2, 8, true, LAYOUT_PACKED, FILL_NORMAL), bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "attend with %s was not refused", #change);                   \
    } while (0)
    REFUSED(bad.heads = 0);
    REFUSED(bad.heads = 3);
    REFUSED(bad.heads = 4);
    REFUSED(bad.query.view.columns = 8);
    REFUSED(bad.query.view.rows = 2);
    REFUSED(bad.query.view.rows = 0);
    REFUSED(bad.memory_of_keys.columns = 8);
    REFUSED(bad.memory_of_keys.rows = 9);
    REFUSED(bad.memory_of_keys.rows = 0; bad.memory_of_values.rows = 0);
    REFUSED(bad.memory_of_keys.rows = 100; bad.memory_of_values.rows = 100);
    REFUSED(bad.memory_of_keys.offset = 1);
    REFUSED(bad.memory_of_keys.offset = 16;
            bad.memory_of_keys.rows = bad.memory_of_values.rows = 1);
    REFUSED(bad.memory_of_keys = bad.memory_of_values);
    REFUSED(bad.memory_of_values = bad.memory_of_keys);
    REFUSED(bad.memory_of_keys = bad.keys.view);
    REFUSED(bad.memory_of_values.columns = 8);
    REFUSED(bad.memory_of_values.rows = 11);
    REFUSED(bad.context.view.columns = 8);
    REFUSED(bad.context.view.rows = 4);
    REFUSED(bad.stand_ins.count = 11);
    REFUSED(bad.stand_ins.bias = INFINITY);
    REFUSED(bad.alignment.view.columns = 10);
    REFUSED(bad.alignment.view.rows = 2);
    REFUSED(bad.alignment.view.buffer = NULL);
#undef REFUSED
    matrix_expect_unchanged(&c.context, "attend: context of refused calls");
    matrix_expect_unchanged(&c.alignment, "attend: alignment of refused calls");
    check(&c);
    destroy(&c);
}

static void bench(void)
{
    static const uint32_t sizes[][2] = {{4, 700}, {1, 700}, {4, 1500}, {30, 700}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct attend_case c =
            create(sizes[i][0], sizes[i][1], 8, 64, true, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "%u rows to %u steps", c.rows, c.steps);
        bench_report("attend", what, 4.0 * c.rows * c.steps * 512, "FLOP",
                     bench_seconds(run, &c, &c.context.view));
        destroy(&c);
    }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},
    {"sizes of the network", check_network},
    {"odd heads on many threads", check_odd_heads},
    {"a wide head", check_wide_head},
    {"fills", check_fills},
    {"one huge score", check_one_huge_score},
    {"rows in pieces equal the whole", check_pieces},
    {"keys and values that may be rounded", check_rounded},
    {"a memory of zeros", check_nothing},
    {"fewer keys than before", check_shorter},
    {"huge numbers", check_huge},
    {"refused memory", check_memory_refused},
    {"memory is for attend alone", check_memory_alone},
    {"refused arguments", check_refused},
};

const struct check_group attend_group = GROUP("attend", checks, bench);
