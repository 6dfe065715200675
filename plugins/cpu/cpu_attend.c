// SPDX-License-Identifier: MIT
/* The attention kernels, which split the heads into parts for the threads, and their memory. */
#include "plugins/cpu/cpu.h"
#include "plugins/cpu/thread_pool.h"

#include <errno.h>

enum {
    PART_PRODUCTS = 256 * 1024, /* multiplications that justify another thread */
    PARTS_PER_THREAD = 2,
    TILES_PER_PART = 8, /* at least, since each part packs the keys into panels again */
};

/* NULL: the processor has no products of bytes. */
static const struct byte_kernels *cpu_bytes(const struct hearken_queue *queue)
{
    const struct matrix_kernels *blocks = cpu_backend(queue)->blocks;

    return blocks ? blocks->attention : NULL;
}

typedef int attention_kernel(const struct attention *attention, struct range queries,
                             struct workspace *workspace);

/* All heads of a self-attention: `sequences · heads` parts of `pieces` ranges of queries. */
struct heads {
    const struct hearken_self_attend *arguments;
    attention_kernel *run;
    size_t heads, queries, step, pieces;
};

static struct attention head_of(const struct hearken_self_attend *arguments, size_t sequence,
                                size_t head)
{
    const size_t width = arguments->out.columns, head_width = width / arguments->heads;
    const size_t positions = arguments->qkv.rows / arguments->sequences;
    const bool cached = arguments->keys.buffer;
    const float *qkv = host_matrix_row(&arguments->qkv, sequence * positions) + head * head_width;
    const size_t step = cached ? width : arguments->qkv.stride;

    return (struct attention){
        .query = qkv,
        .keys =
            cached ? host_matrix_row(&arguments->keys, sequence) + head * head_width : qkv + width,
        .values = cached ? host_matrix_row(&arguments->values, sequence) + head * head_width
                         : qkv + 2 * width,
        .query_step = arguments->qkv.stride,
        .keys_step = step,
        .values_step = step,
        .past = arguments->past,
        .total = arguments->past + positions,
        .stand_ins = arguments->stand_ins,
        .chunk = arguments->chunk,
        .width = head_width,
        .out = host_matrix_row(&arguments->out, sequence * positions) + head * head_width,
        .out_step = arguments->out.stride,
    };
}

static int self_attend_part(const void *context, size_t index, struct workspace *workspace)
{
    const struct heads *heads = context;
    const size_t which = index / heads->pieces, first = index % heads->pieces * heads->step;
    const struct attention attention =
        head_of(heads->arguments, which / heads->heads, which % heads->heads);
    const size_t left = heads->queries - first;

    return heads->run(&attention,
                      (struct range){first, first + (left < heads->step ? left : heads->step)},
                      workspace);
}

/* `elements`: how often a query is multiplied, all heads together. */
static int run_heads(struct hearken_queue *queue, struct heads *heads, size_t sequences,
                     double elements)
{
    struct pool *pool = cpu_backend(queue)->pool;
    const size_t threads = pool_threads(pool), all = sequences * heads->heads;
    const size_t tile = cpu_set(queue)->tile_rows;
    const size_t tiles = divide_up(heads->queries, tile);
    const size_t wanted = divide_up(threads * PARTS_PER_THREAD, all);
    const size_t most = tiles / TILES_PER_PART > 1 ? tiles / TILES_PER_PART : 1;
    struct pool_caller *caller = cpu_caller(queue);
    int result = 0;

    heads->step = divide_up(tiles, wanted < most ? wanted : most) * tile;
    heads->pieces = divide_up(heads->queries, heads->step);
    if (elements * (double)heads->queries >= 2.0 * PART_PRODUCTS)
        return pool_run(pool, caller, self_attend_part, heads, all * heads->pieces);
    for (size_t index = 0; index < all * heads->pieces && !result; index++)
        result = self_attend_part(heads, index, &caller->workspace);
    return result;
}

static attention_kernel *choose_kernel(const struct hearken_queue *queue,
                                       const struct hearken_self_attend *arguments)
{
    const struct byte_kernels *bytes = cpu_bytes(queue);

    if (arguments->keys.buffer)
        return cpu_set(queue)->self_attend_cached;
    if (bytes && arguments->chunk == 0 &&
        arguments->out.columns / arguments->heads <= MOST_BYTE_WIDTH)
        return bytes->self_attend;
    return cpu_set(queue)->self_attend;
}

int cpu_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments)
{
    int result = check_self_attend(queue, arguments);

    if (result)
        return result;
    const size_t positions = arguments->qkv.rows / arguments->sequences;
    struct heads heads = {
        .arguments = arguments,
        .run = choose_kernel(queue, arguments),
        .heads = arguments->heads,
        .queries = positions,
    };
    if (arguments->keys.buffer)
        host_append_to_caches(arguments);
    const double keys = (double)arguments->past + (double)positions;
    return run_heads(queue, &heads, arguments->sequences,
                     2.0 * keys * arguments->out.columns * arguments->sequences);
}

/* ---- Keys and values of `attend` ---- */

/* At the start of the buffer's data. */
static struct memory *memory_in(const struct hearken_buffer *buffer)
{
    return (struct memory *)(void *)buffer->data;
}

int cpu_memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                      uint32_t columns, struct hearken_buffer **buffer)
{
    int result = check_memory(queue, kind, rows, columns);

    if (result)
        return result;
    const size_t whole_rows = divide_up(rows, SQUARE) * SQUARE;
    const size_t squares = divide_up(columns, SQUARE) * (whole_rows / SQUARE);
    const size_t scales = squares * SQUARE * sizeof(float), line = 64;
    if (squares > (SIZE_MAX / 2) / (SQUARE * SQUARE + SQUARE * sizeof(float)))
        return -ENOMEM;
    const size_t size = sizeof(struct memory) + line + scales + squares * SQUARE * SQUARE;
    result = host_buffer_allocate(queue, "memory_create", size, 1, buffer);
    if (result)
        return result;
    const struct byte_kernels *bytes = cpu_bytes(queue);
    struct memory *memory = memory_in(*buffer);
    unsigned char *data = (unsigned char *)(memory + 1);
    data += line - (uintptr_t)data % line;
    *memory = (struct memory){
        .kind = kind,
        .group = bytes ? bytes->group : 1,
        .flip = bytes && kind == HEARKEN_MEMORY_KEYS ? bytes->flip : 0,
        .rows = whole_rows,
        .columns = columns,
        .scales = (float *)(void *)data,
        .bytes = (int8_t *)(data + scales),
    };
    (*buffer)->elements = (size_t)rows * columns;
    (*buffer)->memory = kind;
    (*buffer)->memory_columns = columns;
    return 0;
}

struct remembered {
    const struct memory *memory;
    const struct instruction_set *set;
    const float *from;
    size_t first, rows, step; /* step: rows of a part */
};

static int remember_part(const void *context, size_t index, struct workspace *workspace)
{
    const struct remembered *r = context;
    const size_t first = index * r->step;
    const size_t end = r->rows - first < r->step ? r->rows : first + r->step;

    (void)workspace;
    for (size_t row = first; row < end; row++)
        r->set->remember_row(r->memory, r->first + row, r->from + row * r->memory->columns);
    return 0;
}

int cpu_remember(struct hearken_queue *queue, const struct hearken_matrix *to, const float *from)
{
    enum { PART_BYTES = 64 * 1024 };
    const struct remembered remembered = {
        .memory = memory_in(to->buffer),
        .set = cpu_set(queue),
        .from = from,
        .first = to->offset / to->columns,
        .rows = to->rows,
        .step = divide_up(PART_BYTES, to->columns),
    };

    return pool_run(cpu_backend(queue)->pool, cpu_caller(queue), remember_part, &remembered,
                    divide_up(to->rows, remembered.step));
}

/* ---- The speller's attention: as many groups of neighbouring heads as there are threads ---- */

struct head_groups {
    const struct hearken_attend *arguments;
    int (*attend)(const struct attention *attention, struct range heads, size_t queries,
                  struct workspace *workspace);
    size_t heads; /* of a group; the last may have fewer */
};

static int attend_part(const void *context, size_t index, struct workspace *workspace)
{
    const struct head_groups *groups = context;
    const struct hearken_attend *arguments = groups->arguments;
    const struct hearken_matrix *alignment = arguments->alignment;
    const size_t first = index * groups->heads, left = arguments->heads - first;
    const struct attention attention = {
        .query = host_matrix_row(&arguments->query, 0),
        .query_step = arguments->query.stride,
        .keys_memory = memory_in(arguments->keys.buffer),
        .values_memory = memory_in(arguments->values.buffer),
        .total = arguments->keys.rows,
        .stand_ins = arguments->stand_ins,
        .width = arguments->query.columns / arguments->heads,
        .alignment = alignment ? host_matrix_row(alignment, 0) : NULL,
        .alignment_step = alignment ? alignment->stride : 0,
        .out = host_matrix_row(&arguments->context, 0),
        .out_step = arguments->context.stride,
    };

    return groups->attend(
        &attention,
        (struct range){first, left < groups->heads ? arguments->heads : first + groups->heads},
        arguments->query.rows, workspace);
}

int cpu_attend(struct hearken_queue *queue, const struct hearken_attend *arguments)
{
    int result = check_attend(queue, arguments);

    if (result)
        return result;
    struct pool *pool = cpu_backend(queue)->pool;
    const double products =
        2.0 * arguments->query.rows * arguments->keys.rows * arguments->query.columns;
    const size_t threads = products < 2.0 * PART_PRODUCTS ? 1 : pool_threads(pool);
    const struct byte_kernels *bytes = cpu_bytes(queue);
    const struct head_groups groups = {
        .arguments = arguments,
        .attend = bytes ? bytes->attend : cpu_set(queue)->attend,
        .heads = divide_up(arguments->heads, threads),
    };
    return pool_run(pool, cpu_caller(queue), attend_part, &groups,
                    divide_up(arguments->heads, groups.heads));
}
