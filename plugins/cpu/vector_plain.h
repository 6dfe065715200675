// SPDX-License-Identifier: MIT
/* Vectors of 4 floats in the GNU C vector extension, for every processor. */
#ifndef HEARKEN_CPU_VECTOR_PLAIN_H
#define HEARKEN_CPU_VECTOR_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    LANES = 4,
    TILE_ROWS = 6, /* 12 sums: of the 16 registers of SSE2 */
};

typedef float vector __attribute__((vector_size(16)));
typedef int32_t vector_int __attribute__((vector_size(16)));

static inline vector load(const float *x)
{
    vector v;

    memcpy(&v, x, sizeof(v));
    return v;
}

static inline void store(float *x, vector v)
{
    memcpy(x, &v, sizeof(v));
}

static inline vector broadcast(float x)
{
    return (vector){x, x, x, x};
}

/* a · b + c, rounded once or twice */
static inline vector multiply_add(vector a, vector b, vector c)
{
    return a * b + c;
}

static inline vector maximum(vector a, vector b)
{
    const vector_int first = a > b;

    return (vector)((first & (vector_int)a) | (~first & (vector_int)b));
}

static inline vector minimum(vector a, vector b)
{
    const vector_int first = a < b;

    return (vector)((first & (vector_int)a) | (~first & (vector_int)b));
}

static inline vector reciprocal(vector x)
{
    return 1.0f / x;
}

/*
 * IEEE 754 half to single precision. A normal number needs its exponent moved from bias 15 to 127,
 * an infinity or a NaN to 255. A subnormal one, m · 2^-24, is first read as 2^-14 · (1 + m / 2^10),
 * from which 2^-14 is then subtracted.
 */
static inline vector load_half(const uint16_t *x)
{
    const vector_int half = {x[0], x[1], x[2], x[3]};
    const vector_int magnitude = half & 0x7fff, sign = (half & 0x8000) << 16;
    const vector_int is_subnormal = magnitude < 0x400, is_special = magnitude >= 0x7c00;
    const vector_int normal = (magnitude << 13) + (112 << 23) + (is_special & (112 << 23));
    const vector subnormal = (vector)((magnitude << 13) + (113 << 23)) - 0x1p-14f;

    return (vector)((is_subnormal & (vector_int)subnormal) | (~is_subnormal & normal) | sign);
}

static inline vector load_bytes(const int8_t *x)
{
#ifdef __SSE2__ /* every x86-64 has it; GCC does not generate the instruction by itself */
    int32_t four;

    memcpy(&four, x, sizeof(four));
    const __m128i bytes = _mm_cvtsi32_si128(four), pairs = _mm_unpacklo_epi8(bytes, bytes);
    return (vector)_mm_cvtepi32_ps(_mm_srai_epi32(_mm_unpacklo_epi16(pairs, pairs), 24));
#else
    return (vector){x[0], x[1], x[2], x[3]};
#endif
}

static inline float sum_of(vector v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

static inline float largest_of(vector v)
{
    const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];

    return a > b ? a : b;
}

/* Lane i: the sum of the lanes of v[i]. */
static inline vector sums_of(const vector *v)
{
    return (vector){sum_of(v[0]), sum_of(v[1]), sum_of(v[2]), sum_of(v[3])};
}

/* out[column][row] = in[row][column] for 4 rows and columns */
static inline void transpose(const float *in, size_t in_step, float *out, size_t out_step)
{
    for (size_t column = 0; column < 4; column++)
        store(out + column * out_step,
              (vector){in[column], in[in_step + column], in[2 * in_step + column],
                       in[3 * in_step + column]});
}

#endif
