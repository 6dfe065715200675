// SPDX-License-Identifier: MIT
/* What the `transcribe` and `hearken-listen` events ask for, checked (docs/protocol.md). */
#ifndef HEARKEN_DAEMON_RECOGNITION_TRANSCRIBE_EVENT_H
#define HEARKEN_DAEMON_RECOGNITION_TRANSCRIBE_EVENT_H

#include "daemon/common/wyoming.h"
#include "daemon/recognition/request.h"
#include "daemon/recognition/service.h"

#include <hearken/hearken.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct transcribe_event {
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
int transcribe_event_init(struct transcribe_event *transcribe, const struct settings *settings);

/* Accepts one that is all zeros. */
void transcribe_event_finish(struct transcribe_event *transcribe);

/*
 * Reads the event's data over the defaults. On failure returns -EINVAL, with a code for the error
 * event in `code` (a constant) and the reason, but not the event's type, in `error`.
 */
int transcribe_event_parse(struct transcribe_event *transcribe, const json_t *data,
                           const struct service *service, const char **code,
                           struct hearken_error *error);

/* The same for hearken-listen, whose defaults are for somebody who speaks. */
int transcribe_event_parse_listen(struct transcribe_event *transcribe, const json_t *data,
                                  const struct service *service, const char **code,
                                  struct hearken_error *error);

/*
 * Reads it from the data of audio-start or audio-chunk. `known` is the format so far, for what the
 * event leaves out; NULL: it must say everything. Errors: -EINVAL, with what was expected.
 */
int audio_format_read(const struct wyoming_event *event, const struct hearken_audio_format *known,
                      struct hearken_audio_format *format, struct hearken_error *error);

/* Bytes of one sample, 1 to 4. */
uint32_t audio_format_width(enum hearken_sample_type type);

#endif
