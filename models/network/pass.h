// SPDX-License-Identifier: MIT
/*
 * Kernel calls as the network writes them: a sequence that reads like the formula. The first error
 * sticks and turns the calls that follow into nothing, so it is asked for once, at the end.
 */
#ifndef HEARKEN_MODELS_NETWORK_PASS_H
#define HEARKEN_MODELS_NETWORK_PASS_H

#include <hearken/plugin.h>
#include <stdatomic.h>

/* One stream's queue. Used by one thread at a time; `cancelled` may be set by any. */
struct pass {
    const struct hearken_kernels *kernels;
    struct hearken_queue *queue;
    const atomic_bool *cancelled; /* NULL: cannot be */
    int error;                    /* the first, a negative errno; -ECANCELED once cancelled */
};

/* A buffer that grows. */
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

/* At least `elements` elements; what was there is lost if it had fewer. */
void pass_reserve(struct pass *pass, struct storage *storage, size_t elements);
/* Likewise, for keys and values of the speller's attention: only pass_linear writes to them. */
void pass_reserve_memory(struct pass *pass, struct storage *storage, size_t elements);
void pass_release(struct pass *pass, struct storage *storage);

/* The first rows · columns elements as a matrix. */
struct hearken_matrix matrix_of(const struct storage *storage, uint32_t rows, uint32_t columns);
/* `count` rows from row `first` on. */
struct hearken_matrix matrix_rows(struct hearken_matrix matrix, uint32_t first, uint32_t count);
/* `count` columns from column `first` on. */
struct hearken_matrix matrix_columns(struct hearken_matrix matrix, uint32_t first, uint32_t count);

void pass_write(struct pass *pass, struct hearken_matrix to, const float *from);
/* Waits. On an error `to` is left as it was. */
void pass_read(struct pass *pass, struct hearken_matrix from, float *to);

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
