// SPDX-License-Identifier: MIT
/* What one who listens sees: lines, a terminal that is drawn on, JSON, keys typed, messages. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_OUTPUT_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_OUTPUT_H

#include "daemon/client/live/live_event.h"
#include "daemon/client/live/live_terminal.h"
#include "daemon/client/live/typist.h"

enum live_format {
    LIVE_FORMAT_TEXT, /* final text, a line each; on a terminal, partial text below it */
    LIVE_FORMAT_JSON, /* all events, a line each */
};

extern const char *const live_format_names[]; /* NULL-terminated */

struct live_output {
    enum live_format format;
    bool meter, quiet;
    const char *advice;    /* how another microphone is chosen */
    struct typist *typist; /* NULL: nothing is typed */

    /* For live_output.c. */
    struct live_terminal terminal;
    char device[256];
    bool on_terminal;    /* standard output is drawn on */
    double silent_since; /* time; negative: not known yet */
    bool had_signal;     /* the device has given more than silence */
    bool silence_reported;
};

/* The fields above the line must be filled in. */
void live_output_init(struct live_output *output);

/* A live_callback. Errors: -EIO for standard output, as typist_type; told already. */
int live_output_handle(void *output, const struct live_event *event);

/* Draws anew: the terminal's size has changed. */
void live_output_resized(struct live_output *output);

/* A line on standard error, above what is drawn. */
void live_output_message(struct live_output *output, const char *line);

void live_output_finish(struct live_output *output);

#endif
