// SPDX-License-Identifier: MIT
#include "pace.h"

/* Words come three a second: nobody sees more often than this that a text has grown. */
#define SHORTEST 0.16

/*
 * A stream that has waited for this share of its sound's time is fed as somebody speaks. One that
 * reads a file never waits, and what it tells must not hang on how busy the processor is.
 */
#define WAITS_LIVE 0.1

void pace_init(struct pace *pace, double longest, double share)
{
    *pace = (struct pace){.longest = longest, .share = share};
}

void pace_hear(struct pace *pace, double seconds)
{
    pace->heard += seconds;
    pace->fresh += seconds;
}

void pace_wait(struct pace *pace, double seconds)
{
    pace->waited += seconds;
}

bool pace_is_live(const struct pace *pace)
{
    return pace->share > 0 && pace->waited >= WAITS_LIVE * pace->heard;
}

bool pace_is_due(struct pace *pace)
{
    if (pace->longest <= 0)
        return false;
    if (!pace_is_live(pace))
        return pace->fresh >= pace->longest;
    if (pace->fresh < SHORTEST && pace->fresh < pace->longest)
        return false;
    if (pace->cost <= pace->share * pace->fresh)
        return true;
    if (pace->fresh < pace->longest)
        return false;
    if (pace->cost <= pace->fresh)
        return true;
    if (!pace->late)
        pace->skipped++;
    pace->late = true;
    return false;
}

void pace_look(struct pace *pace, double seconds)
{
    pace->looks++;
    pace->spent += seconds;
    pace->cost = seconds;
    pace->fresh = 0;
    pace->late = false;
}

void pace_begin_segment(struct pace *pace, double seconds)
{
    pace->cost = 0;
    pace->fresh = seconds;
    pace->late = false;
}
