// SPDX-License-Identifier: MIT
/* Backends, queues and their memory: buffers on the heap, and scratch that only grows. */
#include "plugins/common/host_backend.h"
#include "plugins/common/kernel_check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

int host_buffer_allocate(struct hearken_queue *queue, const char *kernel, size_t elements,
                         size_t size, struct hearken_buffer **buffer)
{
    if (elements == 0) {
        report(queue->backend, "%s: 0 elements, expected at least 1", kernel);
        return -EINVAL;
    }
    if (elements > (SIZE_MAX - sizeof(struct hearken_buffer)) / size)
        return -ENOMEM;

    /* calloc: the pages of a large cache appear as they are used. */
    struct hearken_buffer *made = calloc(1, sizeof(*made) + elements * size);
    if (!made)
        return -ENOMEM;
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

int host_memory_create(struct hearken_queue *queue, size_t elements, struct hearken_buffer **buffer)
{
    int result = host_buffer_allocate(queue, "memory_create", elements, sizeof(float), buffer);

    if (!result)
        (*buffer)->is_memory = true;
    return result;
}

void host_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    if (!buffer)
        return;
    if (buffer->next)
        buffer->next->previous = buffer->previous;
    if (buffer->previous)
        buffer->previous->next = buffer->next;
    else
        queue->buffers = buffer->next;
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
