// SPDX-License-Identifier: MIT
/*
 * The text of a segment that is still being spoken: what the last look at it gave is the guess that
 * the next one checks, and words that have proved stable are committed: they never change again.
 * One per stream, used by one thread at a time.
 */
#ifndef HEARKEN_MODELS_STREAM_PARTIAL_TEXT_H
#define HEARKEN_MODELS_STREAM_PARTIAL_TEXT_H

#include "models/stream/recognizer.h"

struct partial_text;

/* `recognizer` has to live longer. Errors: -ENOMEM. */
int partial_text_create(struct recognizer *recognizer, const struct vocabulary *vocabulary,
                        struct partial_text **partial);
void partial_text_destroy(struct partial_text *partial);

/* A new segment: nothing is known of it. */
void partial_text_begin(struct partial_text *partial);

/* What a look may come to. */
enum partial_outcome {
    PARTIAL_UPDATED,   /* the transcript is made; in the other cases none is */
    PARTIAL_UNCHANGED, /* there was nothing new to hear, and next to no work */
    PARTIAL_REJECTED,  /* what was heard is not believed, and may be right the next time */
};

/*
 * Looks at the segment so far: the samples of the last call and some more, `start` its time in the
 * stream. Returns an outcome, or an error as recognizer_recognise.
 */
int partial_text_update(struct partial_text *partial, const float *samples, size_t count,
                        double start, struct transcript *transcript);

/* What the final text has to begin with; good until the next call. */
struct beam_draft partial_text_committed(const struct partial_text *partial);

/* Seconds of the segment in which the committed words were spoken; 0: there are none. */
double partial_text_committed_seconds(const struct partial_text *partial);

#endif
