// SPDX-License-Identifier: MIT
#include "models/stream/stream_options.h"

#include "frontend/sound/pcm.h"
#include "models/search/beam_search.h"

#include <errno.h>
#include <string.h>

void hearken_stream_options_init(struct hearken_stream_options *options)
{
    *options = (struct hearken_stream_options){
        .audio = {HEARKEN_RATE, 1, HEARKEN_SAMPLE_F32},
        .beam_width = 4,
        .length_penalty = 1,
        .ctc_weight = 0.3f,
        .padding = -1,
        .segment_seconds = 28,
        .no_speech_threshold = 0.6f,
        .log_probability_threshold = -0.9f,
        .compression_threshold = 2.4f,
        .custom_words_boost = 0.6f,
        .partial_share = 0.5f,
        .voice = true,
        .voice_threshold = 0.5f,
        .pre_roll = 0.5f,
        .endpoint_seconds = 0.6f,
        .suppress_tokens = "-1",
        .suppress_blank = true,
    };
}

static int check_range(const char *name, double value, double lowest, double highest,
                       struct hearken_error *error)
{
    if (value >= lowest && value <= highest)
        return 0;
    return hearken_fail(error, -EINVAL, "%s is %g, expected %g to %g", name, value, lowest,
                        highest);
}

static int check_text(const char *name, const char *text, size_t size, struct hearken_error *error)
{
    if (memchr(text, 0, size))
        return 0;
    return hearken_fail(error, -EINVAL, "%s is longer than %zu bytes", name, size - 1);
}

static int check_texts(const struct hearken_stream_options *o, struct hearken_error *error)
{
    int result = check_text("language", o->language, sizeof(o->language), error);
    if (result == 0)
        result = check_text("prompt", o->prompt, sizeof(o->prompt), error);
    if (result == 0)
        result =
            check_text("suppress_tokens", o->suppress_tokens, sizeof(o->suppress_tokens), error);
    return result;
}

int stream_options_check(const struct hearken_stream_options *o, struct hearken_error *error)
{
    const struct {
        const char *name;
        double value, lowest, highest;
    } ranges[] = {
        {"beam_width", o->beam_width, 1, BEAM_MAX_WIDTH},
        {"length_penalty", (double)o->length_penalty, 0, 2},
        {"ctc_weight", (double)o->ctc_weight, 0, 1},
        {"padding", (double)o->padding, -1, 30},
        {"segment_seconds", (double)o->segment_seconds, 2, 28},
        {"no_speech_threshold", (double)o->no_speech_threshold, 0, 1},
        {"log_probability_threshold", (double)o->log_probability_threshold, -100, 0},
        {"compression_threshold", (double)o->compression_threshold, 1, 1000},
        {"custom_words_boost", (double)o->custom_words_boost, 0, 10},
        {"partial_seconds", (double)o->partial_seconds, 0, 28},
        {"partial_share", (double)o->partial_share, 0, 1},
        {"voice_threshold", (double)o->voice_threshold, 0.05, 0.95},
        {"pre_roll", (double)o->pre_roll, 0, 2},
        {"endpoint_seconds", (double)o->endpoint_seconds, 0.1, 10},
        {"task", o->task, HEARKEN_TRANSCRIBE, HEARKEN_TRANSLATE},
        {"temperature_step", (double)o->temperature_step, 0, 1},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        int result = check_range(ranges[i].name, ranges[i].value, ranges[i].lowest,
                                 ranges[i].highest, error);
        if (result < 0)
            return result;
    }
    int result = check_texts(o, error);
    return result < 0 ? result : pcm_format_check(&o->audio, error);
}
