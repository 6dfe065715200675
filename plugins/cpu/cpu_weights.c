// SPDX-License-Identifier: MIT
/*
 * Packs weights into panels (cpu.h). F16 keeps its type, Q5_0 becomes Q8_0. Where inputs are bytes,
 * Q8_0 is quantised again, with a scale for 128 inputs instead of 32: so the kernels scale their
 * sums a quarter as often. Tables that are only looked up are used in place, in the host's memory.
 */
#include "plugins/cpu/cpu.h"

#include "include/internal/half.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The packings that keep the blocks of Q8_0: how many inputs of an output are adjacent. */
#define Q8_0_PACKINGS(X)                                                                           \
    X(PACKED_Q8, 1)                                                                                \
    X(PACKED_PAIRS, 2)

/* Those in wide blocks: what each byte is XORed with. Flipping the sign bit adds 128. */
#define WIDE_PACKINGS(X)                                                                           \
    X(PACKED_QUADS, 0)                                                                             \
    X(PACKED_OFFSET_QUADS, 0x80)

enum { QUAD = 4 }; /* adjacent inputs of an output */

static bool is_multiplied(const struct hearken_weights *weights)
{
    return weights->use & (HEARKEN_USE_LINEAR | HEARKEN_USE_CONVOLVE);
}

/* Bytes of a panel: `panel` outputs, all inputs. */
static size_t size_of_panel(const struct packed *packed)
{
    const size_t elements = packed->inputs * packed->panel;

    switch (packed->packing) {
    case PACKED_F32:
        return elements * sizeof(float);
    case PACKED_F16:
        return elements * sizeof(uint16_t);
    case PACKED_Q8:
    case PACKED_PAIRS:
        return elements + elements / Q8_0_INPUTS * sizeof(uint16_t);
    case PACKED_QUADS:
    case PACKED_OFFSET_QUADS:
        return elements + divide_up(packed->inputs, WIDE_INPUTS) * packed->panel * sizeof(uint16_t);
    case PACKED_NONE:
        break;
    }
    return 0;
}

/* A row of a convolution is [taps, columns], of the type that it has in the file. */
static void plan(const struct cpu_backend *backend, struct cpu_tensor *tensor)
{
    const struct hearken_weights *weights = &tensor->base.weights;
    const bool has_blocks =
        weights->type == HEARKEN_TENSOR_Q8_0 || weights->type == HEARKEN_TENSOR_Q5_0;
    struct packed *packed = &tensor->packed;

    tensor->kernels = backend->set->dense;
    if (has_blocks && backend->blocks)
        tensor->kernels = backend->blocks;
    packed->packing = weights->type == HEARKEN_TENSOR_F16   ? PACKED_F16
                      : weights->use & HEARKEN_USE_CONVOLVE ? PACKED_F32
                      : has_blocks                          ? tensor->kernels->packing_of_q8
                                                            : PACKED_F32;
    packed->outputs = weights->rows;
    packed->inputs = host_tensor_width(&tensor->base);
    packed->panel = tensor->kernels->panel;
    packed->panel_size = size_of_panel(packed);
}

/* ---- Packing an output into its panel ---- */

static void place_floats(const struct cpu_tensor *tensor, size_t output, float *expanded,
                         unsigned char *panel)
{
    const struct packed *packed = &tensor->packed;
    const float *row = host_tensor_row(&tensor->base, output, expanded);
    float *to = (float *)(void *)panel + output % packed->panel;

    for (size_t input = 0; input < packed->inputs; input++)
        to[input * packed->panel] = row[input];
}

static void place_halves(const struct cpu_tensor *tensor, size_t output, unsigned char *panel)
{
    const struct packed *packed = &tensor->packed;
    const size_t columns = tensor->base.weights.columns, taps = tensor->base.weights.taps;
    const uint16_t *halves = (const uint16_t *)tensor->base.weights.data + output * packed->inputs;
    uint16_t *to = (uint16_t *)(void *)panel + output % packed->panel;

    for (size_t tap = 0; tap < taps; tap++)
        for (size_t column = 0; column < columns; column++)
            to[(tap * columns + column) * packed->panel] = halves[column * taps + tap];
}

static void place_q8_0(const struct cpu_tensor *tensor, size_t output, size_t group,
                       float *expanded, unsigned char *panel)
{
    const struct packed *packed = &tensor->packed;
    const unsigned char *from =
        (const unsigned char *)tensor->base.weights.data + output * tensor->base.row_size;
    const size_t at = output % packed->panel;

    if (tensor->base.weights.type == HEARKEN_TENSOR_Q5_0) {
        host_tensor_row_as_q8_0(&tensor->base, output, expanded);
        from = (const unsigned char *)expanded;
    }
    for (size_t input = 0; input < packed->inputs; input += Q8_0_INPUTS) {
        memcpy(panel + at * sizeof(uint16_t), from, sizeof(uint16_t));
        from += sizeof(uint16_t);
        panel += packed->panel * sizeof(uint16_t);
        for (size_t k = 0; k < Q8_0_INPUTS; k++)
            panel[(k / group * packed->panel + at) * group + k % group] = *from++;
        panel += packed->panel * Q8_0_INPUTS;
    }
}

static size_t inputs_of_wide(const struct packed *packed, size_t first)
{
    const size_t left = packed->inputs - first;

    return left < WIDE_INPUTS ? left : WIDE_INPUTS;
}

/* The scale, in half precision, with which the largest of a block becomes ±127. The magnitudes of
 * floats order as their bits do, and a maximum of integers is vectorised. */
static uint16_t scale_of_wide(const float *x, size_t count)
{
    int32_t largest = 0;
    float magnitude;

    for (size_t k = 0; k < count; k++) {
        int32_t bits;
        memcpy(&bits, x + k, sizeof(bits));
        bits &= INT32_MAX;
        largest = bits > largest ? bits : largest;
    }
    memcpy(&magnitude, &largest, sizeof(magnitude));
    return half_from_float(magnitude / 127);
}

/* Adding 1.5 · 2^23 leaves the nearest whole number in the last bits, which is vectorised where a
 * conversion is not. A scale that half precision rounded down may put a weight beyond 127. */
static void quantise_wide(const float *x, size_t count, float scale, unsigned char flip,
                          unsigned char *bytes)
{
    const float inverse = scale > 0 ? 1 / scale : 0, shift = 0x1.8p23f;
    int32_t zero;

    memcpy(&zero, &shift, sizeof(zero));
    for (size_t k = 0; k < count; k++) {
        const float shifted = x[k] * inverse + shift;
        int32_t whole;
        memcpy(&whole, &shifted, sizeof(whole));
        whole -= zero;
        whole = whole > 127 ? 127 : whole;
        whole = whole < -127 ? -127 : whole;
        bytes[k] = (unsigned char)whole ^ flip;
    }
}

static void place_wide(const struct cpu_tensor *tensor, size_t output, unsigned char flip,
                       float *expanded, unsigned char *panel)
{
    const struct packed *packed = &tensor->packed;
    const float *row = host_tensor_row(&tensor->base, output, expanded);
    const size_t at = output % packed->panel;
    unsigned char bytes[WIDE_INPUTS];

    for (size_t input = 0; input < packed->inputs; input += WIDE_INPUTS) {
        const size_t count = inputs_of_wide(packed, input);
        const uint16_t half = scale_of_wide(row + input, count);
        memcpy(panel + at * sizeof(half), &half, sizeof(half));
        panel += packed->panel * sizeof(half);
        quantise_wide(row + input, count, float_from_half(half), flip, bytes);
        for (size_t k = 0; k < count; k += QUAD)
            memcpy(panel + k * packed->panel + at * QUAD, bytes + k, QUAD);
        panel += packed->panel * count;
    }
}

static void place(const struct cpu_tensor *tensor, size_t output, float *expanded)
{
    const struct packed *packed = &tensor->packed;
    unsigned char *panel = packed->data + output / packed->panel * packed->panel_size;

    switch (packed->packing) {
#define PLACE(packing, group)                                                                      \
    case packing:                                                                                  \
        place_q8_0(tensor, output, group, expanded, panel);                                        \
        break;
        Q8_0_PACKINGS(PLACE)
#undef PLACE
#define PLACE(packing, flip)                                                                       \
    case packing:                                                                                  \
        place_wide(tensor, output, flip, expanded, panel);                                         \
        break;
        WIDE_PACKINGS(PLACE)
#undef PLACE
    case PACKED_F32:
        place_floats(tensor, output, expanded, panel);
        break;
    case PACKED_F16:
        place_halves(tensor, output, panel);
        break;
    case PACKED_NONE:
        break;
    }
}

/* ---- Unpacking an output into a row, Q5_0 as Q8_0 ---- */

static void gather_floats(const struct packed *packed, const unsigned char *panel, size_t at,
                          float *row)
{
    const float *from = (const float *)(const void *)panel + at;

    for (size_t input = 0; input < packed->inputs; input++)
        row[input] = from[input * packed->panel];
}

static void gather_halves(const struct packed *packed, const unsigned char *panel, size_t at,
                          uint16_t *row)
{
    const uint16_t *from = (const uint16_t *)(const void *)panel + at;

    for (size_t input = 0; input < packed->inputs; input++)
        row[input] = from[input * packed->panel];
}

static void gather_q8_0(const struct packed *packed, const unsigned char *panel, size_t at,
                        size_t group, unsigned char *row)
{
    for (size_t input = 0; input < packed->inputs; input += Q8_0_INPUTS) {
        memcpy(row, panel + at * sizeof(uint16_t), sizeof(uint16_t));
        row += sizeof(uint16_t);
        panel += packed->panel * sizeof(uint16_t);
        for (size_t k = 0; k < Q8_0_INPUTS; k++)
            *row++ = panel[(k / group * packed->panel + at) * group + k % group];
        panel += packed->panel * Q8_0_INPUTS;
    }
}

static void gather_wide(const struct packed *packed, const unsigned char *panel, size_t at,
                        unsigned char flip, float *row)
{
    for (size_t input = 0; input < packed->inputs; input += WIDE_INPUTS) {
        const size_t count = inputs_of_wide(packed, input);
        uint16_t half;
        memcpy(&half, panel + at * sizeof(half), sizeof(half));
        panel += packed->panel * sizeof(half);
        const float scale = float_from_half(half);
        for (size_t k = 0; k < count; k++) {
            const size_t from = (k / QUAD * packed->panel + at) * QUAD + k % QUAD;
            row[input + k] = scale * (int8_t)(panel[from] ^ flip);
        }
        panel += packed->panel * count;
    }
}

const float *cpu_tensor_row(const struct hearken_tensor *tensor, size_t row, float *expanded)
{
    const struct packed *packed = &cpu_tensor(tensor)->packed;
    if (packed->packing == PACKED_NONE)
        return host_tensor_row(tensor, row, expanded);

    void *gathered = expanded + packed->inputs;
    const unsigned char *panel = packed->data + row / packed->panel * packed->panel_size;
    const size_t at = row % packed->panel;
    struct hearken_tensor one = {.weights = {HEARKEN_TENSOR_Q8_0, tensor->weights.use, 1,
                                             (uint32_t)packed->inputs, 1, gathered}};

    switch (packed->packing) {
#define GATHER(packing, group)                                                                     \
    case packing:                                                                                  \
        gather_q8_0(packed, panel, at, group, gathered);                                           \
        break;
        Q8_0_PACKINGS(GATHER)
#undef GATHER
#define GATHER(packing, flip)                                                                      \
    case packing:                                                                                  \
        gather_wide(packed, panel, at, flip, expanded);                                            \
        return expanded;
        WIDE_PACKINGS(GATHER)
#undef GATHER
    case PACKED_F32:
        one.weights.type = HEARKEN_TENSOR_F32;
        gather_floats(packed, panel, at, gathered);
        break;
    case PACKED_F16:
        one.weights.type = HEARKEN_TENSOR_F16;
        gather_halves(packed, panel, at, gathered);
        break;
    case PACKED_NONE:
        break;
    }
    return host_tensor_row(&one, 0, expanded);
}

static int pack(struct weight_arena *arena, struct cpu_tensor *tensor)
{
    struct packed *packed = &tensor->packed;
    const size_t panels = divide_up(packed->outputs, packed->panel);
    if (packed->panel_size > SIZE_MAX / 2 / panels)
        return -ENOMEM;
    float *expanded = malloc(packed->inputs * sizeof(float));
    if (expanded)
        packed->data = weight_arena_allocate(arena, panels * packed->panel_size, &packed->region);
    if (!packed->data) {
        free(expanded);
        return -ENOMEM;
    }
    if (packed->outputs % packed->panel != 0)
        memset(packed->data + (panels - 1) * packed->panel_size, 0, packed->panel_size);
    for (size_t output = 0; output < packed->outputs; output++)
        place(tensor, output, expanded);
    free(expanded);
    return 0;
}

int cpu_tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                      struct hearken_tensor **tensor)
{
    struct hearken_tensor *given;
    int result = host_tensor_create(backend, weights, &given);

    if (result)
        return result;
    struct cpu_tensor *made = calloc(1, sizeof(*made));
    result = -ENOMEM;
    if (made) {
        made->base = *given;
        result = 0;
        if (is_multiplied(weights)) {
            struct cpu_backend *own = (struct cpu_backend *)backend;
            plan(own, made);
            result = pack(&own->weights, made);
        }
    }
    host_tensor_destroy(backend, given);
    if (result)
        free(made);
    else
        *tensor = &made->base;
    return result;
}

void cpu_tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor)
{
    if (!tensor)
        return;
    weight_arena_release(&((struct cpu_backend *)backend)->weights,
                         ((struct cpu_tensor *)tensor)->packed.region);
    free(tensor);
}
