// SPDX-License-Identifier: MIT
/*
 * Vector functions; an instruction set's file includes them after its vector type. The polynomials
 * were fitted for this file, by least squares reweighted until the errors were equal.
 */
#ifndef HEARKEN_CPU_TEMPLATE_MATH_H
#define HEARKEN_CPU_TEMPLATE_MATH_H

#include <math.h>

static inline vector select_if(vector_int condition, vector yes, vector no)
{
    return (vector)((condition & (vector_int)yes) | (~condition & (vector_int)no));
}

/* 0, 1, 2 .. */
static inline vector_int lane_numbers(void)
{
    vector_int numbers;

    for (int32_t lane = 0; lane < LANES; lane++)
        numbers[lane] = lane;
    return numbers;
}

/* The first `count` lanes of v, `fill` in the others. */
static inline vector keep_first(vector v, size_t count, float fill)
{
    if (count >= LANES)
        return v;
    return select_if(lane_numbers() < (int32_t)count, v, broadcast(fill));
}

/* Of fewer than LANES: out of line, so that it costs the others nothing. */
static __attribute__((noinline)) vector load_part(const float *x, size_t count)
{
    float padded[LANES] = {0};

    for (size_t i = 0; i < count; i++)
        padded[i] = x[i];
    return load(padded);
}

static inline vector load_first(const float *x, size_t count)
{
    return __builtin_expect(count >= LANES, true) ? load(x) : load_part(x, count);
}

static __attribute__((noinline)) void store_part(float *x, size_t count, vector v)
{
    for (size_t i = 0; i < count; i++)
        x[i] = v[i];
}

static inline void store_first(float *x, size_t count, vector v)
{
    if (__builtin_expect(count >= LANES, true))
        store(x, v);
    else
        store_part(x, count, v);
}

/*
 * exp(x) within 3e-7 of its value up to x = 88; 0 below -87, where single precision has no normal
 * number left; at least 1e38 above 88. x = n · log 2 + r, |r| ≤ log 2 / 2, exp(x) = 2^n · exp(r).
 */
static inline vector exponential(vector x)
{
    const vector shift = broadcast(0x1.8p23f); /* the last bit of the sum counts ones */
    const vector bounded = minimum(maximum(x, broadcast(-87.0f)), broadcast(88.0f));
    const vector shifted = multiply_add(bounded, broadcast(1.44269504f), shift);
    const vector n = shifted - shift;
    vector r = multiply_add(n, broadcast(-0.693359375f), bounded);
    r = multiply_add(n, broadcast(2.12194440e-4f), r);

    vector p = broadcast(0.00138145606f);
    p = multiply_add(p, r, broadcast(0.00836873613f));
    p = multiply_add(p, r, broadcast(0.041668389f));
    p = multiply_add(p, r, broadcast(0.166665211f));
    p = multiply_add(p, r, broadcast(0.49999994f));
    p = multiply_add(p * r, r, r) + 1.0f;
    const vector power = (vector)(((vector_int)shifted << 23) + (127 << 23));
    return select_if(x < broadcast(-87.0f), broadcast(0), p * power);
}

/*
 * x · Φ(x) within 3e-7 · max(1, |x|): Φ(x) = 1/2 + x · P(x²) / Q(x²) up to |x| = 5.3, beyond which
 * it is 0 or 1 within 6e-8.
 */
static inline vector gelu(vector x)
{
    const vector bound = broadcast(5.3f);
    const vector bounded = maximum(minimum(x, bound), -bound);
    const vector u = bounded * bounded;

    vector p = broadcast(6.26480551e-6f);
    p = multiply_add(p, u, broadcast(3.41622741e-4f));
    p = multiply_add(p, u, broadcast(0.00569940126f));
    p = multiply_add(p, u, broadcast(0.0520704463f));
    p = multiply_add(p, u, broadcast(0.398941815f));
    vector q = broadcast(5.29826082e-7f);
    q = multiply_add(q, u, broadcast(1.22533646e-4f));
    q = multiply_add(q, u, broadcast(0.00286348118f));
    q = multiply_add(q, u, broadcast(0.0388297774f));
    q = multiply_add(q, u, broadcast(0.297180593f));
    q = multiply_add(q, u, broadcast(1));
    const vector inside = multiply_add(bounded * p, reciprocal(q), broadcast(0.5f)) * x;
    return select_if(x < -bound, broadcast(0), select_if(x > bound, x, inside));
}

/* exp(x) / (1 + exp(x)) within 5e-7 of its value; 0 below -87, where that is under 2e-38. */
static inline vector sigmoid(vector x)
{
    const vector power = exponential(x);

    return power / (1.0f + power);
}

/* tanh(x) within 5e-7 of its value: a polynomial where 1 - 2 / (exp(2x) + 1) would cancel. */
static inline vector tangent(vector x)
{
    const vector magnitude = maximum(x, -x), u = x * x;

    vector p = broadcast(-0.00570498826f);
    p = multiply_add(p, u, broadcast(0.0206390088f));
    p = multiply_add(p, u, broadcast(-0.0537397154f));
    p = multiply_add(p, u, broadcast(0.133314416f));
    p = multiply_add(p, u, broadcast(-0.333332807f));
    const vector small = multiply_add(p * u, x, x);
    const vector large = 1.0f - 2.0f / (exponential(magnitude + magnitude) + 1.0f);
    return select_if(magnitude < broadcast(0.625f), small,
                     select_if(x < broadcast(0), -large, large));
}

#endif
