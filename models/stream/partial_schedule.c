// SPDX-License-Identifier: MIT
#include "models/stream/partial_schedule.h"

/* Speech has about three words a second, so shorter intervals show nothing new. */
#define MIN_INTERVAL 0.16

/*
 * Sound is live if the stream waited for this share of its duration. A file never makes it wait,
 * and its events must not depend on how busy the processor is.
 */
#define LIVE_IDLE_SHARE 0.1

/* Text of sound behind which more waits than this is late. */
#define MOST_WAITING 0.5

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

void partial_schedule_set_waiting(struct partial_schedule *schedule, double seconds)
{
    schedule->waiting = seconds;
}

bool partial_schedule_waits(const struct partial_schedule *schedule)
{
    return schedule->idle >= LIVE_IDLE_SHARE * schedule->audio;
}

bool partial_schedule_is_live(const struct partial_schedule *schedule)
{
    return schedule->share > 0 && partial_schedule_waits(schedule);
}

/* Counts the pass that was due as skipped, once. */
static bool skip(struct partial_schedule *schedule)
{
    if (!schedule->overdue)
        schedule->skipped++;
    schedule->overdue = true;
    return false;
}

bool partial_schedule_is_due(struct partial_schedule *schedule)
{
    if (schedule->max_interval <= 0)
        return false;
    if (schedule->waiting > MOST_WAITING)
        return schedule->pending >= schedule->max_interval ? skip(schedule) : false;
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
    return skip(schedule);
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
