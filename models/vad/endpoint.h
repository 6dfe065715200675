// SPDX-License-Identifier: MIT
/*
 * From the probability of speech in each frame to segments: where speech begins, where it has
 * ended, where to cut what is too long. Pure logic; frames are those of logmel.h, counted from 0.
 *
 * Speech begins with the first of `shortest` frames that stay above `off` after one above `on`, and
 * goes on while frames are above `off`. A segment begins `pre_roll` before its speech, since first
 * sounds are soft, and ends when there was none for `silence`, with `hang_over` of that silence.
 */
#ifndef HEARKEN_MODELS_VAD_ENDPOINT_H
#define HEARKEN_MODELS_VAD_ENDPOINT_H

#include <hearken/hearken.h>

struct endpoint_options {
    float on, off;      /* probabilities, off <= on */
    uint32_t shortest;  /* frames of speech below which it is none, at least 1 */
    uint32_t pre_roll;  /* frames before speech that belong to its segment */
    uint32_t hang_over; /* and behind it */
    uint32_t silence;   /* frames without speech that end a segment, at least 1 */
    uint32_t longest;   /* frames of a segment, 2 * ENDPOINT_STRETCH..ENDPOINT_LONGEST */
};

/* Where a segment that is too long is cut there are this many frames without a word, if there is
 * such a place: longer than a stop consonant's closure. */
#define ENDPOINT_STRETCH 25u
#define ENDPOINT_LONGEST 360000u

enum endpoint_event_type {
    ENDPOINT_STARTED, /* speech begins at `from`, where no segment was open */
    ENDPOINT_STOPPED, /* it ended before `from`, and has been over for `silence` */
    ENDPOINT_SEGMENT, /* the frames from <= t < to are a whole segment */
};

struct endpoint_event {
    enum endpoint_event_type type;
    uint64_t from, to; /* `to` of a segment only */
};

/* One signal. One thread at a time. */
struct endpoint;

/* Errors: -EINVAL for options out of range, -ENOMEM. */
int endpoint_create(const struct endpoint_options *options, struct endpoint **endpoint);

void endpoint_destroy(struct endpoint *endpoint);

/*
 * The next frame: its probability of speech and how loud it is, in any unit; loudness decides only
 * where probabilities do not. All events must have been taken before.
 */
void endpoint_feed(struct endpoint *endpoint, float probability, float loudness);

/* The open segment is not to be cut before this frame, however long it is. */
void endpoint_hold(struct endpoint *endpoint, uint64_t frame);

/* There are no more frames: ends the segment that is open. Events are to be taken before and after.
 */
void endpoint_finish(struct endpoint *endpoint);

/* Takes the next event, in the order of time; false if there is none. */
bool endpoint_next(struct endpoint *endpoint, struct endpoint_event *event);

/* Whether a segment is open. */
bool endpoint_is_open(const struct endpoint *endpoint);

/* If nobody speaks again the open segment will be that: false before its last frame is there, and
 * where none is open. */
bool endpoint_may_end(const struct endpoint *endpoint, uint64_t *from, uint64_t *to);

/* The first frame that may still become part of a segment; that of the open segment, if one is. */
uint64_t endpoint_keeps(const struct endpoint *endpoint);

#endif
