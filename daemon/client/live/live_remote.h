// SPDX-License-Identifier: MIT
/* Live recognition of the daemon's microphone (docs/protocol.md, hearken-listen). */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_REMOTE_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_REMOTE_H

#include "daemon/client/live/live_event.h"
#include "daemon/client/program/client_connection.h"
#include "daemon/client/program/stream_settings.h"

#include <jansson.h>

struct live_remote {
    const struct address *address;
    const struct stream_settings *settings;
    bool hold;     /* do not listen until hearken start or toggle */
    int interrupt; /* readable: stop */
    int resize;    /* readable: the terminal's size has changed */
    live_callback *callback;
    void (*resized)(void *context);
    void *context;
};

/* Listens until the interrupt, then until the daemon has sent the last text. Errors: those of
 * connection_open; -EPROTO for an error event, an invalid message, a timeout or a closed
 * connection; those of the callback. */
int live_remote_listen(const struct live_remote *options, struct hearken_error *error);

struct wyoming_event;

struct live_conversation {
    const struct live_remote *options;
    double origin; /* time of the daemon's microphone when listening started */
    bool accepted; /* hearken-listening was received */
};

/* Handles an event from the daemon. 1: listening has ended; 0: more events follow; or a negative
 * errno. */
int live_remote_event(struct live_conversation *conversation, const struct wyoming_event *event,
                      struct hearken_error *error);

#endif
