// SPDX-License-Identifier: MIT
/*
 * Whether sound is a recording. Few protocols say so, but nobody speaks faster than the clock:
 * sound that comes faster is a recording, and may wait for what somebody speaks now. It is no
 * longer one once it has come no faster for a while, as after a connection was made again and what
 * was said meanwhile had been sent at once. Reads no clock; times are uv_hrtime's.
 */
#ifndef HEARKEN_DAEMON_RECOGNITION_SOUND_PACE_H
#define HEARKEN_DAEMON_RECOGNITION_SOUND_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* All zeros at the start. */
struct sound_pace {
    bool is_recording;
    bool begun;
    double ahead;        /* seconds of sound ahead of the clock; negative: behind it */
    uint64_t last, calm; /* when sound came last; since when it has come no faster */
};

/* So many seconds of sound have come. */
void sound_pace_add(struct sound_pace *pace, double seconds, uint64_t now);

/* The sound cannot come faster now, as nobody takes it: its pace says nothing. */
void sound_pace_hold(struct sound_pace *pace, uint64_t now);

#endif
