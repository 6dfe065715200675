// SPDX-License-Identifier: MIT
/*
 * The types of the opencl plugin and what its files share.
 *
 * plugins/common/ checks the arguments and reorders a convolution's weights, so the plugin's
 * objects start with those of host_backend.h.
 *
 * A backend is a context with one program on one device. A queue is an in-order command queue with
 * kernel objects of its own: a kernel object stores its arguments, so it belongs to one thread.
 * Scratch memory belongs to the queue and only grows; as commands run in order, consecutive
 * commands can share it.
 */
#ifndef HEARKEN_OPENCL_H
#define HEARKEN_OPENCL_H

#include "plugins/common/host_backend.h"
#include "plugins/common/kernel_check.h"
#include "plugins/opencl/opencl_device.h"

#include <stdint.h>

/* ---- Messages (opencl_plugin.c) ---- */

enum { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG }; /* as enum hearken_log_level */

/* Logs one line through the host, if it has a log callback. */
__attribute__((format(printf, 3, 4))) void log_line(const struct hearken_plugin_host *host,
                                                    int level, const char *format, ...);

/* The description of an OpenCL error code. */
const char *opencl_status_text(cl_int status);

/* -ENOMEM for the codes that mean a lack of memory, else -EIO. */
int opencl_errno(cl_int status);

/* ---- Kernels ---- */

enum kernel {
    KERNEL_PRODUCT_F32, /* by enum hearken_tensor_type */
    KERNEL_PRODUCT_F16,
    KERNEL_PRODUCT_Q8_0,
    KERNEL_PRODUCT_FEW_F32, /* likewise */
    KERNEL_PRODUCT_FEW_F16,
    KERNEL_PRODUCT_FEW_Q8_0,
    KERNEL_CONVOLVE,
    KERNEL_ADD_POSITIONS,
    KERNEL_LAYER_NORM,
    KERNEL_APPEND,
    KERNEL_SELF_ATTEND,
    KERNEL_ATTEND,
    KERNEL_LSTM_GATES,
    KERNEL_EMBED,
    KERNEL_GATHER_ROWS,
    KERNEL_COPY_ROWS,
    KERNEL_LOG_SOFTMAX,
    KERNEL_TOP_K,
    KERNEL_COUNT,
};

extern const char *const kernel_names[KERNEL_COUNT];

/* ---- Objects ---- */

struct opencl_backend {
    struct hearken_backend base;
    struct device device;
    cl_context context;
    cl_program program;
    bool profiles; /* HEARKEN_OPENCL_PROFILE is set: kernels are timed */
};

struct opencl_tensor {
    struct hearken_tensor base;
    cl_mem memory;
    cl_uint type;    /* of its elements on the device, as enum hearken_tensor_type */
    cl_uint panel;   /* rows that are interleaved */
    cl_uint pitch;   /* elements of a row, padded with zeros to a multiple of 32 */
    cl_ulong scales; /* Q8_0: where the scales begin, in bytes */
};

struct opencl_buffer {
    struct hearken_buffer base;
    cl_mem memory;
};

enum opencl_scratch {
    OPENCL_SCRATCH_GATES,  /* [rows, 4 · width] of `lstm` */
    OPENCL_SCRATCH_ROWS,   /* temporary rows of `reorder` and `read` */
    OPENCL_SCRATCH_SCORES, /* the alignment of `attend`, if the caller gives no memory for it */
    OPENCL_SCRATCH_BEST,   /* candidates of `top_k` */
    OPENCL_SCRATCH_MERGED, /* and the best of them */
    OPENCL_SCRATCH_COUNT,
};

/* Statistics of a queue. */
struct counters {
    uint64_t launches, writes, reads, waits;
    uint64_t bytes_written, bytes_read;
};

struct profile;

struct opencl_queue {
    struct hearken_queue base;
    cl_command_queue commands;
    cl_kernel kernels[KERNEL_COUNT];
    struct {
        cl_mem memory;
        size_t size;
    } scratch[OPENCL_SCRATCH_COUNT];
    bool failed; /* the device has failed: the queue can only be destroyed */
    unsigned unsent;
    struct counters counters;
    struct profile *profile; /* NULL: profiling is off */
};

static inline struct opencl_backend *opencl_backend(const struct hearken_queue *queue)
{
    return (struct opencl_backend *)queue->backend;
}

static inline struct opencl_queue *opencl_queue(struct hearken_queue *queue)
{
    return (struct opencl_queue *)queue;
}

static inline const struct opencl_tensor *opencl_tensor(const struct hearken_tensor *tensor)
{
    return (const struct opencl_tensor *)tensor;
}

static inline cl_mem matrix_memory(const struct hearken_matrix *matrix)
{
    return ((const struct opencl_buffer *)matrix->buffer)->memory;
}

/* ---- The program (opencl_program.c) ---- */

/* From the cache on disk, else from the source. 0, or a negative errno after lines in the log. */
int program_create(struct opencl_backend *backend);

/* ---- Weights (opencl_weights.c) ---- */

int opencl_tensor_create(struct hearken_backend *backend, const struct hearken_weights *weights,
                         struct hearken_tensor **tensor);
void opencl_tensor_destroy(struct hearken_backend *backend, struct hearken_tensor *tensor);

/* ---- Queues (opencl_queue.c) ---- */

int opencl_queue_create(struct hearken_backend *backend, struct hearken_queue **queue);
void opencl_queue_destroy(struct hearken_queue *queue);

/* Logs that `what` failed and returns the errno; after -EIO the queue can only be destroyed. */
int queue_fail(struct opencl_queue *queue, cl_int status, const char *what);

/*
 * Device memory of `size` bytes until the next call with the same use. 0, -ENOMEM, or -EIO of a
 * device that failed; both are logged.
 */
int opencl_scratch(struct opencl_queue *queue, enum opencl_scratch use, size_t size,
                   cl_mem *memory);

/* Waits for all enqueued commands and copies `size` bytes from the device to the host. */
int queue_read(struct opencl_queue *queue, cl_mem from, size_t offset, size_t size, void *to);

/* ---- Times (opencl_queue.c) ---- */

/* -ENOMEM. */
int profile_create(struct profile **profile);
void profile_destroy(struct profile *profile);
/* Takes ownership of an enqueued command's event. */
void profile_add(struct profile *profile, enum kernel kernel, cl_event event);
/* Reads the times of all commands, which must have completed. */
void profile_collect(struct profile *profile);
/* Logs a line for each kernel. */
void profile_report(const struct profile *profile, const struct hearken_plugin_host *host);

/* ---- Buffers (opencl_queue.c) ---- */

int opencl_buffer_create(struct hearken_queue *queue, size_t elements,
                         struct hearken_buffer **buffer);
/* In single precision, the only type that `linear` and `attend` support. */
int opencl_memory_create(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                         uint32_t columns, struct hearken_buffer **buffer);
void opencl_buffer_destroy(struct hearken_queue *queue, struct hearken_buffer *buffer);
int opencl_write(struct hearken_queue *queue, const struct hearken_matrix *to, const float *from);
int opencl_read(struct hearken_queue *queue, const struct hearken_matrix *from, float *to);

/* ---- Kernels: opencl_products.c, opencl_attention.c, opencl_rows.c ---- */

int opencl_linear(struct hearken_queue *queue, const struct hearken_linear *arguments);
int opencl_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments);
int opencl_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments);
int opencl_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments);
int opencl_attend(struct hearken_queue *queue, const struct hearken_attend *arguments);
int opencl_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments);
int opencl_embed(struct hearken_queue *queue, const struct hearken_embed *arguments);
int opencl_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                   const uint32_t *parents, uint32_t count);
int opencl_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                       const struct hearken_tensor *mask);
int opencl_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count,
                 float *values, uint32_t *columns);

#endif
