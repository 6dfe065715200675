// SPDX-License-Identifier: MIT
/* Half precision and Q8_0 blocks. Pure functions. */
#ifndef HEARKEN_CONVERT_NUMBERS_H
#define HEARKEN_CONVERT_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#define Q8_0_BLOCK       32u /* values */
#define Q8_0_BLOCK_BYTES 34u /* a scale of half precision, then 32 signed bytes */

/* IEEE 754 binary16; rounds to nearest, ties to even; too large becomes infinity. */
uint16_t half_from_float(float value);
float float_from_half(uint16_t half);

/* bfloat16: the upper half of a float. */
float float_from_bfloat(uint16_t bits);

/* `count`, a multiple of 32, values into count / 32 blocks as ggml's reference rounds them. */
void quantize_q8_0(const float *values, size_t count, uint8_t *blocks);

#endif
