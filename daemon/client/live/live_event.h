// SPDX-License-Identifier: MIT
/* Events of live recognition, by a daemon (live_remote.h) or in this process (live_local.h). */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_EVENT_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_EVENT_H

#include "daemon/transcript/transcript.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

enum live_event_type {
    LIVE_PARTIAL,       /* `segment`, `committed`; an empty text withdraws the last one */
    LIVE_FINAL,         /* `segment` */
    LIVE_VOICE_STARTED, /* `time` */
    LIVE_VOICE_STOPPED, /* `time` */
    LIVE_CAPTURE,       /* `capture` */
    LIVE_LEVEL,         /* `time`, `level` of the audio since the last one */
    LIVE_LISTENING,     /* `listening` */
};

/* Valid until the callback returns. Times are seconds since listening started. */
struct live_event {
    enum live_event_type type;
    const struct transcript_segment *segment;
    size_t committed; /* bytes of the segment's text that will not change */
    double time;
    const struct hearken_capture_event *capture;
    struct hearken_level level;
    bool listening;
};

/* Handles an event; a negative errno ends listening. */
typedef int live_callback(void *context, const struct live_event *event);

#endif
