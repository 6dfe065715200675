// SPDX-License-Identifier: MIT
/* What is heard while one listens, be it by a daemon (live_remote.h) or by this process
 * (live_local.h). */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_EVENT_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_EVENT_H

#include "daemon/client/output/transcript.h"

#include <hearken/hearken.h>
#include <stdbool.h>
#include <stddef.h>

enum live_event_type {
    LIVE_PARTIAL,       /* `segment`, `committed`; an empty text takes back what was shown */
    LIVE_FINAL,         /* `segment` */
    LIVE_VOICE_STARTED, /* `time` */
    LIVE_VOICE_STOPPED, /* ... */
    LIVE_CAPTURE,       /* `capture` */
    LIVE_LEVEL,         /* `level`, of the sound since the last one */
    LIVE_LISTENING,     /* `hearing` */
};

/* All of it lives until the call that it is given to returns. Times are seconds since listening
 * began. */
struct live_event {
    enum live_event_type type;
    const struct transcript_segment *segment;
    size_t committed; /* bytes of the segment's text that will not change */
    double time;
    const struct hearken_capture_event *capture;
    struct hearken_level level;
    bool listening;
};

/* Takes events; a negative errno ends listening. */
typedef int live_callback(void *context, const struct live_event *event);

/* What happened to a microphone, in one line without a newline: "listening to mic (44100 Hz, 2
 * channels)". */
void capture_message(const struct hearken_capture_event *event, char *line, size_t size);

/* A descriptor for changes of the terminal's size, or a negative errno. Blocks SIGWINCH in this
 * thread and those that it makes from now on. */
int live_wait_open_resize(void);

/* Whether it is readable. */
bool live_wait_is_due(int descriptor);

/* Likewise, and takes what is to be read from a signal descriptor. */
bool live_wait_consume(int descriptor);

#endif
