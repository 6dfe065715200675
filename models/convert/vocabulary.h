// SPDX-License-Identifier: MIT
/* The checkpoint's tokens, and which of them go into the model file. */
#ifndef HEARKEN_CONVERT_VOCABULARY_H
#define HEARKEN_CONVERT_VOCABULARY_H

#include "complaint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_TOKEN UINT32_MAX

struct vocabulary {
    char **names;    /* bytes written as characters, as GPT-2 does; special ones as <|name|> */
    uint32_t *order; /* the ids, sorted by name */
    uint32_t *ids;   /* by the checkpoint's id: the id in the model file, or NO_TOKEN */
    uint32_t count;  /* of the checkpoint */
    uint32_t *kept;  /* ascending ids of the checkpoint */
    uint32_t kept_count;
};

/*
 * Reads vocabulary.json (an array of strings) or, where there is none, vocabulary.txt (a line a
 * token) of a checkpoint's directory; all tokens are kept. Errors: the system's, -EINVAL, -ENOMEM.
 * Owned by the caller, who calls vocabulary_finish, also after an error.
 */
int vocabulary_read(struct vocabulary *vocabulary, const char *directory,
                    struct complaint *complaint);
void vocabulary_finish(struct vocabulary *vocabulary);

/* Keeps only the tokens that the file names, one a line. Errors as above. */
int vocabulary_keep(struct vocabulary *vocabulary, const char *path, struct complaint *complaint);

/* The checkpoint's id, NO_TOKEN if there is none of that name. */
uint32_t vocabulary_find(const struct vocabulary *vocabulary, const char *name);

/* Whether a token of the checkpoint stands for no text: its name is of the form <|name|>. */
bool vocabulary_is_control(const struct vocabulary *vocabulary, uint32_t id);

#endif
