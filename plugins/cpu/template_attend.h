// SPDX-License-Identifier: MIT
/*
 * The speller's attention of one head: few queries against many keys, the alignment being wanted.
 * It waits for the memory, so keys and values are read where they are, once for all queries of a
 * tile, and asked for ahead of time: the rows of a head lie too far apart for the processor to
 * guess the next.
 */
#ifndef HEARKEN_CPU_TEMPLATE_ATTEND_H
#define HEARKEN_CPU_TEMPLATE_ATTEND_H

#include "template_attention.h"

enum { KEYS_AHEAD = 2 * LANES };

static size_t whole_vectors(size_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

static void ask_for(const float *row, size_t width)
{
    for (size_t at = 0; at < width; at += CHUNK_INPUTS)
        __builtin_prefetch(row + at);
}

/* Keys to come, and the values of these, for they are next. */
static void ask_ahead(const struct attention *attention, size_t first)
{
    for (size_t key = first; key < first + LANES && key < attention->total; key++) {
        if (key + KEYS_AHEAD < attention->total)
            ask_for(attention->keys + (key + KEYS_AHEAD) * attention->keys_step, attention->width);
        ask_for(attention->values + key * attention->values_step, attention->width);
    }
}

/* Products of a query with LANES keys; `width` is a multiple of LANES. */
static vector score_lanes(const float *query, const float *keys, size_t step, size_t width)
{
    vector products[LANES];

    UNROLL
    for (size_t key = 0; key < LANES; key++)
        products[key] = broadcast(0);
    for (size_t at = 0; at < width; at += LANES) {
        const vector input = load(query + at);
        const float *key_at = keys + at;
        UNROLL
        for (size_t key = 0; key < LANES; key++, key_at += step)
            products[key] = multiply_add(input, load(key_at), products[key]);
    }
    return sums_of(products);
}

/* `count` rows of `width`, filled up with zeros to LANES rows of whole vectors. */
static void fill_up(const float *rows, size_t step, size_t count, size_t width, float *filled)
{
    const size_t whole = whole_vectors(width);

    for (size_t row = 0; row < LANES; row++)
        for (size_t at = 0; at < whole; at += LANES)
            store(filled + row * whole + at,
                  row < count ? load_first(rows + row * step + at, width - at) : broadcast(0));
}

static void score_tile(const struct attention *attention, const struct attention_memory *memory,
                       size_t query, size_t rows)
{
    const vector scale = broadcast((float)(1 / sqrt((double)attention->width)));
    const size_t width = whole_vectors(attention->width);

    for (size_t row = 0; row < rows; row++)
        for (size_t at = 0; at < width; at += LANES)
            store(memory->query + row * width + at,
                  load_first(attention->query + (query + row) * attention->query_step + at,
                             attention->width - at));
    for (size_t key = 0; key < attention->total; key += LANES) {
        const float *keys = attention->keys + key * attention->keys_step;
        size_t step = attention->keys_step;
        ask_ahead(attention, key);
        if (attention->total - key < LANES || width != attention->width) {
            fill_up(keys, step, attention->total - key, attention->width, memory->keys);
            keys = memory->keys;
            step = width;
        }
        for (size_t row = 0; row < rows; row++)
            store(memory->scores + score_at(key, rows) + row * CHUNK_INPUTS,
                  score_lanes(memory->query + row * width, keys, step, width) * scale);
    }
}

/* Scores become shares of 1, in place. */
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

static void attend_tile(const struct attention *attention, const struct attention_memory *memory,
                        size_t query, size_t rows)
{
    memset(memory->sums, 0, panels_of(attention->width) * TILE_ROWS * PANEL * sizeof(float));
    score_tile(attention, memory, query, rows);
    for (size_t row = 0; row < rows; row++)
        normalise_row(attention, memory->scores + row * CHUNK_INPUTS, rows,
                      attention->alignment
                          ? attention->alignment + (query + row) * attention->alignment_step
                          : NULL);
    mix_values(attention, memory, (struct range){0, attention->total}, rows, memory->scores);
    for (size_t row = 0; row < rows; row++)
        write_out(attention, memory, query + row, row, 1);
}

/* Values of a width that is no multiple of a panel have to become panels. */
static int prepare_to_attend(const struct attention *attention, struct workspace *workspace,
                             struct attention_memory *memory)
{
    const size_t width = attention->width, total = attention->total;
    const size_t values = width % PANEL == 0 ? 0 : panels_of(width) * total * PANEL;
    const size_t scores = TILE_ROWS * whole_chunks(panels_of(total) * PANEL);
    const size_t sums = panels_of(width) * TILE_ROWS * PANEL;
    const size_t query = TILE_ROWS * whole_vectors(width), keys = LANES * whole_vectors(width);
    float *all =
        workspace_reserve(workspace, (values + scores + sums + query + keys) * sizeof(float));

    if (!all)
        return -ENOMEM;
    *memory = (struct attention_memory){
        .values = values ? all : NULL,
        .scores = all + values,
        .sums = all + values + scores,
        .query = all + values + scores + sums,
        .keys = all + values + scores + sums + query,
        .limit = total,
    };
    if (values)
        pack_values(attention, total, all);
    return 0;
}

static int attend_of_set(const struct attention *attention, struct range queries,
                         struct workspace *workspace)
{
    struct attention_memory memory;
    int error = prepare_to_attend(attention, workspace, &memory);
    size_t count;

    if (error)
        return error;
    for (size_t query = queries.first; query < queries.end; query += count) {
        count = queries.end - query < TILE_ROWS ? queries.end - query : TILE_ROWS;
        attend_tile(attention, &memory, query, count);
    }
    return 0;
}

#endif
