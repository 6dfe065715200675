// SPDX-License-Identifier: MIT
/* Attention: see kernels/attention.cl. */
#include "plugins/opencl/opencl_queue.h"

#include <errno.h>
#include <math.h>

enum { MOST_QUERIES = 16 };

/* Floats of local memory that self_attend needs for `tile` queries: see the kernel. */
struct attention_memory {
    size_t queries, numbers, sums, scores, state;
};

static struct attention_memory attention_memory(const struct tuning *tuning, size_t tile,
                                                size_t width)
{
    enum { KEYS = 32, STATE = 3 };
    const size_t wide = tuning->wide, padded = (width + wide - 1) / wide * wide;
    const size_t keys = width * (KEYS + wide), values = KEYS * padded;

    return (struct attention_memory){
        .queries = tile * width,
        .numbers = keys > values ? keys : values,
        .sums = tile * padded,
        .scores = tile * KEYS,
        .state = tile * STATE,
    };
}

/* Bytes of `count` floats of local memory, with the largest padding that a driver may add. */
static size_t local_size(size_t count)
{
    enum { ALIGNMENT = 128 }; /* of the longest vector that OpenCL has */

    return (count * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool fits(const struct device *device, size_t tile, size_t width)
{
    const struct attention_memory memory = attention_memory(&device->tuning, tile, width);

    return local_size(memory.queries) + local_size(memory.numbers) + local_size(memory.sums) +
               local_size(memory.scores) + local_size(memory.state) <=
           device->local_memory;
}

/* Logs that the heads are too wide for `kernel`; -EINVAL. */
static int refuse_width(const struct hearken_queue *queue, const char *kernel, unsigned width)
{
    report(queue->backend, "%s: heads %u wide do not fit into %llu bytes of local memory", kernel,
           width, (unsigned long long)opencl_backend(queue)->device.local_memory);
    return -EINVAL;
}

/* The largest tile of queries that fits into local memory; 0 if a single query does not. */
static unsigned choose_tile(const struct device *device, size_t positions, size_t width)
{
    unsigned tile = MOST_QUERIES;

    while (tile > 0 && (tile / 2 >= positions || !fits(device, tile, width)))
        tile /= 2;
    return tile;
}

/* Appends the new keys and values of all sequences to their caches. */
static int append(struct hearken_queue *queue, const struct hearken_self_attend *arguments)
{
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_APPEND);

    launch_matrix(&launch, &arguments->keys);
    launch_matrix(&launch, &arguments->values);
    launch_matrix(&launch, &arguments->qkv);
    launch_uint(&launch, arguments->out.columns);
    launch_uint(&launch, arguments->qkv.rows / arguments->sequences);
    launch_uint(&launch, arguments->past);
    return launch_run_elements(&launch, arguments->out.columns, arguments->qkv.rows);
}

/* Passes the keys and values: from the caches, or from `qkv`. */
static void launch_keys_and_values(struct launch *launch,
                                   const struct hearken_self_attend *arguments)
{
    const size_t width = arguments->out.columns;
    struct hearken_matrix keys = arguments->keys, values = arguments->values;
    size_t step = width;

    if (!keys.buffer) {
        keys = values = arguments->qkv;
        keys.rows = values.rows = 1;
        keys.offset += width;
        values.offset += 2 * width;
        step = arguments->qkv.rows > 1 ? arguments->qkv.stride : 0;
    }
    launch_matrix(launch, &keys);
    launch_matrix(launch, &values);
    launch_ulong(launch, step);
}

static float scale_for(unsigned head_width)
{
    return (float)(1 / sqrt((double)head_width));
}

int opencl_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments)
{
    int result = check_self_attend(queue, arguments);

    if (result)
        return result;
    const struct device *device = &opencl_backend(queue)->device;
    const unsigned width = arguments->out.columns / arguments->heads;
    const unsigned positions = arguments->qkv.rows / arguments->sequences;
    const unsigned tile = choose_tile(device, positions, width);
    if (tile == 0)
        return refuse_width(queue, "self_attend", width);
    if (arguments->keys.buffer)
        result = append(queue, arguments);
    if (result)
        return result;
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_SELF_ATTEND);
    launch_matrix(&launch, &arguments->out);
    launch_matrix(&launch, &arguments->qkv);
    launch_keys_and_values(&launch, arguments);
    launch_uint(&launch, width);
    launch_uint(&launch, positions);
    launch_uint(&launch, arguments->past);
    launch_uint(&launch, arguments->chunk);
    launch_uint(&launch, arguments->past + positions - arguments->stand_ins.count);
    launch_float(&launch, arguments->stand_ins.bias);
    launch_uint(&launch, tile);
    launch_float(&launch, scale_for(width));
    const struct attention_memory memory = attention_memory(&device->tuning, tile, width);
    launch_local(&launch, memory.queries);
    launch_local(&launch, memory.numbers);
    launch_local(&launch, memory.sums);
    launch_local(&launch, memory.scores);
    launch_local(&launch, memory.state);
    return launch_run_tiles(&launch, (positions + tile - 1) / tile, arguments->heads,
                            arguments->sequences);
}

/* Passes the caller's alignment, or scratch memory. */
static int launch_alignment(struct launch *launch, const struct hearken_attend *arguments)
{
    if (arguments->alignment) {
        launch_matrix(launch, arguments->alignment);
        return 0;
    }
    const size_t row = (size_t)arguments->heads * arguments->keys.rows;
    cl_mem memory;
    int result = opencl_scratch(launch->queue, OPENCL_SCRATCH_SCORES,
                                arguments->query.rows * row * sizeof(float), &memory);
    if (result)
        return result;
    launch_memory(launch, memory);
    launch_ulong(launch, 0);
    launch_ulong(launch, row);
    return 0;
}

/* Local memory of `attend`: a query, and a float and a vector for each work-item. */
static bool query_fits(const struct device *device, size_t width)
{
    const struct tuning *tuning = &device->tuning;

    return local_size(width + tuning->wide) + local_size(tuning->group) +
               local_size((size_t)tuning->group * tuning->wide) <=
           device->local_memory;
}

int opencl_attend(struct hearken_queue *queue, const struct hearken_attend *arguments)
{
    int result = check_attend(queue, arguments);

    if (result)
        return result;
    const struct device *device = &opencl_backend(queue)->device;
    const unsigned width = arguments->query.columns / arguments->heads;
    if (!query_fits(device, width))
        return refuse_width(queue, "attend", width);
    struct launch launch = launch_begin(opencl_queue(queue), KERNEL_ATTEND);
    launch_matrix(&launch, &arguments->context);
    result = launch_alignment(&launch, arguments);
    if (result)
        return result;
    launch_matrix(&launch, &arguments->query);
    launch_matrix(&launch, &arguments->keys);
    launch_matrix(&launch, &arguments->values);
    launch_uint(&launch, width);
    launch_uint(&launch, arguments->keys.rows);
    launch_uint(&launch, arguments->keys.rows - arguments->stand_ins.count);
    launch_float(&launch, arguments->stand_ins.bias);
    launch_float(&launch, scale_for(width));
    launch_local(&launch, (size_t)width + device->tuning.wide);
    return launch_run_groups(&launch, arguments->heads, arguments->query.rows);
}
