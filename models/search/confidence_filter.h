// SPDX-License-Identifier: MIT
/* What keeps invented text from the user: checks on what the search has found. */
#ifndef HEARKEN_MODELS_SEARCH_CONFIDENCE_FILTER_H
#define HEARKEN_MODELS_SEARCH_CONFIDENCE_FILTER_H

#include "models/search/beam_result.h"

/* Bytes of the text for each byte of it deflated: about 1 for speech, much more for a loop. */
float confidence_filter_compression_ratio(const char *text);

/* Mean log-probability of a token, the end included; 0 for no tokens. */
float confidence_filter_mean_log_probability(const struct beam_result *result);

#endif
