// SPDX-License-Identifier: MIT
/* Streams on small random networks, and what they tell written down: for tests of streams. */
#ifndef HEARKEN_TESTS_UNIT_COMMON_EVENT_RECORD_H
#define HEARKEN_TESTS_UNIT_COMMON_EVENT_RECORD_H

#include "tests/unit/common/make_model.h"

#include <hearken/hearken.h>

#define RATE 16000u

/* Bursts of noise of different colour, `seconds` long, with pauses: for a random network as good as
 * speech. In steps of 16 bit samples, so that every sample type but U8 holds it. */
float *make_sound(unsigned seed, double seconds, size_t *count);

/* Such a network, opened; asserts that it is. */
struct hearken_model *model_of(struct model_shape shape);

/* The same with a voice network that takes what is loud for speech. */
struct hearken_model *hearing_model_of(struct model_shape shape);

/* Random networks believe nothing they say: the guards are off. */
struct hearken_stream_options stream_options_of(void);

struct record {
    struct bytes text;   /* all events, to the bit */
    struct bytes spoken; /* the final texts alone, one a line */
    size_t finals, partials, ends, words, rows, after_end, voice_events;
    double last_end, first_start, longest, end_time;
    bool ordered, rows_sum_to_one, shown; /* shown: a text that may still change */
    double alignment_end;                 /* seconds: the latest end of the weights' steps */
    char committed[1024];                 /* of this segment */
    size_t commits;                       /* events that committed more */
    bool kept;                            /* no event changed what was committed before */
    struct hearken_stream *cancels;       /* at the first event */
};

void start_record(struct record *r);
void finish_record(struct record *r);

/* The event callback; the context is the record. */
void take_event(void *context, const struct hearken_event *event);

bool same_bytes(const struct bytes *a, const struct bytes *b);

/* A stream that writes into the record, which is started. */
struct hearken_stream *create(struct hearken_model *model,
                              const struct hearken_stream_options *options, struct record *r);

/* The whole way of `frames` frames, written `piece` at a time (0: at once). */
void transcribe(struct hearken_model *model, const struct hearken_stream_options *options,
                const void *samples, size_t frames, size_t piece, struct record *r);

#endif
