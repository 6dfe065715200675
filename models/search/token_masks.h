// SPDX-License-Identifier: MIT
/* Which tokens may not be written, as what is added to logits: 0, or -∞. */
#ifndef HEARKEN_MODELS_SEARCH_TOKEN_MASKS_H
#define HEARKEN_MODELS_SEARCH_TOKEN_MASKS_H

#include "models/network/network.h"

/* Those of one stream, or of a network: then they are the network's. */
struct token_masks {
    const struct hearken_tensor *at[TEXT_POSITIONS]; /* [vocabulary] each */
    struct hearken_tensor *made[TEXT_POSITIONS];     /* NULL: the network's */
    float *values;                                   /* [PLACES, vocabulary], as long as `made` */
};

/*
 * `suppress`: token ids with commas between them, of which -1 stands for the file's own list, as in
 * Whisper; "" for none. `blank`: a text may begin with what the file keeps from beginnings. Control
 * tokens are never written. Errors: -EINVAL for what is no list of ids of the vocabulary, with a
 * message; -ENOMEM, the backend's.
 */
int token_masks_create(const struct network *network, const char *suppress, bool blank,
                       struct token_masks *masks, struct hearken_error *error);
void token_masks_finish(struct token_masks *masks, const struct network *network);

/* Adds the ids to `list` [vocabulary], 1 for each; `own` tells of -1. Errors: -EINVAL. */
int token_masks_read_list(const char *text, uint32_t vocabulary, uint8_t *list, bool *own,
                          struct hearken_error *error);

#endif
