// SPDX-License-Identifier: MIT
/* Masks of suppressed tokens, to be added to logits: 0, or -∞. */
#ifndef HEARKEN_MODELS_SEARCH_TOKEN_MASKS_H
#define HEARKEN_MODELS_SEARCH_TOKEN_MASKS_H

#include "models/network/network.h"

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

#endif
