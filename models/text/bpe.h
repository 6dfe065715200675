// SPDX-License-Identifier: MIT
/*
 * Text to tokens: byte pair encoding (Sennrich et al., 2016) of words as GPT-2 splits them (Radford
 * et al., 2019).
 */
#ifndef HEARKEN_MODELS_TEXT_BPE_H
#define HEARKEN_MODELS_TEXT_BPE_H

#include "models/text/vocabulary.h"

/*
 * Encodes `text` to at most `most` tokens: the last ones, if there are more. A vocabulary lists
 * tokens in the order of its merges, so the pair that forms the token with the lowest id is merged
 * next. Bytes without a token are left out. `tokens` is made with malloc and owned by the caller.
 * Errors: -ENOMEM.
 */
int bpe_encode(const struct vocabulary *vocabulary, const char *text, uint32_t most,
               uint32_t **tokens, uint32_t *count);

#endif
