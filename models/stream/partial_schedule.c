// SPDX-License-Identifier: MIT
#include "models/stream/partial_schedule.h"

/* Speech has about three words a second, so shorter intervals show nothing new. */
#define MIN_INTERVAL 0.16

/*
 * Sound is live if the stream waited for this share of its duration. A file never makes it wait,
 * and its events must not depend on how busy the processor is.
 */
#define LIVE_IDLE_SHARE 0.1

void partial_schedule_init(struct partial_schedule *schedule, double max_interval, double share)
{
    *schedule = (struct partial_schedule){.max_interval = max_interval, .share = share};
}

void partial_schedule_add_audio(struct partial_schedule *schedule, double seconds)
{
    schedule->audio += seconds;
    schedule->pending += seconds;
}

void partial_schedule_add_idle(struct partial_schedule *schedule, double seconds)
{
    schedule->idle += seconds;
}

bool partial_schedule_waits(const struct partial_schedule *schedule)
{
    return schedule->idle >= LIVE_IDLE_SHARE * schedule->audio;
}

bool partial_schedule_is_live(const struct partial_schedule *schedule)
{
    return schedule->share > 0 && partial_schedule_waits(schedule);
}

bool partial_schedule_is_due(struct partial_schedule *schedule)
{
    if (schedule->max_interval <= 0)
        return false;
    if (!partial_schedule_is_live(schedule))
        return schedule->pending >= schedule->max_interval;
    if (schedule->pending < MIN_INTERVAL && schedule->pending < schedule->max_interval)
        return false;
    if (schedule->cost <= schedule->share * schedule->pending)
        return true;
    if (schedule->pending < schedule->max_interval)
        return false;
    if (schedule->cost <= schedule->pending)
        return true;
    if (!schedule->overdue)
        schedule->skipped++;
    schedule->overdue = true;
    return false;
}

void partial_schedule_add_pass(struct partial_schedule *schedule, double seconds)
{
    schedule->passes++;
    schedule->spent += seconds;
    schedule->cost = seconds;
    schedule->pending = 0;
    schedule->overdue = false;
}

void partial_schedule_begin_segment(struct partial_schedule *schedule, double seconds)
{
    schedule->cost = 0;
    schedule->pending = seconds;
    schedule->overdue = false;
}
