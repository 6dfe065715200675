// SPDX-License-Identifier: MIT
/* Two texts of the same sound: the committed words of one, and what the other says behind them. */
#ifndef HEARKEN_MODELS_TEXT_TRANSCRIPT_MERGE_H
#define HEARKEN_MODELS_TEXT_TRANSCRIPT_MERGE_H

#include "models/text/vocabulary.h"

/*
 * The first of the `found` tokens behind the words that are `committed`, where both texts spell
 * those words with the same letters; marks, spaces and capitals may differ. found_count + 1 if they
 * do not, or if a word of `found` goes on there.
 */
size_t transcript_merge_point(const struct vocabulary *vocabulary, const uint32_t *committed,
                              size_t committed_count, const uint32_t *found, size_t found_count);

#endif
