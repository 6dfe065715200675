// SPDX-License-Identifier: MIT
/* Vectors of 8 floats: AVX2 with FMA and F16C. */
#ifndef HEARKEN_CPU_VECTOR_AVX2_H
#define HEARKEN_CPU_VECTOR_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LANES = 8,
    TILE_ROWS = 6, /* 12 sums, two vectors of weights and one input: 15 of 16 registers */
};

typedef float vector __attribute__((vector_size(32)));
typedef int32_t vector_int __attribute__((vector_size(32)));

static inline vector load(const float *x)
{
    return (vector)_mm256_loadu_ps(x);
}

static inline void store(float *x, vector v)
{
    _mm256_storeu_ps(x, (__m256)v);
}

static inline vector broadcast(float x)
{
    return (vector)_mm256_set1_ps(x);
}

/* a · b + c, rounded once */
static inline vector multiply_add(vector a, vector b, vector c)
{
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

static inline vector maximum(vector a, vector b)
{
    return (vector)_mm256_max_ps((__m256)a, (__m256)b);
}

static inline vector minimum(vector a, vector b)
{
    return (vector)_mm256_min_ps((__m256)a, (__m256)b);
}

/* 1 / x within 2 units in the last place, for x of ordinary size: one Newton step. */
static inline vector reciprocal(vector x)
{
    const __m256 guess = _mm256_rcp_ps((__m256)x);

    return (vector)_mm256_mul_ps(guess, _mm256_fnmadd_ps((__m256)x, guess, _mm256_set1_ps(2.0f)));
}

/* To the nearest whole numbers. */
static inline vector_int round_lanes(vector v)
{
    return (vector_int)_mm256_cvtps_epi32((__m256)v);
}

static inline vector load_half(const uint16_t *x)
{
    return (vector)_mm256_cvtph_ps(_mm_loadu_si128((const void *)x));
}

static inline vector load_bytes(const int8_t *x)
{
    return (vector)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)x)));
}

static inline float sum_of(vector v)
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

static inline float largest_of(vector v)
{
    const __m128 four =
        _mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* Lane i: the sum of the lanes of v[i]. */
static inline vector sums_of(const vector *v)
{
    __m256 fours[2];

    for (size_t i = 0; i < 2; i++)
        fours[i] = _mm256_hadd_ps(_mm256_hadd_ps((__m256)v[4 * i], (__m256)v[4 * i + 1]),
                                  _mm256_hadd_ps((__m256)v[4 * i + 2], (__m256)v[4 * i + 3]));
    return (vector)_mm256_add_ps(_mm256_permute2f128_ps(fours[0], fours[1], 0x20),
                                 _mm256_permute2f128_ps(fours[0], fours[1], 0x31));
}

/* out[column][row] = in[row][column] for 8 rows and columns */
static inline void transpose(const float *in, size_t in_step, float *out, size_t out_step)
{
    __m256 a[8], b[8];

    for (size_t i = 0; i < 8; i++)
        a[i] = _mm256_loadu_ps(in + i * in_step);
    for (size_t i = 0; i < 8; i += 4) {
        const __m256 low01 = _mm256_unpacklo_ps(a[i], a[i + 1]);
        const __m256 high01 = _mm256_unpackhi_ps(a[i], a[i + 1]);
        const __m256 low23 = _mm256_unpacklo_ps(a[i + 2], a[i + 3]);
        const __m256 high23 = _mm256_unpackhi_ps(a[i + 2], a[i + 3]);
        b[i] = _mm256_shuffle_ps(low01, low23, 0x44);
        b[i + 1] = _mm256_shuffle_ps(low01, low23, 0xee);
        b[i + 2] = _mm256_shuffle_ps(high01, high23, 0x44);
        b[i + 3] = _mm256_shuffle_ps(high01, high23, 0xee);
    }
    for (size_t c = 0; c < 4; c++) {
        _mm256_storeu_ps(out + c * out_step, _mm256_permute2f128_ps(b[c], b[4 + c], 0x20));
        _mm256_storeu_ps(out + (4 + c) * out_step, _mm256_permute2f128_ps(b[c], b[4 + c], 0x31));
    }
}

#endif
