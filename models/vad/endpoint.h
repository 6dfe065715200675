// SPDX-License-Identifier: MIT
/*
 * Divides a signal into segments of speech by the speech probability of each frame. No I/O; frames
 * are those of logmel.h, counted from 0.
 *
 * Speech starts with a frame at or above `onset`, if that frame and those after it stay at or above
 * `offset` until there are `min_speech` of them and their certainties add up to half of
 * `min_speech`. The certainty of a frame is 0 at `offset` and 1 at twice `onset`, at most at
 * probability 1. Until then speech is doubtful. Doubtful speech, at most 2 s of it, belongs to the
 * segment of the speech that follows it without a pause of `min_silence`; as the last sound of the
 * signal it is a segment itself.
 *
 * Speech continues while frames are at or above `offset`. A segment begins `pre_roll` before its
 * speech, as the first sounds are soft. It ends after `min_silence` without speech, and the first
 * `hangover` frames of that silence belong to it. Segments that become too long are cut.
 */
#ifndef HEARKEN_MODELS_VAD_ENDPOINT_H
#define HEARKEN_MODELS_VAD_ENDPOINT_H

#include <hearken/hearken.h>

struct endpoint_options {
    float onset, offset;  /* probabilities, offset <= onset */
    uint32_t min_speech;  /* shorter speech is ignored; frames, at least 1 */
    uint32_t pre_roll;    /* frames before speech that belong to its segment */
    uint32_t hangover;    /* frames after speech that belong to its segment */
    uint32_t min_silence; /* frames without speech that end a segment, at least 1 */
    uint32_t max_segment; /* maximum length of a segment, frames, 2 *
                             ENDPOINT_MIN_PAUSE..ENDPOINT_MAX_SEGMENT */
};

/*
 * Frames of a pause in which a long segment may be cut: longer than the closure of a stop
 * consonant.
 */
#define ENDPOINT_MIN_PAUSE   25u
#define ENDPOINT_MAX_SEGMENT 360000u

enum endpoint_event_type {
    ENDPOINT_STARTED, /* speech begins at `from`, where no segment was open */
    ENDPOINT_STOPPED, /* the last frame of speech was before `from` */
    ENDPOINT_SEGMENT, /* the frames from <= t < to are a complete segment */
};

struct endpoint_event {
    enum endpoint_event_type type;
    uint64_t from, to; /* `to` of a segment only */
};

/* The state for one signal, used by one thread at a time. */
struct endpoint;

/* Errors: -EINVAL for options out of range, -ENOMEM. */
int endpoint_create(const struct endpoint_options *options, struct endpoint **endpoint);

void endpoint_destroy(struct endpoint *endpoint);

/*
 * Adds the next frame: its speech probability and its loudness in any unit, which decides only
 * between frames of like probability. The caller must have taken all events before.
 */
void endpoint_feed(struct endpoint *endpoint, float probability, float loudness);

/* The open segment is not cut before this frame, whatever its length. */
void endpoint_set_earliest_cut(struct endpoint *endpoint, uint64_t frame);

/* Replaces the frames without speech that end a segment, at least 1. */
void endpoint_set_min_silence(struct endpoint *endpoint, uint32_t frames);

/*
 * Ends the signal and the open segment. Events must be taken before and after. Returns whether to
 * call it once more: the last frames may begin a segment first.
 */
bool endpoint_finish(struct endpoint *endpoint);

/* Takes the next event in order of time; false: there is none. */
bool endpoint_next(struct endpoint *endpoint, struct endpoint_event *event);

/* Whether a segment is open. */
bool endpoint_is_open(const struct endpoint *endpoint);

/* Whether speech may have begun that is still too short or too doubtful to open a segment. */
bool endpoint_has_candidate(const struct endpoint *endpoint);

/* Frames since the last one of speech; 0 if no segment is open. */
uint64_t endpoint_silence(const struct endpoint *endpoint);

/*
 * The frames of the open segment if no more speech follows. False if no segment is open, and until
 * the last of these frames was added.
 */
bool endpoint_expected_segment(const struct endpoint *endpoint, uint64_t *from, uint64_t *to);

/*
 * The speech probability of a frame, 0 if it was not fed. Frames further back than max_segment are
 * forgotten.
 */
float endpoint_probability(const struct endpoint *endpoint, uint64_t frame);

/* The first frame that may still belong to a segment; with an open segment, its first frame. */
uint64_t endpoint_first_needed(const struct endpoint *endpoint);

#endif
