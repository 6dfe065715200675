// SPDX-License-Identifier: MIT
/* self_attend: out = softmax(q · k / sqrt(width / heads) + bias) · v, per head, with cache and
 * chunks */
#include "tests/kernels/matrix.h"
#include "tests/kernels/subject.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whole sequences, which are passed to the kernel in one call or in several. */
struct attend_case {
    uint32_t sequences, positions, heads, head_width, chunk;
    struct hearken_stand_ins stand_ins;
    bool cached;
    enum layout layout;
    enum fill fill;
    float *qkv;                 /* [sequences, positions, 3 · width] */
    struct matrix keys, values; /* caches, with room for more than `positions` */
    char what[160];
};

static uint32_t width_of(const struct attend_case *c)
{
    return c->heads * c->head_width;
}

static float *qkv_at(const struct attend_case *c, size_t sequence, size_t position, size_t part)
{
    return c->qkv + ((sequence * c->positions + position) * 3 + part) * width_of(c);
}

static struct attend_case create(uint32_t sequences, uint32_t positions, uint32_t heads,
                                 uint32_t head_width, uint32_t chunk, bool cached,
                                 enum layout layout, enum fill fill)
{
    const uint32_t width = heads * head_width;
    const size_t rows = (size_t)sequences * positions * 3;
    struct attend_case c = {
        .sequences = sequences,
        .positions = positions,
        .heads = heads,
        .head_width = head_width,
        .chunk = chunk,
        .cached = cached,
        .layout = layout,
        .fill = fill,
        .qkv = allocate(rows * width, sizeof(float)),
    };

    for (size_t row = 0; row < rows; row++) {
        const double constant = random_normal();
        for (size_t i = 0; i < width; i++)
            c.qkv[row * width + i] = (float)fill_number(fill, constant);
        if (fill == FILL_OUTLIER)
            c.qkv[row * width + random_below(width)] = 1e4f;
    }
    if (cached) {
        const uint32_t room = positions + random_below(3);
        c.keys = matrix_create(sequences, room * width, layout, FILL_NORMAL);
        c.values = matrix_create(sequences, room * width, layout, FILL_NORMAL);
    }
    if (!cached && chunk == 0 && fill != FILL_HUGE)
        c.stand_ins = random_stand_ins(positions);
    snprintf(c.what, sizeof(c.what),
             "self_attend %u x %u, %u stand-ins, %u heads of %u, chunk %u%s, %s%s", sequences,
             positions, c.stand_ins.count, heads, head_width, chunk, cached ? ", cached" : "",
             fill_name(fill), layout == LAYOUT_STRIDED ? ", strided" : "");
    return c;
}

static void destroy(struct attend_case *c)
{
    if (c->cached) {
        matrix_destroy(&c->keys);
        matrix_destroy(&c->values);
    }
    free(c->qkv);
}

/* ---- One call: `count` positions of every sequence after `past` ---- */

struct call {
    const struct attend_case *of;
    struct hearken_self_attend arguments;
    struct matrix out, qkv;
};

static struct call call_create(const struct attend_case *c, uint32_t past, uint32_t count)
{
    const uint32_t rows = c->sequences * count, width = width_of(c);
    struct call call = {
        .of = c,
        .out = matrix_create(rows, width, c->layout, FILL_NORMAL),
        .qkv = matrix_create(rows, 3 * width, c->layout, FILL_ZERO),
    };

    for (size_t row = 0; row < rows; row++)
        memcpy(matrix_at(&call.qkv, row, 0), qkv_at(c, row / count, past + row % count, 0),
               3 * width * sizeof(float));
    matrix_write(&call.qkv);
    call.arguments = (struct hearken_self_attend){
        .out = call.out.view,
        .qkv = call.qkv.view,
        .keys = c->keys.view,
        .values = c->values.view,
        .sequences = c->sequences,
        .heads = c->heads,
        .past = past,
        .chunk = c->chunk,
        .stand_ins = c->stand_ins,
    };
    return call;
}

static void call_destroy(struct call *call)
{
    matrix_destroy(&call->out);
    matrix_destroy(&call->qkv);
}

static int run(const void *arguments)
{
    return subject()->kernels->self_attend(subject()->queue, arguments);
}

/* ---- The formula ---- */

/* Whether queries, keys and values may be rounded to bytes. */
static bool may_be_bytes(const struct attend_case *c)
{
    return may_round_attention() && !c->cached && c->chunk == 0;
}

/*
 * How much of a share may be wrong since its score is, in units of the arithmetic's error; `size`
 * is the largest sum of products of a score. Scores of huge elements are whole numbers that single
 * precision holds, so they are exact; others are off by a few units in the last place of that sum.
 * Those of bytes are off by as much of it as other sums of products of bytes.
 */
static double share_scale(const struct attend_case *c, double size)
{
    const double worst = tolerance_of[HEARKEN_TENSOR_Q8_0].worst;

    if (may_be_bytes(c))
        return expm1(fmin(worst * size, 20)) / worst;
    return c->fill == FILL_HUGE ? 0 : exponential_scale(size);
}

/* What the errors of a value's numbers follow besides their own size: with bytes, the size of all
 * in the head, which the scale is made for. */
static double common_size(const struct attend_case *c, const float *value)
{
    double squares = 0;

    for (size_t i = 0; may_be_bytes(c) && i < c->head_width; i++)
        squares += (double)value[i] * value[i];
    return sqrt(squares / c->head_width);
}

/* Of one head of one query. */
static void formula_head(const struct attend_case *c, size_t sequence, size_t position, size_t head,
                         size_t visible, struct expected *expected, size_t row)
{
    const size_t at = head * c->head_width;
    const float *query = qkv_at(c, sequence, position, 0) + at;
    double *scores = allocate(visible, sizeof(double));
    double largest = -INFINITY, total = 0, size = 0, common = 0;

    for (size_t other = 0; other < visible; other++) {
        const float *key = qkv_at(c, sequence, other, 1) + at;
        struct sum sum = {0};
        for (size_t i = 0; i < c->head_width; i++)
            sum_add(&sum, (double)query[i] * key[i]);
        scores[other] = sum.value / sqrt(c->head_width);
        if (other >= c->positions - c->stand_ins.count)
            scores[other] += (double)c->stand_ins.bias;
        size = fmax(size, sum_scale(&sum) / sqrt(c->head_width));
        largest = fmax(largest, scores[other]);
    }
    for (size_t other = 0; other < visible; other++)
        total += scores[other] = exp(scores[other] - largest);
    for (size_t other = 0; other < visible; other++)
        common += scores[other] / total * common_size(c, qkv_at(c, sequence, other, 2) + at);
    const double error = 1 + share_scale(c, size);
    for (size_t i = 0; i < c->head_width; i++) {
        struct sum sum = {0};
        double mean_size = common;
        for (size_t other = 0; other < visible; other++) {
            const float *value = qkv_at(c, sequence, other, 2) + at;
            const double share = scores[other] / total;
            sum_add(&sum, share * value[i]);
            mean_size += share * fabs((double)value[i]);
        }
        expected_set(expected, row, at + i, sum.value, mean_size * error);
    }
    free(scores);
}

static size_t visible_at(const struct attend_case *c, size_t position, size_t total)
{
    size_t count = 0;

    for (size_t other = 0; other < total; other++)
        count += c->chunk == 0 || other / c->chunk <= position / c->chunk;
    return count;
}

static void expect_formula(struct call *call)
{
    const struct attend_case *c = call->of;
    const uint32_t rows = call->out.view.rows, count = rows / c->sequences;
    const uint32_t past = call->arguments.past;
    struct expected expected = expected_create(rows, width_of(c));

    for (size_t row = 0; row < rows; row++) {
        const size_t position = past + row % count;
        for (size_t head = 0; head < c->heads; head++)
            formula_head(c, row / count, position, head, visible_at(c, position, past + count),
                         &expected, row);
    }
    expect_close(&call->out, &expected, may_be_bytes(c) ? HEARKEN_TENSOR_Q8_0 : HEARKEN_TENSOR_F32,
                 c->what);
    matrix_expect_unchanged(&call->qkv, "self_attend: qkv");
    expected_destroy(&expected);
}

/* The caches hold the keys and values so far; the rest is unchanged. */
static void expect_cache(const struct attend_case *c, struct matrix *cache, size_t part,
                         uint32_t positions)
{
    const size_t width = width_of(c);

    for (size_t sequence = 0; sequence < c->sequences; sequence++)
        for (size_t position = 0; position < positions; position++)
            memcpy(matrix_at(cache, sequence, position * width),
                   qkv_at(c, sequence, position, part), width * sizeof(float));
    matrix_expect_unchanged(cache,
                            part == 1 ? "self_attend: other keys" : "self_attend: other values");
}

static void check_call(struct attend_case *c, uint32_t past, uint32_t count)
{
    struct call call = call_create(c, past, count);

    expect(run(&call.arguments) == 0, "%s failed: %s", c->what, subject()->message);
    expect_formula(&call);
    if (c->cached) {
        expect_cache(c, &c->keys, 1, past + count);
        expect_cache(c, &c->values, 2, past + count);
    }
    call_destroy(&call);
}

/* ---- The checks ---- */

static uint32_t random_chunk(void)
{
    static const uint32_t chunks[] = {0, 0, 1, 8, 8, 3, 100, UINT32_MAX};

    return chunks[random_below(sizeof(chunks) / sizeof(chunks[0]))];
}

static void check_shapes(void)
{
    for (int i = 0; i < cases(120); i++) {
        const bool cached = random_below(2);
        struct attend_case c = create(cached ? 1 + random_below(5) : 1, random_size(70),
                                      1 + random_below(4), random_size(70), random_chunk(), cached,
                                      random_below(LAYOUT_COUNT), FILL_NORMAL);
        check_call(&c, 0, c.positions);
        destroy(&c);
    }
}

/*
 * More keys than one block, and heads of odd width: chunks and stand-ins begin in one block of keys
 * and end in another.
 */
static void check_many_keys(void)
{
    static const uint32_t chunks[] = {0, 1, 7, 100, 130, 257};

    for (int i = 0; i < cases(30); i++) {
        const bool cached = random_below(2);
        struct attend_case c =
            create(cached ? 1 + random_below(3) : 1, 120 + random_below(200), 1 + random_below(3),
                   random_size(70), chunks[random_below(sizeof(chunks) / sizeof(chunks[0]))],
                   cached, random_below(LAYOUT_COUNT), FILL_NORMAL);
        const uint32_t past = cached ? random_below(c.positions) : 0;
        if (past > 0)
            check_call(&c, 0, past);
        check_call(&c, past, c.positions - past);
        destroy(&c);
    }
}

/* A head that may be too wide for a device's local memory: computed or refused. */
static void check_wide_head(uint32_t positions, uint32_t width)
{
    struct attend_case c = create(1, positions, 1, width, 0, false, LAYOUT_PACKED, FILL_ZERO);
    struct call call = call_create(&c, 0, positions);
    const int error = run(&call.arguments);

    expect(error == 0 || error == -EINVAL, "%s: %d, %s", c.what, error, subject()->message);
    if (error == 0)
        expect_formula(&call);
    call_destroy(&call);
    destroy(&c);
}

static void check_wide_heads(void)
{
    for (uint32_t width = 100; width < 100000; width += width / 3)
        check_wide_head(1 + random_below(16), width);
}

/* Any number of positions a call, each compared with the formula for the positions so far. */
static void check_past(void)
{
    for (int i = 0; i < cases(60); i++) {
        struct attend_case c =
            create(1 + random_below(4), random_size(50), 1 + random_below(3), random_size(40),
                   random_chunk(), true, random_below(LAYOUT_COUNT), FILL_NORMAL);
        uint32_t count;
        for (uint32_t past = 0; past < c.positions; past += count) {
            count = random_size(c.positions - past);
            check_call(&c, past, count);
        }
        destroy(&c);
    }
}

static void check_fills(void)
{
    static const uint32_t chunks[] = {0, 1, 8};

    for (int fill = 0; fill < FILL_COUNT; fill++)
        for (size_t i = 0; i < 3; i++)
            for (int cached = 0; cached < 2; cached++) {
                struct attend_case c =
                    create(1, 27, 3, 32, chunks[i], cached, LAYOUT_STRIDED, fill);
                check_call(&c, 0, c.positions);
                destroy(&c);
            }
}

static void check_network(void)
{
    struct attend_case full = create(1, 200, 8, 64, 0, false, LAYOUT_PACKED, FILL_NORMAL);
    struct attend_case chunked = create(1, 96, 8, 64, 32, true, LAYOUT_PACKED, FILL_NORMAL);
    struct attend_case speller = create(4, 12, 8, 64, 1, true, LAYOUT_PACKED, FILL_NORMAL);

    check_call(&full, 0, 200);
    for (uint32_t past = 0; past < 96; past += 32)
        check_call(&chunked, past, 32);
    for (uint32_t past = 0; past < 12; past++)
        check_call(&speller, past, 1);
    destroy(&speller);
    destroy(&chunked);
    destroy(&full);
}

/* Copies a call's rows to their positions in the whole. */
static void collect(const struct attend_case *c, struct matrix *out, uint32_t past, uint32_t count,
                    struct matrix *all)
{
    matrix_read(out);
    for (size_t row = 0; row < out->view.rows; row++)
        memcpy(matrix_at(all, row / count * c->positions + past + row % count, 0),
               matrix_at(out, row, 0), width_of(c) * sizeof(float));
}

/*
 * With a chunk mask a position does not see keys after its chunk. So sequences computed in pieces
 * of whole chunks have the same bits as those computed at once.
 */
static void check_pieces(void)
{
    for (int i = 0; i < cases(60); i++) {
        static const uint32_t chunks[] = {1, 7, 8, 32, 50};
        const uint32_t chunk = chunks[random_below(sizeof(chunks) / sizeof(chunks[0]))];
        struct attend_case c =
            create(1 + random_below(3), random_size(i % 4 ? 100 : 300), 1 + random_below(4),
                   random_size(70), chunk, true, LAYOUT_STRIDED, FILL_NORMAL);
        struct call whole = call_create(&c, 0, c.positions);
        struct matrix all =
            matrix_create(c.sequences * c.positions, width_of(&c), LAYOUT_PACKED, FILL_ZERO);
        uint32_t count;
        expect_done(run(&whole.arguments));
        matrix_read(&whole.out);
        for (uint32_t past = 0; past < c.positions; past += count) {
            count = chunk * random_size((c.positions - past) / chunk + 1);
            if (count > c.positions - past)
                count = c.positions - past;
            struct call piece = call_create(&c, past, count);
            expect_done(run(&piece.arguments));
            collect(&c, &piece.out, past, count, &all);
            call_destroy(&piece);
        }
        matrix_expect_same(&whole.out, &all, c.what);
        matrix_destroy(&all);
        call_destroy(&whole);
        destroy(&c);
    }
}

/* One key with a score far above all others: the result is its value, and nothing overflows. A byte
 * is within 1/254 of the largest of its row. */
static void check_one_huge_score_of(uint32_t chunk)
{
    struct attend_case c = create(1, 40, 2, 16, chunk, false, LAYOUT_PACKED, FILL_NORMAL);

    for (size_t position = 0; position < 40; position++)
        *qkv_at(&c, 0, position, 0) = 1e4f;
    *qkv_at(&c, 0, 13, 1) = 1e4f;
    struct call call = call_create(&c, 0, 40);
    expect_done(run(&call.arguments));
    matrix_read(&call.out);
    const float *value = qkv_at(&c, 0, 13, 2);
    float most = 0;
    for (size_t i = 0; i < 16; i++)
        most = fmaxf(most, fabsf(value[i]));
    const float bound = may_be_bytes(&c) ? most / 253 : 0;
    for (size_t position = 0; position < 40; position++)
        for (size_t i = 0; i < 16; i++)
            expect(fabsf(*matrix_at(&call.out, position, i) - value[i]) <= bound,
                   "position %zu does not get the value of the one huge score", position);
    call_destroy(&call);
    destroy(&c);
}

static void check_one_huge_score(void)
{
    check_one_huge_score_of(0);
    check_one_huge_score_of(UINT32_MAX);
}

static void check_refused(void)
{
    struct attend_case c = create(2, 6, 2, 8, 1, true, LAYOUT_PACKED, FILL_NORMAL);
    struct call call = call_create(&c, 0, 3);
    struct hearken_self_attend bad;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = call.arguments;                                                                      \
        change;                                                                                    \
        expect(run(&bad) == -EINVAL, "self_attend with %s was not refused", #change);              \
    } while (0)
    REFUSED(bad.heads = 0);
    REFUSED(bad.heads = 3);
    REFUSED(bad.sequences = 0);
    REFUSED(bad.sequences = 4);
    REFUSED(bad.sequences = 3);
    REFUSED(bad.past = c.keys.view.columns / 16 - 2);
    REFUSED(bad.past = UINT32_MAX);
    REFUSED(bad.qkv.columns = 47);
    REFUSED(bad.qkv.columns = 45);
    REFUSED(bad.qkv.rows = 4);
    REFUSED(bad.qkv.offset = 1);
    REFUSED(bad.out.columns = 8);
    REFUSED(bad.out.rows = 5);
    REFUSED(bad.keys.rows = 1);
    REFUSED(bad.values.rows = 1);
    REFUSED(bad.values.columns -= 16);
    REFUSED(bad.keys.columns -= 1; bad.values.columns -= 1);
    REFUSED(bad.values.buffer = NULL);
    /* Without a cache there is no past, and one sequence. */
    REFUSED(bad.keys.buffer = bad.values.buffer = NULL);
    REFUSED(bad.keys.buffer = bad.values.buffer = NULL; bad.sequences = 1; bad.past = 1);
    /* Stand-ins are for those that all see all. */
    REFUSED(bad.stand_ins.count = 1);
    REFUSED(bad.keys.buffer = bad.values.buffer = NULL; bad.sequences = 1; bad.stand_ins.count = 1);
    REFUSED(bad.keys.buffer = bad.values.buffer = NULL; bad.sequences = 1; bad.chunk = 0;
            bad.stand_ins.count = bad.qkv.rows + 1);
    REFUSED(bad.stand_ins.bias = NAN);
#undef REFUSED
    matrix_expect_unchanged(&call.out, "self_attend: out of refused calls");
    matrix_expect_unchanged(&c.keys, "self_attend: keys of refused calls");
    matrix_expect_unchanged(&c.values, "self_attend: values of refused calls");
    expect_done(run(&call.arguments));
    expect_formula(&call);
    call_destroy(&call);
    destroy(&c);
}

static void bench(void)
{
    static const struct {
        const char *what;
        uint32_t sequences, past, count, chunk;
        bool cached;
    } cases[] = {
        {"750 positions, all see all", 1, 0, 750, 0, false},
        {"750 positions in chunks of 32", 1, 0, 750, 32, false},
        {"32 positions after 448", 1, 448, 32, 32, true},
        {"4 hypotheses after 100", 4, 100, 1, 1, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct attend_case c = create(cases[i].sequences, cases[i].past + cases[i].count, 8, 64,
                                      cases[i].chunk, cases[i].cached, LAYOUT_PACKED, FILL_NORMAL);
        struct call call = call_create(&c, cases[i].past, cases[i].count);
        double pairs = 0;
        for (uint32_t row = 0; row < cases[i].count; row++)
            pairs += (double)visible_at(&c, cases[i].past + row, c.positions) * c.sequences;
        bench_report("self_attend", cases[i].what, pairs * 4 * 512, "FLOP",
                     bench_seconds(run, &call.arguments, &call.out.view));
        call_destroy(&call);
        destroy(&c);
    }
}

static const struct check checks[] = {
    {"random shapes", check_shapes},          {"many keys", check_many_keys},
    {"wide heads", check_wide_heads},         {"behind what is in the cache", check_past},
    {"sizes of the network", check_network},  {"fills", check_fills},
    {"one huge score", check_one_huge_score}, {"chunks in pieces equal the whole", check_pieces},
    {"refused arguments", check_refused},
};

const struct check_group self_attend_group = GROUP("self_attend", checks, bench);
