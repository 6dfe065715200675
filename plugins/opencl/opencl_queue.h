// SPDX-License-Identifier: MIT
/*
 * A kernel launch on a queue: set the arguments in the kernel's order, then enqueue. The first
 * error is kept, and launch_run() returns it.
 */
#ifndef HEARKEN_PLUGINS_OPENCL_OPENCL_QUEUE_H
#define HEARKEN_PLUGINS_OPENCL_OPENCL_QUEUE_H

#include "plugins/opencl/opencl.h"

/* Rows in device memory; offset and stride in elements. */
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

/* The rows of a checked matrix; the stride of a single row is not used. */
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
/* `count` floats of local memory. */
void launch_local(struct launch *launch, size_t count);

/*
 * Enqueues `groups` work-groups of `group` work-items in three dimensions. Returns 0, or -ENOMEM or
 * -EIO after logging the error.
 */
int launch_run(struct launch *launch, const size_t groups[3], const size_t group[3]);

/* One work-item for each element of [rows, columns]; a work-group lies within one row. */
int launch_run_elements(struct launch *launch, size_t columns, size_t rows);
/* x · y work-groups of tuning.group work-items. */
int launch_run_groups(struct launch *launch, size_t x, size_t y);
/* x · y · z work-groups of tuning.lanes_x · tuning.lanes_y work-items. */
int launch_run_tiles(struct launch *launch, size_t x, size_t y, size_t z);

/* Copies rows of `columns` floats. */
int launch_copy(struct opencl_queue *queue, struct rows_at to, struct rows_at from, size_t rows,
                size_t columns);

#endif
