// SPDX-License-Identifier: MIT
/*
 * The text of a segment that is still being spoken: what the last look at it gave is the guess that
 * the next one checks, and words that have proved stable are committed: they never change again.
 * One per stream, used by one thread at a time.
 */
#ifndef HEARKEN_MODELS_PARTIAL_H
#define HEARKEN_MODELS_PARTIAL_H

#include "recognizer.h"

struct partial;

/* `recognizer` has to live longer. Errors: -ENOMEM. */
int partial_create(struct recognizer *recognizer, const struct vocabulary *vocabulary,
                   struct partial **partial);
void partial_destroy(struct partial *partial);

/* A new segment: nothing is known of it. */
void partial_begin(struct partial *partial);

/*
 * Looks at the segment so far: the samples of the last call and some more, `start` its time in the
 * stream. 0: `transcript` is made; 1: there was nothing new to hear, and none is. Errors as
 * recognizer_recognise.
 */
int partial_look(struct partial *partial, const float *samples, size_t count, double start,
                 struct transcript *transcript);

/* What the final text has to begin with; good until the next call. */
struct beam_guess partial_committed(const struct partial *partial);

/* Seconds of the segment in which the committed words were spoken; 0: there are none. */
double partial_committed_seconds(const struct partial *partial);

#endif
