// SPDX-License-Identifier: MIT
/*
 * When to recognise a partial text. Reads no clock: callers pass all times, in seconds. At the
 * latest a pass is due after `max_interval` of new sound. Live, it is due earlier if the last pass
 * took at most `share` of the duration of the new sound, and it is skipped if the last pass took
 * longer than that sound lasts.
 */
#ifndef HEARKEN_MODELS_STREAM_PARTIAL_SCHEDULE_H
#define HEARKEN_MODELS_STREAM_PARTIAL_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct partial_schedule {
    double max_interval; /* 0: no partial texts */
    double share;        /* 0: the duration of new sound alone decides */
    double audio;        /* seconds of sound since the stream began */
    double idle;         /* seconds that the stream waited for sound */
    double pending;      /* seconds of sound since the last pass */
    double waiting;      /* seconds of sound that are there already */
    double cost;         /* seconds of the last pass over this segment; 0: none yet */
    bool overdue;        /* the pass now due has been counted as skipped */
    uint64_t passes, skipped;
    double spent; /* seconds of all passes */
};

void partial_schedule_init(struct partial_schedule *schedule, double max_interval, double share);

/* Sound of this duration has arrived. */
void partial_schedule_add_audio(struct partial_schedule *schedule, double seconds);

/* The stream waited this long for sound. */
void partial_schedule_add_idle(struct partial_schedule *schedule, double seconds);

/* So much sound is there already that has not been added. No pass is due before the most of it is:
 * its text would be late. */
void partial_schedule_set_waiting(struct partial_schedule *schedule, double seconds);

/* Whether sound arrives in real time. */
bool partial_schedule_waits(const struct partial_schedule *schedule);

/* The same, unless the duration of new sound alone decides. */
bool partial_schedule_is_live(const struct partial_schedule *schedule);

/* Whether a pass is due. Counts skipped ones. */
bool partial_schedule_is_due(struct partial_schedule *schedule);

/* A pass was made and took this long. */
void partial_schedule_add_pass(struct partial_schedule *schedule, double seconds);

/*
 * A new segment begins, of which `seconds` of sound are already there. Forgets the cost of the last
 * pass: short segments cost less.
 */
void partial_schedule_begin_segment(struct partial_schedule *schedule, double seconds);

#endif
