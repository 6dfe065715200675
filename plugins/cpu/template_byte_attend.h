// SPDX-License-Identifier: MIT
/*
 * The speller's attention in integer arithmetic, of keys and values in bytes (struct memory in
 * cpu.h). Queries become bytes too, with a scale for each square in which a head has columns. A
 * query's scores with all keys are kept, for the alignment; the shares are rounded as in
 * template_byte_attention.h.
 */
#ifndef HEARKEN_CPU_TEMPLATE_BYTE_ATTEND_H
#define HEARKEN_CPU_TEMPLATE_BYTE_ATTEND_H

#include "plugins/cpu/template_byte_attention.h"

_Static_assert(SQUARE % PANEL == 0 && SHARE_BLOCK % SQUARE == 0, "squares are whole panels");

enum {
    GROUP_SQUARE = GROUP * SQUARE,       /* bytes of a square's group */
    AHEAD_SQUARES = 2 * SQUARE * SQUARE, /* prefetch distance in bytes */
};

/* Parts of the workspace, for a head and a tile of queries. */
struct attend_scratch {
    size_t keys;     /* in whole squares */
    int8_t *query;   /* [squares, rows, SQUARE]: zeros outside of the head */
    float *scales;   /* [squares, rows], of the queries */
    int32_t *starts; /* [squares, rows], of the scores' sums, against WEIGHT_OFFSET */
    float *powers;   /* [rows, keys]: scores, then powers of 2 of them less the largest */
    float *weighted; /* [rows, SHARE_BLOCK]: powers · scales of the values */
    int8_t *shares;  /* [rows, SHARE_BLOCK] */
};

/* The columns of a head within a square, which starts at `square`. */
struct head_square {
    size_t square, first, end;
};

static struct head_square head_square_from(size_t first, size_t end)
{
    const size_t square = first / SQUARE * SQUARE;

    return (struct head_square){square, first, end < square + SQUARE ? end : square + SQUARE};
}

/* ---- Scores ---- */

/* The columns of the queries that a square has, as bytes. */
static void round_square(const struct attention *attention, const struct attend_scratch *scratch,
                         size_t index, struct head_square part, size_t query, size_t rows)
{
    vector_int whole[SQUARE / LANES];

    for (size_t row = 0; row < rows; row++) {
        const size_t at = index * rows + row;
        float columns[SQUARE] = {0};
        vector_int sum = {0};
        memcpy(columns + part.first - part.square,
               attention->query + (query + row) * attention->query_step + part.first,
               (part.end - part.first) * sizeof(float));
        scratch->scales[at] = round_row(columns, NULL, SQUARE, whole);
        for (size_t i = 0; i < SQUARE / LANES; i++) {
            store_numbers(scratch->query + at * SQUARE + i * LANES, whole[i]);
            sum += whole[i];
        }
        scratch->starts[at] =
            -WEIGHT_OFFSET * (int32_t)sum_of(__builtin_convertvector(sum, vector));
    }
}

/* powers[rows, keys] += query · keys, of the columns in a square; the first stores. */
INLINE void score_square_of(const struct attention *attention, const struct attend_scratch *scratch,
                            size_t index, struct head_square part, const size_t rows)
{
    const size_t first = (part.first - part.square) / GROUP * GROUP;
    const float *scales = memory_scales(attention->keys_memory, part.square);
    const int8_t *query = scratch->query + index * rows * SQUARE + first;

    for (size_t key = 0; key < scratch->keys; key += PANEL) {
        const vector low = load(scales + key), high = load(scales + key + LANES);
        vector_int sum[TILE_ROWS][2];
        UNROLL
        for (size_t row = 0; row < rows; row++)
            sum[row][0] = sum[row][1] = (vector_int){0} + scratch->starts[index * rows + row];
        multiply_groups(query, SQUARE, part.end - part.square - first,
                        memory_square(attention->keys_memory, key, part.square) + first * SQUARE +
                            key % SQUARE * GROUP,
                        GROUP_SQUARE, sum, rows, false, AHEAD_SQUARES);
        UNROLL
        for (size_t row = 0; row < rows; row++) {
            const vector scale = broadcast(scratch->scales[index * rows + row]);
            float *at = scratch->powers + row * scratch->keys + key;
            const vector before[2] = {index > 0 ? load(at) : broadcast(0),
                                      index > 0 ? load(at + LANES) : broadcast(0)};
            store(at, multiply_add(__builtin_convertvector(sum[row][0], vector), low * scale,
                                   before[0]));
            store(at + LANES, multiply_add(__builtin_convertvector(sum[row][1], vector),
                                           high * scale, before[1]));
        }
    }
}

static void score_square(const struct attention *attention, const struct attend_scratch *scratch,
                         size_t index, struct head_square part, size_t rows)
{
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (n <= TILE_ROWS)                                                                        \
            score_square_of(attention, scratch, index, part, n <= TILE_ROWS ? n : 1);              \
        break;
        CASES_OF_ROWS(CASE)
#undef CASE
    }
}

/* ---- Softmax ---- */

static void weigh_stand_ins(const struct attention *attention, float *products)
{
    const float bias = attention->stand_ins.bias * sqrtf((float)attention->width);

    for (size_t key = attention->total - attention->stand_ins.count; key < attention->total; key++)
        products[key] += bias;
}

/* Replaces products by 2^(unit · (product - largest)), and what is behind the last key by zeros;
 * returns 1 / the sum of them. */
static float raise_row(const struct attention *attention, size_t keys, float unit, float *powers)
{
    vector largest = broadcast(-INFINITY), total = broadcast(0);

    for (size_t key = attention->total; key < keys; key++)
        powers[key] = -INFINITY;
    for (size_t key = 0; key < keys; key += LANES)
        largest = maximum(largest, load(powers + key));
    const vector base = broadcast(largest_of(largest));
    for (size_t key = 0; key < keys; key += LANES) {
        const vector power = power_of_two((load(powers + key) - base) * unit);
        store(powers + key, power);
        total += power;
    }
    for (size_t key = attention->total; key < keys; key++)
        powers[key] = 0;
    return 1 / sum_of(total);
}

static void align_row(const float *powers, float factor, size_t total, float *alignment)
{
    for (size_t key = 0; key < total; key += LANES)
        store_first(alignment + key, total - key, load(powers + key) * factor);
}

/* ---- Mixing the values ---- */

/* The shares of `count` keys from `first` on as bytes. Returns the factor of their sums. */
static float share_row(const float *powers, const float *scales, size_t count, float *weighted,
                       int8_t *shares)
{
    vector largest = broadcast(1e-36f); /* its factor is finite */

    for (size_t key = 0; key < count; key += LANES) {
        const vector share = load(powers + key) * load(scales + key);
        largest = maximum(largest, share);
        store(weighted + key, share);
    }
    const float most = largest_of(largest);
    const vector factor = broadcast((float)LARGEST_SHARE / most);
    for (size_t key = 0; key < count; key += LANES)
        store_shares(shares + key, load(weighted + key), factor);
    return most * (1 / (float)LARGEST_SHARE);
}

/* sums[rows, SQUARE] += (shares · values) · factors, of `count` keys and the columns of a square */
INLINE void mix_square_of(const struct attend_scratch *scratch, const int8_t *bytes, size_t count,
                          const float *factors, float *sums, const size_t rows)
{
    for (size_t column = 0; column < SQUARE; column += PANEL) {
        vector_int sum[TILE_ROWS][2];
        UNROLL
        for (size_t row = 0; row < rows; row++)
            sum[row][0] = sum[row][1] = (vector_int){0};
        multiply_groups(scratch->shares, SHARE_BLOCK, count, bytes + column * GROUP, GROUP_SQUARE,
                        sum, rows, true, AHEAD_SQUARES);
        UNROLL
        for (size_t row = 0; row < rows; row++) {
            const vector factor = broadcast(factors[row]);
            float *at = sums + row * SQUARE + column;
            store(at, multiply_add(__builtin_convertvector(sum[row][0], vector), factor, load(at)));
            store(at + LANES, multiply_add(__builtin_convertvector(sum[row][1], vector), factor,
                                           load(at + LANES)));
        }
    }
}

static void mix_square(const struct attend_scratch *scratch, const int8_t *bytes, size_t count,
                       const float *factors, float *sums, size_t rows)
{
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (n <= TILE_ROWS)                                                                        \
            mix_square_of(scratch, bytes, count, factors, sums, n <= TILE_ROWS ? n : 1);           \
        break;
        CASES_OF_ROWS(CASE)
#undef CASE
    }
}

/* context = powers · values · factors, for the columns that a square has of a head */
static void mix_values(const struct attention *attention, const struct attend_scratch *scratch,
                       struct head_square part, const float *factors, size_t query, size_t rows)
{
    const struct memory *memory = attention->values_memory;
    float sums[TILE_ROWS * SQUARE] __attribute__((aligned(64))), of_block[TILE_ROWS];

    memset(sums, 0, rows * SQUARE * sizeof(float));
    for (size_t first = 0; first < scratch->keys; first += SHARE_BLOCK) {
        const size_t left = scratch->keys - first, count = left < SHARE_BLOCK ? left : SHARE_BLOCK;
        for (size_t row = 0; row < rows; row++)
            of_block[row] = share_row(scratch->powers + row * scratch->keys + first,
                                      memory_scales(memory, part.square) + first, count,
                                      scratch->weighted + row * SHARE_BLOCK,
                                      scratch->shares + row * SHARE_BLOCK);
        mix_square(scratch, memory_square(memory, first, part.square), count, of_block, sums, rows);
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t column = part.first; column < part.end; column++)
            attention->out[(query + row) * attention->out_step + column] =
                sums[row * SQUARE + column - part.square] * factors[row];
}

/* ---- All of it ---- */

static void attend_head(const struct attention *attention, const struct attend_scratch *scratch,
                        size_t head, size_t query, size_t rows)
{
    const float unit = (float)(1.44269504088896341 / sqrt((double)attention->width));
    const size_t start = head * attention->width, end = start + attention->width;
    float factors[TILE_ROWS];
    struct head_square part;
    size_t index = 0;

    for (size_t at = start; at < end; at = part.end, index++) {
        part = head_square_from(at, end);
        round_square(attention, scratch, index, part, query, rows);
        score_square(attention, scratch, index, part, rows);
    }
    for (size_t row = 0; row < rows; row++) {
        float *powers = scratch->powers + row * scratch->keys;
        weigh_stand_ins(attention, powers);
        factors[row] = raise_row(attention, scratch->keys, unit, powers);
        if (attention->alignment)
            align_row(powers, factors[row], attention->total,
                      attention->alignment + (query + row) * attention->alignment_step +
                          head * attention->total);
    }
    for (size_t at = start; at < end; at = part.end) {
        part = head_square_from(at, end);
        mix_values(attention, scratch, part, factors, query, rows);
    }
}

static int attend_in_bytes(const struct attention *attention, struct range heads, size_t queries,
                           struct workspace *workspace)
{
    const size_t tile = queries < TILE_ROWS ? queries : TILE_ROWS;
    const size_t keys = divide_up(attention->total, SQUARE) * SQUARE;
    const size_t squares = attention->width / SQUARE + 2;     /* it may begin and end within one */
    const size_t elements = keys + SHARE_BLOCK + 2 * squares; /* of 4 bytes, for each query */
    const size_t bytes = squares * SQUARE + SHARE_BLOCK;
    struct attend_scratch scratch = {.keys = keys};
    size_t count;

    scratch.powers = workspace_reserve(workspace, tile * (elements * sizeof(float) + bytes));
    if (!scratch.powers)
        return -ENOMEM;
    scratch.weighted = scratch.powers + tile * keys;
    scratch.scales = scratch.weighted + tile * SHARE_BLOCK;
    scratch.starts = (int32_t *)(void *)(scratch.scales + tile * squares);
    scratch.query = (int8_t *)(scratch.starts + tile * squares);
    scratch.shares = scratch.query + tile * squares * SQUARE;
    for (size_t head = heads.first; head < heads.end; head++)
        for (size_t at = 0; at < queries; at += count) {
            count = queries - at < tile ? queries - at : tile;
            attend_head(attention, &scratch, head, at, count);
        }
    return 0;
}

#endif
