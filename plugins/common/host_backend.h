// SPDX-License-Identifier: MIT
/*
 * Backends, tensors and buffers in the processor's memory, and what plugins that compute there
 * share: queues, weight rows, sums, and the kernels that only look up, copy or choose.
 *
 * A queue runs every kernel at once, in place, on the calling thread. So nothing here locks: the
 * backend and the tensors never change, and a queue belongs to one thread at a time.
 */
#ifndef HEARKEN_PLUGINS_COMMON_HOST_BACKEND_H
#define HEARKEN_PLUGINS_COMMON_HOST_BACKEND_H

#include <hearken/plugin.h>

/* ---- Objects ---- */

struct hearken_backend {
    const struct hearken_plugin_host *host;
    const char *name; /* of the plugin that these are built into, for messages */
};

struct hearken_tensor {
    struct hearken_weights weights; /* `data` is the caller's: never copied */
    size_t row_size;                /* bytes */
};

struct hearken_buffer {
    struct hearken_queue *queue;
    struct hearken_buffer *previous, *next;
    size_t elements;
    bool is_memory; /* made by host_memory_create */
    float *data;    /* behind this struct; NULL where a plugin keeps its numbers elsewhere */
};

/* Working memory of a queue. It only grows, so a stream in its stride allocates nothing. */
enum scratch_use {
    SCRATCH_WEIGHT, /* weight rows as floats */
    SCRATCH_WINDOW, /* the input windows of a convolution */
    SCRATCH_KEYS,   /* one head's keys */
    SCRATCH_VALUES, /* and values */
    SCRATCH_SCORES, /* one row of attention scores */
    SCRATCH_GATES,  /* the gates of an LSTM */
    SCRATCH_STATES, /* rows on their way in `reorder` */
    SCRATCH_USE_COUNT,
};

struct hearken_queue {
    struct hearken_backend *backend;
    struct hearken_buffer *buffers;
    struct {
        float *data;
        size_t elements;
    } scratch[SCRATCH_USE_COUNT];
};

/* `elements` floats that stay valid until the next call with the same use; NULL: no memory. */
float *host_scratch(struct hearken_queue *queue, enum scratch_use use, size_t elements);

/* The first element of a row of a checked matrix. */
static inline float *host_matrix_row(const struct hearken_matrix *matrix, size_t row)
{
    return matrix->buffer->data + matrix->offset + row * matrix->stride;
}

/* ---- Weights (host_memory.c) ---- */

int host_tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                       struct hearken_tensor **tensor);
void host_tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor);

/* Elements of a row: columns · taps. */
static inline size_t host_tensor_width(const struct hearken_tensor *tensor)
{
    return (size_t)tensor->weights.columns * tensor->weights.taps;
}

/*
 * Row `row` as `host_tensor_width` floats: the data itself where that is what it holds, else
 * `expanded`, filled. A row of a convolution comes as [taps, columns], the order in which the
 * inputs lie in memory.
 */
const float *host_tensor_row(const struct hearken_tensor *tensor, size_t row, float *expanded);

/* A row of type Q5_0 as the blocks of Q8_0 that mean the same: 34 bytes for each 32 columns. */
void host_tensor_row_as_q8_0(const struct hearken_tensor *tensor, size_t row, void *q8_0);

/* ---- Sums (sum_kernels.c) ---- */

/* out[r] = Σ_c row[r · step + c] · with[c] for `count` rows. The order in which a row's products
 * are added up depends on `columns` alone. */
void host_dot_rows(const float *rows, size_t step, size_t count, const float *with, size_t columns,
                   float *out);

/* out[c] = Σ_r weights[r] · row[r · step + c], added up in the order of r. */
void host_mix_rows(const float *rows, size_t step, size_t count, const float *weights,
                   size_t columns, float *out);

/* x = exp(x) / Σ exp(x), over `count` ≥ 1 numbers. All -∞: all equal. */
void host_softmax(float *x, size_t count);

/* x = x - log Σ exp(x), over `count` ≥ 1 numbers. All -∞: unchanged. */
void host_log_softmax_row(float *x, size_t count);

/* ---- Copies (row_kernels.c), by checked arguments ---- */

/* `window` [taps, inputs]: row t · stride + k - padding of `in` for every tap k of step t, zeros
 * where there is none. */
void host_fill_window(const struct hearken_convolve *arguments, size_t step, float *window);

/* New keys and values of all sequences behind those that the caches hold. */
void host_append_to_caches(const struct hearken_self_attend *arguments);

/* ---- Kernels (row_kernels.c) ---- */

int host_embed(struct hearken_queue *queue, const struct hearken_embed *arguments);
/* The same for tensors whose rows are found otherwise than by host_tensor_row; `expanded` then has
 * room for two rows. */
typedef const float *host_tensor_row_function(const struct hearken_tensor *tensor, size_t row,
                                              float *expanded);
int host_embed_by(struct hearken_queue *queue, const struct hearken_embed *arguments,
                  host_tensor_row_function *row_of);
int host_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                 const uint32_t *parents, uint32_t count);
int host_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                     const struct hearken_tensor *mask);
int host_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
               float *values, uint32_t *columns);

/* ---- Queues and buffers (host_memory.c) ---- */

int host_backend_create(const struct hearken_plugin_host *host, struct hearken_backend **backend);
void host_backend_destroy(struct hearken_backend *backend);
int host_queue_create(struct hearken_backend *backend, struct hearken_queue **queue);
void host_queue_destroy(struct hearken_queue *queue);
int host_buffer_create(struct hearken_queue *queue, size_t elements,
                       struct hearken_buffer **buffer);
int host_memory_create(struct hearken_queue *queue, size_t elements,
                       struct hearken_buffer **buffer);
/* Both stand on this. `size`: bytes of an element; `data` is zeros. */
int host_buffer_allocate(struct hearken_queue *queue, const char *kernel, size_t elements,
                         size_t size, struct hearken_buffer **buffer);
/* Takes it out of the queue's list. */
void host_buffer_unlink(struct hearken_queue *queue, struct hearken_buffer *buffer);
void host_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer);
int host_buffer_write(struct hearken_queue *queue, const struct hearken_matrix *to,
                      const float *from);
int host_buffer_read(struct hearken_queue *queue, const struct hearken_matrix *from, float *to);

#endif
