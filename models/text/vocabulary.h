// SPDX-License-Identifier: MIT
/* Tokens and their texts. Immutable after it is made, so safe from any thread. */
#ifndef HEARKEN_MODELS_TEXT_VOCABULARY_H
#define HEARKEN_MODELS_TEXT_VOCABULARY_H

#include "models/file/gguf.h"

struct vocabulary_token {
    char *text; /* bytes, with a space before a word; not always whole UTF-8 characters */
    size_t length;
    bool control; /* has no text */
};

struct vocabulary {
    struct vocabulary_token *tokens;
    uint32_t count;
};

/*
 * Reads tokenizer.ggml.*: models "hearken-bpe" (pieces of UTF-8, "▁" for a space) and "gpt2" (bytes
 * encoded as characters). Errors: -EINVAL with a message; -ENOMEM.
 */
int vocabulary_read(struct vocabulary *vocabulary, const struct gguf *gguf,
                    struct hearken_error *error);
void vocabulary_finish(struct vocabulary *vocabulary);

/*
 * The text of tokens, each below the count, as valid UTF-8 (invalid bytes become U+FFFD), without
 * spaces at its ends. Made with malloc, owned by the caller; NULL: out of memory.
 */
char *vocabulary_text(const struct vocabulary *vocabulary, const uint32_t *tokens, size_t count);

/* Whether the token starts a word: it begins with a space. */
bool vocabulary_starts_word(const struct vocabulary *vocabulary, uint32_t token);

/*
 * Whether the token cannot continue a word: it starts another word, or is punctuation that follows
 * words.
 */
bool vocabulary_follows_word(const struct vocabulary *vocabulary, uint32_t token);

#endif
