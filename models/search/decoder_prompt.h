// SPDX-License-Identifier: MIT
/*
 * The tokens that start a text: those of the model file, with the language, the task and the times
 * that are asked for, behind text that is to be taken for what was said before (Radford et al.,
 * 2022, section 2.3). One per stream.
 */
#ifndef HEARKEN_MODELS_SEARCH_DECODER_PROMPT_H
#define HEARKEN_MODELS_SEARCH_DECODER_PROMPT_H

#include "models/network/speller.h"

#include <hearken/hearken.h>

struct decoder_prompt;

/* Errors: -EINVAL with a message where the model has no such language, task or times, or takes no
 * text before; -ENOMEM. */
int decoder_prompt_create(const struct network *network,
                          const struct hearken_stream_options *options,
                          struct decoder_prompt **prompt, struct hearken_error *error);
void decoder_prompt_destroy(struct decoder_prompt *prompt);

/* Whether the language is to be found in the sound first. */
bool decoder_prompt_needs_language(const struct decoder_prompt *prompt);

/* From now on it is the one of that index among the model's. */
void decoder_prompt_set_language(struct decoder_prompt *prompt, uint32_t language);

/* Its code, "en"; "" where the model knows of none. As long as the network. */
const char *decoder_prompt_language(const struct decoder_prompt *prompt);

/*
 * What was said: the next text follows it, if that is asked for; `count` 0: nothing is known of
 * what was said.
 */
void decoder_prompt_set_previous(struct decoder_prompt *prompt, const uint32_t *tokens,
                                 uint32_t count);

/* Tokens that start a text, with or without times: valid until something else is asked of it. */
struct speller_start decoder_prompt_tokens(struct decoder_prompt *prompt, bool timestamps);

#endif
