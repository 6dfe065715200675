// SPDX-License-Identifier: MIT
/*
 * The types of the cpu plugin and what its files share.
 *
 * The plugin uses the objects, argument checks and copying kernels of plugins/common/ and has its
 * own versions of the other kernels. Those of an instruction set are an object of their own, of
 * instruction_set.c, blocks.c or blocks_amx.c compiled with its flags, and called through a table,
 * so that no other code contains an instruction that a processor may lack.
 *
 * Weights. A matrix [outputs, inputs] is split into panels [inputs, PANEL] of neighbouring outputs,
 * as many as two vectors have lanes. So one input is multiplied by all outputs of a panel with two
 * instructions.
 *
 * Rows. The result of a row never depends on the other rows: every sum has the same order, whatever
 * the number of rows and of threads.
 */
#ifndef HEARKEN_CPU_H
#define HEARKEN_CPU_H

#include "plugins/common/host_backend.h"
#include "plugins/cpu/weight_arena.h"
#include "plugins/common/kernel_check.h"

#include <stddef.h>
#include <stdint.h>

struct pool;

/* ---- Working memory (workspace.c) ---- */

/* Aligned memory that only grows, one for each thread. */
struct workspace {
    unsigned char *data;
    size_t size;
};

/* `size` bytes aligned to a cache line, valid until the next call; NULL if out of memory. */
void *workspace_reserve(struct workspace *workspace, size_t size);
void workspace_finish(struct workspace *workspace);

/* ---- Weights (cpu_weights.c) ---- */

enum {
    Q8_0_INPUTS = 32,  /* that share a scale in Q8_0 */
    WIDE_INPUTS = 128, /* that share a scale where inputs are bytes; the last may be fewer */
    CHUNK_INPUTS = 16, /* contiguous inputs of a row in the layout of lay_out_tile() */
};

enum packing {
    PACKED_NONE,  /* used in place, in the host's memory */
    PACKED_F32,   /* [panels, inputs, panel] */
    PACKED_F16,   /* likewise, half precision */
    PACKED_Q8,    /* [panels, blocks] of: scales [panel], half precision; bytes [32, panel] */
    PACKED_PAIRS, /* likewise with bytes [16, panel, 2]: two inputs of an output are adjacent */
    PACKED_QUADS, /* likewise in wide blocks, with bytes [32, panel, 4] */
    PACKED_OFFSET_QUADS, /* likewise, unsigned with an offset of 128 */
};

struct packed {
    enum packing packing;
    size_t outputs, inputs;
    size_t panel;      /* outputs of a panel; the last one is padded with zeros */
    size_t panel_size; /* bytes */
    unsigned char *data;
    struct weight_region *region; /* that holds `data` */
};

struct matrix_kernels;

struct cpu_tensor {
    struct hearken_tensor base; /* first: plugins/common/ accesses only this part */
    struct packed packed;
    const struct matrix_kernels *kernels;
};

static inline const struct cpu_tensor *cpu_tensor(const struct hearken_tensor *tensor)
{
    return (const struct cpu_tensor *)tensor;
}

/* host_tensor_row of a weight that may be packed; `expanded` has room for two rows. */
const float *cpu_tensor_row(const struct hearken_tensor *tensor, size_t row, float *expanded);

int cpu_tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                      struct hearken_tensor **tensor);
void cpu_tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor);

/* ---- The kernels of an instruction set ---- */

/* A range of rows or panels: `first` up to, not including, `end`. */
struct range {
    size_t first, end;
};

/* out [rows, outputs] = activation(in · weightᵀ + bias) + residual; `*_step`: elements from row to
 * row. */
struct cpu_product {
    const float *in; /* [rows, host_tensor_width(weight)] */
    size_t in_step;
    size_t rows;
    const struct hearken_tensor *weight;
    const float *bias; /* or NULL */
    enum hearken_activation activation;
    const float *residual; /* or NULL; may be `out` */
    size_t residual_step;
    float *out;
    size_t out_step;
};

struct attention;

enum { MOST_BYTE_WIDTH = 512 }; /* no sum overflows: 512 · 255 · 127 < 2^31 */

/* Attention in bytes. 0 or -ENOMEM. */
struct byte_kernels {
    /* Of heads up to MOST_BYTE_WIDTH wide whose positions all see all: queries of the range. */
    int (*self_attend)(const struct attention *attention, struct range queries,
                       struct workspace *workspace);
    /* As the instruction set's, of memory with `group` and `flip`. */
    int (*attend)(const struct attention *attention, struct range heads, size_t queries,
                  struct workspace *workspace);
    size_t group;
    unsigned char flip;
};

struct matrix_kernels {
    enum packing packing_of_q8; /* the packing of Q8_0 weights */
    size_t panel;
    size_t tile_rows; /* rows that are multiplied together */
    /* The product's rows and outputs of these ranges. 0 or -ENOMEM. */
    int (*multiply)(const struct cpu_product *product, struct range rows, struct range panels,
                    struct workspace *workspace);
    const struct byte_kernels *attention; /* NULL: the instruction set's */
};

/*
 * Keys or values of `attend`: bytes in squares of SQUARE rows and columns, with a scale for each
 * row of a square. The squares of the same columns follow each other. A square is [SQUARE / group,
 * SQUARE, group]: of keys [columns, rows], so that a column's bytes are neighbours, of values
 * [rows, columns].
 */
enum { SQUARE = 32 };

struct memory {
    enum hearken_memory_kind kind;
    size_t group;         /* adjacent columns of a key, or rows of a value */
    unsigned char flip;   /* that bytes are XORed with: 128 adds 128 */
    size_t rows, columns; /* whole squares; as the caller has them */
    float *scales;        /* [squares of columns, rows] */
    int8_t *bytes;        /* [squares of columns, rows / SQUARE, SQUARE · SQUARE] */
};

static inline float *memory_scales(const struct memory *memory, size_t column)
{
    return memory->scales + column / SQUARE * memory->rows;
}

static inline int8_t *memory_square(const struct memory *memory, size_t row, size_t column)
{
    return memory->bytes +
           (column / SQUARE * memory->rows + row / SQUARE * SQUARE) * (size_t)SQUARE;
}

/* One head of one sequence of a self-attention; all heads of `attend`. `*_step`: elements from row
 * to row. */
struct attention {
    const float *query;
    const float *keys, *values;                       /* of self_attend */
    const struct memory *keys_memory, *values_memory; /* of attend */
    size_t query_step, keys_step, values_step;
    size_t past;                        /* the position of query row 0 */
    size_t total;                       /* keys */
    struct hearken_stand_ins stand_ins; /* the last of the keys */
    size_t chunk;     /* 0: each position sees all keys, else those up to the end of its chunk */
    size_t width;     /* of a head */
    float *alignment; /* [queries, heads · total], or NULL */
    size_t alignment_step;
    float *out;
    size_t out_step;
};

struct instruction_set {
    const struct matrix_kernels *dense; /* for weights of any type */
    size_t tile_rows;                   /* of the attention */
    /* Queries of the range, with online softmax; and row by row over the keys and values of a
     * cache. 0 or -ENOMEM. */
    int (*self_attend)(const struct attention *attention, struct range queries,
                       struct workspace *workspace);
    int (*self_attend_cached)(const struct attention *attention, struct range queries,
                              struct workspace *workspace);
    /* All queries, for the heads of the range. 0 or -ENOMEM. */
    int (*attend)(const struct attention *attention, struct range heads, size_t queries,
                  struct workspace *workspace);
    void (*remember_row)(const struct memory *memory, size_t row, const float *from);
    void (*norm_row)(const float *in, size_t width, const float *scale, const float *shift,
                     float epsilon, float *out);
    /* One row of gates [4 · width] in the order input, forget, cell, output. */
    void (*lstm_row)(const float *gates, size_t width, const float *residual, float *cell,
                     float *hidden, float *out);
    /* x = x + mask - log Σ exp(x + mask); `mask` may be NULL. */
    void (*log_softmax_row)(float *x, const float *mask, size_t count);
    /* The first column from `from` on above `bound`; `count` if there is none. */
    size_t (*find_above)(const float *x, size_t from, size_t count, float bound);
};

extern const struct instruction_set instruction_set_plain, instruction_set_avx2,
    instruction_set_avx512, instruction_set_neon;
extern const struct byte_kernels bytes_avxvnni, bytes_vnni, bytes_dotprod;
extern const struct matrix_kernels blocks_avx2, blocks_avxvnni, blocks_avx512, blocks_vnni,
    blocks_amx, blocks_dotprod;

/* ⌈count / by⌉ */
static inline size_t divide_up(size_t count, size_t by)
{
    return (count + by - 1) / by;
}

/* ---- Backend and queue ---- */

struct cpu_backend {
    struct hearken_backend base;
    const struct instruction_set *set;
    const struct matrix_kernels *blocks; /* for Q8_0; NULL: the set's `dense` */
    struct pool *pool;
    struct weight_arena weights;
};

static inline const struct cpu_backend *cpu_backend(const struct hearken_queue *queue)
{
    return (const struct cpu_backend *)queue->backend;
}

static inline const struct instruction_set *cpu_set(const struct hearken_queue *queue)
{
    return cpu_backend(queue)->set;
}

/* ---- Keys and values (cpu_attend.c) ---- */

int cpu_memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                      uint32_t columns, struct hearken_buffer **buffer);
/* Writes packed rows from `first` on. */
int cpu_remember(struct hearken_queue *queue, const struct hearken_matrix *to, const float *from);

/* ---- Kernels ---- */

int cpu_linear(struct hearken_queue *queue, const struct hearken_linear *arguments);
int cpu_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments);
int cpu_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments);
int cpu_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments);
int cpu_attend(struct hearken_queue *queue, const struct hearken_attend *arguments);
int cpu_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments);
int cpu_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                    const struct hearken_tensor *mask);
int cpu_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
              float *values, uint32_t *columns);

#endif
