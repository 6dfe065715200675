// SPDX-License-Identifier: MIT
/* Log-probabilities of the next token, on the host, for decoding that the backend cannot do. */
#ifndef HEARKEN_MODELS_SEARCH_TOKEN_SCORES_H
#define HEARKEN_MODELS_SEARCH_TOKEN_SCORES_H

#include <stdint.h>

/* row[i] -= log Σ exp(row), in place. A row of only -∞ is unchanged. */
void token_scores_log_softmax(float *row, uint32_t count);

/* log Σ exp(row[i]) over first <= i < end; -∞ for an empty range. */
float token_scores_log_sum(const float *row, uint32_t first, uint32_t end);

/*
 * The `wanted` highest values and their columns, sorted; among equals the first column first.
 * Missing ones are -∞.
 */
void token_scores_top(const float *row, uint32_t count, uint32_t wanted, float *values,
                      uint32_t *columns);

/*
 * Samples a column with probability proportional to exp(row[i] / temperature), temperature > 0.
 * `random`: state of the generator, initially any number; equal states give equal columns.
 */
uint32_t token_scores_sample(const float *row, uint32_t count, float temperature, uint64_t *random);

#endif
