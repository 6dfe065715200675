// SPDX-License-Identifier: MIT
#include "daemon/recognition/sound_pace.h"

/* Sound that is so far ahead of the clock is not spoken now; microphones and networks have jitter.
 */
#define EARLY_SECONDS 1.0

/* So much of a delay may be made up for. */
#define LATE_SECONDS 10.0

/* A recording that was no faster for so long is none. */
#define CALM_SECONDS 5.0

static double seconds_between(uint64_t from, uint64_t to)
{
    return (double)(to - from) * 1e-9;
}

void sound_pace_add(struct sound_pace *pace, double seconds, uint64_t now)
{
    if (!pace->begun)
        *pace = (struct sound_pace){.begun = true, .last = now, .calm = now};
    pace->ahead -= seconds_between(pace->last, now);
    if (pace->ahead < -LATE_SECONDS)
        pace->ahead = -LATE_SECONDS;
    pace->ahead += seconds;
    pace->last = now;
    if (pace->ahead > EARLY_SECONDS) {
        pace->is_recording = true;
        pace->ahead = 0;
        pace->calm = now;
    } else if (seconds_between(pace->calm, now) >= CALM_SECONDS) {
        pace->is_recording = false;
    }
}

void sound_pace_hold(struct sound_pace *pace, uint64_t now)
{
    pace->calm = now;
}
