// SPDX-License-Identifier: MIT
/*
 * Backends, tensors, queues and buffers in the host's memory for the plugins that compute there,
 * with what those share: weight rows, sums, and the kernels embed, reorder, log_softmax and top_k.
 *
 * A queue runs every kernel immediately, in place, on the calling thread. No lock is needed: the
 * backend and the tensors are immutable, and a queue belongs to one thread at a time.
 */
#ifndef HEARKEN_PLUGINS_COMMON_HOST_BACKEND_H
#define HEARKEN_PLUGINS_COMMON_HOST_BACKEND_H

#include <hearken/plugin.h>

/* ---- Objects ---- */

struct hearken_backend {
    const struct hearken_plugin_host *host;
    const char *name; /* of the plugin, for messages */
};

struct hearken_tensor {
    struct hearken_weights weights; /* `data` belongs to the caller and is not copied */
    size_t row_size;                /* bytes */
};

struct hearken_buffer {
    struct hearken_queue *queue;
    struct hearken_buffer *previous, *next;
    size_t elements;
    size_t mapped;   /* bytes of pages of its own; 0: on the heap */
    uint32_t memory; /* enum hearken_memory_kind, or 0 */
    uint32_t memory_columns;
    float *data; /* directly after this struct; NULL if the plugin has memory of its own */
};

/* Working memory of a queue. It only grows, so in the steady state nothing is allocated. */
enum scratch_use {
    SCRATCH_WEIGHT, /* weight rows as floats */
    SCRATCH_WINDOW, /* the input windows of a convolution */
    SCRATCH_KEYS,   /* one head's keys */
    SCRATCH_VALUES, /* and values */
    SCRATCH_SCORES, /* one row of attention scores */
    SCRATCH_GATES,  /* the gates of an LSTM */
    SCRATCH_MEMORY, /* keys or values before they are kept in another form */
    SCRATCH_STATES, /* temporary rows of `reorder` */
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

/* `elements` floats, valid until the next call with the same use; NULL if out of memory. */
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
 * Row `row` as host_tensor_width() floats: a pointer to the data where that is F32, else to
 * `expanded`, which it fills. A row of a convolution has the shape [taps, columns], in the order of
 * the inputs in memory.
 */
const float *host_tensor_row(const struct hearken_tensor *tensor, size_t row, float *expanded);

/* Converts a row of type Q5_0 to Q8_0 without loss: 34 bytes for each 32 columns. */
void host_tensor_row_as_q8_0(const struct hearken_tensor *tensor, size_t row, void *q8_0);

/* ---- Sums (sum_kernels.c) ---- */

/* out[r] = Σ_c rows[r · step + c] · with[c] for `count` rows. The order of the additions depends on
 * `columns` alone. */
void host_dot_rows(const float *rows, size_t step, size_t count, const float *with, size_t columns,
                   float *out);

/* out[c] = Σ_r weights[r] · rows[r · step + c], accumulated in the order of r. */
void host_mix_rows(const float *rows, size_t step, size_t count, const float *weights,
                   size_t columns, float *out);

/* x = exp(x) / Σ exp(x), over `count` ≥ 1 numbers. If all are -∞, all results are equal. */
void host_softmax(float *x, size_t count);

/* x = x - log Σ exp(x), over `count` ≥ 1 numbers. If all are -∞, they stay unchanged. */
void host_log_softmax_row(float *x, size_t count);

/* ---- Copies (row_kernels.c); the arguments have been checked ---- */

/* window[k] = in[step · stride + k - padding] for every tap k, zeros outside of `in`; `window`
 * [taps, inputs]. */
void host_fill_window(const struct hearken_convolve *arguments, size_t step, float *window);

/* Appends the new keys and values of all sequences to the caches, after `past` positions. */
void host_append_to_caches(const struct hearken_self_attend *arguments);

/* ---- Kernels (row_kernels.c) ---- */

int host_embed(struct hearken_queue *queue, const struct hearken_embed *arguments);
/* The same for tensors with a layout of their own, whose rows `row_of` returns; `expanded` has room
 * for two rows. */
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
int host_memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                       uint32_t columns, struct hearken_buffer **buffer);
/* Common to both. `size`: bytes of an element. The memory is zeroed. */
int host_buffer_allocate(struct hearken_queue *queue, const char *kernel, size_t elements,
                         size_t size, struct hearken_buffer **buffer);
/* Removes the buffer from the queue's list. */
void host_buffer_unlink(struct hearken_queue *queue, struct hearken_buffer *buffer);
void host_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer);
int host_buffer_write(struct hearken_queue *queue, const struct hearken_matrix *to,
                      const float *from);
int host_buffer_read(struct hearken_queue *queue, const struct hearken_matrix *from, float *to);

#endif
