// SPDX-License-Identifier: MIT
/* Buffers, and the ways between them and the host. */
#include "plugins/opencl/opencl_launch.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static cl_mem create_memory(struct opencl_queue *queue, size_t size, cl_int *status)
{
    const cl_uint zero = 0;
    cl_mem memory = clCreateBuffer(opencl_backend(&queue->base)->context, CL_MEM_READ_WRITE, size,
                                   NULL, status);

    if (!memory)
        return NULL;
    *status =
        clEnqueueFillBuffer(queue->commands, memory, &zero, sizeof(zero), 0, size, 0, NULL, NULL);
    if (*status == CL_SUCCESS)
        return memory;
    clReleaseMemObject(memory);
    return NULL;
}

static int no_memory(const struct opencl_queue *queue, size_t elements, const char *words)
{
    const struct opencl_backend *backend = opencl_backend(&queue->base);

    log_line(backend->base.host, LEVEL_ERROR, "a buffer of %zu numbers on %s: %s", elements,
             backend->device.name, words);
    return -ENOMEM;
}

/* Device memory of `elements` numbers was not to be had. */
static int memory_fail(struct opencl_queue *queue, size_t elements, cl_int status, const char *what)
{
    return opencl_errno(status) == -ENOMEM ? no_memory(queue, elements, opencl_words(status))
                                           : queue_fail(queue, status, what);
}

static int create_buffer(struct hearken_queue *queue, const char *kernel, size_t elements,
                         struct hearken_buffer **buffer)
{
    struct opencl_queue *q = opencl_queue(queue);
    cl_int status;

    if (elements == 0) {
        report(queue->backend, "%s: 0 elements, expected at least 1", kernel);
        return -EINVAL;
    }
    if (q->failed)
        return -EIO;
    if (elements > opencl_backend(queue)->device.largest / sizeof(float))
        return no_memory(q, elements, "more than the device allows in one piece");
    struct opencl_buffer *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->memory = create_memory(q, elements * sizeof(float), &status);
    if (!made->memory) {
        free(made);
        return memory_fail(q, elements, status, kernel);
    }
    made->base.queue = queue;
    made->base.elements = elements;
    made->base.next = queue->buffers;
    if (made->base.next)
        made->base.next->previous = &made->base;
    queue->buffers = &made->base;
    *buffer = &made->base;
    return 0;
}

int opencl_buffer_create(struct hearken_queue *queue, size_t elements,
                         struct hearken_buffer **buffer)
{
    return create_buffer(queue, "buffer_create", elements, buffer);
}

int opencl_memory_create(struct hearken_queue *queue, size_t elements,
                         struct hearken_buffer **buffer)
{
    int result = create_buffer(queue, "memory_create", elements, buffer);

    if (!result)
        (*buffer)->is_memory = true;
    return result;
}

/* Commands that were enqueued keep the memory until they are done. */
void opencl_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    if (!buffer)
        return;
    if (buffer->next)
        buffer->next->previous = buffer->previous;
    if (buffer->previous)
        buffer->previous->next = buffer->next;
    else
        queue->buffers = buffer->next;
    clReleaseMemObject(((struct opencl_buffer *)buffer)->memory);
    free(buffer);
}

/* Do the rows follow each other without a gap? */
static bool is_packed(const struct hearken_matrix *matrix)
{
    return matrix->rows == 1 || matrix->stride == matrix->columns;
}

/*
 * The numbers go into memory of their own, which is filled when it is made, and from there in the
 * queue's order to where they belong: so the call neither waits for the queue nor leaves anything
 * of the caller's behind.
 */
int opencl_write(struct hearken_queue *queue, const struct hearken_matrix *to, const float *from)
{
    struct opencl_queue *q = opencl_queue(queue);
    int result = check_transfer(queue, "write", to);
    cl_int status;

    if (result)
        return result;
    if (q->failed)
        return -EIO;
    const size_t size = (size_t)to->rows * to->columns * sizeof(float);
    cl_mem staged =
        clCreateBuffer(opencl_backend(queue)->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                       size, (void *)from, &status);
    if (!staged)
        return memory_fail(q, size / sizeof(float), status, "write");
    if (is_packed(to)) {
        status = clEnqueueCopyBuffer(q->commands, staged, matrix_memory(to), 0,
                                     to->offset * sizeof(float), size, 0, NULL, NULL);
        result = status == CL_SUCCESS ? 0 : queue_fail(q, status, "write");
    } else {
        result = launch_copy(q, rows_of(to), (struct rows_at){staged, 0, to->columns}, to->rows,
                             to->columns);
    }
    clReleaseMemObject(staged);
    if (!result) {
        q->counters.writes++;
        q->counters.bytes_written += size;
    }
    return result;
}

int opencl_read(struct hearken_queue *queue, const struct hearken_matrix *from, float *to)
{
    struct opencl_queue *q = opencl_queue(queue);
    int result = check_transfer(queue, "read", from);

    if (result)
        return result;
    const size_t size = (size_t)from->rows * from->columns * sizeof(float);
    if (is_packed(from))
        return queue_read(q, matrix_memory(from), from->offset * sizeof(float), size, to);
    cl_mem packed;
    result = opencl_scratch(q, OPENCL_SCRATCH_ROWS, size, &packed);
    if (result)
        return result;
    result = launch_copy(q, (struct rows_at){packed, 0, from->columns}, rows_of(from), from->rows,
                         from->columns);
    return result ? result : queue_read(q, packed, 0, size, to);
}
