// SPDX-License-Identifier: MIT
/* State shared by all connections. For the loop's thread, except the log. */
#ifndef HEARKEN_DAEMON_RECOGNITION_SERVICE_H
#define HEARKEN_DAEMON_RECOGNITION_SERVICE_H

#include "daemon/common/log.h"
#include "daemon/models/catalogue.h"
#include "daemon/recognition/load_meter.h"
#include "daemon/recognition/request.h"
#include "daemon/recognition/workers.h"
#include "daemon/settings/settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct microphone_hub;

struct service {
    struct log *log;
    struct settings settings;
    struct workers *workers;
    struct catalogue models;
    struct microphone_hub *hub; /* the microphone and its subscribers */
    struct request_totals totals;
    uint64_t started;          /* uv_hrtime */
    json_t *wyoming_addresses; /* where Wyoming is spoken: paths, or addresses with a port */
    json_t *http_addresses;    /* likewise HTTP */
    unsigned connections;      /* open connections */
    unsigned http_connections; /* of them */
    unsigned websockets;       /* of these, too */
    unsigned admitted;         /* uploads and live sessions without a request to the workers yet */
    struct {
        uint64_t not_audio, system;
    } decode_failures;      /* of uploads */
    struct load_meter load; /* what the agent tells */
    bool leaving;           /* balancers are told to send nothing more; requests are served */
    bool draining;          /* new requests are refused */
};

#endif
