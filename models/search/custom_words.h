// SPDX-License-Identifier: MIT
/*
 * Words and names that are likelier than the network thinks: contextual biasing by shallow fusion
 * (Zhao et al., 2019, "Shallow-Fusion End-to-End Contextual Biasing"; Williams et al., 2018,
 * "Contextual Speech Recognition in End-to-End Neural Network Systems Using Beam Search"). The list
 * is a trie with failure links (Aho and Corasick, 1975, "Efficient string matching"). It goes by
 * bytes, so that a word is matched in whatever tokens it is written.
 *
 * What a text earns is counted in characters of the listed words that it holds, whole: a word that
 * is left before its end earns nothing. Immutable after it is made: safe from any thread.
 */
#ifndef HEARKEN_MODELS_SEARCH_CUSTOM_WORDS_H
#define HEARKEN_MODELS_SEARCH_CUSTOM_WORDS_H

#include "models/text/vocabulary.h"

#define CUSTOM_WORD_BYTES_MOST 100u

struct custom_words;

/* Where a text is in the trie, and what its words have earned so far. */
struct word_match {
    uint32_t node;
    uint32_t earned; /* characters of whole words that are behind it */
};

/*
 * `text`: UTF-8, a word or phrase a line; empty lines do not count. Each is looked for as it is
 * written, in small letters, and with a capital at its start. `vocabulary` has to live longer. NULL
 * comes back for a text without words. Errors: -EINVAL with the line, what it is and what was
 * expected; -ENOMEM.
 */
int custom_words_create(const char *text, const struct vocabulary *vocabulary,
                        struct custom_words **words, struct hearken_error *error);

/* Accepts NULL. */
void custom_words_destroy(struct custom_words *words);

/* The start of a text. */
struct word_match custom_words_begin(void);

/* A text and one more token of the vocabulary. */
struct word_match custom_words_advance(const struct custom_words *words, struct word_match match,
                                       uint32_t token);

/* Characters that the text has earned for certain; if it ends there. */
uint32_t custom_words_earned(const struct custom_words *words, struct word_match match);
uint32_t custom_words_earned_at_end(const struct custom_words *words, struct word_match match);

/* With what is written of a word that may go on, and with all of the longest such word. */
uint32_t custom_words_written(const struct custom_words *words, struct word_match match);
uint32_t custom_words_hoped(const struct custom_words *words, struct word_match match);

/* The longest word, in characters: no token makes a text hope for more than that. */
uint32_t custom_words_longest(const struct custom_words *words);

/* Whether it is within a word of the list that may go on, or at the end of one. */
bool custom_words_within(struct word_match match);

/*
 * Tokens with which a text goes on in the word that it is in, and with `others` those with which it
 * begins another. `tokens` [2 · the vocabulary's count]; returns how many. A token may come twice.
 */
uint32_t custom_words_reach(const struct custom_words *words, struct word_match match, bool others,
                            uint32_t *tokens);

#endif
