// SPDX-License-Identifier: MIT
/* Which language is spoken, as a Whisper network tells (Radford et al., 2022, section 2.3). */
#ifndef HEARKEN_MODELS_SEARCH_LANGUAGE_DETECTION_H
#define HEARKEN_MODELS_SEARCH_LANGUAGE_DETECTION_H

#include "models/network/speller.h"

/*
 * Of the memory that the speller has been given: the likeliest of the languages that the model
 * writes, an index of its control tokens' `spoken`, by one step behind <|startoftranscript|>.
 * `probability`: its share among them. The speller starts anew, with the tokens that it had.
 * NO_TOKEN on an error, which is in `pass`.
 */
uint32_t language_detect(const struct network *network, struct speller *speller, struct pass *pass,
                         float *probability);

#endif
