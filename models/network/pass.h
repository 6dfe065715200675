// SPDX-License-Identifier: MIT
/*
 * Kernel calls in the order of the formulas. After the first error all calls do nothing, so the
 * caller checks `error` once, at the end.
 */
#ifndef HEARKEN_MODELS_NETWORK_PASS_H
#define HEARKEN_MODELS_NETWORK_PASS_H

#include <hearken/plugin.h>
#include <stdatomic.h>

/* A stream's queue of kernels. Used by one thread at a time; any thread may set `cancelled`. */
struct pass {
    const struct hearken_kernels *kernels;
    struct hearken_queue *queue;
    const atomic_bool *cancelled; /* NULL: cannot be cancelled */
    int error;                    /* the first error, a negative errno; -ECANCELED once cancelled */
};

/* A buffer that grows on demand. */
struct storage {
    struct hearken_buffer *buffer;
    size_t elements;
};

/* weight [outputs, inputs], bias [outputs] or NULL */
struct affine {
    const struct hearken_tensor *weight, *bias;
    uint32_t inputs, outputs;
};

/* scale and shift [width] */
struct norm {
    const struct hearken_tensor *scale, *shift;
};

/* Grows to at least `elements` elements; growing loses the contents. */
void pass_reserve(struct pass *pass, struct storage *storage, size_t elements);
/* The same for keys and values of the speller's attention, which only pass_linear writes. */
void pass_reserve_memory(struct pass *pass, struct storage *storage, enum hearken_memory_kind kind,
                         uint32_t rows, uint32_t columns);
void pass_release(struct pass *pass, struct storage *storage);

/* The first rows · columns elements as a matrix. */
struct hearken_matrix matrix_of(const struct storage *storage, uint32_t rows, uint32_t columns);
/* Rows first..first + count - 1. */
struct hearken_matrix matrix_rows(struct hearken_matrix matrix, uint32_t first, uint32_t count);
/* Columns first..first + count - 1. */
struct hearken_matrix matrix_columns(struct hearken_matrix matrix, uint32_t first, uint32_t count);

void pass_write(struct pass *pass, struct hearken_matrix to, const float *from);
/* Waits for the result. On an error `to` is unchanged. */
void pass_read(struct pass *pass, struct hearken_matrix from, float *to);
/* Waits until all that came before is done. `any`: a matrix of this backend. */
void pass_wait(struct pass *pass, struct hearken_matrix any);

/* out = in · weightᵀ + bias */
void pass_linear(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                 const struct affine *affine);
/* out = GELU(in · weightᵀ + bias) */
void pass_linear_gelu(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                      const struct affine *affine);
/* x += in · weightᵀ + bias */
void pass_linear_add(struct pass *pass, struct hearken_matrix x, struct hearken_matrix in,
                     const struct affine *affine);
/* ε = 1e-5 */
void pass_layer_norm(struct pass *pass, struct hearken_matrix out, struct hearken_matrix in,
                     const struct norm *norm);

void pass_convolve(struct pass *pass, const struct hearken_convolve *arguments);
void pass_self_attend(struct pass *pass, const struct hearken_self_attend *arguments);
void pass_attend(struct pass *pass, const struct hearken_attend *arguments);
void pass_lstm(struct pass *pass, const struct hearken_lstm *arguments);
void pass_embed(struct pass *pass, const struct hearken_embed *arguments);
void pass_reorder(struct pass *pass, struct hearken_matrix state, const uint32_t *parents);
void pass_log_softmax(struct pass *pass, struct hearken_matrix x,
                      const struct hearken_tensor *mask);
void pass_top_k(struct pass *pass, struct hearken_matrix x, uint32_t count, float *values,
                uint32_t *columns);

#endif
