// SPDX-License-Identifier: MIT
/* What all connections share. Belongs to the loop's thread, but for the log. */
#ifndef HEARKEN_DAEMON_SERVICE_H
#define HEARKEN_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "log.h"
#include "request.h"
#include "settings.h"
#include "workers.h"

struct live;

struct service {
    struct log *log;
    struct settings settings;
    struct workers *workers;
    struct catalogue models;
    struct live *live; /* the microphone and who listens to it */
    struct request_totals totals;
    uint64_t started;     /* uv_hrtime */
    unsigned connections; /* open now */
    bool draining;        /* no new requests */
};

#endif
