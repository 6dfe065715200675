// SPDX-License-Identifier: MIT
#include "models/checkpoint/quantize.h"

#include "include/internal/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static void quantize_q8_0_block(const float *values, uint8_t *block)
{
    float largest = 0;
    for (size_t i = 0; i < BLOCK; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    float scale = largest / 127;
    float inverse = scale != 0 ? 1 / scale : 0;
    uint16_t half = half_from_float(scale);
    memcpy(block, &half, sizeof(half));
    for (size_t i = 0; i < BLOCK; i++)
        block[sizeof(half) + i] = (uint8_t)(int8_t)roundf(values[i] * inverse);
}

void quantize_q8_0(const float *values, size_t count, uint8_t *blocks)
{
    for (size_t b = 0; b < count / BLOCK; b++)
        quantize_q8_0_block(values + b * BLOCK, blocks + b * Q8_0_BLOCK_BYTES);
}

/* Quantises a block to numbers from 0 to 31 with a scale; returns the sum of squared errors. */
static float number_block(const float *values, float scale, uint8_t *numbers)
{
    float error = 0, inverse = scale != 0 ? 1 / scale : 0;
    for (size_t i = 0; i < BLOCK; i++) {
        float number = fminf(fmaxf(roundf(values[i] * inverse), -16), 15);
        float difference = values[i] - scale * number;
        numbers[i] = (uint8_t)(number + 16);
        error += difference * difference;
    }
    return error;
}

/* Searches scales that map the largest value to about -16 or 15: clipping a few values can pay for
 * a smaller step for all. */
static void quantize_q5_0_block(const float *values, uint8_t *block)
{
    static const float reaches[] = {11, 12, 13, 14, 15, 16, -11, -12, -13, -14, -15, -16};
    float largest = 0, least = INFINITY;
    uint8_t numbers[BLOCK] = {0}, tried[BLOCK];
    uint16_t best = 0;
    for (size_t i = 0; i < BLOCK; i++)
        if (fabsf(values[i]) > fabsf(largest))
            largest = values[i];
    for (size_t i = 0; i < sizeof(reaches) / sizeof(*reaches); i++) {
        uint16_t half = half_from_float(largest / reaches[i]);
        float error = number_block(values, float_from_half(half), tried);
        if (error >= least)
            continue;
        least = error;
        best = half;
        memcpy(numbers, tried, sizeof(numbers));
    }
    uint32_t fifth = 0;
    memcpy(block, &best, sizeof(best));
    for (size_t i = 0; i < BLOCK; i++)
        fifth |= (uint32_t)(numbers[i] >> 4) << i;
    memcpy(block + 2, &fifth, sizeof(fifth));
    for (size_t i = 0; i < BLOCK / 2; i++)
        block[6 + i] = (uint8_t)((numbers[i] & 15) | (numbers[i + BLOCK / 2] & 15) << 4);
}

void quantize_q5_0(const float *values, size_t count, uint8_t *blocks)
{
    for (size_t b = 0; b < count / BLOCK; b++)
        quantize_q5_0_block(values + b * BLOCK, blocks + b * Q5_0_BLOCK_BYTES);
}

/* ---- Blocks to values ---- */

/* The layout of a type of block with numbers of 4 or 5 bits. */
struct layout {
    size_t bytes;
    bool has_least, has_fifth;
    float zero; /* the number that represents 0 in types without a minimum */
};

static float half_at(const uint8_t *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof(half));
    return float_from_half(half);
}

static void expand(const struct layout *layout, const uint8_t *blocks, size_t count, float *out)
{
    for (size_t b = 0; b < count / BLOCK; b++) {
        const uint8_t *at = blocks + b * layout->bytes;
        float scale = half_at(at), least = -layout->zero * scale;
        uint32_t fifth = 0;
        at += sizeof(uint16_t);
        if (layout->has_least) {
            least = half_at(at);
            at += sizeof(uint16_t);
        }
        if (layout->has_fifth) {
            memcpy(&fifth, at, sizeof(fifth));
            at += sizeof(fifth);
        }
        for (size_t i = 0; i < BLOCK; i++) {
            uint32_t low = at[i % (BLOCK / 2)] >> (i < BLOCK / 2 ? 0 : 4) & 15;
            out[b * BLOCK + i] = scale * (float)(low | (fifth >> i & 1) << 4) + least;
        }
    }
}

void expand_q4_0(const uint8_t *blocks, size_t count, float *out)
{
    static const struct layout layout = {Q4_0_BLOCK_BYTES, false, false, 8};
    expand(&layout, blocks, count, out);
}

void expand_q4_1(const uint8_t *blocks, size_t count, float *out)
{
    static const struct layout layout = {Q4_1_BLOCK_BYTES, true, false, 0};
    expand(&layout, blocks, count, out);
}

void expand_q5_0(const uint8_t *blocks, size_t count, float *out)
{
    static const struct layout layout = {Q5_0_BLOCK_BYTES, false, true, 16};
    expand(&layout, blocks, count, out);
}

void expand_q5_1(const uint8_t *blocks, size_t count, float *out)
{
    static const struct layout layout = {Q5_1_BLOCK_BYTES, true, true, 0};
    expand(&layout, blocks, count, out);
}

void expand_q8_0(const uint8_t *blocks, size_t count, float *out)
{
    for (size_t b = 0; b < count / BLOCK; b++) {
        const uint8_t *at = blocks + b * Q8_0_BLOCK_BYTES;
        float scale = half_at(at);
        for (size_t i = 0; i < BLOCK; i++)
            out[b * BLOCK + i] = scale * (float)(int8_t)at[sizeof(uint16_t) + i];
    }
}
