// SPDX-License-Identifier: MIT
/*
 * Common to all kernels. The host defines by build options (opencl_program.c)
 *
 *     GROUP                 work-items of a work-group that computes one row
 *     LANES_X, LANES_Y      work-items of a matrix product's work-group, in x and y
 *     WIDE, HIGH            outputs and rows that a work-item of it computes
 *     FUSED                 the device has a fused multiply-add
 *
 * A matrix is passed as a buffer, the offset of its first element and the stride of its rows.
 *
 * The bits of a row's result must not depend on the other rows of the call. So the order of every
 * sum depends only on the row's length, contraction is off, and kernels that compute the same
 * formula use the same operations.
 */
#pragma OPENCL FP_CONTRACT OFF

#ifdef FUSED
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

#define CONCATENATE_(a, b) a##b
#define CONCATENATE(a, b)  CONCATENATE_(a, b)

/* A vector of WIDE floats; vload and vstore need no alignment. */
#define FLOATS                CONCATENATE(float, WIDE)
#define CHARS                 CONCATENATE(char, WIDE)
#define LOAD_FLOATS(from)     CONCATENATE(vload, WIDE)(0, from)
#define LOAD_CHARS(from)      CONCATENATE(vload, WIDE)(0, from)
#define LOAD_HALVES(from)     CONCATENATE(vload_half, WIDE)(0, from)
#define STORE_FLOATS(x, to)   CONCATENATE(vstore, WIDE)(x, 0, to)
#define FLOATS_OF_CHARS(x)    CONCATENATE(convert_float, WIDE)(x)
#define ELEMENT(floats, i)    (((private const float *)&(floats))[i])

#define ROW_KERNEL  kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#define TILE_KERNEL kernel __attribute__((reqd_work_group_size(LANES_X, LANES_Y, 1)))

/* As enum hearken_tensor_type of plugin.h. */
#define TYPE_F32  0
#define TYPE_F16  1
#define TYPE_Q8_0 2

/* Inputs of a block: they share a scale in Q8_0, and a partial sum in all types. */
#define BLOCK 32

/*
 * A weight on the device: panels [pitch, panel] of neighbouring rows (`panel` is 1 for tables that
 * are only looked up). The scales of Q8_0, [pitch / 32, panel] a panel, start at byte `scales`.
 */
#define WEIGHT_ARGUMENTS(name)                                                                     \
    global const uchar *name, const uint name##_type, const uint name##_panel,                     \
        const uint name##_pitch, const ulong name##_scales
#define WEIGHT(name) name, name##_type, name##_panel, name##_pitch, name##_scales

inline float element_of(WEIGHT_ARGUMENTS(weight), uint row, uint column)
{
    const ulong first = (ulong)(row / weight_panel) * weight_panel * weight_pitch;
    const uint in_panel = row % weight_panel;
    const ulong at = first + (ulong)column * weight_panel + in_panel;

    if (weight_type == TYPE_F32)
        return ((global const float *)weight)[at];
    if (weight_type == TYPE_F16)
        return vload_half(at, (global const half *)weight);
    return ((global const char *)weight)[at] *
           vload_half(first / BLOCK + (ulong)(column / BLOCK) * weight_panel + in_panel,
                      (global const half *)(weight + weight_scales));
}

/* The maximum of `x` over the work-group. */
inline float group_maximum(float x, local float *folded)
{
    const uint lane = get_local_id(0);

    folded[lane] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (lane < half_way)
            folded[lane] = fmax(folded[lane], folded[lane + half_way]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float maximum = folded[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return maximum;
}

/* The sum of `x` over the work-group, as a tree. */
inline float group_sum(float x, local float *folded)
{
    const uint lane = get_local_id(0);

    folded[lane] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (lane < half_way)
            folded[lane] += folded[lane + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float sum = folded[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}
