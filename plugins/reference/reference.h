// SPDX-License-Identifier: MIT
/* The reference plugin: the specification of every kernel, in plain C that reads like its formula.
 */
#ifndef HEARKEN_PLUGINS_REFERENCE_REFERENCE_H
#define HEARKEN_PLUGINS_REFERENCE_REFERENCE_H

#include "plugins/common/host_backend.h"

/* ---- Matrix products (linear.c) ---- */

/* out = activation(in · weightᵀ + bias) + residual, on plain memory; steps are from row to row. */
struct product {
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

/* Rows that `multiply` takes at a time, so that they stay in the cache over all weight rows. */
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
