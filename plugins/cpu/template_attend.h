// SPDX-License-Identifier: MIT
/*
 * The speller's attention: few queries, many keys, and an alignment to return. It is bound by
 * memory bandwidth. So several neighbouring heads are computed together, and keys and values are
 * read sequentially, row by row, which the hardware prefetcher recognises. A few rows at a time are
 * converted to single precision, contiguous for each head.
 */
#ifndef HEARKEN_CPU_TEMPLATE_ATTEND_H
#define HEARKEN_CPU_TEMPLATE_ATTEND_H

#include "plugins/cpu/template_attention.h"

enum { ROWS_AT_A_TIME = 16 }; /* of keys and values: a multiple of LANES, and a chunk of scores */

_Static_assert(ROWS_AT_A_TIME % LANES == 0 && (int)ROWS_AT_A_TIME == (int)CHUNK_INPUTS,
               "rows are scored LANES at a time, and mixed by chunks of scores");

/* Parts of the workspace, for several heads and a tile of queries. */
struct attend_memory {
    float *rows;   /* [heads, ROWS_AT_A_TIME, whole panels of width], of keys or values */
    float *query;  /* [heads, TILE_ROWS, whole panels of width] */
    float *scores; /* [heads, keys / 16, queries, 16] */
    float *sums;   /* [heads, panels of width, TILE_ROWS, PANEL] */
    size_t width;  /* in whole panels */
    size_t head_scores;
};

static vector load_first_halves(const uint16_t *x, size_t count)
{
    uint16_t padded[LANES] = {0};

    if (count >= LANES)
        return load_half(x);
    memcpy(padded, x, count * sizeof(*x));
    return load_half(padded);
}

/* `count` rows of keys or values, padded with zeros to `whole` columns for each head. */
static void gather(const struct attention *attention, const float *floats, const uint16_t *halves,
                   size_t step, size_t count, size_t whole, float *rows)
{
    const size_t width = attention->width;

    for (size_t row = 0; row < count; row++)
        for (size_t head = 0; head < attention->heads; head++) {
            float *to = rows + (head * ROWS_AT_A_TIME + row) * whole;
            const size_t from = row * step + head * width;
            for (size_t at = 0; at < whole; at += LANES)
                store(to + at, at >= width ? broadcast(0)
                               : halves    ? load_first_halves(halves + from + at, width - at)
                                           : load_first(floats + from + at, width - at));
        }
}

static void gather_keys(const struct attention *attention, size_t key, size_t count,
                        const struct attend_memory *memory)
{
    const size_t first = key * attention->keys_step;

    gather(attention, attention->keys ? attention->keys + first : NULL,
           attention->half_keys ? attention->half_keys + first : NULL, attention->keys_step, count,
           memory->width, memory->rows);
}

static void gather_values(const struct attention *attention, size_t key, size_t count,
                          const struct attend_memory *memory)
{
    const size_t first = key * attention->values_step;

    gather(attention, attention->values ? attention->values + first : NULL,
           attention->half_values ? attention->half_values + first : NULL, attention->values_step,
           count, memory->width, memory->rows);
}

/* Dot products of a query with LANES keys; `width` is a multiple of LANES. */
static vector score_lanes(const float *query, const float *keys, size_t width)
{
    vector products[LANES];

    UNROLL
    for (size_t key = 0; key < LANES; key++)
        products[key] = broadcast(0);
    for (size_t at = 0; at < width; at += LANES) {
        const vector input = load(query + at);
        const float *key_at = keys + at;
        UNROLL
        for (size_t key = 0; key < LANES; key++, key_at += width)
            products[key] = multiply_add(input, load(key_at), products[key]);
    }
    return sums_of(products);
}

static void gather_queries(const struct attention *attention, size_t query, size_t rows,
                           const struct attend_memory *memory)
{
    const size_t width = attention->width;

    for (size_t head = 0; head < attention->heads; head++)
        for (size_t row = 0; row < rows; row++) {
            const float *from =
                attention->query + (query + row) * attention->query_step + head * width;
            float *to = memory->query + (head * TILE_ROWS + row) * memory->width;
            for (size_t at = 0; at < memory->width; at += LANES)
                store(to + at, at < width ? load_first(from + at, width - at) : broadcast(0));
        }
}

static void score_tile(const struct attention *attention, const struct attend_memory *memory,
                       size_t rows)
{
    const vector scale = broadcast((float)(1 / sqrt((double)attention->width)));

    for (size_t key = 0; key < attention->total; key += ROWS_AT_A_TIME) {
        const size_t left = attention->total - key;
        gather_keys(attention, key, left < ROWS_AT_A_TIME ? left : ROWS_AT_A_TIME, memory);
        for (size_t head = 0; head < attention->heads; head++)
            for (size_t at = 0; at < ROWS_AT_A_TIME; at += LANES)
                for (size_t row = 0; row < rows; row++)
                    store(memory->scores + head * memory->head_scores + score_at(key + at, rows) +
                              row * CHUNK_INPUTS,
                          score_lanes(memory->query + (head * TILE_ROWS + row) * memory->width,
                                      memory->rows + (head * ROWS_AT_A_TIME + at) * memory->width,
                                      memory->width) *
                              scale);
    }
    for (size_t head = 0; head < attention->heads; head++)
        add_bias(attention, (struct range){0, attention->total}, rows,
                 memory->scores + head * memory->head_scores);
}

/* Softmax of the scores, in place. */
static void normalise_row(const struct attention *attention, float *scores, size_t rows,
                          float *alignment)
{
    const size_t count = attention->total;
    const float largest = largest_score(scores, rows, count);
    const float factor = 1 / sum_of(raise_scores(scores, rows, count, count, largest));

    for (size_t key = 0; key < count; key += LANES) {
        float *at = scores + score_at(key, rows);
        const vector share = load(at) * factor;
        store(at, share);
        if (alignment)
            store_first(alignment + key, count - key, share);
    }
}

static void normalise_tile(const struct attention *attention, const struct attend_memory *memory,
                           size_t query, size_t rows)
{
    for (size_t head = 0; head < attention->heads; head++)
        for (size_t row = 0; row < rows; row++)
            normalise_row(attention,
                          memory->scores + head * memory->head_scores + row * CHUNK_INPUTS, rows,
                          attention->alignment
                              ? attention->alignment + (query + row) * attention->alignment_step +
                                    head * attention->total
                              : NULL);
}

/* sums += scores · values */
static void mix_tile(const struct attention *attention, const struct attend_memory *memory,
                     size_t rows)
{
    memset(memory->sums, 0, attention->heads * TILE_ROWS * memory->width * sizeof(float));
    for (size_t key = 0; key < attention->total; key += ROWS_AT_A_TIME) {
        const size_t left = attention->total - key;
        const size_t count = left < ROWS_AT_A_TIME ? left : ROWS_AT_A_TIME;
        gather_values(attention, key, count, memory);
        for (size_t head = 0; head < attention->heads; head++)
            for (size_t at = 0; at < memory->width; at += PANEL)
                multiply_tile(memory->scores + head * memory->head_scores + key * rows,
                              memory->rows + head * ROWS_AT_A_TIME * memory->width + at,
                              memory->width, count,
                              memory->sums + (head * memory->width + at) * TILE_ROWS, rows);
    }
}

static void write_context(const struct attention *attention, const struct attend_memory *memory,
                          size_t query, size_t rows)
{
    const size_t width = attention->width;

    for (size_t head = 0; head < attention->heads; head++)
        for (size_t row = 0; row < rows; row++) {
            float *out = attention->out + (query + row) * attention->out_step + head * width;
            for (size_t at = 0; at < width; at += LANES)
                store_first(out + at, width - at,
                            load(memory->sums +
                                 (head * memory->width + at / PANEL * PANEL) * TILE_ROWS +
                                 row * PANEL + at % PANEL));
        }
}

static int prepare_to_attend(const struct attention *attention, size_t tile,
                             struct workspace *workspace, struct attend_memory *memory)
{
    const size_t heads = attention->heads, width = panels_of(attention->width) * PANEL;
    const size_t rows = heads * ROWS_AT_A_TIME * width, query = heads * TILE_ROWS * width;
    const size_t head_scores = tile * whole_chunks(attention->total);
    float *all =
        workspace_reserve(workspace, (rows + 2 * query + heads * head_scores) * sizeof(float));

    if (!all)
        return -ENOMEM;
    *memory = (struct attend_memory){
        .rows = all,
        .query = all + rows,
        .sums = all + rows + query,
        .scores = all + rows + 2 * query,
        .width = width,
        .head_scores = head_scores,
    };
    return 0;
}

static int attend_of_set(const struct attention *attention, struct range queries,
                         struct workspace *workspace)
{
    const size_t all = queries.end - queries.first, tile = all < TILE_ROWS ? all : TILE_ROWS;
    struct attend_memory memory;
    int result = prepare_to_attend(attention, tile, workspace, &memory);
    size_t count;

    if (result)
        return result;
    for (size_t query = queries.first; query < queries.end; query += count) {
        count = queries.end - query < tile ? queries.end - query : tile;
        gather_queries(attention, query, count, &memory);
        score_tile(attention, &memory, count);
        normalise_tile(attention, &memory, query, count);
        mix_tile(attention, &memory, count);
        write_context(attention, &memory, query, count);
    }
    return 0;
}

#endif
