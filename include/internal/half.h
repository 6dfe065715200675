// SPDX-License-Identifier: MIT
/* IEEE 754 half precision (binary16) and bfloat16. */
#ifndef HEARKEN_INTERNAL_HALF_H
#define HEARKEN_INTERNAL_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/*
 * With masks for branches, so that loops over it vectorise. A normal number needs its exponent
 * moved from bias 15 to 127, an infinity or a NaN to 255. A subnormal one, m · 2^-24, is read as
 * 2^-14 · (1 + m / 2^10), from which 2^-14 is then taken away.
 */
static inline float float_from_half(uint16_t half)
{
    const uint32_t magnitude = half & 0x7fffu;
    const uint32_t sign = (half & 0x8000u) * 0x10000u;
    const uint32_t is_subnormal = -(uint32_t)(magnitude < 0x400u);
    const uint32_t is_special = -(uint32_t)(magnitude >= 0x7c00u);
    const uint32_t normal = (magnitude << 13) + (112u << 23) + (is_special & (112u << 23));
    const float subnormal = float_from_bits((magnitude << 13) + (113u << 23)) - 0x1p-14f;

    return float_from_bits((is_subnormal & bits_from_float(subnormal)) | (~is_subnormal & normal) |
                           sign);
}

/* Rounds to nearest, ties to even; too large becomes infinity. */
static inline uint16_t half_from_float(float value)
{
    const uint16_t sign = (uint16_t)(bits_from_float(value) >> 16 & 0x8000);
    const float size = fabsf(value);

    if (isnan(value))
        return sign | 0x7e00;
    if (size >= 65520.0f) /* halfway between the largest half and the next power of two */
        return sign | 0x7c00;
    /* nearbyint rounds ties to even: count in steps of the half's last place. */
    if (size < 0x1p-14f)
        return sign | (uint16_t)nearbyintf(size * 0x1p24f);
    int exponent;
    const float mantissa = frexpf(size, &exponent); /* 0.5 <= mantissa < 1 */
    /* 1024 to 2048: a carry into the exponent comes out right by itself. */
    const uint32_t steps = (uint32_t)nearbyintf(mantissa * 2048.0f);
    return (uint16_t)(sign | (((uint32_t)(exponent + 13) << 10) + steps));
}

/* bfloat16: the upper half of a float. */
static inline float float_from_bfloat(uint16_t bits)
{
    return float_from_bits((uint32_t)bits << 16);
}

#endif
