// SPDX-License-Identifier: MIT
/* Language detection as in Whisper (Radford et al., 2022, section 2.3). */
#ifndef HEARKEN_MODELS_SEARCH_LANGUAGE_DETECTION_H
#define HEARKEN_MODELS_SEARCH_LANGUAGE_DETECTION_H

#include "models/network/speller.h"

/*
 * Detects the language of the memory by one speller step after <|startoftranscript|>. Returns the
 * likeliest supported language, an index of control_tokens.languages; `probability`: its share
 * among the supported ones. The speller must be started again; its start tokens are unchanged.
 * NO_TOKEN on an error, which is in `pass`.
 */
uint32_t language_detect(const struct network *network, struct speller *speller, struct pass *pass,
                         float *probability);

#endif
