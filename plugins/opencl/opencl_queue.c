// SPDX-License-Identifier: MIT
/* Queues: in-order command queues, what they wait for, and what they count. */
#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static int create_kernels(struct opencl_queue *queue)
{
    const struct opencl_backend *backend = opencl_backend(&queue->base);

    for (size_t kernel = 0; kernel < KERNEL_COUNT; kernel++) {
        cl_int status;
        queue->kernels[kernel] = clCreateKernel(backend->program, kernel_names[kernel], &status);
        if (!queue->kernels[kernel])
            return queue_fail(queue, status, kernel_names[kernel]);
    }
    return 0;
}

static int create_commands(struct opencl_queue *queue)
{
    const struct opencl_backend *backend = opencl_backend(&queue->base);
    cl_int status;

    queue->commands =
        clCreateCommandQueue(backend->context, backend->device.id,
                             backend->profiles ? CL_QUEUE_PROFILING_ENABLE : 0, &status);
    if (!queue->commands)
        return queue_fail(queue, status, "queue");
    return backend->profiles ? profile_create(&queue->profile) : 0;
}

int opencl_queue_create(struct hearken_backend *backend, struct hearken_queue **queue)
{
    struct opencl_queue *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->base.backend = backend;
    int result = create_commands(made);
    if (!result)
        result = create_kernels(made);
    if (result)
        opencl_queue_destroy(&made->base);
    else
        *queue = &made->base;
    return result;
}

/* What a request cost in ways between host and device. */
static void report_counters(const struct opencl_queue *queue)
{
    const struct counters *counters = &queue->counters;

    if (counters->launches > 0)
        log_line(queue->base.backend->host, LEVEL_DEBUG,
                 "%" PRIu64 " kernels, %" PRIu64 " writes of %" PRIu64 " bytes, %" PRIu64
                 " reads of %" PRIu64 " bytes, %" PRIu64 " waits",
                 counters->launches, counters->writes, counters->bytes_written, counters->reads,
                 counters->bytes_read, counters->waits);
}

void opencl_queue_destroy(struct hearken_queue *queue)
{
    struct opencl_queue *q = opencl_queue(queue);

    if (!queue)
        return;
    /* What is still running needs nothing of the host; a lost device does not answer. */
    if (q->commands && !q->failed)
        clFinish(q->commands);
    if (q->profile) {
        profile_collect(q->profile);
        profile_report(q->profile, queue->backend->host);
        profile_destroy(q->profile);
    }
    report_counters(q);
    while (queue->buffers)
        opencl_buffer_destroy(queue, queue->buffers);
    for (size_t use = 0; use < OPENCL_SCRATCH_COUNT; use++)
        if (q->scratch[use].memory)
            clReleaseMemObject(q->scratch[use].memory);
    for (size_t kernel = 0; kernel < KERNEL_COUNT; kernel++)
        if (q->kernels[kernel])
            clReleaseKernel(q->kernels[kernel]);
    if (q->commands)
        clReleaseCommandQueue(q->commands);
    free(q);
}

int queue_fail(struct opencl_queue *queue, cl_int status, const char *what)
{
    const struct opencl_backend *backend = opencl_backend(&queue->base);
    const int result = opencl_errno(status);

    log_line(backend->base.host, LEVEL_ERROR, "%s on %s: %s (%d)", what, backend->device.name,
             opencl_words(status), status);
    if (result == -EIO)
        queue->failed = true;
    return result;
}

int opencl_scratch(struct opencl_queue *queue, enum opencl_scratch use, size_t size, cl_mem *memory)
{
    const struct opencl_backend *backend = opencl_backend(&queue->base);
    cl_int status = CL_INVALID_BUFFER_SIZE;

    *memory = queue->scratch[use].memory;
    if (size <= queue->scratch[use].size)
        return 0;
    cl_mem made = NULL;
    if (size <= backend->device.largest)
        made = clCreateBuffer(backend->context, CL_MEM_READ_WRITE, size, NULL, &status);
    if (!made) {
        log_line(backend->base.host, LEVEL_ERROR, "%zu bytes for a kernel on %s are not to be had",
                 size, backend->device.name);
        return queue_fail(queue, status, "memory");
    }
    /* Commands that use the old one keep it until they are done. */
    if (*memory)
        clReleaseMemObject(*memory);
    *memory = queue->scratch[use].memory = made;
    queue->scratch[use].size = size;
    return 0;
}

int queue_read(struct opencl_queue *queue, cl_mem from, size_t offset, size_t size, void *to)
{
    if (queue->failed)
        return -EIO;
    const cl_int status =
        clEnqueueReadBuffer(queue->commands, from, CL_TRUE, offset, size, to, 0, NULL, NULL);
    if (status != CL_SUCCESS)
        return queue_fail(queue, status, "read");
    queue->unsent = 0;
    queue->counters.reads++;
    queue->counters.waits++;
    queue->counters.bytes_read += size;
    if (queue->profile)
        profile_collect(queue->profile);
    return 0;
}
