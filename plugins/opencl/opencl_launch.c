// SPDX-License-Identifier: MIT
#include "plugins/opencl/opencl_launch.h"

#include <errno.h>

/* Commands after which the driver is told to begin, while the host goes on enqueueing. */
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

/* Begins now and then, so that a long pass computes while it is still being enqueued. */
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
