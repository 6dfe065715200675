// SPDX-License-Identifier: MIT
/*
 * When a stream looks at its segment so far. Knows no clock: all times are told, in seconds.
 *
 * At the latest after `longest` of new sound. Sooner, where the sound comes as it is spoken and the
 * look takes no more than `share` of the time of that sound. Later, where it comes as it is spoken
 * and a look would take longer than the sound lasted: that is skipped.
 */
#ifndef HEARKEN_MODELS_STREAM_PARTIAL_SCHEDULE_H
#define HEARKEN_MODELS_STREAM_PARTIAL_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct partial_schedule {
    double longest; /* 0: never */
    double share;   /* 0: by sound alone */
    double heard;   /* sound since the stream began */
    double waited;  /* time in which the stream had none to work on */
    double fresh;   /* sound since the last look */
    double cost;    /* of the last look at this segment; 0: none yet */
    bool late;      /* the look that was due has been skipped */
    uint64_t passes, skipped;
    double spent; /* on all looks */
};

void partial_schedule_init(struct partial_schedule *schedule, double longest, double share);

/* So much sound has come. */
void partial_schedule_add_audio(struct partial_schedule *schedule, double seconds);

/* The stream has waited for sound. */
void partial_schedule_add_idle(struct partial_schedule *schedule, double seconds);

/* Whether sound comes as it is spoken. */
bool partial_schedule_is_live(const struct partial_schedule *schedule);

/* Whether it is time to look. */
bool partial_schedule_is_due(struct partial_schedule *schedule);

/* It has looked, and that took so long. */
void partial_schedule_add_pass(struct partial_schedule *schedule, double seconds);

/* A new segment begins, with so much of it there: short ones cost less. */
void partial_schedule_begin_segment(struct partial_schedule *schedule, double seconds);

#endif
