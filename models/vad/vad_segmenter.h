// SPDX-License-Identifier: MIT
/*
 * Divides samples into segments of speech: log-mel frames, the voice activity network, endpoints.
 * One per stream, used by one thread at a time. Events do not depend on how the samples are divided
 * into calls.
 */
#ifndef HEARKEN_MODELS_VAD_VAD_SEGMENTER_H
#define HEARKEN_MODELS_VAD_VAD_SEGMENTER_H

#include "frontend/features/logmel.h"
#include "models/vad/vad.h"

struct segmenter;

enum segmenter_event_type {
    SEGMENTER_STARTED, /* speech starts at `from` */
    SEGMENTER_STOPPED, /* speech stopped at `from` */
    SEGMENTER_SEGMENT, /* recognise the samples from <= i < to */
};

/* Positions are samples from the start of the stream, at HEARKEN_RATE. */
struct segmenter_event {
    enum segmenter_event_type type;
    uint64_t from, to; /* `to`: SEGMENTER_SEGMENT only */
};

/*
 * For segments of at most `max_samples` samples. `vad` and `logmel` must outlive it. `*segmenter`
 * is NULL and the result 0 if `vad` is NULL, `options` turn voice activity off, or `max_samples` is
 * below half a second. Errors: -ENOMEM.
 */
int segmenter_create(const struct vad *vad, const struct logmel *logmel,
                     const struct hearken_stream_options *options, size_t max_samples,
                     struct segmenter **segmenter);
void segmenter_destroy(struct segmenter *segmenter);

/* No segment is cut before this sample: text up to it is committed. */
void segmenter_set_earliest_cut(struct segmenter *segmenter, uint64_t sample);

/* Adds samples. The caller must then take all events. Errors: -ENOMEM. */
int segmenter_feed(struct segmenter *segmenter, const float *samples, size_t count);

/* Ends the signal. The caller must then take all events. Errors: -ENOMEM. */
int segmenter_finish(struct segmenter *segmenter);

/* Takes the next event in order of time; false: there is none yet. */
bool segmenter_next(struct segmenter *segmenter, struct segmenter_event *event);

/*
 * Goes past `count` samples of silence, a multiple of LOGMEL_HOP, as if they had been fed. Only
 * before the first sample, or while the segmenter rests and all it may still need is silence, too.
 */
void segmenter_skip(struct segmenter *segmenter, uint64_t count);

/* Whether no segment is open or may have begun. */
bool segmenter_rests(const struct segmenter *segmenter);

/* Whether a segment is open and not in a pause. */
bool segmenter_hears_speech(const struct segmenter *segmenter);

/* Whether somebody else speaks: then a pause of a second ends the segment. */
void segmenter_set_turn(struct segmenter *segmenter, bool others_speak);

/* Whether a segment is open. It begins at segmenter_first_needed. */
bool segmenter_is_open(const struct segmenter *segmenter);

/*
 * The samples of the open segment if no more speech follows. False if no segment is open, and until
 * the last of these samples was fed.
 */
bool segmenter_expected_segment(const struct segmenter *segmenter, uint64_t *from, uint64_t *to);

/*
 * The network's probability of speech for each LOGMEL_HOP samples from `from` on, [frames]. Only
 * for a segment of the last event or the expected one; 0 for what is further back.
 */
void segmenter_read_voice(const struct segmenter *segmenter, uint64_t from, float *probabilities,
                          size_t frames);

/* The first sample that may still belong to a segment. */
uint64_t segmenter_first_needed(const struct segmenter *segmenter);

#endif
