// SPDX-License-Identifier: MIT
/*
 * Partial text of the segment being spoken. Each update verifies the text of the one before as a
 * draft and commits the words that have proved stable: these never change again. One per stream,
 * used by one thread at a time.
 */
#ifndef HEARKEN_MODELS_STREAM_PARTIAL_TEXT_H
#define HEARKEN_MODELS_STREAM_PARTIAL_TEXT_H

#include "models/stream/recognizer.h"

struct partial_text;

/* `recognizer` must outlive it. Errors: -ENOMEM. */
int partial_text_create(struct recognizer *recognizer, const struct vocabulary *vocabulary,
                        struct partial_text **partial);
void partial_text_destroy(struct partial_text *partial);

/* Begins a new segment. */
void partial_text_begin(struct partial_text *partial);

/* Results of an update. */
enum partial_outcome {
    PARTIAL_UPDATED,   /* the transcript is filled; the other outcomes leave it empty */
    PARTIAL_UNCHANGED, /* no new sound was encoded; this costs next to nothing */
    PARTIAL_REJECTED,  /* the text was rejected, and the shown one may still be right */
};

/*
 * Recognises the segment so far: the samples of the last call and more; `start`: its time in the
 * stream, seconds. Returns an outcome, or an error as recognizer_recognise.
 */
int partial_text_update(struct partial_text *partial, const float *samples, size_t count,
                        double start, struct transcript *transcript);

/* The committed tokens, with which the final text must begin. Valid until the next call. */
struct beam_draft partial_text_committed(const struct partial_text *partial);

/* End of the last committed word, seconds from the start of the segment; 0: none is committed. */
double partial_text_committed_seconds(const struct partial_text *partial);

#endif
