// SPDX-License-Identifier: MIT
/*
 * out = activation(in * weight^T + bias) + residual. The host compiles this file once for each type
 * of weight, with NAME and TYPE set, and once for convolutions, with CONVOLVE.
 *
 * The order of a sum. Within a block of 32 inputs, products are accumulated in the order of the
 * inputs. The blocks' sums, multiplied by the block's scale for Q8_0, are accumulated in the order
 * of the blocks. Both kernels below follow this order and give the same bits, so the host may
 * choose between them by the number of rows. Inputs and weights are padded with zeros, which change
 * no sum.
 */
#ifndef PANEL
#define OPTION_BIAS     1
#define OPTION_GELU     2
#define OPTION_RESIDUAL 4

/* A panel of weights has as many outputs as a tile. */
#define PANEL     (LANES_X * WIDE)
#define TILE_ROWS (LANES_Y * HIGH)

#define FEW_ROWS    4
#define PARTS       8
#define FEW_OUTPUTS (GROUP / PARTS)

#define PRODUCT_ARGUMENTS                                                                          \
    global float *out, const ulong out_offset, const ulong out_stride, global const float *in,     \
        const ulong in_offset, const ulong in_stride, WEIGHT_ARGUMENTS(weight),                    \
        global const float *bias, global const float *residual, const ulong residual_offset,       \
        const ulong residual_stride, const uint options, const uint rows, const uint inputs,       \
        const uint outputs

inline float finish(float sum, uint row, uint output, uint options, global const float *bias,
                    global const float *residual, ulong residual_stride)
{
    if (options & OPTION_BIAS)
        sum += bias[output];
    /* x * Phi(x) by erfc, since 1 + erf cancels for x far below 0. */
    if (options & OPTION_GELU)
        sum = 0.5f * sum * erfc(-sum * 0.70710678118654752f);
    if (options & OPTION_RESIDUAL)
        sum += residual[row * residual_stride + output];
    return sum;
}
#endif

/* Weights from element `at` on, without their scales. */
#undef WEIGHTS_AT
#undef WEIGHT_AT
#undef SCALES_AT
#undef SCALE_AT
#if TYPE == TYPE_F32
#define WEIGHTS_AT(at) LOAD_FLOATS((global const float *)weight + (at))
#define WEIGHT_AT(at)  (((global const float *)weight)[at])
#elif TYPE == TYPE_F16
#define WEIGHTS_AT(at) LOAD_HALVES((global const half *)weight + (at))
#define WEIGHT_AT(at)  vload_half(at, (global const half *)weight)
#else
#define WEIGHTS_AT(at) FLOATS_OF_CHARS(LOAD_CHARS((global const char *)weight + (at)))
#define WEIGHT_AT(at)  ((float)((global const char *)weight)[at])
#define SCALES_AT(at)  LOAD_HALVES((global const half *)(weight + weight_scales) + (at))
#define SCALE_AT(at)   vload_half(at, (global const half *)(weight + weight_scales))
#endif

/*
 * Tiles: a work-group computes TILE_ROWS rows of a panel's outputs, and a work-item HIGH rows of
 * WIDE outputs. The group first unpacks a block of the tile's inputs and weights to local memory.
 *
 * For a convolution, `inputs` counts the inputs of one tap, and `in` is addressed as a window:
 * input k of row t is element k mod inputs of row t * step + k / inputs - padding.
 */
TILE_KERNEL void CONCATENATE(product_, NAME)(PRODUCT_ARGUMENTS
#ifdef CONVOLVE
                                             ,
                                             const uint frames, const uint taps, const uint step,
                                             const uint padding
#endif
)
{
    local FLOATS weights[BLOCK][LANES_X];
    local float tile[TILE_ROWS][BLOCK + 1]; /* + 1 puts the rows of a column into different banks */
    const uint x = get_local_id(0), y = get_local_id(1), lane = y * LANES_X + x;
    const uint first_row = get_group_id(1) * TILE_ROWS, my_row = first_row + y * HIGH;
    const uint my_output = get_group_id(0) * PANEL + x * WIDE;
    const uint blocks = weight_pitch / BLOCK;
    FLOATS totals[HIGH];

    in += in_offset;
    for (uint i = 0; i < HIGH; i++)
        totals[i] = 0;
    for (uint block = 0; block < blocks; block++) {
        const ulong first = ((ulong)get_group_id(0) * blocks + block) * BLOCK * PANEL;
        for (uint i = lane; i < BLOCK * LANES_X; i += LANES_X * LANES_Y)
            weights[i / LANES_X][i % LANES_X] = WEIGHTS_AT(first + i * WIDE);
#ifdef CONVOLVE
        for (uint i = lane; i < TILE_ROWS * BLOCK; i += LANES_X * LANES_Y) {
            const uint row = first_row + i / BLOCK, k = block * BLOCK + i % BLOCK, tap = k / inputs;
            const long frame = (long)row * step + tap - padding;
            float number = 0;
            if (row < rows && tap < taps && frame >= 0 && frame < frames)
                number = in[frame * in_stride + (k - tap * inputs)];
            tile[i / BLOCK][i % BLOCK] = number;
        }
#else
        for (uint i = lane; i < TILE_ROWS * (BLOCK / WIDE); i += LANES_X * LANES_Y) {
            const uint in_tile = i / (BLOCK / WIDE), at = i % (BLOCK / WIDE) * WIDE;
            const uint row = first_row + in_tile, k = block * BLOCK + at;
            if (row < rows && k + WIDE <= inputs)
                STORE_FLOATS(LOAD_FLOATS(in + row * in_stride + k), &tile[in_tile][at]);
            else
                for (uint j = 0; j < WIDE; j++)
                    tile[in_tile][at + j] =
                        row < rows && k + j < inputs ? in[row * in_stride + k + j] : 0;
        }
#endif
        barrier(CLK_LOCAL_MEM_FENCE);

        if (my_row < rows) {
            FLOATS sums[HIGH];
            for (uint i = 0; i < HIGH; i++)
                sums[i] = 0;
            for (uint k = 0; k < BLOCK; k++) {
                const FLOATS numbers = weights[k][x];
                for (uint i = 0; i < HIGH; i++)
                    sums[i] = MULTIPLY_ADD((FLOATS)(tile[y * HIGH + i][k]), numbers, sums[i]);
            }
#if TYPE == TYPE_Q8_0
            const FLOATS scales = SCALES_AT(first / BLOCK + x * WIDE);
            for (uint i = 0; i < HIGH; i++)
                totals[i] = MULTIPLY_ADD(sums[i], scales, totals[i]);
#else
            for (uint i = 0; i < HIGH; i++)
                totals[i] += sums[i];
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    for (uint i = 0; i < HIGH && my_row + i < rows; i++)
        for (uint j = 0; j < WIDE && my_output + j < outputs; j++)
            out[out_offset + (my_row + i) * out_stride + my_output + j] =
                finish(ELEMENT(totals[i], j), my_row + i, my_output + j, options, bias,
                       residual + residual_offset, residual_stride);
}

#ifndef CONVOLVE
/*
 * Few rows: the product is bound by reading the weights. A work-group reads those of FEW_OUTPUTS
 * neighbouring outputs, PARTS blocks at a time, once for FEW_ROWS rows; then one work-item for each
 * row accumulates the blocks' sums of an output.
 */
ROW_KERNEL void CONCATENATE(product_few_, NAME)(PRODUCT_ARGUMENTS)
{
    local float sums[FEW_ROWS][PARTS][FEW_OUTPUTS];
    const uint line = get_local_id(0) % FEW_OUTPUTS, part = get_local_id(0) / FEW_OUTPUTS;
    const uint output = get_group_id(0) * FEW_OUTPUTS + line, in_panel = output % PANEL;
    const uint first_row = get_group_id(1) * FEW_ROWS, blocks = weight_pitch / BLOCK;
    const uint row_count = min(rows - first_row, (uint)FEW_ROWS);
    const ulong panel = (ulong)(output / PANEL) * blocks; /* its first block */
    float total = 0;                                      /* of row first_row + part */

    in += in_offset + first_row * in_stride;
    for (uint first = 0; first < blocks; first += PARTS) {
        const uint block = first + part, count = min(blocks - first, (uint)PARTS);
        if (output < outputs && block < blocks) {
            const ulong at = (panel + block) * BLOCK * PANEL + in_panel;
            const uint known = min(inputs - block * BLOCK, (uint)BLOCK);
            float sum[FEW_ROWS] = {0};
            for (uint k = 0; k < known; k++) {
                const float number = WEIGHT_AT(at + k * PANEL);
                for (uint row = 0; row < FEW_ROWS; row++)
                    sum[row] = MULTIPLY_ADD(
                        in[min(row, row_count - 1) * in_stride + block * BLOCK + k], number,
                        sum[row]);
            }
            for (uint row = 0; row < FEW_ROWS; row++)
                sums[row][part][line] = sum[row];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (output < outputs && part < row_count)
            for (uint i = 0; i < count; i++)
#if TYPE == TYPE_Q8_0
                total = MULTIPLY_ADD(sums[part][i][line],
                                     SCALE_AT((panel + first + i) * PANEL + in_panel), total);
#else
                total += sums[part][i][line];
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (output < outputs && part < row_count)
        out[out_offset + (first_row + part) * out_stride + output] =
            finish(total, first_row + part, output, options, bias, residual + residual_offset,
                   residual_stride);
}
#endif
