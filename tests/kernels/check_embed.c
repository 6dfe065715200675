// SPDX-License-Identifier: MIT
/* embed: out[r] = table[tokens[r]] · scale + positions[position + r mod period] */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct embed_case {
    struct matrix out;
    struct weight table, positions;
    uint32_t *tokens;
    float scale;
    bool has_positions;
    uint32_t position, period;
    char what[128];
};

static struct embed_case create(uint32_t rows, uint32_t vocabulary, uint32_t width,
                                enum hearken_tensor_type type, bool positions, enum layout layout,
                                enum fill fill)
{
    struct embed_case c = {
        .out = matrix_create(rows, width, layout, FILL_NORMAL),
        .table =
            weight_create(type, HEARKEN_USE_EMBED | HEARKEN_USE_LINEAR, vocabulary, width, 1, fill),
        .tokens = allocate(rows, sizeof(uint32_t)),
        .scale = random_below(2) ? 1 : sqrtf((float)width),
        .has_positions = positions,
        .position = random_below(6),
        .period = random_size(rows + 3),
    };
    const uint32_t used = rows < c.period ? rows : c.period;

    for (size_t row = 0; row < rows; row++)
        c.tokens[row] = random_below(vocabulary);
    c.tokens[0] = vocabulary - 1;
    if (positions) /* no more of them than are needed */
        c.positions = weight_create(width % 32 ? random_below(2) : random_below(TYPE_COUNT),
                                    HEARKEN_USE_EMBED, c.position + used, width, 1, fill);
    snprintf(c.what, sizeof(c.what), "embed %u of %u x %u %s%s, %s", rows, vocabulary, width,
             type_name(type), positions ? " + positions" : "", fill_name(fill));
    return c;
}

static void destroy(struct embed_case *c)
{
    if (c->has_positions)
        weight_destroy(&c->positions);
    weight_destroy(&c->table);
    matrix_destroy(&c->out);
    free(c->tokens);
}

static int run(const void *arguments)
{
    const struct embed_case *c = arguments;

    return subject()->kernels->embed(subject()->queue,
                                     &(struct hearken_embed){
                                         .out = c->out.view,
                                         .table = c->table.tensor,
                                         .tokens = c->tokens,
                                         .scale = c->scale,
                                         .positions = c->has_positions ? c->positions.tensor : NULL,
                                         .position = c->position,
                                         .period = c->period,
                                     });
}

/* What rounding to bytes with a scale for 128 of a row may change, in units of the tolerance: half
 * a step of the largest, and a little since the scale is rounded to half precision. */
static double requantised_scale(const struct weight *table, size_t row, size_t column)
{
    const size_t first = column / 128 * 128, width = table->weights.columns;
    double largest = 0;

    if (table->weights.type != HEARKEN_TENSOR_Q8_0 && table->weights.type != HEARKEN_TENSOR_Q5_0)
        return 0;
    for (size_t at = first; at < first + 128 && at < width; at++)
        largest = fmax(largest, fabs(weight_at(table, row, at, 0)));
    return 0.75 * largest / 127 / tolerance_of[HEARKEN_TENSOR_F32].worst;
}

/* There is no sum, so what is not rounded again must have the accuracy of single precision. */
static void check(struct embed_case *c)
{
    const uint32_t rows = c->out.view.rows, width = c->out.view.columns;
    struct expected expected = expected_create(rows, width);

    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < width; i++) {
            const double token = weight_at(&c->table, c->tokens[row], i, 0) * c->scale;
            const double position =
                c->has_positions ? weight_at(&c->positions, c->position + row % c->period, i, 0)
                                 : 0;
            expected_set(&expected, row, i, token + position,
                         rounding_scale(fabs(token) + fabs(position)) +
                             requantised_scale(&c->table, c->tokens[row], i) * c->scale);
        }
    expect(run(c) == 0, "%s failed: %s", c->what, subject()->message);
    expect_close(&c->out, &expected, HEARKEN_TENSOR_F32, c->what);
    expected_destroy(&expected);
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(120); i++) {
        const enum hearken_tensor_type type = random_below(TYPE_COUNT);
        struct embed_case c =
            create(random_size(30), random_size(100),
                   has_blocks(type) ? 32 * (1 + random_below(4)) : random_size(100), type,
                   random_below(2), random_below(LAYOUT_COUNT), FILL_NORMAL);
        check(&c);
        destroy(&c);
    }
}

static void check_fills(void)
{
    for (int type = 0; type < TYPE_COUNT; type++)
        for (int fill = 0; fill < FILL_OUTLIER; fill++) {
            struct embed_case c = create(6, 20, 64, type, fill % 2, LAYOUT_STRIDED, fill);
            check(&c);
            destroy(&c);
        }
}

/* The caller may change the tokens as soon as the call has returned. */
static void check_tokens_are_copied(void)
{
    struct embed_case c = create(8, 50, 32, HEARKEN_TENSOR_F32, false, LAYOUT_PACKED, FILL_NORMAL);
    uint32_t tokens[8];

    memcpy(tokens, c.tokens, sizeof(tokens));
    expect_done(run(&c));
    memset(c.tokens, 0xff, sizeof(tokens));
    matrix_read(&c.out);
    for (size_t row = 0; row < 8; row++)
        for (size_t i = 0; i < 32; i++)
            expect(fabs(*matrix_at(&c.out, row, i) -
                        weight_at(&c.table, tokens[row], i, 0) * c.scale) < 1e-6,
                   "row %zu is not that of its token", row);
    destroy(&c);
}

static void check_refused(void)
{
    struct embed_case c = create(5, 9, 12, HEARKEN_TENSOR_F32, true, LAYOUT_PACKED, FILL_NORMAL);
    struct embed_case bad;
    struct weight vector = weight_create_vector(12, FILL_NORMAL);
    uint32_t beyond[5] = {0, 1, 2, 3, 9}, far[5] = {0, UINT32_MAX, 0, 0, 0};

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = c;                                                                                   \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "embed with %s was not refused", #change);                    \
    } while (0)
    REFUSED(bad.tokens = beyond);
    REFUSED(bad.tokens = far);
    REFUSED(bad.out.view.columns = 11);
    REFUSED(bad.out.view.rows = 0);
    REFUSED(bad.out.view.rows = 6);
    REFUSED(bad.table.tensor = NULL);
    REFUSED(bad.table = vector);
    REFUSED(bad.positions = vector);
    REFUSED(bad.period = 0);
    REFUSED(bad.position++);
    REFUSED(bad.position = UINT32_MAX);
#undef REFUSED
    matrix_expect_unchanged(&c.out, "embed: out of refused calls");
    check(&c);
    weight_destroy(&vector);
    destroy(&c);
}

static void bench(void)
{
    for (int type = 0; type < TYPE_COUNT; type++) {
        struct embed_case c = create(4, 51864, 512, type, true, LAYOUT_PACKED, FILL_NORMAL);
        char what[64];
        snprintf(what, sizeof(what), "4 of 51864 x 512 %s", type_name(type));
        bench_report("embed", what, 4 * 512 * sizeof(float), "B",
                     bench_seconds(run, &c, &c.out.view));
        destroy(&c);
    }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},
    {"fills", check_fills},
    {"tokens are copied", check_tokens_are_copied},
    {"refused arguments", check_refused},
};

const struct check_group embed_group = GROUP("embed", checks, bench);
