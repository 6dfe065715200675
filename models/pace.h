// SPDX-License-Identifier: MIT
/*
 * When a stream looks at its segment so far. Knows no clock: all times are told, in seconds.
 *
 * At the latest after `longest` of new sound. Sooner, where the sound comes as it is spoken and the
 * look takes no more than `share` of the time of that sound. Later, where it comes as it is spoken
 * and a look would take longer than the sound lasted: that is skipped.
 */
#ifndef HEARKEN_MODELS_PACE_H
#define HEARKEN_MODELS_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    double longest; /* 0: never */
    double share;   /* 0: by sound alone */
    double heard;   /* sound since the stream began */
    double waited;  /* time in which the stream had none to work on */
    double fresh;   /* sound since the last look */
    double cost;    /* of the last look at this segment; 0: none yet */
    bool late;      /* the look that was due has been skipped */
    uint64_t looks, skipped;
    double spent; /* on all looks */
};

void pace_init(struct pace *pace, double longest, double share);

/* So much sound has come. */
void pace_hear(struct pace *pace, double seconds);

/* The stream has waited for sound. */
void pace_wait(struct pace *pace, double seconds);

/* Whether sound comes as it is spoken. */
bool pace_is_live(const struct pace *pace);

/* Whether it is time to look. */
bool pace_is_due(struct pace *pace);

/* It has looked, and that took so long. */
void pace_look(struct pace *pace, double seconds);

/* A new segment begins, with so much of it there: short ones cost less. */
void pace_begin_segment(struct pace *pace, double seconds);

#endif
