// SPDX-License-Identifier: MIT
/*
 * The speller's attention: few queries, many keys, and an alignment to return. It is bound by
 * memory bandwidth, so keys and values are kept in bytes (struct memory in cpu.h). Their squares,
 * in groups of one, are panels of a product: those of keys have a column for each key, those of
 * values a row.
 */
#ifndef HEARKEN_CPU_TEMPLATE_ATTEND_H
#define HEARKEN_CPU_TEMPLATE_ATTEND_H

#include "plugins/cpu/template_attention.h"

_Static_assert(SQUARE % PANEL == 0 && SQUARE % CHUNK_INPUTS == 0, "squares are whole panels");

/* ---- Writing ---- */

/* A row's part of a square. Infinities saturate, and NaN becomes finite. */
static float round_part(const float *row, size_t count, unsigned char *bytes)
{
    int32_t numbers[SQUARE];
    vector largest = broadcast(1e-30f); /* its factor is finite */

    for (size_t at = 0; at < count; at += LANES) {
        const vector x = load_first(row + at, count - at);
        largest = maximum(maximum(x, -x), largest);
    }
    const float most = largest_of(minimum(largest, broadcast(FLT_MAX)));
    const vector factor = broadcast(127 / most), bound = broadcast(127);
    const vector shift = broadcast(0x1.8p23f); /* the last bits of the sum are the whole number */
    for (size_t at = 0; at < count; at += LANES) {
        const vector x = load_first(row + at, count - at) * factor;
        const vector rounded = minimum(maximum(x, -bound), bound) + shift;
        memcpy(numbers + at, &rounded, sizeof(rounded));
    }
    for (size_t at = 0; at < count; at++)
        bytes[at] = (unsigned char)numbers[at];
    return most / 127;
}

/* Places a row's part in a square, `row` of its rows. */
static void place_part(const struct memory *memory, const unsigned char *bytes, size_t row,
                       unsigned char *square)
{
    const size_t group = memory->group;

    if (memory->kind == HEARKEN_MEMORY_KEYS) {
        for (size_t at = 0; at < SQUARE; at += group)
            for (size_t i = 0; i < group; i++)
                square[at * SQUARE + row * group + i] = bytes[at + i] ^ memory->flip;
        return;
    }
    square += row / group * group * SQUARE + row % group;
    for (size_t at = 0; at < SQUARE; at++)
        square[at * group] = bytes[at] ^ memory->flip;
}

static void remember_row(const struct memory *memory, size_t row, const float *from)
{
    unsigned char bytes[SQUARE] = {0};

    for (size_t column = 0; column < memory->columns; column += SQUARE) {
        const size_t left = memory->columns - column;
        memory_scales(memory, column)[row] =
            round_part(from + column, left < SQUARE ? left : SQUARE, bytes);
        place_part(memory, bytes, row % SQUARE,
                   (unsigned char *)memory_square(memory, row, column));
    }
}

/* ---- Reading ---- */

/* Parts of the workspace, for a head and a tile of queries. */
struct attend_scratch {
    float *query;    /* [parts of squares, whole chunks of columns, rows, 16] */
    float *scores;   /* [keys / 16, rows, 16] */
    float *weighted; /* likewise: scores · scales of the values */
};

/* The columns of a head within a square, which starts at `square`. */
struct columns {
    size_t square, first, end;
};

static struct columns columns_from(size_t first, size_t end)
{
    const size_t square = first / SQUARE * SQUARE;

    return (struct columns){square, first, end < square + SQUARE ? end : square + SQUARE};
}

static void lay_out_query(const struct attention *attention, size_t query, size_t rows, size_t head,
                          float *to)
{
    const size_t end = (head + 1) * attention->width;
    struct columns part;

    for (size_t at = head * attention->width; at < end; at = part.end) {
        part = columns_from(at, end);
        lay_out_tile(attention->query + query * attention->query_step + at, attention->query_step,
                     rows, part.end - at, to);
        to += whole_chunks(part.end - at) * rows;
    }
}

/* Scores of a tile of queries with PANEL keys from `key` on. */
static void score_panel(const struct attention *attention, const struct attend_scratch *scratch,
                        size_t head, size_t key, size_t rows)
{
    const vector scale = broadcast((float)(1 / sqrt((double)attention->width)));
    const size_t end = (head + 1) * attention->width;
    const float *query = scratch->query;
    float sums[TILE_ROWS * PANEL] __attribute__((aligned(64)));
    vector scores[TILE_ROWS][2];
    struct columns part;

    for (size_t row = 0; row < rows; row++)
        scores[row][0] = scores[row][1] = broadcast(0);
    for (size_t at = head * attention->width; at < end; at = part.end) {
        part = columns_from(at, end);
        const float *scales = memory_scales(attention->keys_memory, at) + key;
        const vector low = load(scales) * scale, high = load(scales + LANES) * scale;
        memset(sums, 0, rows * PANEL * sizeof(float));
        multiply_byte_tile(query,
                           memory_square(attention->keys_memory, key, at) +
                               (at - part.square) * SQUARE + key % SQUARE,
                           SQUARE, part.end - at, sums, rows);
        for (size_t row = 0; row < rows; row++) {
            scores[row][0] = multiply_add(load(sums + row * PANEL), low, scores[row][0]);
            scores[row][1] = multiply_add(load(sums + row * PANEL + LANES), high, scores[row][1]);
        }
        query += whole_chunks(part.end - at) * rows;
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t half = 0; half < 2; half++)
            store(scratch->scores + score_at(key + half * LANES, rows) + row * CHUNK_INPUTS,
                  scores[row][half]);
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

/* context = scores · values, for the columns of a part of a square */
static void mix_part(const struct attention *attention, const struct attend_scratch *scratch,
                     struct columns part, size_t query, size_t rows)
{
    const float *scales = memory_scales(attention->values_memory, part.square);
    const int8_t *bytes = memory_square(attention->values_memory, 0, part.square);
    float sums[TILE_ROWS * PANEL] __attribute__((aligned(64)));

    for (size_t key = 0; key < attention->total; key += LANES)
        for (size_t row = 0; row < rows; row++) {
            const size_t at = score_at(key, rows) + row * CHUNK_INPUTS;
            store(scratch->weighted + at, load(scratch->scores + at) * load(scales + key));
        }
    for (size_t at = part.square; at < part.end; at += PANEL) {
        const size_t first = at > part.first ? at : part.first;
        const size_t end = at + PANEL < part.end ? at + PANEL : part.end;
        if (first >= end)
            continue;
        memset(sums, 0, rows * PANEL * sizeof(float));
        multiply_byte_tile(scratch->weighted, bytes + at - part.square, SQUARE, attention->total,
                           sums, rows);
        for (size_t row = 0; row < rows; row++)
            memcpy(attention->out + (query + row) * attention->out_step + first,
                   sums + row * PANEL + first - at, (end - first) * sizeof(float));
    }
}

static void attend_tile(const struct attention *attention, const struct attend_scratch *scratch,
                        size_t head, size_t query, size_t rows)
{
    const size_t end = (head + 1) * attention->width;
    struct columns part;

    lay_out_query(attention, query, rows, head, scratch->query);
    for (size_t key = 0; key < attention->total; key += PANEL)
        score_panel(attention, scratch, head, key, rows);
    add_bias(attention, (struct range){0, attention->total}, rows, scratch->scores);
    for (size_t row = 0; row < rows; row++)
        normalise_row(attention, scratch->scores + row * CHUNK_INPUTS, rows,
                      attention->alignment
                          ? attention->alignment + (query + row) * attention->alignment_step +
                                head * attention->total
                          : NULL);
    for (size_t at = head * attention->width; at < end; at = part.end) {
        part = columns_from(at, end);
        mix_part(attention, scratch, part, query, rows);
    }
}

static int attend_of_set(const struct attention *attention, struct range heads, size_t queries,
                         struct workspace *workspace)
{
    const size_t tile = queries < TILE_ROWS ? queries : TILE_ROWS;
    /* A head may begin and end within a square, and each part is padded to whole chunks. */
    const size_t query = tile * (whole_chunks(attention->width) + 2 * SQUARE);
    const size_t scores = tile * (attention->total + SQUARE);
    float *all = workspace_reserve(workspace, (query + 2 * scores) * sizeof(float));
    const struct attend_scratch scratch = {all, all + query, all + query + scores};
    size_t count;

    if (!all)
        return -ENOMEM;
    for (size_t head = heads.first; head < heads.end; head++)
        for (size_t at = 0; at < queries; at += count) {
            count = queries - at < tile ? queries - at : tile;
            attend_tile(attention, &scratch, head, at, count);
        }
    return 0;
}

#endif
