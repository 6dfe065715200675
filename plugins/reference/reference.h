// SPDX-License-Identifier: MIT
/* The reference plugin: the specification of every kernel, in plain C that reads like its
 * formula. */
#ifndef HEARKEN_PLUGINS_REFERENCE_REFERENCE_H
#define HEARKEN_PLUGINS_REFERENCE_REFERENCE_H

#include "plugins/common/host_backend.h"

/* ---- Matrix products (linear.c) ---- */

/* out [rows, outputs] = activation(in · weightᵀ + bias) + residual. `*_step`: elements from row to
 * row. */
struct product {
    const float *in; /* [rows, inputs], inputs = host_tensor_width(weight) */
    size_t in_step;
    size_t rows;
    const struct hearken_tensor *weight; /* [outputs, inputs] */
    const float *bias;                   /* [outputs], or NULL */
    enum hearken_activation activation;
    const float *residual; /* [rows, outputs], or NULL; may be `out` */
    size_t residual_step;
    float *out; /* [rows, outputs] */
    size_t out_step;
};

/* Input rows of one block of reference_multiply(), which fits in the second-level cache. */
size_t reference_multiply_block(const struct hearken_tensor *weight);

/* 0 or -ENOMEM. */
int reference_multiply(struct hearken_queue *queue, const struct product *product);

/* ---- Kernels, each in the file of its name ---- */

int reference_linear(struct hearken_queue *queue, const struct hearken_linear *arguments);
int reference_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments);
int reference_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments);
int reference_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments);
int reference_attend(struct hearken_queue *queue, const struct hearken_attend *arguments);
int reference_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments);

#endif
