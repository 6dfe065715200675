// SPDX-License-Identifier: MIT
/*
 * The tokens that start a text: those of the model file, with the requested language, task and
 * timestamps, after text that the model takes as context (Radford et al., 2022, section 2.3). One
 * per stream.
 */
#ifndef HEARKEN_MODELS_SEARCH_DECODER_PROMPT_H
#define HEARKEN_MODELS_SEARCH_DECODER_PROMPT_H

#include "models/network/speller.h"

#include <hearken/hearken.h>

struct decoder_prompt;

/*
 * Errors: -EINVAL with a message if the model lacks the language, the task or timestamps, or takes
 * no previous text; -ENOMEM.
 */
int decoder_prompt_create(const struct network *network,
                          const struct hearken_stream_options *options,
                          struct decoder_prompt **prompt, struct hearken_error *error);
void decoder_prompt_destroy(struct decoder_prompt *prompt);

/* Whether the language must be detected. */
bool decoder_prompt_needs_language(const struct decoder_prompt *prompt);

/* Sets the language to this index of control_tokens.languages. */
void decoder_prompt_set_language(struct decoder_prompt *prompt, uint32_t language);

/* The code of the language, "en"; "" if the model has none. Valid as long as the network. */
const char *decoder_prompt_language(const struct decoder_prompt *prompt);

/*
 * Detects the language of the memory by one speller step after <|startoftranscript|> (Radford et
 * al., 2022, section 2.3). Returns the likeliest supported language, an index of
 * control_tokens.languages; `probability`: its share among the supported ones. The speller must be
 * started again; its start tokens are unchanged. NO_TOKEN on an error, which is in `pass`.
 */
uint32_t language_detect(const struct network *network, struct speller *speller, struct pass *pass,
                         float *probability);

/*
 * Appends the last text to the context of the next one, if the options ask for that; `count` 0
 * clears the previous text.
 */
void decoder_prompt_set_previous(struct decoder_prompt *prompt, const uint32_t *tokens,
                                 uint32_t count);

/* The tokens that start a text, with or without timestamps. Valid until the next call. */
struct speller_start decoder_prompt_tokens(struct decoder_prompt *prompt, bool timestamps);

#endif
