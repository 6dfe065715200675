// SPDX-License-Identifier: MIT
/*
 * Compares and merges two texts of the same sound by their words: capitals and punctuation do not
 * count.
 */
#ifndef HEARKEN_MODELS_TEXT_TRANSCRIPT_MERGE_H
#define HEARKEN_MODELS_TEXT_TRANSCRIPT_MERGE_H

#include "models/text/vocabulary.h"

/*
 * Index of the first `found` token after the words of `committed`, if both texts spell those words
 * with the same letters; punctuation, spaces and capitals may differ. found_count + 1 if they do
 * not, or if a word of `found` continues there.
 */
size_t transcript_merge_point(const struct vocabulary *vocabulary, const uint32_t *committed,
                              size_t committed_count, const uint32_t *found, size_t found_count);

/* Whether both texts spell the same words. */
bool transcript_has_same_words(const struct vocabulary *vocabulary, const uint32_t *a,
                               size_t a_count, const uint32_t *b, size_t b_count);

#endif
