// SPDX-License-Identifier: MIT
/* Log-probabilities of the next token, on the host: where the backend's own choice does not do. */
#ifndef HEARKEN_MODELS_SEARCH_TOKEN_SCORES_H
#define HEARKEN_MODELS_SEARCH_TOKEN_SCORES_H

#include <stdint.h>

/* row[i] -= log Σ exp(row): in place. A row of -∞ alone stays as it is. */
void token_scores_log_softmax(float *row, uint32_t count);

/* log Σ exp(row[i]) over first <= i < end; -∞ for none. */
float token_scores_log_sum(const float *row, uint32_t first, uint32_t end);

/* The `wanted` highest of them, the first of equals first; those that are not there are -∞. */
void token_scores_top(const float *row, uint32_t count, uint32_t wanted, float *values,
                      uint32_t *columns);

/*
 * A column by chance, with probabilities that go with exp(row[i] / temperature), temperature > 0.
 * `random`: the state of the generator, any number at first; the same state gives the same column.
 */
uint32_t token_scores_sample(const float *row, uint32_t count, float temperature, uint64_t *random);

#endif
