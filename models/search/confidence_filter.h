// SPDX-License-Identifier: MIT
/* Rejects text that is likely invented. docs/accuracy.md has the figures behind the defaults. */
#ifndef HEARKEN_MODELS_SEARCH_CONFIDENCE_FILTER_H
#define HEARKEN_MODELS_SEARCH_CONFIDENCE_FILTER_H

#include "models/search/beam_result.h"

#include <hearken/hearken.h>
#include <stdbool.h>

/* Size of the text over its size deflated: about 1 for speech, much more for a loop. */
float confidence_filter_compression_ratio(const char *text);

/*
 * Whether the mean log-probability of a text is below the threshold, or below half of that while
 * the no-speech probability is above its own.
 */
bool confidence_filter_rejects(const struct hearken_stream_options *options, float log_probability,
                               float no_speech);

/*
 * The same for a partial text; `is_first`: nothing of its segment is shown yet. The first text must
 * be likelier than others, as noise often gives a text at first. Where the network is sure of
 * speech, any text may be less likely: the words of hard speech are uncertain until more of it is
 * heard.
 */
bool confidence_filter_rejects_partial(const struct hearken_stream_options *options,
                                       float log_probability, float no_speech, bool is_first);

/*
 * The same for one or two words. What is certain of them is their words, not the capitals and the
 * punctuation, which are half of the tokens. A text that is a custom word as a whole may be less
 * likely.
 */
bool confidence_filter_rejects_words(const struct hearken_stream_options *options,
                                     const struct beam_result *result);

/* Mean log-probability over the tokens and the end; 0 for no tokens. */
float confidence_filter_mean_log_probability(const struct beam_result *result);

#endif
