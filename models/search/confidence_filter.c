// SPDX-License-Identifier: MIT
#include "models/search/confidence_filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/*
 * The words of a short text must be as likely as so many tokens at the threshold
 * (docs/accuracy.md).
 */
#define SHORT_TEXT_TOKENS 2.5f

/*
 * The same for a text that is a custom word or phrase as a whole, without its bonus: at least, and
 * for each token of a long one. Noise is far less likely to be one of them.
 */
#define LISTED_TEXT_TOKENS 6.0f
#define LISTED_TOKEN       1.5f

/* Shares of the threshold for a partial text (docs/streaming.md). */
#define FIRST_PARTIAL_SHARE 0.67f
#define SURE_PARTIAL_SHARE  1.5f

/* The network is sure of speech below this no-speech probability. */
#define SURE_NO_SPEECH 0.15f

float confidence_filter_compression_ratio(const char *text)
{
    uLong length = (uLong)strlen(text);
    uLongf deflated = compressBound(length);
    Bytef *buffer = malloc(deflated);
    /* Out of memory the text passes. */
    float ratio = 1;
    if (buffer && length > 0 && compress(buffer, &deflated, (const Bytef *)text, length) == Z_OK)
        ratio = (float)length / (float)deflated;
    free(buffer);
    return ratio;
}

float confidence_filter_mean_log_probability(const struct beam_result *result)
{
    return result->count > 0 ? result->log_probability / (float)(result->count + 1) : 0;
}

/* The threshold of a text, stricter where the network thinks that nobody speaks. */
static float threshold_for(const struct hearken_stream_options *options, float no_speech)
{
    float threshold = options->log_probability_threshold;
    return no_speech > options->no_speech_threshold ? threshold / 2 : threshold;
}

bool confidence_filter_rejects(const struct hearken_stream_options *options, float log_probability,
                               float no_speech)
{
    return log_probability < threshold_for(options, no_speech);
}

/* 0: the model does not tell. */
static bool is_sure_of_speech(float no_speech)
{
    return no_speech > 0 && no_speech < SURE_NO_SPEECH;
}

bool confidence_filter_rejects_partial(const struct hearken_stream_options *options,
                                       float log_probability, float no_speech, bool is_first)
{
    float share = is_first ? FIRST_PARTIAL_SHARE : 1;
    if (is_sure_of_speech(no_speech))
        share = SURE_PARTIAL_SHARE;
    return log_probability < threshold_for(options, no_speech) * share;
}

bool confidence_filter_rejects_words(const struct hearken_stream_options *options,
                                     const struct beam_result *result)
{
    float threshold = threshold_for(options, result->no_speech);
    if (!result->is_listed)
        return result->words_log_probability < threshold * SHORT_TEXT_TOKENS;
    float tokens = fmaxf(LISTED_TEXT_TOKENS, LISTED_TOKEN * (float)(result->count + 1));
    return result->words_log_probability - result->bonus < threshold * tokens;
}
