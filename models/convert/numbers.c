// SPDX-License-Identifier: MIT
#include "numbers.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint16_t half_from_float(float value)
{
    uint16_t sign = (uint16_t)(bits_of(value) >> 16 & 0x8000);
    float size = fabsf(value);
    if (isnan(value))
        return sign | 0x7e00;
    if (size >= 65520.0f) /* halfway between the largest half and the next power of two */
        return sign | 0x7c00;
    /* nearbyint rounds ties to even: count in steps of the half's last place. */
    if (size < 0x1p-14f)
        return sign | (uint16_t)nearbyintf(size * 0x1p24f);
    int exponent;
    float mantissa = frexpf(size, &exponent); /* 0.5 <= mantissa < 1 */
    /* 1024 to 2048: a carry into the exponent comes out right by itself. */
    uint32_t steps = (uint32_t)nearbyintf(mantissa * 2048.0f);
    return (uint16_t)(sign | (((uint32_t)(exponent + 13) << 10) + steps));
}

float float_from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t mantissa = half & 0x3ff;
    if (exponent == 0x1f)
        return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0)
        return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

float float_from_bfloat(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

static void quantize_block(const float *values, uint8_t *block)
{
    float largest = 0;
    for (size_t i = 0; i < Q8_0_BLOCK; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    float scale = largest / 127;
    float inverse = scale != 0 ? 1 / scale : 0;
    uint16_t half = half_from_float(scale);
    memcpy(block, &half, sizeof(half));
    for (size_t i = 0; i < Q8_0_BLOCK; i++)
        block[sizeof(half) + i] = (uint8_t)(int8_t)roundf(values[i] * inverse);
}

void quantize_q8_0(const float *values, size_t count, uint8_t *blocks)
{
    for (size_t b = 0; b < count / Q8_0_BLOCK; b++)
        quantize_block(values + b * Q8_0_BLOCK, blocks + b * Q8_0_BLOCK_BYTES);
}
