// SPDX-License-Identifier: MIT
/* Tokens and the text they stand for. Immutable after it is made: safe from any thread. */
#ifndef HEARKEN_MODELS_TEXT_VOCABULARY_H
#define HEARKEN_MODELS_TEXT_VOCABULARY_H

#include "models/file/gguf.h"

struct vocabulary_token {
    char *text; /* bytes, with a space where a word starts; not always whole UTF-8 characters */
    size_t length;
    bool control; /* stands for no text */
};

struct vocabulary {
    struct vocabulary_token *tokens;
    uint32_t count;
};

/*
 * Reads tokenizer.ggml.*: models "hearken-bpe" (pieces of UTF-8, "▁" for a space) and "gpt2"
 * (bytes written as characters). Errors: -EINVAL, named; -ENOMEM.
 */
int vocabulary_read(struct vocabulary *vocabulary, const struct gguf *gguf,
                    struct hearken_error *error);
void vocabulary_finish(struct vocabulary *vocabulary);

/*
 * The text of tokens, each below the count, as valid UTF-8 (what is not becomes U+FFFD), without
 * space at its ends. Made with malloc, the caller's; NULL: out of memory.
 */
char *vocabulary_text(const struct vocabulary *vocabulary, const uint32_t *tokens, size_t count);

/* Whether the token starts a word: it begins with a space. */
bool vocabulary_starts_word(const struct vocabulary *vocabulary, uint32_t token);

/* Whether the token leaves the word before it as it is: it starts another, or is a mark of
 * punctuation that stands behind words. */
bool vocabulary_follows_word(const struct vocabulary *vocabulary, uint32_t token);

#endif
