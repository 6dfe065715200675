// SPDX-License-Identifier: MIT
/* Listening without a daemon: a microphone and a model of this process. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_LOCAL_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_LOCAL_H

#include "daemon/client/live/live_event.h"
#include "daemon/client/program/stream_settings.h"

struct live_local {
    const char *model; /* NULL: the one installed */
    struct hearken_backend_options backend;
    struct hearken_capture_options capture;
    const struct stream_settings *settings;
    int interrupt; /* becomes readable when it is enough */
    int resize;    /* and when the terminal has another size */
    live_callback *callback;
    void (*resized)(void *context);
    void *context;
};

/* Until the interrupt, then to the end of what was said. Errors: as hearken_model_open,
 * hearken_capture_open and hearken_stream_write; what the callback returned. */
int live_local_listen(const struct live_local *options, struct hearken_error *error);

#endif
