// SPDX-License-Identifier: MIT
/*
 * The product of a tile of rows with a panel, on which products and attention are built. The sums
 * stay in registers over all inputs.
 */
#ifndef HEARKEN_CPU_TEMPLATE_TILE_H
#define HEARKEN_CPU_TEMPLATE_TILE_H

enum { PANEL = 2 * LANES };

/* Always inlined: a copy for every number of rows, so that each sum has a register. */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* A case for each number of rows in a tile, the largest being AVX-512's TILE_ROWS. */
#define CASES_OF_ROWS(CASE)                                                                        \
    CASE(1)                                                                                        \
    CASE(2)                                                                                        \
    CASE(3)                                                                                        \
    CASE(4)                                                                                        \
    CASE(5)                                                                                        \
    CASE(6)                                                                                        \
    CASE(7)                                                                                        \
    CASE(8)                                                                                        \
    CASE(9)                                                                                        \
    CASE(10)                                                                                       \
    CASE(11)                                                                                       \
    CASE(12)                                                                                       \
    CASE(13)                                                                                       \
    CASE(14)

/* A vector of a panel of floats or, as `bytes` says, of bytes. */
INLINE vector load_panel(const void *panel, size_t at, const bool bytes)
{
    return bytes ? load_bytes((const int8_t *)panel + at) : load((const float *)panel + at);
}

INLINE void multiply_tile_of(const float *x, const void *panel, size_t step, size_t count,
                             float *sums, const size_t rows, const bool bytes)
{
    vector sum[TILE_ROWS][2];

    UNROLL
    for (size_t row = 0; row < rows; row++) {
        sum[row][0] = load(sums + row * PANEL);
        sum[row][1] = load(sums + row * PANEL + LANES);
    }
    for (size_t at = 0; count > 0; x += rows * CHUNK_INPUTS) {
        const size_t inputs = count < CHUNK_INPUTS ? count : CHUNK_INPUTS;
        for (size_t k = 0; k < inputs; k++, at += step) {
            const vector low = load_panel(panel, at, bytes);
            const vector high = load_panel(panel, at + LANES, bytes);
            UNROLL
            for (size_t row = 0; row < rows; row++) {
                const vector input = broadcast(x[row * CHUNK_INPUTS + k]);
                sum[row][0] = multiply_add(input, low, sum[row][0]);
                sum[row][1] = multiply_add(input, high, sum[row][1]);
            }
        }
        count -= inputs;
    }
    UNROLL
    for (size_t row = 0; row < rows; row++) {
        store(sums + row * PANEL, sum[row][0]);
        store(sums + row * PANEL + LANES, sum[row][1]);
    }
}

INLINE void multiply_tile_by_rows(const float *x, const void *panel, size_t step, size_t count,
                                  float *sums, size_t rows, const bool bytes)
{
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        if (n <= TILE_ROWS)                                                                        \
            multiply_tile_of(x, panel, step, count, sums, n <= TILE_ROWS ? n : 1, bytes);          \
        break;
        CASES_OF_ROWS(CASE)
#undef CASE
    }
}

/*
 * sums[row][PANEL] += Σ_k x[k / 16][row][k % 16] · panel[k][PANEL], over `count` inputs; the rows
 * of `panel` are `step` elements apart.
 */
static inline void multiply_tile(const float *x, const float *panel, size_t step, size_t count,
                                 float *sums, size_t rows)
{
    multiply_tile_by_rows(x, panel, step, count, sums, rows, false);
}

/* Likewise. */
static inline void multiply_byte_tile(const float *x, const int8_t *panel, size_t step,
                                      size_t count, float *sums, size_t rows)
{
    multiply_tile_by_rows(x, panel, step, count, sums, rows, true);
}

/* `inputs` rounded up to whole chunks. */
static inline size_t whole_chunks(size_t inputs)
{
    return (inputs + CHUNK_INPUTS - 1) / CHUNK_INPUTS * CHUNK_INPUTS;
}

/* Copies `rows` rows of `inputs` into x[inputs / 16][rows][16], padding the last chunk with
 * zeros. */
static inline void lay_out_tile(const float *in, size_t step, size_t rows, size_t inputs, float *x)
{
    for (size_t input = 0; input < inputs; input += CHUNK_INPUTS)
        for (size_t row = 0; row < rows; row++, x += CHUNK_INPUTS)
            for (size_t at = 0; at < CHUNK_INPUTS; at += LANES) {
                const size_t from = input + at;
                if (from < inputs)
                    store(x + at, load_first(in + row * step + from, inputs - from));
                else
                    store(x + at, broadcast(0));
            }
}

/* LANES rows of `width` as columns of `panel`; those from `count` on are zeros. */
static inline void turn_rows(const float *rows, size_t step, size_t count, size_t width,
                             float *panel)
{
    size_t at = 0;

    if (count >= LANES)
        for (; at + LANES <= width; at += LANES)
            transpose(rows + at, step, panel + at * PANEL, PANEL);
    for (; at < width; at++)
        for (size_t lane = 0; lane < LANES; lane++)
            panel[at * PANEL + lane] = lane < count ? rows[lane * step + at] : 0;
}

#endif
