// SPDX-License-Identifier: MIT
/* In-order command queues with their statistics, buffers and kernel launches. */
#include "plugins/opencl/opencl_queue.h"

#include "plugins/opencl/opencl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
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

/* Logs the transfers between host and device, and the waits. */
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
    /* Not after a failure: a lost device may never finish. */
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
             opencl_status_text(status), status);
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
        log_line(backend->base.host, LEVEL_ERROR, "%zu bytes for a kernel on %s: out of memory",
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

/* ---- Buffers ---- */

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

/* Handles a failed allocation of `elements` floats of device memory. */
static int memory_fail(struct opencl_queue *queue, size_t elements, cl_int status, const char *what)
{
    return opencl_errno(status) == -ENOMEM ? no_memory(queue, elements, opencl_status_text(status))
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

int opencl_memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                         uint32_t columns, struct hearken_buffer **buffer)
{
    int result = check_memory(queue, kind, rows, columns);

    if (!result)
        result = create_buffer(queue, "memory_create", (size_t)rows * columns, buffer);
    if (result)
        return result;
    (*buffer)->memory = kind;
    (*buffer)->memory_columns = columns;
    return 0;
}

/* Commands that were enqueued keep the memory until they are done. */
void opencl_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer)
{
    if (!buffer)
        return;
    host_buffer_unlink(queue, buffer);
    clReleaseMemObject(((struct opencl_buffer *)buffer)->memory);
    free(buffer);
}

/* Whether the rows are contiguous. */
static bool is_packed(const struct hearken_matrix *matrix)
{
    return matrix->rows == 1 || matrix->stride == matrix->columns;
}

/*
 * Copies the numbers to a staging buffer, which is filled when it is created, and enqueues a copy
 * from there to the matrix. So the call neither waits for the queue nor keeps a reference to the
 * caller's memory.
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

/* ---- Kernel calls ---- */

/* The queue is flushed after this many commands, so that the device starts while the host enqueues
 * more. */
enum { SEND_AFTER = 16, ELEMENTS_GROUP = 64 };

struct launch launch_begin(struct opencl_queue *queue, enum kernel kernel)
{
    return (struct launch){.queue = queue, .kernel = kernel, .status = CL_SUCCESS};
}

static void set(struct launch *launch, size_t size, const void *value)
{
    if (launch->status == CL_SUCCESS)
        launch->status =
            clSetKernelArg(launch->queue->kernels[launch->kernel], launch->next++, size, value);
}

void launch_memory(struct launch *launch, cl_mem memory)
{
    set(launch, sizeof(memory), &memory);
}

void launch_uint(struct launch *launch, cl_uint number)
{
    set(launch, sizeof(number), &number);
}

void launch_ulong(struct launch *launch, cl_ulong number)
{
    set(launch, sizeof(number), &number);
}

void launch_float(struct launch *launch, float number)
{
    set(launch, sizeof(number), &number);
}

void launch_uint16(struct launch *launch, const cl_uint16 *numbers)
{
    set(launch, sizeof(*numbers), numbers);
}

void launch_rows(struct launch *launch, struct rows_at rows)
{
    launch_memory(launch, rows.memory);
    launch_ulong(launch, rows.offset);
    launch_ulong(launch, rows.stride);
}

void launch_matrix(struct launch *launch, const struct hearken_matrix *matrix)
{
    launch_rows(launch, rows_of(matrix));
}

void launch_weight(struct launch *launch, const struct opencl_tensor *tensor)
{
    launch_memory(launch, tensor->memory);
    launch_uint(launch, tensor->type);
    launch_uint(launch, tensor->panel);
    launch_uint(launch, tensor->pitch);
    launch_ulong(launch, tensor->scales);
}

void launch_local(struct launch *launch, size_t count)
{
    set(launch, count * sizeof(float), NULL);
}

/* Flushes the queue after every SEND_AFTER commands. */
static cl_int send(struct opencl_queue *queue)
{
    if (++queue->unsent < SEND_AFTER)
        return CL_SUCCESS;
    queue->unsent = 0;
    return clFlush(queue->commands);
}

int launch_run(struct launch *launch, const size_t groups[3], const size_t group[3])
{
    struct opencl_queue *queue = launch->queue;
    size_t range[3];
    cl_event event = NULL;

    if (queue->failed)
        return -EIO;
    for (size_t i = 0; i < 3; i++)
        range[i] = groups[i] * group[i];
    if (launch->status == CL_SUCCESS)
        launch->status =
            clEnqueueNDRangeKernel(queue->commands, queue->kernels[launch->kernel], 3, NULL, range,
                                   group, 0, NULL, queue->profile ? &event : NULL);
    if (launch->status == CL_SUCCESS) {
        queue->counters.launches++;
        if (event)
            profile_add(queue->profile, launch->kernel, event);
        launch->status = send(queue);
    }
    return launch->status == CL_SUCCESS
               ? 0
               : queue_fail(queue, launch->status, kernel_names[launch->kernel]);
}

int launch_run_elements(struct launch *launch, size_t columns, size_t rows)
{
    return launch_run(launch, (size_t[]){(columns + ELEMENTS_GROUP - 1) / ELEMENTS_GROUP, rows, 1},
                      (size_t[]){ELEMENTS_GROUP, 1, 1});
}

int launch_run_groups(struct launch *launch, size_t x, size_t y)
{
    const struct tuning *tuning = &opencl_backend(&launch->queue->base)->device.tuning;

    return launch_run(launch, (size_t[]){x, y, 1}, (size_t[]){tuning->group, 1, 1});
}

int launch_run_tiles(struct launch *launch, size_t x, size_t y, size_t z)
{
    const struct tuning *tuning = &opencl_backend(&launch->queue->base)->device.tuning;

    return launch_run(launch, (size_t[]){x, y, z}, (size_t[]){tuning->lanes_x, tuning->lanes_y, 1});
}

int launch_copy(struct opencl_queue *queue, struct rows_at to, struct rows_at from, size_t rows,
                size_t columns)
{
    struct launch launch = launch_begin(queue, KERNEL_COPY_ROWS);

    launch_rows(&launch, to);
    launch_rows(&launch, from);
    launch_uint(&launch, (cl_uint)columns);
    return launch_run_elements(&launch, columns, rows);
}

/* ---- Profile: the time that a queue's kernels took on the device, summed by kernel ---- */

struct pending {
    enum kernel kernel;
    cl_event event;
};

struct profile {
    struct pending *pending; /* events of commands that may not have completed */
    size_t count, room;
    struct {
        uint64_t calls, nanoseconds;
    } kernels[KERNEL_COUNT];
};

int profile_create(struct profile **profile)
{
    *profile = calloc(1, sizeof(**profile));
    return *profile ? 0 : -ENOMEM;
}

void profile_destroy(struct profile *profile)
{
    if (!profile)
        return;
    for (size_t i = 0; i < profile->count; i++)
        clReleaseEvent(profile->pending[i].event);
    free(profile->pending);
    free(profile);
}

static bool make_room(struct profile *profile)
{
    const size_t room = profile->room ? 2 * profile->room : 256;

    if (profile->count < profile->room)
        return true;
    struct pending *pending = realloc(profile->pending, room * sizeof(*pending));
    if (!pending)
        return false;
    profile->pending = pending;
    profile->room = room;
    return true;
}

void profile_add(struct profile *profile, enum kernel kernel, cl_event event)
{
    if (!make_room(profile)) {
        clReleaseEvent(event); /* out of memory: this call is not counted */
        return;
    }
    profile->pending[profile->count++] = (struct pending){kernel, event};
}

static void collect(struct profile *profile, const struct pending *pending)
{
    cl_ulong start, end;

    profile->kernels[pending->kernel].calls++;
    if (clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_START, sizeof(start), &start,
                                NULL) == CL_SUCCESS &&
        clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_END, sizeof(end), &end,
                                NULL) == CL_SUCCESS &&
        end > start)
        profile->kernels[pending->kernel].nanoseconds += end - start;
    clReleaseEvent(pending->event);
}

void profile_collect(struct profile *profile)
{
    for (size_t i = 0; i < profile->count; i++)
        collect(profile, &profile->pending[i]);
    profile->count = 0;
}

void profile_report(const struct profile *profile, const struct hearken_plugin_host *host)
{
    uint64_t total = 0;

    for (size_t kernel = 0; kernel < KERNEL_COUNT; kernel++)
        total += profile->kernels[kernel].nanoseconds;
    for (size_t kernel = 0; kernel < KERNEL_COUNT; kernel++)
        if (profile->kernels[kernel].calls > 0)
            log_line(host, LEVEL_INFO, "profile: %-16s %6" PRIu64 " calls %10.3f ms %5.1f %%",
                     kernel_names[kernel], profile->kernels[kernel].calls,
                     (double)profile->kernels[kernel].nanoseconds * 1e-6,
                     100.0 * (double)profile->kernels[kernel].nanoseconds /
                         (double)(total ? total : 1));
}
