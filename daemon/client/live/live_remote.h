// SPDX-License-Identifier: MIT
/* Listening to the daemon's microphone (docs/protocol.md, hearken-listen). */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_REMOTE_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_REMOTE_H

#include "daemon/client/live/live_event.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"

#include <jansson.h>

struct live_remote {
    const struct address *address;
    const struct stream_settings *settings;
    bool hold;     /* begin only at hearken start or toggle */
    int interrupt; /* becomes readable when it is enough */
    int resize;    /* and when the terminal has another size */
    live_callback *callback;
    void (*resized)(void *context);
    void *context;
};

/* Until the interrupt, then until the daemon has told what was said. Errors: those of
 * connection_open; -EPROTO for what the daemon says or does; what the callback returned. */
int live_remote_listen(const struct live_remote *options, struct hearken_error *error);

/* ---- What the daemon says (live_remote_events.c) ---- */

struct wyoming_event;

struct live_conversation {
    const struct live_remote *options;
    double origin; /* time of the daemon's microphone when listening began */
    bool accepted; /* hearken-listening has come */
};

/* 1: it is over, 0: more follows, or a negative errno. */
int live_remote_event(struct live_conversation *conversation, const struct wyoming_event *event,
                      struct hearken_error *error);

#endif
