// SPDX-License-Identifier: MIT
/*
 * What all kernels share. The host sets by build options (program.c)
 *
 *     GROUP                 work-items of a group that works on one row
 *     LANES_X, LANES_Y      the group of a matrix product: so many work-items wide and high
 *     WIDE, HIGH            outputs and rows of one work-item of it
 *     FUSED                 the device has a multiply-add of one rounding
 *
 * A matrix comes as a buffer, the offset of its first element and the stride between its rows.
 *
 * A row's result may not depend, to the bit, on which other rows are in the call. So every sum has
 * one order that follows from the row's own length, the compiler may not contract products and
 * sums as it likes, and where two kernels compute the same, they spell out the same operations.
 */
#pragma OPENCL FP_CONTRACT OFF

#ifdef FUSED
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

#define CONCATENATE_(a, b) a##b
#define CONCATENATE(a, b)  CONCATENATE_(a, b)

/* As many numbers as a work-item handles side by side; the pointers need no alignment. */
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

/* Inputs that share a scale in Q8_0, and whose products are added up on their own in all types. */
#define BLOCK 32

/*
 * A weight on the device: panels of neighbouring rows (`panel` of them; 1 where it is only looked
 * up), each [pitch, panel], and of Q8_0, `scales` bytes in, their scales [pitch / 32, panel].
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

/* The largest of all work-items' `x`. */
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

/* The sum of all work-items' `x`, as a tree. */
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
