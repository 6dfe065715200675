// SPDX-License-Identifier: MIT
/*
 * Weights on the device, in the file's own type. Matrices of products are stored in panels
 * [inputs, PANEL] of as many outputs as a tile of the product has, padded with zeros to whole
 * panels and whole blocks of 32 inputs. Q8_0 has all bytes first, then all scales in the same
 * order; Q5_0 becomes Q8_0. Tables that are only looked up have panels of one row. Convolutions are
 * small and are expanded to single precision, [taps, columns] a row.
 */
#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 };

/* The data for the device. */
struct packed {
    size_t rows, size; /* rows of whole panels; bytes */
    void *made;
};

static bool is_multiplied(const struct hearken_weights *weights)
{
    return weights->use & (HEARKEN_USE_LINEAR | HEARKEN_USE_CONVOLVE);
}

static size_t element_size(cl_uint type)
{
    return type == HEARKEN_TENSOR_F32   ? sizeof(float)
           : type == HEARKEN_TENSOR_F16 ? sizeof(uint16_t)
                                        : sizeof(int8_t);
}

/* Sets type, panels and size; false if the size overflows. */
static bool plan(const struct tuning *tuning, struct opencl_tensor *tensor, struct packed *packed)
{
    const struct hearken_weights *weights = &tensor->base.weights;
    const size_t width = host_tensor_width(&tensor->base);

    if (width > UINT32_MAX - BLOCK)
        return false;
    tensor->type = weights->use & HEARKEN_USE_CONVOLVE    ? HEARKEN_TENSOR_F32
                   : weights->type == HEARKEN_TENSOR_Q5_0 ? HEARKEN_TENSOR_Q8_0
                                                          : weights->type;
    tensor->pitch = (cl_uint)((width + BLOCK - 1) / BLOCK * BLOCK);
    tensor->panel = is_multiplied(weights) ? tuning->lanes_x * tuning->wide : 1;
    packed->rows = ((size_t)weights->rows + tensor->panel - 1) / tensor->panel * tensor->panel;
    if (tensor->pitch > SIZE_MAX / 2 / sizeof(float) / packed->rows)
        return false;
    packed->size = packed->rows * tensor->pitch * element_size(tensor->type);
    if (tensor->type == HEARKEN_TENSOR_Q8_0) {
        tensor->scales = packed->size;
        packed->size += packed->size / BLOCK * sizeof(uint16_t);
    }
    return true;
}

/* The index of element (row, column) in the panels; `pitch`: elements of a row. */
static size_t place(const struct opencl_tensor *tensor, size_t pitch, size_t row, size_t column)
{
    const size_t panel = tensor->panel;

    return row / panel * panel * pitch + column * panel + row % panel;
}

static void place_floats(const struct opencl_tensor *tensor, size_t row, const float *from,
                         float *to)
{
    for (size_t column = 0; column < host_tensor_width(&tensor->base); column++)
        to[place(tensor, tensor->pitch, row, column)] = from[column];
}

static void place_halves(const struct opencl_tensor *tensor, size_t row, const uint16_t *from,
                         uint16_t *to)
{
    for (size_t column = 0; column < tensor->base.weights.columns; column++)
        to[place(tensor, tensor->pitch, row, column)] = from[column];
}

static void place_blocks(const struct opencl_tensor *tensor, size_t row, const unsigned char *from,
                         unsigned char *to)
{
    const size_t blocks = tensor->pitch / BLOCK;

    for (size_t block = 0; block < blocks; block++) {
        memcpy(to + tensor->scales + place(tensor, blocks, row, block) * sizeof(uint16_t), from,
               sizeof(uint16_t));
        from += sizeof(uint16_t);
        for (size_t i = 0; i < BLOCK; i++)
            to[place(tensor, tensor->pitch, row, block * BLOCK + i)] = *from++;
    }
}

static void place_row(const struct opencl_tensor *tensor, size_t row, void *expanded, void *to)
{
    const unsigned char *data = tensor->base.weights.data;
    const void *from = data + row * tensor->base.row_size;

    if (tensor->type == HEARKEN_TENSOR_F32)
        place_floats(tensor, row, host_tensor_row(&tensor->base, row, expanded), to);
    else if (tensor->type == HEARKEN_TENSOR_F16)
        place_halves(tensor, row, from, to);
    else if (tensor->base.weights.type == HEARKEN_TENSOR_Q8_0)
        place_blocks(tensor, row, from, to);
    else {
        host_tensor_row_as_q8_0(&tensor->base, row, expanded);
        place_blocks(tensor, row, expanded, to);
    }
}

/* 0 or -ENOMEM. */
static int pack(const struct tuning *tuning, struct opencl_tensor *tensor, struct packed *packed)
{
    if (!plan(tuning, tensor, packed))
        return -ENOMEM;
    float *expanded = malloc(host_tensor_width(&tensor->base) * sizeof(float));
    packed->made = expanded ? calloc(1, packed->size) : NULL;
    for (size_t row = 0; packed->made && row < tensor->base.weights.rows; row++)
        place_row(tensor, row, expanded, packed->made);
    free(expanded);
    return packed->made ? 0 : -ENOMEM;
}

static int upload(const struct opencl_backend *backend, struct opencl_tensor *tensor,
                  const struct packed *packed)
{
    cl_int status = CL_INVALID_BUFFER_SIZE;

    if (packed->size <= backend->device.largest)
        tensor->memory = clCreateBuffer(backend->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                                        packed->size, packed->made, &status);
    if (tensor->memory)
        return 0;
    log_line(backend->base.host, LEVEL_ERROR, "a weight of %zu bytes on %s: %s (%d)", packed->size,
             backend->device.name, opencl_status_text(status), status);
    return opencl_errno(status);
}

int opencl_tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                         struct hearken_tensor **tensor)
{
    struct hearken_tensor *given;
    struct packed packed = {0};
    int result = host_tensor_create(backend, weights, &given);

    if (result)
        return result;
    /* Kernels need contiguous vectors, and in a panel the rows are interleaved. */
    if (is_multiplied(weights) && weights->use & HEARKEN_USE_VECTOR) {
        report(backend, "tensor: uses %#x, expected a vector to be that alone or a table",
               (unsigned)weights->use);
        host_tensor_destroy(backend, given);
        return -ENOTSUP;
    }
    struct opencl_tensor *made = calloc(1, sizeof(*made));
    result = made ? 0 : -ENOMEM;
    if (!result) {
        made->base = *given;
        result = pack(&((struct opencl_backend *)backend)->device.tuning, made, &packed);
    }
    host_tensor_destroy(backend, given);
    if (!result)
        result = upload((const struct opencl_backend *)backend, made, &packed);
    free(packed.made);
    if (result)
        free(made);
    else
        *tensor = &made->base;
    return result;
}

void opencl_tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor)
{
    (void)backend;
    if (!tensor)
        return;
    clReleaseMemObject(opencl_tensor(tensor)->memory);
    free(tensor);
}
