// SPDX-License-Identifier: MIT
/* Vectors of 4 floats: the NEON of 64-bit ARM processors. */
#ifndef HEARKEN_CPU_VECTOR_NEON_H
#define HEARKEN_CPU_VECTOR_NEON_H

#ifndef __aarch64__
#error "this file is for 64-bit ARM processors"
#endif

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    LANES = 4,
    TILE_ROWS = 12, /* 24 sums, two vectors of weights and inputs: of 32 registers */
};

typedef float vector __attribute__((vector_size(16)));
typedef int32_t vector_int __attribute__((vector_size(16)));

static inline vector load(const float *x)
{
    return (vector)vld1q_f32(x);
}

static inline void store(float *x, vector v)
{
    vst1q_f32(x, (float32x4_t)v);
}

static inline vector broadcast(float x)
{
    return (vector)vdupq_n_f32(x);
}

/* a · b + c, rounded once */
static inline vector multiply_add(vector a, vector b, vector c)
{
    return (vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

/* FMAXNM: a number wins over NaN, as the second argument does in the other instruction sets. */
static inline vector maximum(vector a, vector b)
{
    return (vector)vmaxnmq_f32((float32x4_t)a, (float32x4_t)b);
}

static inline vector minimum(vector a, vector b)
{
    return (vector)vminnmq_f32((float32x4_t)a, (float32x4_t)b);
}

/* 1 / x within 2 units in the last place, for x of ordinary size: two Newton steps from 8 bits. */
static inline vector reciprocal(vector x)
{
    float32x4_t guess = vrecpeq_f32((float32x4_t)x);

    guess = vmulq_f32(guess, vrecpsq_f32((float32x4_t)x, guess));
    return (vector)vmulq_f32(guess, vrecpsq_f32((float32x4_t)x, guess));
}

/* To the nearest whole numbers. */
static inline vector_int round_lanes(vector v)
{
    return (vector_int)vcvtnq_s32_f32((float32x4_t)v);
}

static inline vector load_half(const uint16_t *x)
{
    return (vector)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x)));
}

static inline vector load_bytes(const int8_t *x)
{
    uint32_t four;

    memcpy(&four, x, sizeof(four));
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
    return (vector)vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

static inline float sum_of(vector v)
{
    return vaddvq_f32((float32x4_t)v);
}

static inline float largest_of(vector v)
{
    return vmaxnmvq_f32((float32x4_t)v);
}

/* Lane i: the sum of the lanes of v[i]. */
static inline vector sums_of(const vector *v)
{
    return (vector)vpaddq_f32(vpaddq_f32((float32x4_t)v[0], (float32x4_t)v[1]),
                              vpaddq_f32((float32x4_t)v[2], (float32x4_t)v[3]));
}

/* out[column][row] = in[row][column] for 4 rows and columns */
static inline void transpose(const float *in, size_t in_step, float *out, size_t out_step)
{
    const float32x4_t row0 = vld1q_f32(in), row1 = vld1q_f32(in + in_step);
    const float32x4_t row2 = vld1q_f32(in + 2 * in_step), row3 = vld1q_f32(in + 3 * in_step);
    /* Columns 0 and 2, and 1 and 3, of two rows; then of four, two numbers as one element. */
    const float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(row0, row1));
    const float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(row0, row1));
    const float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(row2, row3));
    const float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(row2, row3));

    vst1q_f32(out, vreinterpretq_f32_f64(vtrn1q_f64(even01, even23)));
    vst1q_f32(out + out_step, vreinterpretq_f32_f64(vtrn1q_f64(odd01, odd23)));
    vst1q_f32(out + 2 * out_step, vreinterpretq_f32_f64(vtrn2q_f64(even01, even23)));
    vst1q_f32(out + 3 * out_step, vreinterpretq_f32_f64(vtrn2q_f64(odd01, odd23)));
}

#endif
