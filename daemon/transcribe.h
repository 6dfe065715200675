// SPDX-License-Identifier: MIT
/* What the `transcribe` and `hearken-listen` events ask for, checked (docs/protocol.md). */
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
    char *words;                    /* custom words, which the options refer to; NULL: none */

    bool live;        /* it is of the daemon's microphone; the others are only for that */
    bool transcripts; /* send Wyoming's transcripts as well */
    bool meter;       /* send the level */
    bool hold;        /* listen only from the next hearken-start on */
};

/* What holds for a client that sends audio without asking first. One that is all zeros or was used
 * before is made anew. Errors: -ENOMEM; it is all zeros then. */
int transcribe_init(struct transcribe *transcribe, const struct settings *settings);

/* Accepts one that is all zeros. */
void transcribe_finish(struct transcribe *transcribe);

/*
 * Reads the event's data over the defaults. On failure returns -EINVAL, with a code for the error
 * event in `code` (a constant) and the reason, but not the event's type, in `error`.
 */
int transcribe_parse(struct transcribe *transcribe, const json_t *data,
                     const struct service *service, const char **code, struct hearken_error *error);

/* The same for hearken-listen, whose defaults are for somebody who speaks. */
int transcribe_parse_live(struct transcribe *transcribe, const json_t *data,
                          const struct service *service, const char **code,
                          struct hearken_error *error);

#endif
