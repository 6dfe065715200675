// SPDX-License-Identifier: MIT
/* What the `transcribe` event asks for, checked (docs/protocol.md). */
#ifndef HEARKEN_DAEMON_TRANSCRIBE_H
#define HEARKEN_DAEMON_TRANSCRIBE_H

#include <jansson.h>
#include <stdbool.h>

#include "request.h"
#include "service.h"

struct transcribe {
    struct request_options options; /* all but the audio format */
    bool extended;                  /* the client knows hearken's own part of the protocol */
    char language[36];              /* "": not said */
};

/* What holds for a client that sends audio without asking first. */
void transcribe_init(struct transcribe *transcribe, const struct settings *settings);

/*
 * Reads the event's data over the defaults. On failure returns -EINVAL, with a code for the error
 * event in `code` (a constant) and the reason in `error`.
 */
int transcribe_parse(struct transcribe *transcribe, const json_t *data,
                     const struct service *service, const char **code, struct hearken_error *error);

#endif
