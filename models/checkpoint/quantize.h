// SPDX-License-Identifier: MIT
/* Quantized blocks. Pure functions. */
#ifndef HEARKEN_MODELS_CHECKPOINT_QUANTIZE_H
#define HEARKEN_MODELS_CHECKPOINT_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK            32u /* values */
#define Q4_0_BLOCK_BYTES 18u /* a scale of half precision, 32 times four bits */
#define Q4_1_BLOCK_BYTES 20u /* a scale and the minimum, 32 times four bits */
#define Q5_1_BLOCK_BYTES 24u /* a scale and the minimum, 32 fifth bits, 32 times four bits */
#define Q8_0_BLOCK_BYTES 34u /* a scale of half precision, then 32 signed bytes */
#define Q5_0_BLOCK_BYTES 22u /* a scale of half precision, 32 fifth bits, 32 times four bits */

/* Quantises `count` values, a multiple of 32, to count / 32 blocks, rounded like ggml's reference.
 */
void quantize_q8_0(const float *values, size_t count, uint8_t *blocks);

/*
 * The same for Q5_0: value = scale · (number - 16), numbers 0 to 31. The low four bits of number i
 * are in byte i mod 16, its low half for i < 16; the fifth is bit i of a 32-bit word. Of several
 * scales, the one with the least squared error is used.
 */
void quantize_q5_0(const float *values, size_t count, uint8_t *blocks);

/*
 * Dequantise `count` values, a multiple of 32. Q4_0: scale · (number - 8); Q4_1 and Q5_1: scale ·
 * number + minimum. The bits are in the same positions as in Q5_0.
 */
void expand_q4_0(const uint8_t *blocks, size_t count, float *out);
void expand_q4_1(const uint8_t *blocks, size_t count, float *out);
void expand_q5_0(const uint8_t *blocks, size_t count, float *out);
void expand_q5_1(const uint8_t *blocks, size_t count, float *out);
void expand_q8_0(const uint8_t *blocks, size_t count, float *out);

#endif
