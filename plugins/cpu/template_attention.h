// SPDX-License-Identifier: MIT
/*
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1) of one head, a tile of queries at
 * a time. The keys are transposed into panels, so that the scores of a tile are a matrix product;
 * the values are the panels of a second product.
 *
 * Self-attention processes the keys in blocks and keeps, for each query, the largest score so far
 * and sums relative to it (online softmax: Milakov and Gimelshein 2018; Dao et al. 2022). So the
 * matrix of all scores is never stored. Blocks start at multiples of KEY_BLOCK, and a key that a
 * query does not see adds an exact zero. So a query's result has the same bits whatever other
 * queries share its tile and however many keys follow those that it sees.
 */
#ifndef HEARKEN_CPU_TEMPLATE_ATTENTION_H
#define HEARKEN_CPU_TEMPLATE_ATTENTION_H

#include "plugins/cpu/template_math.h"
#include "plugins/cpu/template_tile.h"

enum { KEY_BLOCK = 128 };

/* Parts of the workspace, for the queries of one range. */
struct attention_memory {
    float *keys;   /* [key panels, width, PANEL] of all keys, or of one block */
    float *values; /* [value panels, keys, PANEL], or NULL: used in place */
    float *query;  /* [width / 16, TILE_ROWS, 16] */
    float *scores; /* [keys / 16, TILE_ROWS, 16] */
    float *sums;   /* [value panels, TILE_ROWS, PANEL] */
    size_t limit;  /* keys that any query of the range sees */
    bool one_tile; /* keys are packed block by block */
};

static size_t visible_from(const struct attention *attention, size_t query)
{
    if (attention->chunk == 0)
        return attention->total;
    const size_t end = ((attention->past + query) / attention->chunk + 1) * attention->chunk;
    return end < attention->total ? end : attention->total;
}

static size_t panels_of(size_t count)
{
    return (count + PANEL - 1) / PANEL;
}

/* ---- Keys and values as panels ---- */

/* The keys of a range that starts at a multiple of PANEL. */
static void pack_keys(const struct attention *attention, struct range keys, float *panels)
{
    for (size_t key = keys.first; key < keys.end; key += PANEL) {
        const float *first = attention->keys + key * attention->keys_step;
        const size_t left = keys.end - key, rest = left > LANES ? left - LANES : 0;
        turn_rows(first, attention->keys_step, left, attention->width, panels);
        turn_rows(rest ? first + LANES * attention->keys_step : first, attention->keys_step, rest,
                  attention->width, panels + LANES);
        panels += attention->width * PANEL;
    }
}

static void pack_values(const struct attention *attention, size_t count, float *panels)
{
    for (size_t at = 0; at < attention->width; at += PANEL)
        for (size_t key = 0; key < count; key++, panels += PANEL) {
            const float *value = attention->values + key * attention->values_step + at;
            const size_t left = attention->width - at, rest = left > LANES ? left - LANES : 0;
            store(panels, load_first(value, left));
            store(panels + LANES, rest ? load_first(value + LANES, rest) : broadcast(0));
        }
}

static int prepare(const struct attention *attention, struct range queries,
                   struct workspace *workspace, struct attention_memory *memory)
{
    const size_t limit = visible_from(attention, queries.end - 1), width = attention->width;
    const bool one_tile = queries.end - queries.first <= TILE_ROWS;
    const bool in_place = one_tile && width % PANEL == 0;
    const size_t held = one_tile && limit > KEY_BLOCK ? KEY_BLOCK : limit;
    const size_t keys = panels_of(held) * width * PANEL;
    const size_t values = in_place ? 0 : panels_of(width) * limit * PANEL;
    const size_t query = TILE_ROWS * whole_chunks(width);
    const size_t score = TILE_ROWS * whole_chunks(KEY_BLOCK);
    const size_t sums = panels_of(width) * TILE_ROWS * PANEL;
    float *all =
        workspace_reserve(workspace, (keys + values + query + score + sums) * sizeof(float));

    if (!all)
        return -ENOMEM;
    *memory = (struct attention_memory){
        .keys = all,
        .values = in_place ? NULL : all + keys,
        .query = all + keys + values,
        .scores = all + keys + values + query,
        .sums = all + keys + values + query + score,
        .limit = limit,
        .one_tile = one_tile,
    };
    if (!one_tile)
        pack_keys(attention, (struct range){0, limit}, memory->keys);
    if (!in_place)
        pack_values(attention, limit, memory->values);
    return 0;
}

/* ---- Scores ---- */

/* The index of a key's score for row 0 in [keys / 16, rows, 16]. */
static size_t score_at(size_t key, size_t rows)
{
    return key / CHUNK_INPUTS * CHUNK_INPUTS * rows + key % CHUNK_INPUTS;
}

/* Adds the bias to the scores of the stand-ins in a range of keys. */
static void add_bias(const struct attention *attention, struct range keys, size_t rows,
                     float *scores)
{
    const size_t plain = attention->total - attention->stand_ins.count;

    for (size_t key = keys.first > plain ? keys.first : plain; key < keys.end; key++)
        for (size_t row = 0; row < rows; row++)
            scores[score_at(key - keys.first, rows) + row * CHUNK_INPUTS] +=
                attention->stand_ins.bias;
}

/* Scores of a tile with keys of a range of at most KEY_BLOCK, those behind it being zeros. */
static void score_keys(const struct attention *attention, const struct attention_memory *memory,
                       struct range keys, size_t rows, float *scores)
{
    const vector scale = broadcast((float)(1 / sqrt((double)attention->width)));
    const float *panel = memory->keys;
    float sums[TILE_ROWS * PANEL] __attribute__((aligned(64)));

    if (memory->one_tile)
        pack_keys(attention, keys, memory->keys);
    else
        panel += keys.first / PANEL * attention->width * PANEL;
    for (size_t key = keys.first; key < keys.end; key += PANEL) {
        memset(sums, 0, rows * PANEL * sizeof(float));
        multiply_tile(memory->query, panel, PANEL, attention->width, sums, rows);
        for (size_t row = 0; row < rows; row++)
            for (size_t half = 0; half < 2; half++)
                store(scores + score_at(key - keys.first + half * LANES, rows) + row * CHUNK_INPUTS,
                      load(sums + row * PANEL + half * LANES) * scale);
        panel += attention->width * PANEL;
    }
    add_bias(attention, keys, rows, scores);
}

/* The largest of the first `count` scores of a row. */
static float largest_score(const float *scores, size_t rows, size_t count)
{
    vector largest = broadcast(-INFINITY);

    for (size_t key = 0; key < count; key += LANES)
        largest = maximum(largest,
                          keep_first(load(scores + score_at(key, rows)), count - key, -INFINITY));
    return largest_of(largest);
}

/* Replaces scores by exp(score - largest), and by 0 from `count` to `end`; returns their sum. The
 * largest becomes 1 without a subtraction, since ∞ - ∞ is NaN. */
static vector raise_scores(float *scores, size_t rows, size_t count, size_t end, float largest)
{
    vector sum = broadcast(0);

    for (size_t key = 0; key < end; key += LANES) {
        float *at = scores + score_at(key, rows);
        if (key >= count) {
            store(at, broadcast(0));
            continue;
        }
        const vector score = load(at);
        const vector power =
            select_if(score == broadcast(largest), broadcast(1), exponential(score - largest));
        const vector kept = keep_first(power, count - key, 0);
        store(at, kept);
        sum += kept;
    }
    return sum;
}

/* sums += scores · values over the keys of a range */
static void mix_values(const struct attention *attention, const struct attention_memory *memory,
                       struct range keys, size_t rows, const float *scores)
{
    const size_t count = keys.end - keys.first;

    for (size_t at = 0; at < attention->width; at += PANEL) {
        float *sums = memory->sums + at * TILE_ROWS;
        if (memory->values)
            multiply_tile(scores, memory->values + at * memory->limit + keys.first * PANEL, PANEL,
                          count, sums, rows);
        else
            multiply_tile(scores, attention->values + keys.first * attention->values_step + at,
                          attention->values_step, count, sums, rows);
    }
}

static void write_out(const struct attention *attention, const struct attention_memory *memory,
                      size_t row, size_t of_tile, float factor)
{
    float *out = attention->out + row * attention->out_step;

    for (size_t at = 0; at < attention->width; at += LANES) {
        const float *sums = memory->sums + at / PANEL * PANEL * TILE_ROWS;
        store_first(out + at, attention->width - at,
                    load(sums + of_tile * PANEL + at % PANEL) * factor);
    }
}

/* ---- Self-attention ---- */

struct running {
    float largest[TILE_ROWS];
    vector total[TILE_ROWS];
};

/* Updates one row of a tile with the scores of a block, of which it sees the first `count`. */
static void update_row(const struct attention *attention, const struct attention_memory *memory,
                       struct running *running, size_t row, size_t rows, size_t count, size_t end)
{
    float *scores = memory->scores + row * CHUNK_INPUTS;
    const float before = running->largest[row], found = largest_score(scores, rows, count);
    const float largest = found > before ? found : before;

    if (largest != before) {
        const float factor = exponential(broadcast(before - largest))[0];
        running->largest[row] = largest;
        running->total[row] *= factor;
        for (size_t at = 0; at < attention->width; at += LANES) {
            float *sums = memory->sums + at / PANEL * PANEL * TILE_ROWS + row * PANEL + at % PANEL;
            store(sums, load(sums) * factor);
        }
    }
    running->total[row] += raise_scores(scores, rows, count, end, largest);
}

static void self_attend_tile(const struct attention *attention,
                             const struct attention_memory *memory, size_t query, size_t rows)
{
    const size_t limit = visible_from(attention, query + rows - 1);
    struct running running;

    lay_out_tile(attention->query + query * attention->query_step, attention->query_step, rows,
                 attention->width, memory->query);
    memset(memory->sums, 0, panels_of(attention->width) * TILE_ROWS * PANEL * sizeof(float));
    for (size_t row = 0; row < rows; row++) {
        running.largest[row] = -INFINITY;
        running.total[row] = broadcast(0);
    }
    for (size_t first = 0; first < limit; first += KEY_BLOCK) {
        const struct range keys = {first, limit - first < KEY_BLOCK ? limit : first + KEY_BLOCK};
        score_keys(attention, memory, keys, rows, memory->scores);
        for (size_t row = 0; row < rows; row++) {
            const size_t visible = visible_from(attention, query + row);
            const size_t count = visible > first ? visible - first : 0;
            update_row(attention, memory, &running, row, rows,
                       count < KEY_BLOCK ? count : KEY_BLOCK, keys.end - first);
        }
        mix_values(attention, memory, keys, rows, memory->scores);
    }
    for (size_t row = 0; row < rows; row++)
        write_out(attention, memory, query + row, row, 1 / sum_of(running.total[row]));
}

static int self_attend_of_set(const struct attention *attention, struct range queries,
                              struct workspace *workspace)
{
    struct attention_memory memory;
    int result = prepare(attention, queries, workspace, &memory);
    size_t count;

    if (result)
        return result;
    for (size_t query = queries.first; query < queries.end; query += count) {
        count = queries.end - query < TILE_ROWS ? queries.end - query : TILE_ROWS;
        self_attend_tile(attention, &memory, query, count);
    }
    return 0;
}

/* ---- Self-attention over a cache: a few queries, row by row, keys and values in place ---- */

/* Dot products of a query with LANES keys of a cache; the last of `count` stands for those after
 * it. */
static vector score_lanes(const float *query, const float *keys, size_t step, size_t count,
                          size_t width)
{
    vector products[LANES];

    UNROLL
    for (size_t key = 0; key < LANES; key++) {
        const float *at = keys + (key < count ? key : count - 1) * step;
        products[key] = broadcast(0);
        for (size_t i = 0; i < width; i += LANES)
            products[key] = multiply_add(load_first(query + i, width - i),
                                         load_first(at + i, width - i), products[key]);
    }
    return sums_of(products);
}

/* out = Σ scores · values, over the columns of up to four vectors. */
static void mix_columns(const float *scores, const float *values, size_t step, size_t count,
                        size_t columns, float factor, float *out)
{
    vector sums[4] = {broadcast(0), broadcast(0), broadcast(0), broadcast(0)};

    for (size_t key = 0; key < count; key++, values += step) {
        const vector score = broadcast(scores[key]);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            if (i * LANES < columns)
                sums[i] = multiply_add(score, load_first(values + i * LANES, columns - i * LANES),
                                       sums[i]);
    }
    for (size_t i = 0; i < 4 && i * LANES < columns; i++)
        store_first(out + i * LANES, columns - i * LANES, sums[i] * factor);
}

static int self_attend_cached(const struct attention *attention, struct range queries,
                              struct workspace *workspace)
{
    const vector scale = broadcast((float)(1 / sqrt((double)attention->width)));
    float *scores = workspace_reserve(workspace, whole_chunks(attention->total) * sizeof(float));

    if (!scores)
        return -ENOMEM;
    for (size_t query = queries.first; query < queries.end; query++) {
        const float *from = attention->query + query * attention->query_step;
        const size_t count = visible_from(attention, query);
        for (size_t key = 0; key < count; key += LANES)
            store(scores + key, score_lanes(from, attention->keys + key * attention->keys_step,
                                            attention->keys_step, count - key, attention->width) *
                                    scale);
        add_bias(attention, (struct range){0, count}, 1, scores);
        const vector total = raise_scores(scores, 1, count, count, largest_score(scores, 1, count));
        for (size_t at = 0; at < attention->width; at += 4 * LANES) {
            const size_t left = attention->width - at;
            mix_columns(scores, attention->values + at, attention->values_step, count,
                        left < 4 * LANES ? left : 4 * LANES, 1 / sum_of(total),
                        attention->out + query * attention->out_step + at);
        }
    }
    return 0;
}

#endif
