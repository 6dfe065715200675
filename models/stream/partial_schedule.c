// SPDX-License-Identifier: MIT
#include "models/stream/partial_schedule.h"

/* Words come three a second: nobody sees more often than this that a text has grown. */
#define SHORTEST 0.16

/*
 * A stream that has waited for this share of its sound's time is fed as somebody speaks. One that
 * reads a file never waits, and what it tells must not hang on how busy the processor is.
 */
#define WAITS_LIVE 0.1

void partial_schedule_init(struct partial_schedule *schedule, double longest, double share)
{
    *schedule = (struct partial_schedule){.longest = longest, .share = share};
}

void partial_schedule_add_audio(struct partial_schedule *schedule, double seconds)
{
    schedule->heard += seconds;
    schedule->fresh += seconds;
}

void partial_schedule_add_idle(struct partial_schedule *schedule, double seconds)
{
    schedule->waited += seconds;
}

bool partial_schedule_is_live(const struct partial_schedule *schedule)
{
    return schedule->share > 0 && schedule->waited >= WAITS_LIVE * schedule->heard;
}

bool partial_schedule_is_due(struct partial_schedule *schedule)
{
    if (schedule->longest <= 0)
        return false;
    if (!partial_schedule_is_live(schedule))
        return schedule->fresh >= schedule->longest;
    if (schedule->fresh < SHORTEST && schedule->fresh < schedule->longest)
        return false;
    if (schedule->cost <= schedule->share * schedule->fresh)
        return true;
    if (schedule->fresh < schedule->longest)
        return false;
    if (schedule->cost <= schedule->fresh)
        return true;
    if (!schedule->late)
        schedule->skipped++;
    schedule->late = true;
    return false;
}

void partial_schedule_add_pass(struct partial_schedule *schedule, double seconds)
{
    schedule->passes++;
    schedule->spent += seconds;
    schedule->cost = seconds;
    schedule->fresh = 0;
    schedule->late = false;
}

void partial_schedule_begin_segment(struct partial_schedule *schedule, double seconds)
{
    schedule->cost = 0;
    schedule->fresh = seconds;
    schedule->late = false;
}
