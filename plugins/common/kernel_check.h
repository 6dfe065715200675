// SPDX-License-Identifier: MIT
/*
 * The checks that every kernel makes on its arguments before it accesses memory. Each function
 * returns 0, or -EINVAL after logging one line with the mismatch.
 */
#ifndef HEARKEN_PLUGINS_COMMON_KERNEL_CHECK_H
#define HEARKEN_PLUGINS_COMMON_KERNEL_CHECK_H

#include <hearken/plugin.h>

/* Logs at level error through the host, if it has a log callback. */
__attribute__((format(printf, 2, 3))) void report(const struct hearken_backend *backend,
                                                  const char *format, ...);

int check_weights(const struct hearken_backend *backend, const struct hearken_weights *weights);
int check_transfer(struct hearken_queue *queue, const char *kernel,
                   const struct hearken_matrix *matrix);

int check_memory(struct hearken_queue *queue, enum hearken_memory_kind kind, uint32_t rows,
                 uint32_t columns);
int check_linear(struct hearken_queue *queue, const struct hearken_linear *arguments);
int check_convolve(struct hearken_queue *queue, const struct hearken_convolve *arguments);
int check_layer_norm(struct hearken_queue *queue, const struct hearken_layer_norm *arguments);
int check_self_attend(struct hearken_queue *queue, const struct hearken_self_attend *arguments);
int check_attend(struct hearken_queue *queue, const struct hearken_attend *arguments);
int check_lstm(struct hearken_queue *queue, const struct hearken_lstm *arguments);
int check_embed(struct hearken_queue *queue, const struct hearken_embed *arguments);
int check_reorder(struct hearken_queue *queue, const struct hearken_matrix *state,
                  const uint32_t *parents, uint32_t count);
int check_log_softmax(struct hearken_queue *queue, const struct hearken_matrix *x,
                      const struct hearken_tensor *mask);
int check_top_k(struct hearken_queue *queue, const struct hearken_matrix *x, uint32_t count);

#endif
