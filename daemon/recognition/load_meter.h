// SPDX-License-Identifier: MIT
/* How busy the workers have been lately, and how fast. For the loop's thread. */
#ifndef HEARKEN_DAEMON_RECOGNITION_LOAD_METER_H
#define HEARKEN_DAEMON_RECOGNITION_LOAD_METER_H

#include "daemon/recognition/workers.h"

#include <stdint.h>

struct load_meter {
    unsigned workers;        /* of one kind: with both kinds at work, each is slower */
    uint64_t at;             /* uv_hrtime of the last look */
    struct work_totals then; /* as they were */
    double busy_share;       /* of that of `workers`, 0 to 1; the last seconds weigh most */
    double sound, spent;     /* of the last seconds of work; their quotient is the speed */
};

void load_meter_init(struct load_meter *meter, unsigned workers, uint64_t now);

/* Takes note of what was done since the last look, however long ago that was. */
void load_meter_look(struct load_meter *meter, const struct work_totals *totals, uint64_t now);

/* How many people more could speak live: seconds of sound that the workers could recognise beside
 * what they do, in each second. At least a tenth of what they could do alone; negative: nothing was
 * recognised yet. */
double load_meter_room(const struct load_meter *meter);

#endif
