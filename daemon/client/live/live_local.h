// SPDX-License-Identifier: MIT
/* Live recognition without a daemon, with a microphone and a model in this process. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_LOCAL_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_LOCAL_H

#include "daemon/client/live/live_event.h"
#include "daemon/client/program/stream_settings.h"

struct live_local {
    const char *model; /* NULL: the installed default */
    struct hearken_backend_options backend;
    struct hearken_capture_options capture;
    const struct stream_settings *settings;
    int interrupt; /* readable: stop */
    int resize;    /* readable: the terminal's size has changed */
    live_callback *callback;
    void (*resized)(void *context);
    void *context;
};

/* Listens until the interrupt, then recognises what was captured before. Errors: as
 * hearken_model_open, hearken_capture_open and hearken_stream_write; those of the callback. */
int live_local_listen(const struct live_local *options, struct hearken_error *error);

#endif
