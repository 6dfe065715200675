// SPDX-License-Identifier: MIT
/*
 * The tokens that start a text: those of the model file, with the language, the task and the times
 * that are asked for, behind text that is to be taken for what was said before (Radford et al.,
 * 2022, section 2.3). One per stream.
 */
#ifndef HEARKEN_MODELS_OPENING_H
#define HEARKEN_MODELS_OPENING_H

#include "speller.h"

#include <hearken/hearken.h>

struct opening;

/* Errors: -EINVAL with a message where the model has no such language, task or times, or takes no
 * text before; -ENOMEM. */
int opening_create(const struct network *network, const struct hearken_stream_options *options,
                   struct opening **opening, struct hearken_error *error);
void opening_destroy(struct opening *opening);

/* Whether the language is to be found in the sound first. */
bool opening_asks_for_language(const struct opening *opening);

/* From now on it is the one of that index among the model's. */
void opening_set_language(struct opening *opening, uint32_t language);

/* Its code, "en"; "" where the model knows of none. As long as the network. */
const char *opening_language(const struct opening *opening);

/*
 * What was said: the next text follows it, if that is asked for; `count` 0: nothing is known of
 * what was said.
 */
void opening_remember(struct opening *opening, const uint32_t *tokens, uint32_t count);

/* Tokens that start a text, with or without times: valid until something else is asked of it. */
struct speller_start opening_start(struct opening *opening, bool timestamps);

#endif
