// SPDX-License-Identifier: MIT
/* Vectors of 16 floats: AVX-512 with foundation, BW, VL and DQ. */
#ifndef HEARKEN_CPU_VECTOR_AVX512_H
#define HEARKEN_CPU_VECTOR_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__) ||                   \
    !defined(__AVX512DQ__)
#error "compile this file with -mavx512f -mavx512bw -mavx512vl -mavx512dq"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LANES = 16,
    TILE_ROWS = 14, /* 28 sums, two vectors of weights and one input: 31 of 32 registers */
};

typedef float vector __attribute__((vector_size(64)));
typedef int32_t vector_int __attribute__((vector_size(64)));

static inline vector load(const float *x)
{
    return (vector)_mm512_loadu_ps(x);
}

static inline void store(float *x, vector v)
{
    _mm512_storeu_ps(x, (__m512)v);
}

static inline vector broadcast(float x)
{
    return (vector)_mm512_set1_ps(x);
}

/* a · b + c, rounded once */
static inline vector multiply_add(vector a, vector b, vector c)
{
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

static inline vector maximum(vector a, vector b)
{
    return (vector)_mm512_max_ps((__m512)a, (__m512)b);
}

static inline vector minimum(vector a, vector b)
{
    return (vector)_mm512_min_ps((__m512)a, (__m512)b);
}

/* 1 / x within 2 units in the last place, for x of ordinary size: one Newton step. */
static inline vector reciprocal(vector x)
{
    const __m512 guess = _mm512_rcp14_ps((__m512)x);

    return (vector)_mm512_mul_ps(guess, _mm512_fnmadd_ps((__m512)x, guess, _mm512_set1_ps(2.0f)));
}

/* To the nearest whole numbers. */
static inline vector_int round_lanes(vector v)
{
    return (vector_int)_mm512_cvtps_epi32((__m512)v);
}

static inline vector load_half(const uint16_t *x)
{
    return (vector)_mm512_cvtph_ps(_mm256_loadu_si256((const void *)x));
}

static inline vector load_bytes(const int8_t *x)
{
    return (vector)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)x)));
}

static inline float sum_of(vector v)
{
    return _mm512_reduce_add_ps((__m512)v);
}

static inline float largest_of(vector v)
{
    return _mm512_reduce_max_ps((__m512)v);
}

/* Lane i: the sum of the lanes of v[i]. Halves of what is left to add are laid side by side. */
static inline vector sums_of(const vector *v)
{
    __m512 pairs[8], fours[4], halves[2];

    for (size_t i = 0; i < 8; i++) {
        const __m512 a = (__m512)v[2 * i], b = (__m512)v[2 * i + 1];
        pairs[i] = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    }
    for (size_t i = 0; i < 4; i++)
        fours[i] = _mm512_add_ps(_mm512_shuffle_ps(pairs[2 * i], pairs[2 * i + 1], 0x44),
                                 _mm512_shuffle_ps(pairs[2 * i], pairs[2 * i + 1], 0xee));
    for (size_t i = 0; i < 2; i++)
        halves[i] = _mm512_add_ps(_mm512_shuffle_f32x4(fours[2 * i], fours[2 * i + 1], 0x88),
                                  _mm512_shuffle_f32x4(fours[2 * i], fours[2 * i + 1], 0xdd));
    return (vector)_mm512_add_ps(_mm512_shuffle_f32x4(halves[0], halves[1], 0x88),
                                 _mm512_shuffle_f32x4(halves[0], halves[1], 0xdd));
}

/* out[column][row] = in[row][column] for 16 rows and columns */
static inline void transpose(const float *in, size_t in_step, float *out, size_t out_step)
{
    __m512 a[16], b[16];

    for (size_t i = 0; i < 16; i++)
        a[i] = _mm512_loadu_ps(in + i * in_step);
    /* Pairs of rows, then of pairs: each 128-bit part of b[4k + c] is column 4·part + c of rows
     * 4k to 4k + 3. */
    for (size_t i = 0; i < 16; i += 4) {
        const __m512 low01 = _mm512_unpacklo_ps(a[i], a[i + 1]);
        const __m512 high01 = _mm512_unpackhi_ps(a[i], a[i + 1]);
        const __m512 low23 = _mm512_unpacklo_ps(a[i + 2], a[i + 3]);
        const __m512 high23 = _mm512_unpackhi_ps(a[i + 2], a[i + 3]);
        b[i] = _mm512_shuffle_ps(low01, low23, 0x44);
        b[i + 1] = _mm512_shuffle_ps(low01, low23, 0xee);
        b[i + 2] = _mm512_shuffle_ps(high01, high23, 0x44);
        b[i + 3] = _mm512_shuffle_ps(high01, high23, 0xee);
    }
    /* The same with the parts as elements: 4 x 4 of them for each c. */
    for (size_t c = 0; c < 4; c++) {
        const __m512 even01 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88);
        const __m512 odd01 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd);
        const __m512 even23 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
        const __m512 odd23 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
        _mm512_storeu_ps(out + c * out_step, _mm512_shuffle_f32x4(even01, even23, 0x88));
        _mm512_storeu_ps(out + (4 + c) * out_step, _mm512_shuffle_f32x4(odd01, odd23, 0x88));
        _mm512_storeu_ps(out + (8 + c) * out_step, _mm512_shuffle_f32x4(even01, even23, 0xdd));
        _mm512_storeu_ps(out + (12 + c) * out_step, _mm512_shuffle_f32x4(odd01, odd23, 0xdd));
    }
}

#endif
