// SPDX-License-Identifier: MIT
/*
 * AMX tiles: two-dimensional registers, and the product of two of them (Intel's Software
 * Developer's Manual, volume 1, chapter 18, and volume 2, TDPBSSD). A tile's number is a constant
 * from 0 to 7. Configuration and contents belong to the thread.
 *
 * With TILE_MODEL they are emulated in plain C, to test the kernels on processors without AMX; else
 * compile this with -mamx-tile -mamx-int8.
 */
#ifndef HEARKEN_CPU_TILES_H
#define HEARKEN_CPU_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    TILE_COUNT = 8,
    TILE_MOST_ROWS = 16,
    TILE_MOST_BYTES = 64, /* of a row */
};

/* The operand of LDTILECFG, for palette 1. */
struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

#ifndef TILE_MODEL

#include <immintrin.h>

/* A compiler barrier: not all intrinsics declare which memory they read, so earlier stores must not
 * move past them. */
#define TILES_MEMORY(at) __asm__ volatile("" : : "r"(at) : "memory")

static inline void tiles_configure(const struct tile_shapes *shapes)
{
    TILES_MEMORY(shapes);
    _tile_loadconfig(shapes);
}

static inline void tiles_release(void)
{
    _tile_release();
}

#define tile_zero(tile) _tile_zero(tile)
#define tile_load(tile, from, step)                                                                \
    do {                                                                                           \
        TILES_MEMORY(from);                                                                        \
        _tile_loadd(tile, from, step);                                                             \
    } while (0)
#define tile_store(tile, to, step)             _tile_stored(tile, to, step)
#define tile_add_products(sums, bytes, groups) _tile_dpbssd(sums, bytes, groups)

#else

struct tile_model {
    struct tile_shapes shapes;
    int8_t bytes[TILE_COUNT][TILE_MOST_ROWS][TILE_MOST_BYTES];
};

/* Thread-local, as the registers are. */
static _Thread_local struct tile_model registers;

/* Aborts where the processor would raise #UD. */
static inline void expect_defined(bool defined)
{
    if (!defined)
        __builtin_trap();
}

static inline void tiles_configure(const struct tile_shapes *shapes)
{
    for (size_t tile = 0; tile < sizeof(shapes->rows); tile++)
        expect_defined(tile < TILE_COUNT ? shapes->rows[tile] <= TILE_MOST_ROWS &&
                                               shapes->row_bytes[tile] <= TILE_MOST_BYTES
                                         : !shapes->rows[tile] && !shapes->row_bytes[tile]);
    expect_defined(shapes->palette == 1);
    memset(&registers, 0, sizeof(registers));
    registers.shapes = *shapes;
}

static inline void tiles_release(void)
{
    memset(&registers, 0, sizeof(registers));
}

static inline void tile_zero(size_t tile)
{
    expect_defined(registers.shapes.rows[tile] > 0 && registers.shapes.row_bytes[tile] > 0);
    memset(registers.bytes[tile], 0, sizeof(registers.bytes[tile]));
}

/* Loads rows `step` bytes apart, and zeroes the register outside of the tile's shape. */
static inline void tile_load(size_t tile, const void *from, size_t step)
{
    tile_zero(tile);
    for (size_t row = 0; row < registers.shapes.rows[tile]; row++)
        memcpy(registers.bytes[tile][row], (const int8_t *)from + row * step,
               registers.shapes.row_bytes[tile]);
}

static inline void tile_store(size_t tile, void *to, size_t step)
{
    for (size_t row = 0; row < registers.shapes.rows[tile]; row++)
        memcpy((int8_t *)to + row * step, registers.bytes[tile][row],
               registers.shapes.row_bytes[tile]);
}

/* sums[m][n] += Σ over k and i < 4 of bytes[m][4k + i] · groups[k][4n + i]: 32 bits, wrapping. */
static inline void tile_add_products(size_t sums, size_t bytes, size_t groups)
{
    const struct tile_shapes *shapes = &registers.shapes;
    const size_t depth = shapes->rows[groups];

    expect_defined(depth > 0 && shapes->row_bytes[bytes] == 4 * depth);
    expect_defined(shapes->rows[sums] == shapes->rows[bytes]);
    expect_defined(shapes->row_bytes[sums] == shapes->row_bytes[groups]);
    expect_defined(shapes->row_bytes[sums] % 4 == 0);

    for (size_t m = 0; m < shapes->rows[sums]; m++)
        for (size_t n = 0; n < shapes->row_bytes[sums] / 4u; n++) {
            int8_t *at = registers.bytes[sums][m] + 4 * n;
            uint32_t sum;
            memcpy(&sum, at, sizeof(sum));
            for (size_t k = 0; k < depth; k++)
                for (size_t i = 0; i < 4; i++)
                    sum += (uint32_t)(registers.bytes[bytes][m][4 * k + i] *
                                      registers.bytes[groups][k][4 * n + i]);
            memcpy(at, &sum, sizeof(sum));
        }
}

#endif

#endif
