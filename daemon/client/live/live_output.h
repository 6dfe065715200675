// SPDX-License-Identifier: MIT
/* The output of live recognition: lines, a redrawn terminal, JSON, typed text, and messages. */
#ifndef HEARKEN_DAEMON_CLIENT_LIVE_LIVE_OUTPUT_H
#define HEARKEN_DAEMON_CLIENT_LIVE_LIVE_OUTPUT_H

#include "daemon/client/live/live_event.h"
#include "daemon/client/live/live_terminal.h"
#include "daemon/client/live/typist.h"

/* Describes an event of a microphone in one line, without a newline: "listening to mic (44100 Hz, 2
 * channels)". */
void capture_message(const struct hearken_capture_event *event, char *line, size_t size);

enum live_format {
    LIVE_FORMAT_TEXT, /* one line per final text; on a terminal, partial text below */
    LIVE_FORMAT_JSON, /* one line per event */
};

extern const char *const live_format_names[]; /* NULL-terminated */

struct live_output {
    enum live_format format;
    bool meter, quiet;
    const char *advice;    /* how to choose another microphone, for a message */
    struct typist *typist; /* NULL: do not type */

    /* Private to live_output.c. */
    struct live_terminal terminal;
    char device[256];
    bool on_terminal;    /* standard output is drawn on */
    double silent_since; /* time; negative: not known yet */
    bool had_signal;     /* the device has given more than silence */
    bool silence_reported;
};

/* The caller sets the members before the private ones. */
void live_output_init(struct live_output *output);

/* A live_callback. Errors: -EIO for standard output; as typist_type. They have been reported. */
int live_output_handle(void *output, const struct live_event *event);

/* Redraws after a change of the terminal's size. */
void live_output_resized(struct live_output *output);

/* Prints a line on standard error, above what is drawn. */
void live_output_message(struct live_output *output, const char *line);

void live_output_finish(struct live_output *output);

#endif
