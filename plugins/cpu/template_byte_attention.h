// SPDX-License-Identifier: MIT
/*
 * Self-attention of positions that all see all, in integer arithmetic (Zhang et al. 2024,
 * "SageAttention").
 *
 * Queries, keys and values become bytes, with a scale for each row of a head. Keys lose their mean
 * first: that changes all scores of a query by the same number, and what is left is smaller. The
 * shares, exponentials of scores, are multiplied by the scales of the values, then rounded to bytes
 * relative to the largest of their row within a block of keys. So the sums of products are whole
 * numbers and exact, and a row's result does not depend on the rows beside it.
 *
 * The including file defines, besides what template_blocks.h needs:
 *     LARGEST_SHARE    what the largest share of a block is scaled to
 *     store_shares     LANES products of a share and a factor, rounded, up to LARGEST_SHARE
 */
#ifndef HEARKEN_CPU_TEMPLATE_BYTE_ATTENTION_H
#define HEARKEN_CPU_TEMPLATE_BYTE_ATTENTION_H

#include "plugins/cpu/template_blocks.h"

#include <float.h>

enum {
    SHARE_BLOCK = 128,           /* keys */
    GROUP_PANEL = GROUP * PANEL, /* bytes of a panel's group */
    BLOCK_VECTORS = SHARE_BLOCK / LANES,
    AHEAD_ROWS = 16, /* prefetch distance */
};

/* Parts of the workspace. `columns` and `total` are the head's width and the keys, rounded up to
 * whole panels. */
struct byte_attention {
    size_t columns, total;
    int8_t *keys;        /* [total / PANEL, columns / 4, PANEL, 4] */
    int8_t *values;      /* [columns / PANEL, total / 4, PANEL, 4] */
    float *key_scales;   /* [total] */
    float *value_scales; /* [total, zeros to the end of its last SHARE_BLOCK] */
    float *mean;         /* [columns], of the keys */
    int8_t *query;       /* [TILE_ROWS, columns] */
    int8_t *rows;        /* [LANES, columns]: keys before they are turned */
    float *scores;       /* [TILE_ROWS, SHARE_BLOCK], in units of a query's scale */
    int8_t *shares;      /* [TILE_ROWS, SHARE_BLOCK] */
    float *sums;         /* [TILE_ROWS, columns] */
};

/* The rows of a tile. */
struct byte_tile {
    size_t count;
    float scales[TILE_ROWS];   /* of the queries; shares are powers of 2 of scores times these */
    int32_t starts[TILE_ROWS]; /* of the scores' sums, against WEIGHT_OFFSET */
    float largest[TILE_ROWS];  /* score so far */
    vector total[TILE_ROWS];   /* of the shares so far */
    vector most[TILE_ROWS];    /* shares of a block, times the scales of the values */
    float factors[TILE_ROWS];  /* of the sums of a block */
};

static size_t whole_panels(size_t count)
{
    return (count + PANEL - 1) / PANEL * PANEL;
}

/* ---- Rounding ---- */

/* Rows of a head are too far apart in memory for the processor to foresee. */
INLINE void prefetch_row(const float *row, size_t width)
{
    for (size_t at = 0; at < width; at += CACHE_LINE / sizeof(*row))
        __builtin_prefetch(row + at);
}

/* row - mean as whole numbers up to LARGEST; `mean` may be NULL. Returns their scale. Infinities
 * saturate, and NaN becomes finite. */
INLINE float round_row(const float *row, const float *mean, size_t width, vector_int *whole)
{
    vector x[MOST_BYTE_WIDTH / LANES], largest = broadcast(1e-30f); /* its factor is finite */
    size_t count = 0;

    for (size_t at = 0; at < width; at += LANES, count++) {
        x[count] = load_first(row + at, width - at);
        if (mean)
            x[count] -= load(mean + at);
        largest = maximum(maximum(x[count], -x[count]), largest);
    }
    const float most = largest_of(minimum(largest, broadcast(FLT_MAX)));
    const vector factor = broadcast((float)LARGEST / most), bound = broadcast((float)LARGEST);
    for (size_t i = 0; i < count; i++)
        whole[i] = round_lanes(minimum(maximum(x[i] * factor, -bound), bound));
    return most / (float)LARGEST;
}

static void find_mean(const struct attention *attention, float *mean)
{
    const float part = 1 / (float)attention->total;
    const float *key = attention->keys;
    vector sums[MOST_BYTE_WIDTH / LANES];

    for (size_t at = 0; at < attention->width; at += LANES)
        sums[at / LANES] = broadcast(0);
    for (size_t i = 0; i < attention->total; i++, key += attention->keys_step) {
        prefetch_row(key + AHEAD_ROWS * attention->keys_step, attention->width);
        for (size_t at = 0; at < attention->width; at += LANES)
            sums[at / LANES] += load_first(key + at, attention->width - at);
    }
    for (size_t at = 0; at < attention->width; at += LANES)
        store(mean + at, sums[at / LANES] * part);
}

/* LANES keys from `first` on as columns of a panel; those behind the last are zeros. */
static void pack_keys(const struct attention *attention, const struct byte_attention *memory,
                      size_t first)
{
    const size_t left = attention->total > first ? attention->total - first : 0;
    const size_t count = left < LANES ? left : LANES, groups = memory->columns / GROUP;
    int8_t *panel = memory->keys + first / PANEL * PANEL * memory->columns + first % PANEL * GROUP;
    vector_int whole[MOST_BYTE_WIDTH / LANES];

    whole[memory->columns / LANES - 1] = (vector_int){0}; /* it may be behind the width */
    store(memory->key_scales + first, broadcast(0));
    for (size_t i = 0; i < count; i++) {
        const float *key = attention->keys + (first + i) * attention->keys_step;
        memory->key_scales[first + i] = round_row(key, memory->mean, attention->width, whole);
        for (size_t at = 0; at < memory->columns; at += LANES)
            store_numbers(memory->rows + i * memory->columns + at, whole[at / LANES]);
    }
    turn_rows((const float *)(const void *)memory->rows, groups, count, groups,
              (float *)(void *)panel);
    for (size_t group = 0; group < groups && WEIGHT_OFFSET != 0; group++) {
        const vector_int bytes =
            load_weights(panel + group * GROUP_PANEL) ^ (int32_t)0x80808080; /* + 128 */
        memcpy(panel + group * GROUP_PANEL, &bytes, sizeof(bytes));
    }
}

/* GROUP values from `first` on; those behind the last are zeros. */
static void pack_values(const struct attention *attention, const struct byte_attention *memory,
                        size_t first)
{
    vector_int whole[GROUP][MOST_BYTE_WIDTH / LANES];

    for (size_t i = 0; i < GROUP; i++) {
        const float *value = attention->values + (first + i) * attention->values_step;
        for (size_t at = 0; at < memory->columns; at += LANES)
            whole[i][at / LANES] = (vector_int){0};
        memory->value_scales[first + i] = 0;
        if (first + i >= attention->total)
            continue;
        prefetch_row(value + AHEAD_ROWS * attention->values_step, attention->width);
        memory->value_scales[first + i] = round_row(value, NULL, attention->width, whole[i]);
    }
    for (size_t at = 0; at < memory->columns; at += LANES) {
        const size_t i = at / LANES;
        const vector_int group = (whole[0][i] & 255) | (whole[1][i] & 255) << 8 |
                                 (whole[2][i] & 255) << 16 | whole[3][i] << 24;
        memcpy(memory->values + (at / PANEL * memory->total + first) * PANEL + at % PANEL * GROUP,
               &group, sizeof(group));
    }
}

static void round_queries(const struct attention *attention, const struct byte_attention *memory,
                          size_t query, struct byte_tile *tile)
{
    const float unit = (float)(1.44269504088896341 / sqrt((double)attention->width));
    const float *from = attention->query + query * attention->query_step;
    vector_int whole[MOST_BYTE_WIDTH / LANES];

    whole[memory->columns / LANES - 1] = (vector_int){0};
    for (size_t row = 0; row < tile->count; row++, from += attention->query_step) {
        vector_int sum = {0};
        prefetch_row(from + AHEAD_ROWS * attention->query_step, attention->width);
        tile->scales[row] = unit * round_row(from, NULL, attention->width, whole);
        for (size_t at = 0; at < memory->columns; at += LANES) {
            store_numbers(memory->query + row * memory->columns + at, whole[at / LANES]);
            sum += whole[at / LANES];
        }
        /* The sums are small: exact in single precision. */
        tile->starts[row] = -WEIGHT_OFFSET * (int32_t)sum_of(__builtin_convertvector(sum, vector));
    }
}

/* ---- Products ---- */

/* scores = (starts + query · keys) · scales of the keys, of a tile with the keys of a panel */
INLINE void score_panel_of(const struct byte_attention *memory, const struct byte_tile *tile,
                           size_t key, float *scores, const size_t rows)
{
    vector_int sum[TILE_ROWS][2];

    UNROLL
    for (size_t row = 0; row < rows; row++)
        sum[row][0] = sum[row][1] = (vector_int){0} + tile->starts[row];
    multiply_groups(memory->query, memory->columns, memory->columns,
                    memory->keys + key * memory->columns, GROUP_PANEL, sum, rows, false, 0);
    const vector low = load(memory->key_scales + key);
    const vector high = load(memory->key_scales + key + LANES);
    UNROLL
    for (size_t row = 0; row < rows; row++) {
        store(scores + row * SHARE_BLOCK, __builtin_convertvector(sum[row][0], vector) * low);
        store(scores + row * SHARE_BLOCK + LANES,
              __builtin_convertvector(sum[row][1], vector) * high);
    }
}

/* sums += (shares · values) · factors, of a tile with `count` keys and the columns of a panel */
INLINE void mix_panel_of(const struct byte_attention *memory, const struct byte_tile *tile,
                         const int8_t *panel, size_t count, float *sums, const size_t rows)
{
    vector_int sum[TILE_ROWS][2];

    UNROLL
    for (size_t row = 0; row < rows; row++)
        sum[row][0] = sum[row][1] = (vector_int){0};
    multiply_groups(memory->shares, SHARE_BLOCK, count, panel, GROUP_PANEL, sum, rows, true, 0);
    UNROLL
    for (size_t row = 0; row < rows; row++) {
        const vector factor = broadcast(tile->factors[row]);
        float *at = sums + row * memory->columns;
        store(at, multiply_add(__builtin_convertvector(sum[row][0], vector), factor, load(at)));
        store(at + LANES,
              multiply_add(__builtin_convertvector(sum[row][1], vector), factor, load(at + LANES)));
    }
}

static void score_panel(const struct byte_attention *memory, const struct byte_tile *tile,
                        size_t key, float *scores)
{
    switch (tile->count) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (n <= TILE_ROWS)                                                                        \
            score_panel_of(memory, tile, key, scores, n <= TILE_ROWS ? n : 1);                     \
        break;
        CASES_OF_ROWS(CASE)
#undef CASE
    }
}

static void mix_panel(const struct byte_attention *memory, const struct byte_tile *tile,
                      const int8_t *panel, size_t count, float *sums)
{
    switch (tile->count) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (n <= TILE_ROWS)                                                                        \
            mix_panel_of(memory, tile, panel, count, sums, n <= TILE_ROWS ? n : 1);                \
        break;
        CASES_OF_ROWS(CASE)
#undef CASE
    }
}

/* ---- Softmax ---- */

/* 2^x within 3e-6 of its value for -126 ≤ x ≤ 0, no more than 2^-125 below. */
static inline vector power_of_two(vector x)
{
    const vector shift = broadcast(0x1.8p23f); /* the last bit of the sum counts ones */
    const vector bounded = maximum(x, broadcast(-126));
    const vector shifted = bounded + shift, r = bounded - (shifted - shift);

    vector p = broadcast(0.009570102f);
    p = multiply_add(p, r, broadcast(0.05591787f));
    p = multiply_add(p, r, broadcast(0.24024744f));
    p = multiply_add(p, r, broadcast(0.69312179f));
    p = multiply_add(p, r, broadcast(0.99999928f));
    return (vector)((vector_int)p + ((vector_int)shifted << 23));
}

/* A larger score was found: what was summed up so far is worth less. */
static void weigh_less(const struct byte_attention *memory, struct byte_tile *tile, size_t row,
                       float largest)
{
    const vector factor =
        power_of_two(broadcast((tile->largest[row] - largest) * tile->scales[row]));

    tile->largest[row] = largest;
    tile->total[row] *= factor;
    for (size_t at = 0; at < memory->columns; at += LANES) {
        float *sums = memory->sums + row * memory->columns + at;
        store(sums, load(sums) * factor);
    }
}

static void find_largest(const struct byte_attention *memory, struct byte_tile *tile, size_t row)
{
    const float *scores = memory->scores + row * SHARE_BLOCK;
    vector largest[2] = {load(scores), load(scores + LANES)};

    UNROLL
    for (size_t i = 2; i < BLOCK_VECTORS; i++)
        largest[i % 2] = maximum(largest[i % 2], load(scores + i * LANES));
    const float found = largest_of(maximum(largest[0], largest[1]));
    if (found > tile->largest[row])
        weigh_less(memory, tile, row, found);
}

/* Replaces scores by shares, times the scales of the values. */
static void raise_scores(const struct byte_attention *memory, struct byte_tile *tile, size_t row,
                         const float *value_scales)
{
    float *scores = memory->scores + row * SHARE_BLOCK;
    const vector scale = broadcast(tile->scales[row]);
    const vector base = broadcast(-tile->largest[row] * tile->scales[row]);
    vector most[2] = {broadcast(1e-36f), broadcast(1e-36f)}; /* their factor is finite */
    vector total[2] = {broadcast(0), broadcast(0)};

    UNROLL
    for (size_t i = 0; i < BLOCK_VECTORS; i++) {
        const vector power = power_of_two(multiply_add(load(scores + i * LANES), scale, base));
        const vector share = power * load(value_scales + i * LANES);
        total[i % 2] += power;
        most[i % 2] = maximum(most[i % 2], share);
        store(scores + i * LANES, share);
    }
    tile->total[row] += total[0] + total[1];
    tile->most[row] = maximum(most[0], most[1]);
}

static void round_shares(const struct byte_attention *memory, struct byte_tile *tile, size_t row)
{
    const float *scores = memory->scores + row * SHARE_BLOCK;
    const float most = largest_of(tile->most[row]);
    const vector factor = broadcast((float)LARGEST_SHARE / most);

    UNROLL
    for (size_t i = 0; i < BLOCK_VECTORS; i++)
        store_shares(memory->shares + row * SHARE_BLOCK + i * LANES, load(scores + i * LANES),
                     factor);
    tile->factors[row] = most * (1 / (float)LARGEST_SHARE);
}

/* Turns the scores with a block of keys into shares, all rows in each step: so the processor
 * overlaps what waits for the largest of a row. */
static void share_block(const struct byte_attention *memory, struct byte_tile *tile,
                        const float *value_scales)
{
    for (size_t row = 0; row < tile->count; row++)
        find_largest(memory, tile, row);
    for (size_t row = 0; row < tile->count; row++)
        raise_scores(memory, tile, row, value_scales);
    for (size_t row = 0; row < tile->count; row++)
        round_shares(memory, tile, row);
}

/* Weighs the stand-ins in a block of keys from `first` on, and hides what is behind the last key.
 */
static void adjust_scores(const struct attention *attention, const struct byte_attention *memory,
                          const struct byte_tile *tile, size_t first)
{
    const size_t total = attention->total, plain = total - attention->stand_ins.count;
    const float bias = attention->stand_ins.bias * 1.44269504f;
    const size_t end = first + SHARE_BLOCK < memory->total ? first + SHARE_BLOCK : memory->total;

    for (size_t row = 0; row < tile->count; row++) {
        float *scores = memory->scores + row * SHARE_BLOCK;
        for (size_t key = first > plain ? first : plain; key < end; key++)
            scores[key - first] =
                key < total ? scores[key - first] + bias / tile->scales[row] : -INFINITY;
        for (size_t at = end - first; at < SHARE_BLOCK; at += LANES)
            store(scores + at, broadcast(-INFINITY));
    }
}

/* ---- All of it ---- */

static void attend_tile(const struct attention *attention, const struct byte_attention *memory,
                        size_t query, size_t rows)
{
    struct byte_tile tile;

    tile.count = rows;
    round_queries(attention, memory, query, &tile);
    memset(memory->sums, 0, rows * memory->columns * sizeof(float));
    for (size_t row = 0; row < rows; row++) {
        tile.largest[row] = -INFINITY;
        tile.total[row] = broadcast(0);
    }
    for (size_t first = 0; first < memory->total; first += SHARE_BLOCK) {
        const size_t left = memory->total - first, count = left < SHARE_BLOCK ? left : SHARE_BLOCK;
        for (size_t key = 0; key < count; key += PANEL)
            score_panel(memory, &tile, first + key, memory->scores + key);
        adjust_scores(attention, memory, &tile, first);
        share_block(memory, &tile, memory->value_scales + first);
        for (size_t at = 0; at < memory->columns; at += PANEL)
            mix_panel(memory, &tile, memory->values + at * memory->total + first * PANEL, count,
                      memory->sums + at);
    }
    for (size_t row = 0; row < rows; row++) {
        const float factor = 1 / sum_of(tile.total[row]);
        for (size_t at = 0; at < attention->width; at += LANES)
            store_first(attention->out + (query + row) * attention->out_step + at,
                        attention->width - at,
                        load(memory->sums + row * memory->columns + at) * factor);
    }
}

static int self_attend_in_bytes(const struct attention *attention, struct range queries,
                                struct workspace *workspace)
{
    const size_t columns = whole_panels(attention->width), total = whole_panels(attention->total);
    const size_t floats = 2 * total + SHARE_BLOCK + columns + TILE_ROWS * (SHARE_BLOCK + columns);
    const size_t bytes =
        2 * total * columns + (TILE_ROWS + LANES) * columns + TILE_ROWS * SHARE_BLOCK;
    float *all = workspace_reserve(workspace, floats * sizeof(float) + bytes);
    struct byte_attention memory = {.columns = columns, .total = total};
    size_t count;

    if (!all)
        return -ENOMEM;
    memory.scores = all;
    memory.sums = memory.scores + TILE_ROWS * SHARE_BLOCK;
    memory.mean = memory.sums + TILE_ROWS * columns;
    memory.key_scales = memory.mean + columns;
    memory.value_scales = memory.key_scales + total;
    memory.keys = (int8_t *)(memory.value_scales + total + SHARE_BLOCK);
    memory.values = memory.keys + total * columns;
    memory.query = memory.values + total * columns;
    memory.rows = memory.query + TILE_ROWS * columns;
    memory.shares = memory.rows + LANES * columns;
    memset(memory.value_scales + total, 0, SHARE_BLOCK * sizeof(float));
    find_mean(attention, memory.mean);
    for (size_t first = 0; first < total; first += LANES)
        pack_keys(attention, &memory, first);
    for (size_t first = 0; first < total; first += GROUP)
        pack_values(attention, &memory, first);
    for (size_t query = queries.first; query < queries.end; query += count) {
        count = queries.end - query < TILE_ROWS ? queries.end - query : TILE_ROWS;
        attend_tile(attention, &memory, query, count);
    }
    return 0;
}

#endif
