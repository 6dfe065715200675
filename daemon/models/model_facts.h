// SPDX-License-Identifier: MIT
/* What a model file says of itself, which is told to clients also while it is not loaded. */
#ifndef HEARKEN_DAEMON_MODELS_MODEL_FACTS_H
#define HEARKEN_DAEMON_MODELS_MODEL_FACTS_H

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>

struct model_facts {
    char *name, *description, *version, *author, *url; /* or NULL */
    json_t *languages;                                 /* codes, at least one */
};

/* Reads them, from any thread. Errors: as hearken_model_inspect; there are none then, but the
 * languages, which are English alone; -ENOMEM: nothing at all. */
int model_facts_read(struct model_facts *facts, const char *file, struct hearken_error *error);

/* Accepts what is all zeros. */
void model_facts_finish(struct model_facts *facts);

/* Whether it knows the language of a BCP 47 tag ("en-GB": "en" is enough). */
bool model_facts_speaks(const struct model_facts *facts, const char *tag);

#endif
