// SPDX-License-Identifier: MIT
/* What all connections share. Belongs to the loop's thread, but for the log. */
#ifndef HEARKEN_DAEMON_RECOGNITION_SERVICE_H
#define HEARKEN_DAEMON_RECOGNITION_SERVICE_H

#include "daemon/common/log.h"
#include "daemon/models/catalogue.h"
#include "daemon/recognition/request.h"
#include "daemon/recognition/workers.h"
#include "daemon/settings/settings.h"

#include <stdbool.h>
#include <stdint.h>

struct microphone_hub;

struct service {
    struct log *log;
    struct settings settings;
    struct workers *workers;
    struct catalogue models;
    struct microphone_hub *hub; /* the microphone and who listens to it */
    struct request_totals totals;
    uint64_t started;     /* uv_hrtime */
    unsigned connections; /* open now */
    bool draining;        /* no new requests */
};

#endif
