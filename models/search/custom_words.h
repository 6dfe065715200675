// SPDX-License-Identifier: MIT
/*
 * Contextual biasing: makes listed words and names likelier, by shallow fusion (Zhao et al., 2019,
 * "Shallow-Fusion End-to-End Contextual Biasing"; Williams et al., 2018, "Contextual Speech
 * Recognition in End-to-End Neural Network Systems Using Beam Search"). The list is a trie of bytes
 * with failure links (Aho and Corasick, 1975, "Efficient string matching"), so a word matches
 * whatever its tokens.
 *
 * A text earns the characters of the complete custom words in it. An incomplete word earns nothing.
 * Immutable after it is made, so safe from any thread.
 */
#ifndef HEARKEN_MODELS_SEARCH_CUSTOM_WORDS_H
#define HEARKEN_MODELS_SEARCH_CUSTOM_WORDS_H

#include "models/text/vocabulary.h"

#define CUSTOM_WORD_MAX_BYTES 100u

struct custom_words;

/* State of a text: its node in the trie, and what its words have earned. */
struct word_match {
    uint32_t node;
    uint32_t earned; /* characters of complete words */
};

/*
 * `text`: UTF-8, one word or phrase per line; empty lines are skipped. Each matches as it is, in
 * lower case, and with capitals at the start of its words. `vocabulary` must outlive it. `*words`
 * is NULL for a text without words. Errors: -EINVAL with the line, its value and what was expected;
 * -ENOMEM.
 */
int custom_words_create(const char *text, const struct vocabulary *vocabulary,
                        struct custom_words **words, struct hearken_error *error);

/* Accepts NULL. */
void custom_words_destroy(struct custom_words *words);

/* State of an empty text. */
struct word_match custom_words_begin(void);

/* State after one more token of the vocabulary. */
struct word_match custom_words_advance(const struct custom_words *words, struct word_match match,
                                       uint32_t token);

/* Characters earned for certain, whatever follows; and if the text ends here. */
uint32_t custom_words_earned(const struct custom_words *words, struct word_match match);
uint32_t custom_words_earned_at_end(const struct custom_words *words, struct word_match match);

/*
 * Characters earned, with the written part of a word in progress; and with all of the longest such
 * word.
 */
uint32_t custom_words_written(const struct custom_words *words, struct word_match match);
uint32_t custom_words_potential(const struct custom_words *words, struct word_match match);

/*
 * Characters of the longest word: one token raises the potential at most this far above what is
 * earned.
 */
uint32_t custom_words_max_characters(const struct custom_words *words);

/* Whether the text is within or at the end of a custom word. */
bool custom_words_within(struct word_match match);

/* Whether the custom word in progress may end here. */
bool custom_words_is_whole(const struct custom_words *words, struct word_match match);

/* Tokens of punctuation that may follow a word. `count`: their number. */
const uint32_t *custom_words_marks(const struct custom_words *words, uint32_t *count);

/*
 * Tokens that continue the custom word in progress and, with `may_begin`, those that begin another.
 * `tokens` [2 · tokens of the vocabulary]; returns their number. A token may be listed twice.
 */
uint32_t custom_words_continuations(const struct custom_words *words, struct word_match match,
                                    bool may_begin, uint32_t *tokens);

#endif
