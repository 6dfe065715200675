// SPDX-License-Identifier: MIT
#include "daemon/recognition/load_meter.h"

#include <math.h>

/* Time after which what was measured counts for 1/e: of the clock for how busy the workers are, of
 * work for how fast, so that a daemon without work keeps what it knows. */
#define BUSY_SECONDS  5.0
#define SPEED_SECONDS 10.0

/* What is always said to be free: a fast machine is to get more than a slow one also where none has
 * time left. */
#define FREE_MINIMUM 0.1

void load_meter_init(struct load_meter *meter, unsigned workers, uint64_t now)
{
    *meter = (struct load_meter){.workers = workers, .at = now};
}

void load_meter_look(struct load_meter *meter, const struct work_totals *totals, uint64_t now)
{
    double seconds = (double)(now - meter->at) * 1e-9;
    double spent = totals->spent - meter->then.spent;
    double keep = exp(-spent / SPEED_SECONDS);
    if (seconds <= 0)
        return;
    double share = fmin((totals->busy - meter->then.busy) / (seconds * meter->workers), 1);
    meter->busy_share += (share - meter->busy_share) * (1 - exp(-seconds / BUSY_SECONDS));
    meter->sound = keep * meter->sound + totals->sound - meter->then.sound;
    meter->spent = keep * meter->spent + spent;
    meter->then = *totals;
    meter->at = now;
}

double load_meter_room(const struct load_meter *meter)
{
    if (meter->spent <= 0)
        return -1;
    return meter->sound / meter->spent * meter->workers * fmax(1 - meter->busy_share, FREE_MINIMUM);
}
