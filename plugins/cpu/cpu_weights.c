// SPDX-License-Identifier: MIT
/*
 * Packs weights into panels (cpu.h). Q8_0 and F16 keep their type, Q5_0 becomes Q8_0. Tables that
 * are only looked up are used in place, in the host's memory.
 */
#include "plugins/cpu/cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The packings of blocks: how many inputs of an output are adjacent, and what each byte is XORed
 * with. Flipping the sign bit adds 128. */
#define BLOCK_PACKINGS(X)                                                                          \
    X(PACKED_Q8, 1, 0)                                                                             \
    X(PACKED_PAIRS, 2, 0)                                                                          \
    X(PACKED_QUADS, 4, 0)                                                                          \
    X(PACKED_OFFSET_QUADS, 4, 0x80)

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
    case PACKED_QUADS:
    case PACKED_OFFSET_QUADS:
        return elements + elements / BLOCK_INPUTS * sizeof(uint16_t);
    case PACKED_NONE:
        break;
    }
    return 0;
}

/* Convolutions are small: they are expanded to single precision, [taps, columns] a row. */
static void plan(const struct cpu_backend *backend, struct cpu_tensor *tensor)
{
    const struct hearken_weights *weights = &tensor->base.weights;
    const bool has_blocks =
        weights->type == HEARKEN_TENSOR_Q8_0 || weights->type == HEARKEN_TENSOR_Q5_0;
    struct packed *packed = &tensor->packed;

    tensor->kernels = backend->set->dense;
    if (has_blocks && backend->blocks)
        tensor->kernels = backend->blocks;
    packed->packing = weights->use & HEARKEN_USE_CONVOLVE   ? PACKED_F32
                      : weights->type == HEARKEN_TENSOR_F16 ? PACKED_F16
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

static void place_halves(const struct cpu_tensor *tensor, const void *row, size_t output,
                         unsigned char *panel)
{
    const struct packed *packed = &tensor->packed;
    const uint16_t *halves = row;
    uint16_t *to = (uint16_t *)(void *)panel + output % packed->panel;

    for (size_t input = 0; input < packed->inputs; input++)
        to[input * packed->panel] = halves[input];
}

static void place_bytes(const struct cpu_tensor *tensor, const void *row, size_t output,
                        size_t group, unsigned char flip, unsigned char *panel)
{
    const struct packed *packed = &tensor->packed;
    const unsigned char *from = row;
    const size_t at = output % packed->panel;

    for (size_t input = 0; input < packed->inputs; input += BLOCK_INPUTS) {
        memcpy(panel + at * sizeof(uint16_t), from, sizeof(uint16_t));
        from += sizeof(uint16_t);
        panel += packed->panel * sizeof(uint16_t);
        for (size_t k = 0; k < BLOCK_INPUTS; k++)
            panel[(k / group * packed->panel + at) * group + k % group] = *from++ ^ flip;
        panel += packed->panel * BLOCK_INPUTS;
    }
}

static void place(const struct cpu_tensor *tensor, size_t output, float *expanded)
{
    const struct packed *packed = &tensor->packed;
    const void *row =
        (const unsigned char *)tensor->base.weights.data + output * tensor->base.row_size;
    unsigned char *panel = packed->data + output / packed->panel * packed->panel_size;

    if (tensor->base.weights.type == HEARKEN_TENSOR_Q5_0) {
        host_tensor_row_as_q8_0(&tensor->base, output, expanded);
        row = expanded;
    }
    switch (packed->packing) {
#define PLACE(packing, group, flip)                                                                \
    case packing:                                                                                  \
        place_bytes(tensor, row, output, group, flip, panel);                                      \
        break;
        BLOCK_PACKINGS(PLACE)
#undef PLACE
    case PACKED_F32:
        place_floats(tensor, output, expanded, panel);
        break;
    case PACKED_F16:
        place_halves(tensor, row, output, panel);
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

static void gather_bytes(const struct packed *packed, const unsigned char *panel, size_t at,
                         size_t group, unsigned char flip, unsigned char *row)
{
    for (size_t input = 0; input < packed->inputs; input += BLOCK_INPUTS) {
        memcpy(row, panel + at * sizeof(uint16_t), sizeof(uint16_t));
        row += sizeof(uint16_t);
        panel += packed->panel * sizeof(uint16_t);
        for (size_t k = 0; k < BLOCK_INPUTS; k++)
            *row++ = panel[(k / group * packed->panel + at) * group + k % group] ^ flip;
        panel += packed->panel * BLOCK_INPUTS;
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
#define GATHER(packing, group, flip)                                                               \
    case packing:                                                                                  \
        gather_bytes(packed, panel, at, group, flip, gathered);                                    \
        break;
        BLOCK_PACKINGS(GATHER)
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
    const size_t panels = (packed->outputs + packed->panel - 1) / packed->panel;
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
