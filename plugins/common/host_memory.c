// SPDX-License-Identifier: MIT
/* Backends, queues, buffers and tensors on the heap; scratch memory that only grows. */
#include "include/internal/half.h"
#include "plugins/common/host_backend.h"
#include "plugins/common/kernel_check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int host_backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend)
{
    struct hearken_backend *made = malloc(sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->host = host;
    made->name = "reference";
    *backend = made;
    return 0;
}

void host_backend_destroy(struct hearken_backend *backend)
{
    free(backend);
}

int host_queue_create(struct hearken_backend *backend, struct hearken_queue **queue)
{
    struct hearken_queue *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->backend = backend;
    *queue = made;
    return 0;
}

void host_queue_destroy(struct hearken_queue *queue)
{
    if (!queue)
        return;
    while (queue->buffers)
        host_buffer_destroy(queue, queue->buffers);
    for (size_t use = 0; use < SCRATCH_USE_COUNT; use++)
        free(queue->scratch[use].data);
    free(queue);
}

float *host_scratch(struct hearken_queue *queue, enum scratch_use use, size_t elements)
{
    if (elements > queue->scratch[use].elements) {
        if (elements > SIZE_MAX / sizeof(float))
            return NULL;
        float *data = malloc(elements * sizeof(float));
        if (!data)
            return NULL;
        free(queue->scratch[use].data);
        queue->scratch[use].data = data;
        queue->scratch[use].elements = elements;
    }
    return queue->scratch[use].data;
}

/*
 * Buffers from this size on have pages of their own, which the kernel allocates when they are used:
 * few texts fill a cache. calloc would take them from its heap, and clear them, once memory of this
 * size has been freed.
 */
enum { MAPPED_BYTES = 1 << 20 };

static void *map_pages(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

int host_buffer_allocate(struct hearken_queue *queue, const char *kernel, size_t elements,
                         size_t size, struct hearken_buffer **buffer)
{
    if (elements == 0) {
        report(queue->backend, "%s: 0 elements, expected at least 1", kernel);
        return -EINVAL;
    }
    if (elements > (SIZE_MAX - sizeof(struct hearken_buffer)) / size)
        return -ENOMEM;

    const size_t bytes = sizeof(struct hearken_buffer) + elements * size;
    const bool is_mapped = bytes >= MAPPED_BYTES;
    struct hearken_buffer *made = is_mapped ? map_pages(bytes) : calloc(1, bytes);
    if (!made)
        return -ENOMEM;
    made->mapped = is_mapped ? bytes : 0;
    made->queue = queue;
    made->elements = elements;
    made->data = (float *)(made + 1);
    made->next = queue->buffers;
    if (made->next)
        made->next->previous = made;
    queue->buffers = made;
    *buffer = made;
    return 0;
}

int host_buffer_create(struct hearken_queue *queue, size_t elements, struct hearken_buffer **buffer)
{
    return host_buffer_allocate(queue, "buffer_create", elements, sizeof(float), buffer);
}

int host_memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                       uint32_t columns, struct hearken_buffer **buffer)
{
    int result = check_memory(queue, kind, rows, columns);

    if (!result)
        result = host_buffer_allocate(queue, "memory_create", (size_t)rows * columns, sizeof(float),
                                      buffer);
    if (result)
        return result;
    (*buffer)->memory = kind;
    (*buffer)->memory_columns = columns;
    return 0;
}

void host_buffer_unlink(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    if (buffer->next)
        buffer->next->previous = buffer->previous;
    if (buffer->previous)
        buffer->previous->next = buffer->next;
    else
        queue->buffers = buffer->next;
}

void host_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    if (!buffer)
        return;
    host_buffer_unlink(queue, buffer);
    if (buffer->mapped)
        munmap(buffer, buffer->mapped);
    else
        free(buffer);
}

int host_buffer_write(struct hearken_queue *queue, const struct hearken_matrix *to,
                      const float *from)
{
    int result = check_transfer(queue, "write", to);

    if (result)
        return result;
    for (size_t row = 0; row < to->rows; row++)
        memcpy(host_matrix_row(to, row), from + row * to->columns, to->columns * sizeof(float));
    return 0;
}

int host_buffer_read(struct hearken_queue *queue, const struct hearken_matrix *from, float *to)
{
    int result = check_transfer(queue, "read", from);

    if (result)
        return result;
    for (size_t row = 0; row < from->rows; row++)
        memcpy(to + row * from->columns, host_matrix_row(from, row), from->columns * sizeof(float));
    return 0;
}

/* ---- Tensors ---- */

/*
 * Weights are used in place, in the host's memory; a row is expanded to single precision each time
 * it is used. The data is little-endian, so the processor must be too.
 */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little endian: this plugin uses them in place"
#endif

enum { BLOCK_COLUMNS = 32 };

struct q8_0_block {
    uint16_t scale; /* half precision */
    int8_t quants[BLOCK_COLUMNS];
};

struct q5_0_block {
    uint16_t scale; /* half precision */
    uint16_t fifth_bits[2];
    uint8_t low_bits[BLOCK_COLUMNS / 2];
};

_Static_assert(sizeof(struct q8_0_block) == 34, "blocks follow each other without a gap");
_Static_assert(sizeof(struct q5_0_block) == 22, "blocks follow each other without a gap");

static inline int number_of_q5_0(const struct q5_0_block *block, size_t i)
{
    const int low = block->low_bits[i % 16] >> (i < 16 ? 0 : 4) & 15;
    const int fifth = block->fifth_bits[i / 16] >> i % 16 & 1;

    return (low | fifth << 4) - 16;
}

void host_tensor_row_as_q8_0(const struct hearken_tensor *tensor, size_t row, void *q8_0)
{
    const struct q5_0_block *blocks =
        (const void *)((const uint8_t *)tensor->weights.data + row * tensor->row_size);
    struct q8_0_block *to = q8_0;

    for (size_t block = 0; block < tensor->weights.columns / BLOCK_COLUMNS; block++) {
        to[block].scale = blocks[block].scale;
        for (size_t i = 0; i < BLOCK_COLUMNS; i++)
            to[block].quants[i] = (int8_t)number_of_q5_0(&blocks[block], i);
    }
}

static size_t row_size(const struct hearken_weights *weights)
{
    size_t elements = (size_t)weights->columns * weights->taps;

    switch (weights->type) {
    case HEARKEN_TENSOR_F32:
        return elements * sizeof(float);
    case HEARKEN_TENSOR_F16:
        return elements * sizeof(uint16_t);
    case HEARKEN_TENSOR_Q8_0:
        return elements / BLOCK_COLUMNS * sizeof(struct q8_0_block);
    case HEARKEN_TENSOR_Q5_0:
        return elements / BLOCK_COLUMNS * sizeof(struct q5_0_block);
    }
    return 0;
}

int host_tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                       struct hearken_tensor **tensor)
{
    int result = check_weights(backend, weights);

    if (result)
        return result;
    struct hearken_tensor *made = malloc(sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->weights = *weights;
    if (!(weights->use & HEARKEN_USE_CONVOLVE))
        made->weights.taps = 1;
    made->row_size = row_size(&made->weights);
    *tensor = made;
    return 0;
}

void host_tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor)
{
    (void)backend;
    free(tensor);
}

static void expand_f16(const uint16_t *restrict halves, size_t count, float *restrict row)
{
    for (size_t i = 0; i < count; i++)
        row[i] = float_from_half(halves[i]);
}

static void expand_q8_0(const struct q8_0_block *restrict blocks, size_t count, float *restrict row)
{
    for (size_t block = 0; block < count / BLOCK_COLUMNS; block++) {
        const float scale = float_from_half(blocks[block].scale);
        for (size_t i = 0; i < BLOCK_COLUMNS; i++)
            row[block * BLOCK_COLUMNS + i] = scale * (float)blocks[block].quants[i];
    }
}

static void expand_q5_0(const struct q5_0_block *restrict blocks, size_t count, float *restrict row)
{
    for (size_t block = 0; block < count / BLOCK_COLUMNS; block++) {
        const float scale = float_from_half(blocks[block].scale);
        for (size_t i = 0; i < BLOCK_COLUMNS; i++)
            row[block * BLOCK_COLUMNS + i] = scale * (float)number_of_q5_0(&blocks[block], i);
    }
}

/* Transposes a row from [columns, taps], as in the file, to [taps, columns], as in a window. */
static void expand_taps(const struct hearken_weights *weights, const void *data, float *row)
{
    const float *floats = data;
    const uint16_t *halves = data;
    const size_t columns = weights->columns, taps = weights->taps;

    for (size_t tap = 0; tap < taps; tap++)
        for (size_t column = 0; column < columns; column++)
            row[tap * columns + column] = weights->type == HEARKEN_TENSOR_F32
                                              ? floats[column * taps + tap]
                                              : float_from_half(halves[column * taps + tap]);
}

const float *host_tensor_row(const struct hearken_tensor *tensor, size_t row, float *expanded)
{
    const struct hearken_weights *weights = &tensor->weights;
    const void *data = (const uint8_t *)weights->data + row * tensor->row_size;

    if (weights->taps > 1) {
        expand_taps(weights, data, expanded);
        return expanded;
    }
    switch (weights->type) {
    case HEARKEN_TENSOR_F32:
        return data;
    case HEARKEN_TENSOR_F16:
        expand_f16(data, weights->columns, expanded);
        break;
    case HEARKEN_TENSOR_Q8_0:
        expand_q8_0(data, weights->columns, expanded);
        break;
    case HEARKEN_TENSOR_Q5_0:
        expand_q5_0(data, weights->columns, expanded);
        break;
    }
    return expanded;
}
