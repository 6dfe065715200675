// SPDX-License-Identifier: MIT
/*
 * The plugin ABI: what a compute backend of hearken is.
 *
 * A plugin is a shared object that exports one const struct, `hearken_plugin`. The host reads
 * `abi_version` and `struct_size` before it calls anything. The network is written once, in
 * models/, as calls on the kernel table; no model code knows which plugin runs it.
 *
 * Three kinds of objects, all opaque and owned by the plugin:
 *
 *   backend   a device with whatever it needs (context, thread pool). Made once per model. All its
 *             functions may be called from any thread at any time.
 *   tensor    a weight, handed over once in the model file's own type; the plugin packs it for its
 *             instruction set or device. Immutable after that, shared by all queues.
 *   queue     an in-order sequence of kernels with its buffers: one per stream. Used by one thread
 *             at a time; different queues run at the same time.
 *   buffer    numbers between kernels, where the plugin wants them (its heap, device memory).
 *             Freed by the queue it was made on; kernels of other queues of the backend may use it
 *             while no kernel of another queue that does is unfinished.
 *
 * Execution. A kernel call may return before its work is done; all calls of one queue take effect
 * in the order they were made. Only `read` and `top_k` wait, for that queue alone. `write`, and
 * every array of plain numbers that is an argument of a kernel (tokens, parents), is copied before
 * the call returns, so the caller may reuse its memory at once. So a whole pass of the listener is
 * enqueued without waiting, and nothing goes through the host between kernels.
 *
 * Errors. Each call returns 0 or a negative errno: -EINVAL for shapes that do not fit (a defect of
 * the caller, found before anything is enqueued), -ENOMEM, -EIO for a device that failed. What
 * fails after a call has returned is reported by the next `read` or `top_k` of that queue. After
 * any error but -EINVAL and -ENOMEM a queue is good only for being destroyed.
 *
 * Elements are single precision numbers; offsets and strides count them. What `write` has written
 * `read` gives back to the bit. A row of a result does not depend, to the bit, on which other rows
 * are in the call: so sound can be heard in pieces. A matrix that is written overlaps no other
 * argument unless its comment says so, and no view is empty.
 */
#ifndef HEARKEN_PLUGIN_H
#define HEARKEN_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEARKEN_PLUGIN_ABI    2u
#define HEARKEN_PLUGIN_SYMBOL "hearken_plugin"

struct hearken_backend;
struct hearken_queue;
struct hearken_tensor;
struct hearken_buffer;

/* ---- Host services ---- */

/* Handed to probe and create; lives as long as the backend. */
struct hearken_plugin_host {
    uint32_t struct_size;
    const char *cpu_mask; /* instruction sets to withhold, comma separated, or NULL */
    uint32_t threads;     /* 0: the plugin's choice */
    void *log_context;
    /* One line without a newline. `level` as enum hearken_log_level. Any thread. */
    void (*log)(void *log_context, int level, const char *message);
};

/* What probe found. */
struct hearken_probe {
    int score;        /* 0: cannot run here; the reference has 1; higher is better */
    char reason[256]; /* in words: "AVX-512 with VNNI", "no platform: the ICD loader found none" */
};

/* ---- Weights ---- */

enum hearken_tensor_type {
    HEARKEN_TENSOR_F32,
    HEARKEN_TENSOR_F16,
    /* Rows of blocks of 32: a half precision scale, then 32 signed bytes; columns divide by 32. */
    HEARKEN_TENSOR_Q8_0,
    /*
     * Blocks of 32 likewise: a half precision scale, a 32-bit word (little endian), 16 bytes. The
     * number i of a block is scale · (n - 16), where bit i of the word is the fifth bit of n, and
     * the low (i < 16) or high half of byte i mod 16 the four below it. As Q8_0 it is the same.
     */
    HEARKEN_TENSOR_Q5_0,
};

/*
 * What a weight will be used for, so that it is packed once and right. May be several, but of
 * weights with more than one tap. For USE_LINEAR, blocks of bytes may be rounded again, to signed
 * bytes with a scale for up to 128 of a row; `embed` reads them as they are then.
 */
enum hearken_tensor_use {
    HEARKEN_USE_LINEAR = 1,   /* matrix of `linear` and `lstm` */
    HEARKEN_USE_EMBED = 2,    /* table of `embed` */
    HEARKEN_USE_CONVOLVE = 4, /* [outputs, inputs, taps] of `convolve`; F32 or F16 */
    HEARKEN_USE_VECTOR = 8,   /* bias, norm scale and shift; F32 */
};

/*
 * A weight as the file has it, row-major: [rows, columns], or [rows, columns, taps] for a
 * convolution, or [1, columns] for a vector. `data` is aligned to 4 bytes, checked for its length,
 * and stays as it is until the tensor is destroyed: a plugin may use it in place, unless it says
 * that it `copies` weights of such a use.
 */
struct hearken_weights {
    enum hearken_tensor_type type;
    uint32_t use; /* of enum hearken_tensor_use */
    uint32_t rows, columns, taps;
    const void *data;
};

/* ---- Matrices ---- */

/* A view of `rows` rows of `columns` neighbouring elements, `stride` elements from row to row. */
struct hearken_matrix {
    struct hearken_buffer *buffer;
    size_t offset;
    uint32_t rows, columns;
    size_t stride;
};

enum hearken_activation {
    HEARKEN_ACTIVATION_NONE,
    HEARKEN_ACTIVATION_GELU, /* x · Φ(x) with the error function, not the tanh approximation */
};

/* ---- Arguments of the kernels: matrices are read unless said otherwise ---- */

/* out = activation(in · weightᵀ + bias) + residual */
struct hearken_linear {
    struct hearken_matrix out;           /* [rows, outputs], written; may be `residual` */
    struct hearken_matrix in;            /* [rows, inputs] */
    const struct hearken_tensor *weight; /* [outputs, inputs] */
    const struct hearken_tensor *bias;   /* [outputs] or NULL */
    enum hearken_activation activation;
    const struct hearken_matrix *residual; /* [rows, outputs] or NULL */
};

/*
 * out[t] = activation(bias + Σ_k weight[:, :, k] · in[t · stride + k - padding])
 *          + positions[position + t], rows of `in` outside of it being zero.
 */
struct hearken_convolve {
    struct hearken_matrix out;           /* [steps, outputs], written */
    struct hearken_matrix in;            /* [frames, inputs] */
    const struct hearken_tensor *weight; /* [outputs, inputs, taps] */
    const struct hearken_tensor *bias;   /* [outputs] */
    uint32_t stride, padding;
    enum hearken_activation activation;
    const struct hearken_tensor *positions; /* [positions, outputs], made with USE_EMBED, or NULL */
    uint32_t position;                      /* position + steps ≤ positions */
};

/* Each row: out = (in - mean) / sqrt(variance + epsilon) · scale + shift */
struct hearken_layer_norm {
    struct hearken_matrix out;          /* [rows, width], written; may be `in` */
    struct hearken_matrix in;           /* [rows, width] */
    const struct hearken_tensor *scale; /* [width] */
    const struct hearken_tensor *shift; /* [width] */
    float epsilon;
};

/*
 * The last `count` keys each stand for several that are alike: `bias`, the logarithm of how many,
 * is added to their scores, which weighs them as if all were there ("proportional attention", Bolya
 * et al. 2023, "Token Merging", equation 1). Zeros: there are none.
 */
struct hearken_stand_ins {
    uint32_t count;
    float bias;
};

/*
 * Masked multi-head self-attention of `sequences` independent sequences, `rows / sequences` new
 * positions each, the rows of a sequence together. Position of a sequence's row r: i = past + r.
 *
 * With a cache, the new keys and values are first written to it behind the `past` that are there;
 * then position i attends to those positions j < past + rows / sequences that
 *     chunk = 0: exist (every position attends to every one), or
 *     chunk > 0: are in its own chunk or an earlier one: j / chunk ≤ i / chunk (integer division);
 *                chunk = 1 is the causal mask.
 * Without one (keys.buffer NULL), past must be 0 and sequences 1. Only then, and with chunk = 0,
 * may there be stand-ins.
 *
 * out = softmax(q · k / sqrt(width / heads) + bias) · v, per head. Without a cache and with chunk =
 * 0 queries, keys and values may be rounded to bytes, with a scale for each row of a head.
 */
struct hearken_self_attend {
    struct hearken_matrix out;  /* [rows, width], written */
    struct hearken_matrix qkv;  /* [rows, 3 · width]: queries, keys, values */
    struct hearken_matrix keys; /* [sequences, positions · width], updated; stride between them */
    struct hearken_matrix values; /* likewise */
    uint32_t sequences, heads, past, chunk;
    struct hearken_stand_ins stand_ins;
};

enum hearken_memory_kind { HEARKEN_MEMORY_KEYS = 1, HEARKEN_MEMORY_VALUES = 2 };

/*
 * The speller's attention over the memory: every row of `query` (hypotheses, or the tokens of one)
 * against the same keys and values. alignment[row, head] = softmax over steps of q · k /
 * sqrt(width / heads) + bias; context = alignment · values, the heads side by side.
 */
struct hearken_attend {
    struct hearken_matrix context;          /* [rows, width], written */
    const struct hearken_matrix *alignment; /* [rows, heads · steps], written, or NULL */
    struct hearken_matrix query;            /* [rows, width] */
    struct hearken_matrix keys;             /* [steps, width], of memory_create */
    struct hearken_matrix values;           /* [steps, width], likewise */
    uint32_t heads;
    struct hearken_stand_ins stand_ins;
};

/*
 * One step of an LSTM for all hypotheses. With [i, f, g, o] = in · input_weightᵀ + input_bias +
 * hidden · hidden_weightᵀ + hidden_bias: cell = σ(f) · cell + σ(i) · tanh(g), hidden = σ(o) ·
 * tanh(cell), out = hidden + residual.
 */
struct hearken_lstm {
    struct hearken_matrix out;                  /* [rows, width], written; may be `residual` */
    struct hearken_matrix in;                   /* [rows, inputs] */
    struct hearken_matrix hidden;               /* [rows, width], updated */
    struct hearken_matrix cell;                 /* [rows, width], updated */
    const struct hearken_tensor *input_weight;  /* [4 · width, inputs] */
    const struct hearken_tensor *hidden_weight; /* [4 · width, width] */
    const struct hearken_tensor *input_bias;    /* [4 · width] */
    const struct hearken_tensor *hidden_bias;   /* [4 · width] */
    const struct hearken_matrix *residual;      /* [rows, width] or NULL */
};

/* out[r] = table[tokens[r]] · scale + positions[position + r mod period] */
struct hearken_embed {
    struct hearken_matrix out;          /* [rows, width], written */
    const struct hearken_tensor *table; /* [vocabulary, width] */
    const uint32_t *tokens;             /* [rows], each below the vocabulary */
    float scale;
    const struct hearken_tensor *positions; /* [positions, width] or NULL */
    uint32_t position, period;              /* period: rows of one sequence, at least 1 */
};

/* ---- The kernel table ---- */

/*
 * All entries are needed: the host refuses a plugin that lacks one, by name. A plugin whose buffers
 * are plain memory can start from the reference's table and override what it does better.
 */
struct hearken_kernels {
    uint32_t struct_size;

    /* `elements` elements, zeros at first. Freed in order: kernels already enqueued keep it. */
    int (*buffer_create)(struct hearken_queue *queue, size_t elements,
                         struct hearken_buffer **buffer);
    /*
     * Keys or values of `attend`, which are read for every token: zeros at first. Only `linear`
     * without a residual writes to it, whole rows that follow each other, and only `attend` reads,
     * from the first row on. The plugin may keep bytes, with a scale for each 32 of a row; then
     * `attend` may also round queries, for each head, and the shares of the keys to bytes.
     */
    int (*memory_create)(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                         uint32_t columns, struct hearken_buffer **buffer);
    void (*buffer_destroy)(struct hearken_queue *queue, struct hearken_buffer *buffer);
    /* Rows packed one after the other on the host's side. */
    int (*write)(struct hearken_queue *queue, const struct hearken_matrix *to, const float *from);
    int (*read)(struct hearken_queue *queue, const struct hearken_matrix *from, float *to);

    int (*linear)(struct hearken_queue *queue, const struct hearken_linear *arguments);
    int (*convolve)(struct hearken_queue *queue, const struct hearken_convolve *arguments);
    int (*layer_norm)(struct hearken_queue *queue, const struct hearken_layer_norm *arguments);
    int (*self_attend)(struct hearken_queue *queue, const struct hearken_self_attend *arguments);
    int (*attend)(struct hearken_queue *queue, const struct hearken_attend *arguments);
    int (*lstm)(struct hearken_queue *queue, const struct hearken_lstm *arguments);
    int (*embed)(struct hearken_queue *queue, const struct hearken_embed *arguments);

    /*
     * The hypotheses' states after a beam step: row r becomes what row parents[r] was, for all rows
     * at once. `count` = state->rows; parents may repeat.
     */
    int (*reorder)(struct hearken_queue *queue, const struct hearken_matrix *state,
                   const uint32_t *parents, uint32_t count);

    /* Each row in place: x + mask, minus the logarithm of Σ exp. `mask` [columns] or NULL: 0 or -∞.
     */
    int (*log_softmax)(struct hearken_queue *queue, const struct hearken_matrix *x,
                       const struct hearken_tensor *mask);

    /*
     * The `count` largest of each row (count ≤ columns), largest first, equal ones by column:
     * `values` and `columns` [rows, count], on the host. Waits.
     */
    int (*top_k)(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
                 float *values, uint32_t *columns);
};

/* ---- The plugin ---- */

struct hearken_plugin {
    uint32_t abi_version; /* HEARKEN_PLUGIN_ABI; stays the first field for ever */
    uint32_t struct_size; /* sizeof(struct hearken_plugin); stays the second */
    const char *name;     /* as in the configuration: lower case letters, digits, '-' */
    const char *description;

    /* Can it run here, and how well? In a process of its own; must not crash on any processor. */
    void (*probe)(const struct hearken_plugin_host *host, struct hearken_probe *result);

    int (*backend_create)(const struct hearken_plugin_host *host, struct hearken_backend **backend);
    void (*backend_destroy)(struct hearken_backend *backend); /* after all its tensors and queues */

    /* -ENOTSUP for a type, use or shape that the plugin has no kernel for. */
    int (*tensor_create)(struct hearken_backend *backend, const struct hearken_weights *weights,
                         struct hearken_tensor **tensor);
    void (*tensor_destroy)(struct hearken_backend *backend, struct hearken_tensor *tensor);

    int (*queue_create)(struct hearken_backend *backend, struct hearken_queue **queue);
    void (*queue_destroy)(struct hearken_queue *queue); /* with the buffers that are left */

    const struct hearken_kernels *kernels;

    /*
     * Of enum hearken_tensor_use: the data of a weight with one of these uses is not read once
     * tensor_create has returned, and the host gives its memory back. 0: all are used in place.
     */
    uint32_t copies;

    /*
     * Whether a kernel computes on the thread that calls it, and is done when it returns. Then the
     * host has several segments of a recording computed at the same time, each by its own queue.
     */
    bool synchronous;
};

#ifdef __cplusplus
}
#endif

#endif
