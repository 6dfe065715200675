// SPDX-License-Identifier: MIT
/*
 * One recognition: audio goes in on the loop, a worker recognises it, segments come back on the
 * loop. All functions here are for the loop's thread. A request lives until its worker has let go
 * of it, and frees itself then.
 */
#ifndef HEARKEN_DAEMON_RECOGNITION_REQUEST_H
#define HEARKEN_DAEMON_RECOGNITION_REQUEST_H

#include "daemon/models/served_model.h"
#include "daemon/recognition/request_totals.h"
#include "daemon/recognition/segment_message.h"
#include "daemon/recognition/workers.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

#define REQUEST_MODEL_MAX 64

/* What a client may ask of a request beyond the plain text. */
struct request_options {
    struct hearken_stream_options stream;
    char model[REQUEST_MODEL_MAX]; /* by name; "": the default */
    bool segments; /* it wants each segment as it comes; otherwise partial ones are not made */
    bool words;    /* segments list their words */
    bool heard;    /* it wants to know how far its audio was recognised */
    bool is_live;  /* somebody speaks now, or so the client says */
    bool from_microphone; /* the daemon's own: somebody does */
    double origin;        /* time of the first sample, in seconds */
    enum request_protocol protocol;
};

/* What a request did, once it is over. */
struct request_summary {
    double audio_seconds;
    double busy_seconds; /* of a worker */
};

/* Called on the loop, none after request_abandon. Segments live until the call returns. */
struct request_listener {
    void (*segment)(void *context, const struct segment_message *segment);
    /* All texts of the audio up to `seconds` (with the origin) have come whose segments end there.
     * If the options ask for it. */
    void (*heard)(void *context, double seconds);
    void (*room)(void *context); /* the queue is below half of its limit again */
    /* Exactly one of these, the last call of all. */
    void (*finished)(void *context, const struct request_summary *summary);
    void (*failed)(void *context, int code, const char *problem); /* a negative errno */
};

/* `queue_limit`: bytes of audio beyond which request_is_full. Takes over the reference of the
 * model, also on failure: one that is being loaded makes the request wait, and fail if it cannot
 * be. Workers, listener and totals must outlive the request. NULL without memory. */
struct request *request_create(struct workers *workers, struct served_model *model,
                               const struct request_options *options, size_t queue_limit,
                               const struct request_listener *listener, void *context,
                               struct request_totals *totals);

/* Audio in the stream's format, whole frames; it is copied. Errors: -ENOMEM. */
int request_write(struct request *request, const uint8_t *samples, size_t length);

bool request_is_full(struct request *request);

/* There is no more audio. */
void request_end(struct request *request);

/* Nobody wants it any more: it is gone at once if no worker has begun with it, else it stops at the
 * next opportunity. Accepts NULL. */
void request_abandon(struct request *request);

#endif
