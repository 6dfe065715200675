// SPDX-License-Identifier: MIT
/*
 * A kernel call on a queue: arguments in the order of the kernel's own, then the range. The first
 * error sticks, and comes out of `launch_run`.
 */
#ifndef HEARKEN_PLUGINS_OPENCL_OPENCL_QUEUE_H
#define HEARKEN_PLUGINS_OPENCL_OPENCL_QUEUE_H

#include "plugins/opencl/opencl.h"

/* Rows of numbers somewhere in device memory. */
struct rows_at {
    cl_mem memory;
    size_t offset, stride;
};

struct launch {
    struct opencl_queue *queue;
    enum kernel kernel;
    cl_uint next;
    cl_int status;
};

/* Where a checked view is; the stride of a single row is as good as any. */
static inline struct rows_at rows_of(const struct hearken_matrix *matrix)
{
    return (struct rows_at){matrix_memory(matrix), matrix->offset,
                            matrix->rows > 1 ? matrix->stride : 0};
}

struct launch launch_begin(struct opencl_queue *queue, enum kernel kernel);

void launch_memory(struct launch *launch, cl_mem memory);
void launch_uint(struct launch *launch, cl_uint number);
void launch_ulong(struct launch *launch, cl_ulong number);
void launch_float(struct launch *launch, float number);
void launch_uint16(struct launch *launch, const cl_uint16 *numbers);

/* Memory, offset and stride. */
void launch_rows(struct launch *launch, struct rows_at rows);
void launch_matrix(struct launch *launch, const struct hearken_matrix *matrix);
/* As WEIGHT_ARGUMENTS of kernels/common.cl. */
void launch_weight(struct launch *launch, const struct opencl_tensor *tensor);
/* `count` numbers of local memory. */
void launch_local(struct launch *launch, size_t count);

/*
 * Enqueues `groups` of `group` work-items in three dimensions, and counts it. 0, -ENOMEM or -EIO
 * after a line in the log.
 */
int launch_run(struct launch *launch, const size_t groups[3], const size_t group[3]);

/* One work-item to an element of [rows, columns]: groups of one row. */
int launch_run_elements(struct launch *launch, size_t columns, size_t rows);
/* One group of tuning.group work-items to each of x · y. */
int launch_run_groups(struct launch *launch, size_t x, size_t y);
/* Groups of tuning.lanes_x · lanes_y work-items. */
int launch_run_tiles(struct launch *launch, size_t x, size_t y, size_t z);

/* Rows of `columns` numbers from one place to another. */
int launch_copy(struct opencl_queue *queue, struct rows_at to, struct rows_at from, size_t rows,
                size_t columns);

#endif
