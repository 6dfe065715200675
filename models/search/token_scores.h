// SPDX-License-Identifier: MIT
/* What is done to the scores of the next token: masks, and on the host what the backend cannot. */
#ifndef HEARKEN_MODELS_SEARCH_TOKEN_SCORES_H
#define HEARKEN_MODELS_SEARCH_TOKEN_SCORES_H

#include "models/network/network.h"

/* ---- Masks of suppressed tokens, to be added to logits: 0, or -∞ ---- */

/* The masks of a stream: its own, or those of its network. */
struct token_masks {
    const struct hearken_tensor *tensors[TEXT_POSITIONS]; /* [vocabulary] each; by text position */
    struct hearken_tensor *owned[TEXT_POSITIONS];         /* NULL: the network's */
    float *values; /* [TEXT_POSITIONS, vocabulary], backs `owned` */
};

/*
 * `suppress`: comma-separated token ids, -1 for the list of the model file, as in Whisper; "" for
 * none. `blank`: allow at the start of a text what the model file suppresses only there. Control
 * tokens are always suppressed. Errors: -EINVAL with a message if `suppress` is no list of ids of
 * the vocabulary; -ENOMEM, the backend's.
 */
int token_masks_create(const struct network *network, const char *suppress, bool blank,
                       struct token_masks *masks, struct hearken_error *error);
void token_masks_finish(struct token_masks *masks, const struct network *network);

/*
 * Sets list[id] to 1 for each id, `list` [vocabulary]; `own`: whether -1 is among them. Errors:
 * -EINVAL with a message.
 */
int token_masks_read_list(const char *text, uint32_t vocabulary, uint8_t *list, bool *own,
                          struct hearken_error *error);

/* ---- Log-probabilities on the host ---- */

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
