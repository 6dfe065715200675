// SPDX-License-Identifier: MIT
/*
 * Samples to the segments of them in which somebody speaks: log-mel frames, the voice network,
 * endpoints. One per stream, used by one thread at a time. Whatever pieces samples come in, the
 * events are the same.
 */
#ifndef HEARKEN_MODELS_VAD_VAD_SEGMENTER_H
#define HEARKEN_MODELS_VAD_VAD_SEGMENTER_H

#include "frontend/features/logmel.h"
#include "models/vad/vad.h"

struct segmenter;

enum segmenter_event_type {
    SEGMENTER_STARTED, /* somebody speaks from `from` on */
    SEGMENTER_STOPPED, /* nobody does from `from` on */
    SEGMENTER_SEGMENT, /* the samples from <= i < to are to be recognised */
};

/* Places are counted in samples from the start of the stream, at HEARKEN_RATE. */
struct segmenter_event {
    enum segmenter_event_type type;
    uint64_t from, to; /* `to` of a segment only */
};

/*
 * For segments of at most `longest` samples. `vad` and `logmel` must outlive it. `*segmenter` is
 * NULL and the result 0 if `vad` is NULL, `options` do not want voice activity, or `longest` is
 * below half a second. Errors: -ENOMEM.
 */
int segmenter_create(const struct vad *vad, const struct logmel *logmel,
                     const struct hearken_stream_options *options, size_t longest,
                     struct segmenter **segmenter);
void segmenter_destroy(struct segmenter *segmenter);

/* What was said up to this sample is settled: no segment is cut before it. */
void segmenter_hold(struct segmenter *segmenter, uint64_t sample);

/* More samples; then events are to be taken until there are none. Errors: -ENOMEM. */
int segmenter_feed(struct segmenter *segmenter, const float *samples, size_t count);

/* There are no more samples; then likewise. Errors: -ENOMEM. */
int segmenter_finish(struct segmenter *segmenter);

/* The next event, in the order of time; false if there is none yet. */
bool segmenter_next(struct segmenter *segmenter, struct segmenter_event *event);

/* Whether somebody speaks: a segment is open and begins at segmenter_keeps. */
bool segmenter_is_open(const struct segmenter *segmenter);

/* If nobody speaks again the open segment will be that: false before its last sample is there, and
 * where none is open. */
bool segmenter_may_end(const struct segmenter *segmenter, uint64_t *from, uint64_t *to);

/* The first sample that may still become part of a segment. */
uint64_t segmenter_keeps(const struct segmenter *segmenter);

#endif
