// SPDX-License-Identifier: MIT
/* From text to tokens: byte pair encoding (Sennrich et al., 2016), of whole words as GPT-2 parts
 * them (Radford et al., 2019). */
#ifndef HEARKEN_MODELS_TEXT_BPE_H
#define HEARKEN_MODELS_TEXT_BPE_H

#include "models/text/vocabulary.h"

/*
 * The tokens of `text`, at most `most`: those at its end, if there are more. A vocabulary lists its
 * pairs in the order in which they are joined, so of all neighbours that make a token those that
 * make the first one are joined next. Bytes that are no token are left out. `tokens` is made with
 * malloc, the caller's. Errors: -ENOMEM.
 */
int bpe_encode(const struct vocabulary *vocabulary, const char *text, uint32_t most,
               uint32_t **tokens, uint32_t *count);

#endif
