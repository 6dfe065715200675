// SPDX-License-Identifier: MIT
/* The checkpoint's tokens and the subset that the model file keeps. */
#ifndef HEARKEN_MODELS_CHECKPOINT_CHECKPOINT_TOKENS_H
#define HEARKEN_MODELS_CHECKPOINT_CHECKPOINT_TOKENS_H

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_TOKEN UINT32_MAX

struct tokens {
    char **names;    /* in GPT-2's representation of bytes; special ones as <|name|> */
    uint32_t count;  /* of the checkpoint */
    uint32_t room;   /* of `names` */
    uint32_t *order; /* the ids sorted by name; tokens_index() makes this and the following */
    uint32_t *ids;   /* [count]: the id in the model file, or NO_TOKEN */
    uint32_t *kept;  /* ascending ids of the checkpoint */
    uint32_t kept_count;
};

/* Adds the next token; copies the name. Errors: -EINVAL beyond a million, -ENOMEM. */
int tokens_add(struct tokens *tokens, const char *name, struct hearken_error *error);

/* The same for raw bytes, which are converted to GPT-2's representation. */
int tokens_add_bytes(struct tokens *tokens, const uint8_t *bytes, size_t length,
                     struct hearken_error *error);

/*
 * Adds Whisper's special tokens after those of text, up to `count` in total: the end, the start, 99
 * or 100 languages, tasks, 1501 timestamps. Errors: -EINVAL if `count` fits neither.
 */
int tokens_add_special(struct tokens *tokens, uint32_t count, struct hearken_error *error);

/* Adds the timestamps alone. */
int tokens_add_times(struct tokens *tokens, struct hearken_error *error);
#define TIME_TOKENS 1501u

/* Builds the tables after the last name; keeps all tokens. Errors: -EINVAL for duplicates,
 * -ENOMEM. */
int tokens_index(struct tokens *tokens, struct hearken_error *error);

/* Keeps only the tokens that the file names, one a line. Errors: the system's, as above. */
int tokens_keep(struct tokens *tokens, const char *path, struct hearken_error *error);

/* The checkpoint's id, NO_TOKEN if there is none of that name. */
uint32_t tokens_find(const struct tokens *tokens, const char *name);

/* Whether a token of the checkpoint stands for no text: its name is of the form <|name|>. */
bool tokens_is_control(const struct tokens *tokens, uint32_t id);

void tokens_finish(struct tokens *tokens);

#endif
