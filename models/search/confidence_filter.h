// SPDX-License-Identifier: MIT
/* Measures for rejecting invented text. */
#ifndef HEARKEN_MODELS_SEARCH_CONFIDENCE_FILTER_H
#define HEARKEN_MODELS_SEARCH_CONFIDENCE_FILTER_H

#include "models/search/beam_result.h"

/* Size of the text over its size deflated: about 1 for speech, much more for a loop. */
float confidence_filter_compression_ratio(const char *text);

/* Mean log-probability over the tokens and the end; 0 for no tokens. */
float confidence_filter_mean_log_probability(const struct beam_result *result);

#endif
